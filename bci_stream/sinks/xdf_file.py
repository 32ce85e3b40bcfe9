"""A recording's file: only whole chunks get into it, and none that is there is ever touched again.

The file has its final name from the first byte and can be read at any moment. While it is being written
a note lies beside it, ``NAME.xdf.unfinished``; whoever finds one whose writer is gone finishes the file,
see :mod:`bci_stream.sinks.xdf_recovery`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from bci_stream.sinks.whole_file import WholeFile

NOTE_SUFFIX: Final = ".unfinished"
_NOTE = (
    "The recording beside this note is being written, or its program was killed.\n"
    "It can be read as it is. bci-stream finishes it when it next records into this folder.\n"
)


class ChunkFile(WholeFile):
    """A new recording that takes whole chunks; see :class:`~bci_stream.sinks.whole_file.WholeFile`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "recording")
        lock(self._descriptor)
        with contextlib.suppress(OSError):  # without its note a file is only not finished by itself
            note_of(path).write_text(_NOTE, encoding="utf-8")

    @classmethod
    def reopen(cls, path: Path, n_bytes: int) -> ChunkFile:
        """An unfinished file, cut off behind ``n_bytes``. Raises OSError, BlockingIOError if it is in use."""
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            lock(descriptor)
            os.ftruncate(descriptor, n_bytes)
            os.lseek(descriptor, n_bytes, os.SEEK_SET)
        except OSError:
            os.close(descriptor)
            raise
        file = cls.__new__(cls)
        file.path, file.n_bytes, file._descriptor = path, n_bytes, descriptor
        return file

    def sync(self) -> None:
        """Have what was written survive a power cut. Raises OSError."""
        os.fsync(self._descriptor)

    @property
    def n_free_bytes(self) -> int:
        """Room on its disk; 0 where that cannot be told."""
        try:
            return shutil.disk_usage(self.path.parent).free
        except OSError:
            return 0

    def close(self, *, finished: bool) -> None:
        """Let go; ``finished``: nothing is missing, take the note away."""
        if self._descriptor < 0:
            return
        if finished:
            with contextlib.suppress(OSError):
                note_of(self.path).unlink()
        self.release()


def note_of(path: Path) -> Path:
    """The note beside an unfinished recording."""
    return path.with_name(path.name + NOTE_SUFFIX)


def lock(descriptor: int) -> None:
    """Claim a file until it is closed. Raises BlockingIOError when another program has it."""
    try:
        import fcntl
    except ImportError:  # Windows: an open file cannot be cut by another program there anyway
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
