"""Runs a command as a user would, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    def records(self, kind):
        return [r for r in map(json.loads, self.out.splitlines()) if r["kind"] == kind]


def bci(*arguments, timeout_s=120):
    """``bci-stream`` with arguments, in its own process."""
    command = [sys.executable, "-m", "bci_stream", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, env=environment, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)
