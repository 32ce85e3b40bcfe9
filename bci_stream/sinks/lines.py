"""Lines into a new file of one's own, from a thread that nobody waits for and that loses none in silence."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path
from typing import Final

from bci_stream.sinks.whole_file import WholeFile

_MAX_WAITING: Final = 100_000


class LineWriter:
    """Writes whole lines in the order in which they were put, each once.

    Args:
        path: the new file; see :class:`~bci_stream.sinks.whole_file.WholeFile` for what is refused.
        what: what it is, for the line that says why it cannot be.
        max_waiting: lines that may wait for a slow disk; with one more the file ends where it is.

    Raises:
        ConfigError: the file exists or cannot be made.

    Attributes:
        error: one line on why the file is not whole, None while all is well.
    """

    def __init__(self, path: Path, what: str, max_waiting: int = _MAX_WAITING) -> None:
        self.path, self._what = path, what
        self.error: str | None = None
        self._lines: queue.Queue[bytes | None] = queue.Queue(max_waiting)
        self._file = WholeFile(path, what)
        self._thread = threading.Thread(target=self._run, name=f"writes-{path.name}", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line written; returns at once."""
        if self.error is not None:
            return
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._fail(f"{self._lines.maxsize} lines wait for the disk")

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits and let the file go. May be called again."""
        if not self._thread.is_alive():
            return
        try:
            self._lines.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)
        except queue.Full:
            pass
        if self._thread.is_alive():
            self._fail(f"the disk did not take it within {timeout_s:g} s")

    def _run(self) -> None:
        try:
            while (line := self._lines.get()) is not None and self.error is None:
                self._file.write(line)
        except OSError as error:
            self._fail(os.strerror(error.errno) if error.errno else str(error))
        self._file.release()

    def _fail(self, reason: str) -> None:
        if self.error is None:
            self.error = f"{self._what} {self.path} is not whole ({reason}): it ends at its last whole line"
