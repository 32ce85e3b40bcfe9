"""Single keys of a terminal, for commands that run until they are told to end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress


class Keyboard:
    """Single keys of a terminal, read in a thread of its own; nothing where there is none."""

    def __init__(self) -> None:
        self.there = sys.stdin.isatty()
        self._found: list[str] = []
        self._restore: Callable[[], None] = lambda: None

    def __enter__(self) -> Keyboard:
        if self.there:
            self._raw()
            threading.Thread(target=self._read, name="keys", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def read(self) -> list[str]:
        """What was pressed since the last call."""
        found, self._found = self._found, []
        return found

    def _raw(self) -> None:
        try:
            import termios
            import tty
        except ImportError:  # Windows reads whole lines
            return
        before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        self._restore = lambda: termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    def _read(self) -> None:
        with suppress(OSError, ValueError):  # the terminal has gone
            while key := sys.stdin.read(1):
                self._found.append(key)
