"""A live session as it comes, watched by strace: whom it talks to, who may read what it wrote, what is left.

Headset and voice are simulated in a process of their own. The session records, writes JSON lines and CSV and
serves a WebSocket; then the person is forgotten and every file is searched for the name.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reliability.row import Row, command

PERSON = "Privatus77"
_GOAL = "0 non-loopback connects; files 0600; forget leaves 0 bytes by grep"
_CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
_ADDRESS = re.compile(r'sin6?_addr=inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_PATIENCE_S = 180.0
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = [sys.executable, "-m", "bci_stream"]


def measure(short: bool = False) -> Row:
    """15 s of a session; ``short``: 4 s."""
    if shutil.which("strace") is None:
        return Row("privacy", "not measured: strace is not installed", _GOAL, met=False)
    with TemporaryDirectory(prefix="bci-private-") as name:
        folder = Path(name)
        addresses, troubles = _session(folder, 4.0 if short else 15.0)
        outside = sorted({str(address) for address in addresses if not stays_here(address)})
        loose = [path for path in folder.rglob("*") if _is_ours(path, folder) and path.stat().st_mode & 0o077]
        n_files = sum(path.is_file() and _is_ours(path, folder) for path in folder.rglob("*"))
        n_before = _n_bytes(folder)
        left, words = _forget(folder)
    figure = (
        f"{len(outside)} of {len(set(addresses))} addresses not this computer's, {n_files} files written and "
        f"{len(loose)} that others may read, {left} bytes of the name left of {n_before}"
    )
    found = [*troubles, *outside, *(path.name for path in loose), *words]
    met = not found and left == 0 and n_before > 0 and n_files >= 4 and len(addresses) > 0
    return Row("privacy", "; ".join((figure, *found)), _GOAL, met)


def stays_here(address: IPv4Address | IPv6Address) -> bool:
    """Whether what is sent there cannot leave this computer."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if isinstance(address, IPv6Address) and address.is_multicast:
        return address.exploded[3] == "1"  # of one interface's scope, which is no other's
    return (mapped or address).is_loopback


def addresses_in(trace: str) -> list[IPv4Address | IPv6Address]:
    """Every address that a system call of a trace sent or connected to."""
    found = []
    for line in trace.splitlines():
        found += [ip_address(first or second) for first, second in _ADDRESS.findall(line)]
    return found


def _session(folder: Path, seconds: float) -> tuple[list[IPv4Address | IPv6Address], list[str]]:
    """Run one; the addresses, and what went wrong."""
    traces = [folder / name for name in ("person.trace", "live.trace")]
    environment = _environment(folder)
    prefix = f"Priv{os.getpid()}"
    person = subprocess.Popen(
        [*_traced(traces[0]), *_PROGRAM, "simulate", "--name", prefix],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        live = subprocess.run(
            [*_traced(traces[1]), *_PROGRAM, "live", *_options(prefix, seconds)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S + seconds,
            check=False,
        )
    finally:
        _end(person)
    found = [address for trace in traces for address in addresses_in(trace.read_text())]
    wrongs = [] if live.returncode == 0 else [f"live ended with {live.returncode}: {live.stderr[-500:]}"]
    wrongs += [] if '"kind": "prediction"' in live.stdout else ["there was no prediction"]
    for trace in traces:
        trace.unlink()
    return found, wrongs


def _environment(folder: Path) -> dict[str, str]:
    """A home of its own, and no configuration of liblsl's: what a new user has."""
    return {
        **{name: value for name, value in os.environ.items() if name != "LSLAPICFG"},
        "HOME": str(folder),
        "BCI_STREAM_HOME": str(folder / "home"),
        "BCI_STREAM_PROFILES": str(folder / "profiles"),
        "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }


def _options(prefix: str, seconds: float) -> list[str]:
    streams = ["--eeg", f"{prefix}EEG", "--audio", f"{prefix}Audio", "--markers", f"{prefix}Markers"]
    files = ["--record", "recordings", "--subject", PERSON, "--jsonl", f"recordings/sub-{PERSON}_said.jsonl"]
    files += ["--csv", f"recordings/sub-{PERSON}_said.csv"]
    return [*streams, *files, "--wait", "60", "--seconds", str(seconds), "--json", "--ws", "0"]


def _end(person: subprocess.Popen[bytes]) -> None:
    os.killpg(person.pid, signal.SIGTERM)
    try:
        person.wait(10.0)
    except subprocess.TimeoutExpired:
        os.killpg(person.pid, signal.SIGKILL)
        person.wait()


def _traced(path: Path) -> list[str]:
    return ["strace", "-f", "-qq", "-e", _CALLS, "-e", "signal=none", "-o", str(path)]


def _is_ours(path: Path, folder: Path) -> bool:
    """Written by the session, and no cache of a library."""
    return path.relative_to(folder).parts[0] not in ("cache", ".cache", ".config", ".nv")


def _n_bytes(folder: Path) -> int:
    """How often the person's name is in names and contents of files, in bytes."""
    wanted, n = PERSON.encode(), 0
    for path in folder.rglob("*"):
        n += path.name.count(PERSON) * len(wanted)
        n += path.read_bytes().count(wanted) * len(wanted) if path.is_file() else 0
    return n


def _forget(folder: Path) -> tuple[int, list[str]]:
    """Forget the person by the command; the bytes that are left, and what went wrong."""
    from calibration.profile import ProfileStore

    store = ProfileStore(folder / "profiles")
    store.create(PERSON, "2026-01-01")
    (store.path(PERSON) / "recordings" / f"{PERSON}.xdf").write_bytes(PERSON.encode())
    asked = ["profile", "forget", PERSON, "--folder", str(folder / "recordings"), "--yes"]
    done = subprocess.run(
        [*_PROGRAM, *asked],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    wrongs = [] if done.returncode == 0 else [f"forget ended with {done.returncode}: {done.stderr[-300:]}"]
    return _n_bytes(folder), wrongs


if __name__ == "__main__":
    command(measure)
