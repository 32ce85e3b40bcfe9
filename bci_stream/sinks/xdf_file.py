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

from bci_stream.errors import ConfigError

NOTE_SUFFIX: Final = ".unfinished"
_NOTE = (
    "The recording beside this note is being written, or its program was killed.\n"
    "It can be read as it is. bci-stream finishes it when it next records into this folder.\n"
)
_PRIVATE = 0o600  # brain and voice are nobody else's business


class ChunkFile:
    """A new file that takes whole chunks.

    Args:
        path: where; nothing may be there. Folders above it are made.

    Raises:
        ConfigError: something is there already, or it cannot be made; one line says which.

    Attributes:
        n_bytes: its length, up to the last whole chunk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_bytes = 0
        self._descriptor = _create(path)
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

    def write(self, chunk: bytes) -> None:
        """Append a chunk by one write. Raises OSError, with the file as it was, when not all of it fits."""
        try:
            n_written = os.write(self._descriptor, chunk)
            while n_written < len(chunk):  # a full disk takes a part first and refuses the rest then
                n_written += os.write(self._descriptor, chunk[n_written:])
        except OSError:
            self._cut_back()
            raise
        self.n_bytes += len(chunk)

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
        os.close(self._descriptor)
        self._descriptor = -1

    def _cut_back(self) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self.n_bytes)
            os.lseek(self._descriptor, self.n_bytes, os.SEEK_SET)


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


def check_free(path: Path) -> None:
    """Raise ConfigError where something is already; only making the file settles it."""
    try:
        if os.path.lexists(path):
            raise taken(path)
    except ValueError as error:  # a NUL
        raise ConfigError(f"cannot record to {path}: {error}") from error


def taken(path: Path) -> ConfigError:
    """The error for a name that is taken."""
    return ConfigError(f"recording {path} exists and is never overwritten: choose another name or run number")


def _create(path: Path) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, _PRIVATE)
    except FileExistsError as error:
        if not path.exists():  # a file is where a folder should be
            raise ConfigError(f"cannot record to {path}: {error.filename} is no folder") from error
        raise taken(path) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"cannot record to {path}: {reason}") from error
