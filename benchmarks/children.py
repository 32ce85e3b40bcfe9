"""Child processes that speak JSON lines: one line in asks, one line out answers."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from benchmarks.setups import REPOSITORY, Corner


class ChildError(Exception):
    """A child process ended instead of answering."""


class Child:
    """``python -m MODULE ARGUMENTS`` as a context manager."""

    def __init__(self, corner: Corner, module: str, *arguments: str) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=corner.environment,
        )

    def ask(self, **job: Any) -> Any:
        """Send a job and wait for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        """The next line that the child writes. Raises ChildError when it ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"{self._module} ended with exit code {self._process.wait()}; see above")
        return json.loads(line)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(3.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def reply(answer: Any) -> None:
    """Answer, from a child."""
    print(json.dumps(answer), flush=True)
