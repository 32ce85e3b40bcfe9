import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

OUTLET = Path(__file__).with_name("lsl_outlet.py")


class Outlet:
    """A running outlet process."""

    def __init__(self, session_id, options):
        self.options = options
        self.process = subprocess.Popen(
            [sys.executable, str(OUTLET), json.dumps(options | {"session_id": session_id})],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.uid = self.process.stdout.readline().strip()
        assert self.uid, f"the outlet process ended: {self.process.wait()}"

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def outlet(lsl_isolation):
    """Start outlets; each test's are named after it, and gone when it ends."""
    started = []

    def start(name, **options):
        options.setdefault("source_id", f"{name}-id")
        started.append(Outlet(lsl_isolation, {"name": name} | options))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def wait_until():
    """Wait on a condition; the time-out only ends what would hang."""

    def wait(condition, timeout_s=30.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    return wait
