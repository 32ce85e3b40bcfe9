"""Freed memory stays with the process, so that the next window finds it warm.

glibc hands large blocks back to the system when they are freed and asks for them again a moment later; each
time the kernel zeroes every page of them. A window of 5 s goes through some megabytes of such blocks: that
was a third of what it cost (mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD).
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_LARGEST_BLOCK = 32 << 20  #: bytes: what is larger still goes back at once
_KEPT_AT_MOST = 256 << 20  #: bytes free at the top of the heap


def keep_freed_memory() -> bool:
    """Ask the C library for it, for the whole process; False where it knows no such thing."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK) and mallopt(_M_TRIM_THRESHOLD, _KEPT_AT_MOST))
