"""A file mapped into memory, read from front to back without keeping it there."""

from __future__ import annotations

import mmap

from bci_stream.errors import RecordingError


class PageRelease:
    """Hands the pages of a mapped file back as they have been read, so that memory does not grow with it."""

    STEP_BYTES = 32 << 20

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        self._next = self.STEP_BYTES

    def passed(self, position: int) -> None:
        """Everything before ``position`` was read."""
        if position >= self._next:
            self._next = position + self.STEP_BYTES
            if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows, which trims by itself
                self._mapped.madvise(mmap.MADV_DONTNEED)


def map_file(name: str) -> mmap.mmap:
    """Map a recording for reading.

    Raises:
        RecordingError: missing, a folder, empty, or not to be read.
    """
    try:
        with open(name, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except IsADirectoryError as error:
        raise RecordingError(
            f"cannot read recording {name}: it is a folder, name the .xdf file in it"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        reason = error.strerror if isinstance(error, OSError) else "it is empty"
        raise RecordingError(f"cannot read recording {name}: {reason}") from error
