"""A person's word, typed while a session runs: ``agree eeg`` takes a stream that came back changed.

Whole lines, so that a program can type too; what is said to nobody here goes to ``others``.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import Any

from apps.console import say

_MAX_TYPED = 1024


class Agreeing:
    """Reads whole lines of standard input as they come, without ever waiting for one."""

    def __init__(self, source: Any, others: Callable[[str], None] = lambda line: None) -> None:
        self._others = others
        self._agree = getattr(source, "agree", None)
        self._told: set[str] = set()
        self._begun = ""  # of a line whose end has not come
        self._open = _is_ours()

    def look(self) -> None:
        """Do what was typed since the last look."""
        while self._open and (typed := _typed()) is not None:
            self._open = bool(typed)
            *lines, self._begun = (self._begun + typed[:_MAX_TYPED]).split("\n")
            self._begun = self._begun[:_MAX_TYPED]
            for line in lines:
                self._do(line)

    def offer(self, role: str, note: str) -> str:
        """A refusal and how to agree to it. Empty when it was said already, or nobody can type."""
        if role in self._told or not self._open or self._agree is None:
            return ""
        self._told.add(role)
        return f"{note}; type `agree {role}` and Enter to take it as it is"

    def _do(self, line: str) -> None:
        words = line.split()
        if len(words) == 2 and words[0] == "agree" and self._agree is not None:
            done = self._agree(words[1])
            say(f"{words[1]}: taken as it is now" if done else f"{words[1]}: there is nothing to agree to")
            self._told.discard(words[1])
        else:
            self._others(line)


def _is_ours() -> bool:
    """Whether reading standard input cannot stop this process (one in the background may not)."""
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return False
    if not os.isatty(descriptor):
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # a terminal, and not the one that controls this process
        return True


def _typed() -> str | None:
    """What has been typed, None for nothing; "" at the end of the input."""
    try:
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], 0.0)
        return os.read(sys.stdin.fileno(), _MAX_TYPED).decode("utf-8", "replace") if ready else None
    except (OSError, ValueError):  # no such thing as an input here
        return ""
