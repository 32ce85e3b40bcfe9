"""Peers that read an outlet which is stopped and goes on: how old are the data that they hand on as new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.reading import Reading, readings

NAMES = {"pylsl": "pylsl inlet", "mne_lsl": "mne-lsl StreamLSL"}


@dataclass(frozen=True, slots=True)
class Ages:
    """Of the pulls of one reader: how many, how many of older data than is live, and the oldest, s."""

    n: int
    n_stale: int
    worst_s: float


def ages(pulls: Sequence[tuple[float, float]], frozen: Sequence[tuple[float, float]], live_s: float) -> Ages:
    """``pulls``: (when, newest stamp); while an outlet stood still, nothing newer than its stop exists."""
    each = [
        at - min([newest, *(begin for begin, end in frozen if begin <= at < end)]) for at, newest in pulls
    ]
    return Ages(len(each), sum(age > live_s for age in each), max(each))


def words(
    session_id: str, stream: str, freezes: Callable[[], Sequence[tuple[float, float]]], live_s: float
) -> str:
    """``freezes``: stops the outlet now and then while the peers read; when it stood still."""
    installed = [(peer, 2) for peer in NAMES if find_spec(peer) is not None]
    with readings(session_id, stream, installed) as peers:
        frozen = freezes()
        told = {peer.peer: _told(peer, frozen, live_s) for peer in peers}
    return beside({peer: lambda peer=peer: told[peer] for peer in NAMES})  # type: ignore[misc]


def _told(peer: Reading, frozen: Sequence[tuple[float, float]], live_s: float) -> str:
    seen = ages(peer.ask("pulls"), frozen, live_s)
    said = "its log says something" if peer.heard() else "unmarked but for their stamps"
    return (
        f"{NAMES[peer.peer]}: {seen.n_stale:,} of {seen.n:,} reads gave data older than {live_s:g} s (oldest "
        f"{seen.worst_s:.1f} s), {said}"
    )
