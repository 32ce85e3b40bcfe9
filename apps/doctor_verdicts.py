"""What ``bci-stream doctor`` thinks of what it measured. Pure: figures in, verdicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check came out."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do when it is not OK."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""


GB = 1e9
LOW_DISK, NO_DISK = 5 * GB, 0.2 * GB
LOW_MEMORY, NO_MEMORY = 2 * GB, 0.7 * GB
LOW_PORTS = 6  # a session with predictions takes three outlets of two ports each
SLOW_LOOP_MS, STEP_MS, JITTER_MS, LATE_SLEEP_MS = 5.0, 1.0, 0.5, 5.0
BUSY = 0.9
_MB_PER_HOUR = 32 * 4 * 500 * 3600 / 1e6  # 32 channels at 500 Hz


def judge(name: str, found: str, *rules: tuple[bool, Verdict, str]) -> Finding:
    """The first rule (is it so, verdict, fix) that holds; OK when none does."""
    for holds, verdict, fix in rules:
        if holds:
            return Finding(name, verdict, found, fix)
    return Finding(name, Verdict.OK, found)


def python_finding(version: tuple[int, int], text: str) -> Finding:
    """Python: TorchScript ends with 3.13."""
    return judge(
        "Python",
        text,
        (version >= (3, 14), Verdict.FAIL, "use Python 3.11 to 3.13: TorchScript does not run on 3.14"),
        (version < (3, 11), Verdict.FAIL, "use Python 3.11 to 3.13"),
    )


def scope_finding(scope: str, session_id: str, source: str) -> Finding:
    """How far streams are looked for, and which."""
    return judge(
        "LSL scope",
        f"scope {scope!r}, session id {session_id!r}, from {source}",
        (
            session_id != "default",
            Verdict.WARN,
            "streams of another session id are not seen: a device's connector must use the same",
        ),
        (
            scope == "machine",
            Verdict.WARN,
            "only streams of this computer are seen: a device on another one needs --scope link or wider",
        ),
    )


def ports_finding(first: int, n_ports: int, n_free: int) -> Finding:
    """Ports for outlets."""
    found = f"{n_free} of {n_ports} TCP ports from {first} are free"
    fix = "close programs that publish LSL streams, or widen PortRange in lsl_api.cfg"
    return judge(
        "LSL ports",
        found,
        (n_free == 0, Verdict.FAIL, fix),
        (n_free < min(LOW_PORTS, n_ports), Verdict.WARN, fix),
    )


def loopback_finding(n_sent: int, times_ms: Sequence[float]) -> Finding:
    """A real outlet and inlet of this computer."""
    ordered = sorted(times_ms)
    if not ordered:
        fix = "a firewall or a VPN stops LSL: allow UDP 16571 and UDP and TCP 16572 to 16604 on loopback"
        return Finding("LSL loopback", Verdict.FAIL, f"none of {n_sent} samples came back", fix)
    middle, tail = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
    found = f"{len(ordered)} of {n_sent} samples, p50 {middle:.2f} ms, p95 {tail:.2f} ms"
    return judge(
        "LSL loopback",
        found,
        (len(ordered) < n_sent, Verdict.FAIL, "samples were lost on this computer itself: is it overloaded?"),
        (middle > SLOW_LOOP_MS, Verdict.WARN, "the computer is busy, or saves power: see load and governor"),
    )


def clock_finding(steps_ms: Sequence[float], jitter_ms: float, late_ms: float, back: bool) -> Finding:
    """LSL's clock: its smallest steps, its jitter against the monotonic one, how late a sleep ends."""
    step = min(steps_ms, default=float("inf"))
    found = (
        f"steps of {step * 1e3:.2g} µs, jitter {jitter_ms * 1e3:.2g} µs against the monotonic clock, "
        f"a sleep of 1 ms is {late_ms:.2f} ms late (p95)"
    )
    return judge(
        "clock",
        found,
        (back, Verdict.FAIL, "the clock runs backwards: is this a virtual machine? Use another clock source"),
        (step > STEP_MS, Verdict.FAIL, "the clock is too coarse to stamp samples: use another clock source"),
        (
            jitter_ms > JITTER_MS,
            Verdict.WARN,
            "the computer stalls between two readings: close other programs",
        ),
        (
            late_ms > LATE_SLEEP_MS,
            Verdict.WARN,
            "the computer wakes up late: close other programs, plug it in",
        ),
    )


def memory_finding(free: float | None) -> Finding:
    """Free memory, bytes."""
    if free is None:
        return Finding("memory", Verdict.OK, "not known on this system")
    fix = "close other programs: a session with a model takes about 0.5 GB"
    return judge(
        "memory",
        f"{free / GB:.1f} GB available",
        (free < NO_MEMORY, Verdict.FAIL, fix),
        (free < LOW_MEMORY, Verdict.WARN, fix),
    )


