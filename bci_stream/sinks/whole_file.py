"""A new file that holds whole pieces only: nothing is overwritten, and a full disk leaves no half of one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from bci_stream.errors import ConfigError

_PRIVATE: Final = 0o600  # brain and voice are nobody else's business


class WholeFile:
    """A new file, readable by its owner alone, that takes whole pieces.

    Args:
        path: where; nothing may be there. Folders above it are made.
        what: what it is, for the line that says why it cannot be: "recording".

    Raises:
        ConfigError: something is there already, or it cannot be made; one line says which.

    Attributes:
        n_bytes: its length, up to the last whole piece.
    """

    def __init__(self, path: Path, what: str = "file") -> None:
        self.path = path
        self.n_bytes = 0
        self._descriptor = _create(path, what)

    def write(self, piece: bytes) -> None:
        """Append a piece by one write. Raises OSError, with the file as it was, when not all of it fits."""
        try:
            n_written = os.write(self._descriptor, piece)
            while n_written < len(piece):  # a full disk takes a part first and refuses the rest then
                n_written += os.write(self._descriptor, piece[n_written:])
        except OSError:
            self._cut_back()
            raise
        self.n_bytes += len(piece)

    def release(self) -> None:
        """Let the file go. May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut_back(self) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self.n_bytes)
            os.lseek(self._descriptor, self.n_bytes, os.SEEK_SET)


def check_free(path: Path, what: str = "file") -> None:
    """Raise ConfigError where something is already, or cannot be; only making the file settles it."""
    try:
        if _is_there(path):
            raise taken(path, what)
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise ConfigError(f"cannot make {what} {path}: {folder} is no folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(f"cannot make {what} {path}: {folder} may not be written to")
    except (OSError, ValueError) as error:  # a name that is too long, a NUL
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"cannot make {what} {str(path)!r}: {reason}") from error


def _is_there(path: Path) -> bool:
    """Whether something has that name, even a link to nowhere."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def taken(path: Path, what: str) -> ConfigError:
    """The error for a name that is taken."""
    return ConfigError(f"{what} {path} exists and is never overwritten: choose another name")


def _create(path: Path, what: str) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, _PRIVATE)
    except FileExistsError as error:
        if not os.path.lexists(path):  # a file is where a folder should be
            raise ConfigError(f"cannot make {what} {path}: {error.filename} is no folder") from error
        raise taken(path, what) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"cannot make {what} {path}: {reason}") from error
