"""``bci-stream doctor``: is everything on this computer as a session needs it, and what to do where not."""

from __future__ import annotations

import configparser
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.markup import escape

from apps import doctor_verdicts as verdicts
from apps.choice import DEMO_BUNDLE
from apps.console import out, say, write_line
from apps.doctor_verdicts import Finding, Verdict
from bci_stream.sources.lsl_config import lsl_config_text

_COLOURS: Final = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}
_CONFIG_PLACES: Final = (
    Path("lsl_api.cfg"),
    Path.home() / "lsl_api" / "lsl_api.cfg",
    Path("/etc/lsl_api/lsl_api.cfg"),
)
_BASE_PORT, _PORT_RANGE = 16572, 32
_COMPLAINT: Final = re.compile(r"[\w.]*(Error|Exception)\b.*:")


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """The command's options. ``timeout_s``: for each probe."""

    folder: Path = Path("recordings")
    bundle: Path | None = None
    eeg: str | None = None
    audio: str | None = None
    fit: str = "exact"
    scope: str | None = None
    session_id: str | None = None
    wait_s: float = 1.5
    timeout_s: float = 60.0
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe answered; ``problem`` says why it did not."""

    facts: Mapping[str, Any]
    problem: str = ""


def run(options: DoctorOptions) -> None:
    """Examine and tell; exit code 1 when something must be mended.

    Raises ConfigError for a scope or a session id that LSL cannot take.
    """
    if options.scope is not None or options.session_id is not None:
        lsl_config_text(options.session_id or "default", options.scope or "machine")  # type: ignore[arg-type]
    findings = examine(options)
    if options.as_json:
        write_line(json.dumps({"kind": "doctor", "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            _tell(finding)
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    warned = [finding for finding in findings if finding.verdict is Verdict.WARN]
    say(f"{len(findings)} checks: {len(failed)} failed, {len(warned)} to look at")
    if failed:
        sys.exit(1)


def _tell(finding: Finding) -> None:
    colour = _COLOURS[finding.verdict]
    out.print(f"[{colour}]{finding.verdict:<4}[/]  {escape(f'{finding.name}: {finding.found}')}")
    if finding.fix:
        out.print(f"      -> {finding.fix}", markup=False)


def examine(options: DoctorOptions) -> list[Finding]:
    """Every check. None hangs: what could is done in a process with a time limit."""
    question = {
        "bundle": str(options.bundle or DEMO_BUNDLE),
        "eeg": options.eeg,
        "audio": options.audio,
        "fit": options.fit,
        "scope": options.scope,
        "session_id": options.session_id,
        "wait_s": options.wait_s,
    }
    cpu = _cpu()  # before the probes make their own load
    with ThreadPoolExecutor(2) as pool:
        names = ("lsl", "audio", "qt", "torch", "numba", "bundle")
        asked = {name: pool.submit(probe, name, question, options.timeout_s) for name in names}
        asked["offscreen"] = pool.submit(
            probe, "qt", question, options.timeout_s, {"QT_QPA_PLATFORM": "offscreen"}
        )
        answers = {name: future.result() for name, future in asked.items()}
    return [
        verdicts.python_finding(
            (sys.version_info.major, sys.version_info.minor),
            f"{platform.python_version()} on {platform.platform()}",
        ),
        cpu,
        verdicts.memory_finding(available_memory()),
        _disk(options.folder),
        *_lsl(options, answers["lsl"]),
        _audio(answers["audio"]),
        _qt(answers["qt"], answers["offscreen"]),
        verdicts.torch_finding(answers["torch"].facts, answers["torch"].problem),
        _numba(answers["numba"]),
        *_bundle(options.bundle or DEMO_BUNDLE, answers["bundle"]),
    ]


# -- probes -----------------------------------------------------------------------------------------------


def probe(
    name: str, question: Mapping[str, Any], timeout_s: float, environment: Mapping[str, str] | None = None
) -> Probed:
    """Ask :mod:`apps.doctor_probes` in a process of its own."""
    command = [sys.executable, "-m", "apps.doctor_probes", name, json.dumps(question)]
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        return Probed({}, f"no answer within {timeout_s:g} s")
    if done.returncode != 0:
        return Probed({}, _last_words(done.stderr, done.returncode))
    facts = json.loads(done.stdout.splitlines()[-1])
    return Probed(facts, str(facts.get("problem", "")))


def _last_words(text: str, code: int) -> str:
    """What a process that failed said: a library's complaint, or the last line of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if _COMPLAINT.match(line) or "could not" in line.lower()]
    return (told[:1] or lines[-1:] or [f"it ended with exit code {code}"])[0][:200]


