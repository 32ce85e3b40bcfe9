"""From a recorded stream's stamps to local time, the whole file at hand: for looking at it, not for replay.

A replay goes through :mod:`bci_stream.timeline.clock`, sample by sample. Here all clock offsets are known
beforehand: they are cut where the clock was reset, and a line is fitted to each part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import TimeArray

_RESET_S = 0.25  # offsets that differ by more than this, or by 500 ppm, are of another clock
_DRIFT = 500e-6
_BACK_S = 1.0


@dataclass(frozen=True, slots=True)
class ClockPart:
    """One clock between resets, by pairs from ``start_s`` to ``end_s``.

    Add offset_s + drift * (stamp - centre_s) to a stamp to get local time.
    ``noise_s``: SD of the measured offsets about the line.
    """

    start_s: float
    end_s: float
    centre_s: float
    offset_s: float
    drift: float
    noise_s: float
    n_pairs: int


class StampClock:
    """The clock of one stream by its pairs of remote time and offset, (n,) each."""

    def __init__(self, remote_s: TimeArray, offset_s: TimeArray) -> None:
        with np.errstate(all="ignore"):  # a damaged offset may be any number
            parts = _split(np.asarray(remote_s), np.asarray(offset_s))
            self.parts = tuple(_part(remote, offset) for remote, offset in parts)

    @property
    def n_resets(self) -> int:
        """How often the clock began anew."""
        return max(0, len(self.parts) - 1)

    @property
    def drift_ppm(self) -> float:
        """Of the part that was measured for longest; NaN where no part tells."""
        able = [part for part in self.parts if part.n_pairs > 2]
        return max(able, key=lambda p: p.end_s - p.start_s).drift * 1e6 if able else float("nan")

    def local(self, stamps: TimeArray) -> TimeArray:
        """(n,) stamps -> local time (s), each by the part that was measured nearest to it."""
        if not self.parts:
            return stamps
        centre, offset, drift = (
            np.array([getattr(part, name) for part in self.parts])
            for name in ("centre_s", "offset_s", "drift")
        )
        which = self._nearest(stamps)
        placed: TimeArray = stamps + offset[which] + drift[which] * (stamps - centre[which])
        return placed

    def _nearest(self, stamps: TimeArray) -> NDArray[np.intp]:
        best = np.full(len(stamps), np.inf)
        which = np.zeros(len(stamps), np.intp)
        for number, part in enumerate(self.parts):
            apart = np.maximum(np.maximum(part.start_s - stamps, stamps - part.end_s), 0.0)
            closer = apart < best
            best[closer], which[closer] = apart[closer], number
        return which


def _split(remote_s: TimeArray, offset_s: TimeArray) -> list[tuple[TimeArray, TimeArray]]:
    if not len(remote_s):
        return []
    steps, moved = np.diff(remote_s), np.abs(np.diff(offset_s))
    cuts = np.flatnonzero((steps < -_BACK_S) | (moved > _RESET_S + _DRIFT * np.abs(steps))) + 1
    return list(zip(np.split(remote_s, cuts), np.split(offset_s, cuts), strict=True))


def _part(remote_s: TimeArray, offset_s: TimeArray) -> ClockPart:
    centre, mean = float(remote_s.mean()), float(offset_s.mean())
    x = remote_s - centre
    power = float(x @ x)
    drift = float(x @ (offset_s - mean)) / power if len(remote_s) > 2 and power > 1.0 else 0.0
    if not abs(drift) <= _DRIFT:  # a few pairs close together: their noise, no clock
        drift = 0.0
    noise_s = float(np.std(offset_s - mean - drift * x))
    return ClockPart(
        float(remote_s.min()), float(remote_s.max()), centre, mean, drift, noise_s, len(remote_s)
    )
