"""The documents on risks, parts, privacy and security say what is so."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def rows(name):
    lines = [line for line in text(name).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def functions_of(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", ["RISKS.md", "SECURITY.md", "PRIVACY.md"])
def test_every_test_that_is_named_exists(name):
    for path, function in TEST.findall(text(name)):
        assert (ROOT / path).is_file(), path
        if function:
            assert function in functions_of(ROOT / path), f"{path}::{function}"


def test_every_risk_has_a_control_and_a_test():
    risks = rows("RISKS.md")
    assert len(risks) > 12
    for risk, severity, control, tests in risks:
        assert risk.startswith("**")
        assert severity in ("high", "medium", "low")
        assert control
        assert TEST.search(tests), risk


def test_every_part_is_listed_with_the_version_that_is_asked_for():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(p for name, parts in extras.items() if name != "dev" for p in parts)]
    wanted = {re.split(r"[<>=]", part, maxsplit=1)[0]: part for part in asked}
    listed = {part: version for part, version, *_ in rows("SOUP.md")}
    for name, requirement in wanted.items():
        assert listed.get(name) == requirement.removeprefix(name), name
    assert set(listed) - set(wanted) == {"liblsl", "PortAudio"}


def test_forbidden_uses_are_named():
    said = text("PRIVACY.md")
    for words in ("Art. 5(1)(f) forbids", "Annex III", "Art. 9", "at work and in education"):
        assert words in said
    assert "at work or in school" in text("README.md")


def test_every_module_that_is_named_is_there():
    for name in ("SECURITY.md", "PRIVACY.md", "RISKS.md"):
        for module in re.findall(r"python -m ([\w.]+)", text(name)):
            assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module


def test_no_code_unpickles_or_loads_yaml_unsafely():
    """Of what a session can reach; joblib's processes are this computer's own."""
    unsafe = (r"\bpickle\.", r"(?<!safetensors\.)torch\.load\(", r"yaml\.(unsafe_|full_)?load\(")
    forbidden = re.compile("|".join((*unsafe, r"(?<![.\w])(eval|exec)\(|shell=True")))
    for folder in ("bci_stream", "apps", "calibration"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.parent.name == "training":
                continue
            found = [line for line in path.read_text().splitlines() if forbidden.search(line)]
            found = [line for line in found if "Loader=_Loader" not in line]
            assert found == [], path