# -- checks -----------------------------------------------------------------------------------------------


def _cpu() -> Finding:
    n_cores = os.cpu_count() or 1
    load = os.getloadavg()[0] / n_cores if hasattr(os, "getloadavg") else None
    frequency = Path("/sys/devices/system/cpu/cpu0/cpufreq")
    governor, driver = (_read(frequency / name) for name in ("scaling_governor", "scaling_driver"))
    return verdicts.cpu_finding(n_cores, load, governor, driver)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def available_memory() -> float | None:
    """Bytes that programs can still have; None where the system does not say (macOS, Windows)."""
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return float(line.split()[1]) * 1024
    return None


def _disk(folder: Path) -> Finding:
    """Try to write where recordings would go; the folder itself is not made."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        return verdicts.disk_finding(str(folder), f"{there} is a file", 0.0)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"bci-stream")
        free = float(shutil.disk_usage(there).free)
    except OSError as error:
        return verdicts.disk_finding(str(folder), str(error.strerror or error), 0.0)
    return verdicts.disk_finding(str(folder), "", free)


def _lsl(options: DoctorOptions, answer: Probed) -> list[Finding]:
    settings, source = lsl_settings()
    scope = options.scope or settings.get("ResolveScope", "site")
    session_id = options.session_id or settings.get("SessionID", "default")
    if options.scope or options.session_id:
        scope, session_id = options.scope or "machine", options.session_id or "default"
        source = "the options"
    first = _number(settings.get("BasePort"), _BASE_PORT)
    n_ports = _number(settings.get("PortRange"), _PORT_RANGE)
    if not answer.facts:
        fix = "reinstall pylsl: pip install --force-reinstall pylsl"
        return [Finding("liblsl", Verdict.FAIL, answer.problem, fix)]
    facts = answer.facts
    return [
        Finding("liblsl", Verdict.OK, f"version {facts['version']}"),
        verdicts.scope_finding(scope, session_id, source),
        verdicts.ports_finding(first, n_ports, n_free_ports(first, n_ports)),
        verdicts.loopback_finding(facts["sent"], facts["times_ms"]),
        verdicts.clock_finding(facts["steps_ms"], facts["jitter_ms"], facts["late_ms"], facts["back"]),
    ]


def lsl_settings() -> tuple[dict[str, str], str]:
    """The configuration that liblsl would read, and where it is."""
    named = os.environ.get("LSLAPICFG")
    for path in (*([Path(named)] if named else []), *_CONFIG_PLACES):
        if path.is_file():
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            parser.optionxform = str  # type: ignore[assignment, method-assign]
            try:
                parser.read_string(path.read_text(errors="replace"))
            except configparser.Error:
                continue
            pairs = [pair for section in parser.sections() for pair in parser.items(section)]
            return dict(pairs), str(path)
    return {}, "liblsl's defaults"


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and 0 < int(text) < 65536 else default


def n_free_ports(first: int, n_ports: int) -> int:
    """How many TCP ports can be listened on."""
    n_free = 0
    for port in range(first, min(first + n_ports, 65536)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            try:
                listener.bind(("0.0.0.0", port))
            except OSError:
                continue
            n_free += 1
    return n_free


def _audio(answer: Probed) -> Finding:
    facts = answer.facts
    return verdicts.audio_finding(
        facts.get("version", ""), answer.problem, facts.get("inputs", ()), facts.get("default", "")
    )


def _qt(shown: Probed, offscreen: Probed) -> Finding:
    version = shown.facts.get("version") or offscreen.facts.get("version", "")
    there = version or ("?" if "No module" not in shown.problem else "")
    return verdicts.qt_finding(there, shown.facts.get("platform", ""), bool(offscreen.facts), shown.problem)


def _numba(answer: Probed) -> Finding:
    if not answer.facts:
        fix = "reinstall numba: pip install --force-reinstall numba"
        return Finding("numba cache", Verdict.FAIL, answer.problem, fix)
    facts = answer.facts
    return verdicts.numba_finding(facts["version"], facts["folder"], facts["writable"], facts["n_cached"])


def _bundle(path: Path, answer: Probed) -> list[Finding]:
    facts = answer.facts
    sound = verdicts.bundle_finding(path.name, answer.problem, facts.get("sha256", ""))
    if "streams" not in facts or sound.verdict is not Verdict.OK:
        return [sound]
    return [sound, verdicts.fit_finding(facts["streams"], facts["fit"], facts["unfit"])]
