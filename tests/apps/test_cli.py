import json
import sys

import pytest

from tests.apps.command import ROOT, bci


def one_line_error(result):
    """Exit code 2, one error line, no traceback, nothing on stdout."""
    assert result.code == 2, result.err
    errors = [line for line in result.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "Traceback" not in result.err
    assert result.out == ""
    return errors[0]


def test_version_names_the_parts():
    result = bci("version")
    assert result.code == 0
    assert result.out.startswith("bci-stream ")
    assert "torch 2." in result.out


def test_import_is_light():
    """Heavy parts come in when they are needed."""
    import subprocess
    import sys

    code = (
        "import sys, bci_stream; print([m for m in ('torch', 'numba', 'scipy', 'pylsl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "nowhere.xdf"], "nowhere.xdf"),
        (["replay", "nowhere.xdf", "--no-model"], "nowhere.xdf"),
        (["replay", "pyproject.toml", "--no-model"], "XDF"),
        (["replay", "tests", "--no-model"], "tests"),
        (["replay", "x.xdf", "--speed", "fast"], "--speed 'fast'"),
        (["replay", "x.xdf", "--speed", "-1"], "--speed '-1'"),
        (["replay", "x.xdf", "--no-eeg", "--no-audio"], "leaves nothing"),
        (["replay", "x.xdf", "--mains", "55"], "50 or 60"),
        (["replay", "x.xdf", "--bundle", "no.bci"], "no.bci"),
        (["bundle", "info", "no.bci"], "no.bci"),
        (["simulate", "--seconds", "-3"], "--seconds -3"),
        (["simulate", "--session-id", "two words\nand more"], "session"),
        (["frobnicate"], "frobnicate"),
        (["replay"], "file"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, words):
    assert words.casefold() in one_line_error(bci(*arguments)).casefold()


def test_debug_shows_where_it_came_from():
    result = bci("--debug", "replay", "nowhere.xdf", "--no-model")
    assert result.code == 2
    assert "Traceback" in result.err


def test_nothing_on_the_network_is_said_in_time():
    result = bci("live", "--no-model", "--wait", "1", "--session-id", "nobody-is-here", "--scope", "machine")
    assert "bci-stream demo" in one_line_error(result)


def test_streams_of_an_empty_network():
    result = bci("streams", "--session-id", "nobody-is-here", "--scope", "machine", "--wait", "1")
    assert result.code == 0
    assert "no stream answered" in result.err


def test_the_demo_bundle_is_sound():
    result = bci("bundle", "verify", "--json")
    assert result.code == 0, result.err
    checks = [json.loads(line) for line in result.out.splitlines()]
    assert checks
    assert all(check["passed"] for check in checks)


def test_what_is_no_bundle_fails_its_check():
    result = bci("bundle", "verify", "README.md")
    assert result.code == 2
    assert "FAILED" in result.out
    assert "error: bundle README.md fails" in result.err


def test_bundle_info_says_what_it_is():
    described = json.loads(bci("bundle", "info", "--json").out)
    assert "simulated" in json.dumps(described)


def test_no_command_hides_a_module_of_python():
    """``python apps/train.py`` puts this folder first on the path: a ``profile.py`` there breaks torch."""
    names = {path.stem for path in (ROOT / "apps").iterdir() if path.stem != "__init__"}
    assert not names & set(sys.stdlib_module_names)
