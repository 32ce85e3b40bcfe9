"""The most memory that this process has taken, for one file at a time."""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path


def peak_mb() -> float:
    """Since the start, or since it was last forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def forget_peak() -> None:
    """What earlier files freed goes back to the system first, so that each is measured for itself."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
