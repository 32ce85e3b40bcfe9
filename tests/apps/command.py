"""Runs a command as a user would, in this process or in one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.cli import main

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


def here(*arguments, cwd, **variables):
    """``bci-stream`` with arguments in this process, which has imported everything already.

    ``variables``: of the environment, None to unset one.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["bci-stream", *map(str, arguments)])
        for name, value in variables.items():
            patch.delenv(name, raising=False) if value is None else patch.setenv(name, str(value))
        with redirect_stdout(out), redirect_stderr(err):
            code = _exit_code()
    return Result(code, out.getvalue(), err.getvalue())


def _exit_code():
    try:
        main()
    except SystemExit as left:
        return left.code or 0
    return 0
