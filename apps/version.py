"""``bci-stream version``."""

from __future__ import annotations

import platform
from importlib import metadata

from apps.console import write_line
from bci_stream import __version__

_PARTS = ("pylsl", "torch", "numpy", "scipy", "numba", "safetensors", "pydantic")


def run() -> None:
    """Print a line per part."""
    write_line(f"bci-stream {__version__}")
    write_line(f"python {platform.python_version()} on {platform.platform()}")
    for part in _PARTS:
        write_line(f"{part} {metadata.version(part)}")
