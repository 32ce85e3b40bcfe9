"""Which bundles' programs may run here: a text file of sha256, one a line.

A TorchScript program is code. One that was exported on this computer is known by its bundle's hash; any
other is rebuilt from its weights instead (see :mod:`bci_stream.model.bundle`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import platformdirs


def trust_store() -> Path:
    """Where the list is: in ``$BCI_STREAM_HOME``, or else in the user's data folder."""
    home = os.environ.get("BCI_STREAM_HOME") or platformdirs.user_data_dir("bci-stream", appauthor=False)
    return Path(home) / "trusted-bundles.txt"


def is_trusted(sha256: str) -> bool:
    """Whether the bundle with this hash was exported here, or was trusted by a person."""
    store = trust_store()
    try:
        if hasattr(os, "getuid") and _is_others(store.stat()):
            return False
        return sha256 in store.read_text(encoding="ascii", errors="replace").split()
    except OSError:  # no list yet, or one that cannot be read: nothing is trusted
        return False


def _is_others(found: os.stat_result) -> bool:
    """Whether somebody else could have written the list: then it says nothing."""
    return found.st_uid not in (os.getuid(), 0) or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def trust_bundle(sha256: str) -> None:
    """Let the program of the bundle with this hash run here from now on."""
    if is_trusted(sha256):
        return
    store = trust_store()
    store.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(store, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="ascii") as file:
        file.write(sha256 + "\n")
