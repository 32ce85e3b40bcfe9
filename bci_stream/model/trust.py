"""Which bundles' programs may run here: a text file of sha256, one a line.

A TorchScript program is code. One that was exported on this computer is known by its bundle's hash; any
other is rebuilt from its weights instead (see :mod:`bci_stream.model.bundle`).
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def trust_store() -> Path:
    """Where the list is: in ``$BCI_STREAM_HOME``, or else in the user's data folder."""
    home = os.environ.get("BCI_STREAM_HOME") or platformdirs.user_data_dir("bci-stream", appauthor=False)
    return Path(home) / "trusted-bundles.txt"


def is_trusted(sha256: str) -> bool:
    """Whether the bundle with this hash was exported here, or was trusted by a person."""
    try:
        return sha256 in trust_store().read_text(encoding="ascii", errors="replace").split()
    except OSError:  # no list yet, or one that cannot be read: nothing is trusted
        return False


def trust_bundle(sha256: str) -> None:
    """Let the program of the bundle with this hash run here from now on."""
    if is_trusted(sha256):
        return
    store = trust_store()
    store.parent.mkdir(parents=True, exist_ok=True)
    with store.open("a", encoding="ascii") as file:
        file.write(sha256 + "\n")
