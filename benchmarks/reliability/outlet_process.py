"""A prepared outlet in a process that can be killed, and the headers with which another one comes back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

TRUE_MARK, FALSE_MARK = 0.0, 5000.0  # what channel 0 carries: whose samples they are
CHANGES: dict[str, dict[str, Any]] = {
    "same": {},
    "rate": {"sfreq": 500.0},
    "channels": {"labels": ["Fz", "Cz", "Pz", "Oz", "T7"]},
    "format": {"dtype": "double64"},
    "labels": {"labels": ["Fz", "Cz", "Pz", "O1"]},
    "description": {"manufacturer": "Somebody else"},
    "host": {},
    "twin": {},
}


def header_of(name: str) -> dict[str, Any]:
    """A small cap's header, as :mod:`~benchmarks.reliability.outlet_child` takes it."""
    return {
        "name": name,
        "source_id": name.lower(),
        "sfreq": 250.0,
        "dtype": "float32",
        "labels": ["Fz", "Cz", "Pz", "Oz"],
        "manufacturer": "Acme",
        "mark": TRUE_MARK,
    }


class Outlet:
    """A prepared outlet; ``host``: in a UTS namespace with that name."""

    def __init__(self, session_id: str, host: str | None = None) -> None:
        child = [sys.executable, "-m", "benchmarks.reliability.outlet_child", session_id]
        if host is not None:
            child = ["unshare", "-u", "sh", "-c", f'hostname {host} && exec "$@"', "sh", *child]
        self._process = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._ready = False

    def send(self, header: dict[str, Any]) -> float:
        """Begin to send; the local time at which it did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._ready:
            self._ready = self._process.stdout.readline() == "ready\n"
        self._process.stdin.write(json.dumps(header) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def wait_ready(self) -> None:
        """Until all is loaded."""
        assert self._process.stdout is not None
        self._ready = self._ready or self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """SIGKILL."""
        if self._process.poll() is not None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def can_rename() -> bool:
    """Whether a process may be given another host name here."""
    if shutil.which("unshare") is None:
        return False
    asked = ["unshare", "-u", "sh", "-c", "hostname somewhere-else && hostname"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "somewhere-else"
