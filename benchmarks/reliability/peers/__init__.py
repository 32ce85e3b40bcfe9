"""Others with the same input: pylsl, pyxdf, mne-lsl and LabRecorder, each where it can be imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec


class PeerError(Exception):
    """A peer's process ended, failed or was silent instead of answering."""


def said(words: Callable[[], str]) -> str:
    """What was said of peers, or why nothing is: a peer that breaks costs the row nothing else."""
    try:
        return words()
    except PeerError as error:
        return f"broke off: {error}"


def beside(peers: Mapping[str, Callable[[], str]]) -> str:
    """Run each peer that is installed.

    ``peers``: the module that it is imported as -> what runs it and says in a few words how it fared.
    """
    return "; ".join(
        run() if find_spec(module) is not None else f"{module} is not installed"
        for module, run in peers.items()
    )