def cpu_finding(n_cores: int, load: float | None, governor: str, driver: str) -> Finding:
    """Cores, load per core, and how the kernel drives the clock rate."""
    saving = governor == "powersave" and not driver.startswith(("intel_pstate", "amd-pstate"))
    found = [f"{n_cores} cores"]
    found += [f"load {load:.0%} of them"] if load is not None else []
    found += [f"governor {governor}"] if governor else []
    return judge(
        "CPU",
        ", ".join(found),
        (load is not None and load > BUSY, Verdict.WARN, "close other programs: windows will be late"),
        (n_cores < 2, Verdict.WARN, "one core does acquisition and model in turns: expect late windows"),
        (saving, Verdict.WARN, "set the governor to performance: cpupower frequency-set -g performance"),
    )


def disk_finding(folder: str, problem: str, free: float) -> Finding:
    """Where recordings go."""
    if problem:
        return Finding("recordings", Verdict.FAIL, f"{folder}: {problem}", "give another one with --folder")
    hours = free / 1e6 / _MB_PER_HOUR
    enough = f"{hours:.0f} h" if hours < 1000 else "weeks"
    fix = "free some space, or record elsewhere with --folder"
    return judge(
        "recordings",
        f"{folder} can be written, {free / GB:.1f} GB free, enough for {enough} of 32 channels at 500 Hz",
        (free < NO_DISK, Verdict.FAIL, fix),
        (free < LOW_DISK, Verdict.WARN, fix),
    )


def audio_finding(version: str, problem: str, inputs: Sequence[str], default: str) -> Finding:
    """PortAudio and the microphones it sees."""
    if problem:
        fix = "install PortAudio (Debian: apt install libportaudio2), or do with voices from LSL"
        return Finding("microphones", Verdict.WARN, problem, fix)
    names = ", ".join(inputs[:4]) + (f" and {len(inputs) - 4} more" if len(inputs) > 4 else "")
    found = f"{version}: " + (f"{names}; default: {default or 'none'}" if inputs else "no input device")
    fix = "plug a microphone in, and allow this program to use it; without one, EEG alone answers"
    return judge("microphones", found, (not inputs, Verdict.WARN, fix))


def qt_finding(version: str, shown: str, offscreen: bool, problem: str) -> Finding:
    """Whether a window can be opened. ``shown``: the platform on which it could, "" where on none."""
    if not version:
        return Finding("window", Verdict.WARN, problem, "for the window: pip install 'bci-stream[gui]'")
    found = f"Qt {version}, " + (f"platform {shown}" if shown else problem)
    return judge(
        "window",
        found,
        (
            not shown and not offscreen,
            Verdict.FAIL,
            "Qt cannot start at all: reinstall PyQt6; "
            "on Debian also apt install libegl1 libxkbcommon0 libdbus-1-3",
        ),
        (
            not shown,
            Verdict.WARN,
            "no display: log in to a desktop, or set QT_QPA_PLATFORM=offscreen to do without; "
            "on Debian also apt install libxcb-cursor0",
        ),
    )


def torch_finding(facts: Mapping[str, object], problem: str) -> Finding:
    """torch, and whether it scripts."""
    if problem:
        return Finding(
            "torch", Verdict.FAIL, problem, "reinstall torch 2.13 or newer: pip install 'torch>=2.13'"
        )
    found = f"torch {facts['version']}, {facts['threads']} threads, TorchScript gives what Python gives"
    return judge(
        "torch",
        found,
        (not facts["same"], Verdict.FAIL, "TorchScript computes something else than Python: reinstall torch"),
    )


def numba_finding(version: str, folder: str, writable: bool, n_cached: int) -> Finding:
    """Compiled loops and where they are kept."""
    found = f"numba {version}, {n_cached} compiled loops in {folder}"
    return judge(
        "numba cache",
        found,
        (
            not writable,
            Verdict.WARN,
            "the folder cannot be written, so every start compiles for seconds: "
            "set NUMBA_CACHE_DIR to one that can",
        ),
        (
            n_cached == 0,
            Verdict.WARN,
            "nothing is compiled yet: the next start takes some seconds longer, "
            "or run python -m bci_stream.engine.warm",
        ),
    )


def bundle_finding(name: str, problem: str, sha256: str) -> Finding:
    """Whether the model's file is sound."""
    return judge(
        "bundle",
        problem or f"{name} is sound, sha256 {sha256[:12]}",
        (bool(problem), Verdict.FAIL, "get a fresh copy, or choose another with --bundle"),
    )


def fit_finding(streams: Sequence[str], taken: str, problem: str) -> Finding:
    """Whether the streams that are there suit the model."""
    if not streams:
        fix = "start the headset's LSL connector, or try bci-stream simulate in another terminal"
        return Finding("streams", Verdict.WARN, "no stream on the network", fix)
    names = ", ".join(streams[:6]) + (f" and {len(streams) - 6} more" if len(streams) > 6 else "")
    return judge(
        "streams",
        f"{names}; {problem or taken}",
        (
            bool(problem),
            Verdict.WARN,
            "choose streams with --eeg and --audio, or fit electrodes with --fit interpolate",
        ),
    )
