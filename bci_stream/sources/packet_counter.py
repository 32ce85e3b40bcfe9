"""Lost samples, counted by the device's own counter rather than by the stamps.

Many headsets send a running number beside their electrodes; it wraps at 128, 256, 65,536 … So a step of it
tells exactly how many samples are missing, up to whole turns, and those the stamps tell. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import TimeArray

MODULI: Final = (128, 129, 200, 256, 1000, 1024, 4096, 32_768, 65_536, 2**24, 2**31, 2**32)
_SURE_N: Final = 1000  # steps by one before its word counts


class PacketCounter:
    """Feed it the counter's column; it counts once the column has behaved like a counter.

    ``moduli``: where it may wrap.
    """

    def __init__(self, moduli: Sequence[int] = MODULI) -> None:
        self._moduli = tuple(moduli)
        self._highest = 0.0
        self._last: tuple[float, float] | None = None
        self._n_steady = 0
        self._turn: float | None = None
        self.n_lost = 0  #: samples that the device took and that never came

    @property
    def is_sure(self) -> bool:
        """Whether the column is a counter: it has gone up by one nearly all the time."""
        return self._n_steady >= _SURE_N

    def step(self, values: NDArray[Any], stamps: TimeArray, sfreq: float) -> None:
        """(n,) counter values of consecutive samples with their stamps (s)."""
        counts = np.asarray(values, dtype=np.float64)
        usable = np.isfinite(counts) & np.isfinite(stamps)
        counts, times = counts[usable], stamps[usable]
        if not len(counts):
            return
        if self._last is not None:
            counts, times = np.r_[self._last[0], counts], np.r_[self._last[1], times]
        self._last = (float(counts[-1]), float(times[-1]))
        steps = np.diff(counts)
        odd = np.flatnonzero(steps != 1.0)
        self._n_steady += len(steps) - len(odd)
        self._highest = max(self._highest, float(counts.max()))
        for i in odd.tolist():
            self._odd_step(float(steps[i]), float(counts[i]), float(times[i + 1] - times[i]) * sfreq)

    def _odd_step(self, step: float, before: float, by_stamps: float) -> None:
        turn = self._turn_of(step, before)
        n_missing = step - 1 + (turn if step < 1 else 0)
        if turn and by_stamps > turn:
            n_missing += turn * round((by_stamps - 1 - n_missing) / turn)
        if n_missing > 0 and self.is_sure:
            self.n_lost += round(n_missing)

    def _turn_of(self, step: float, before: float) -> float:
        """Where it wraps: the first usual place above all that was seen."""
        return next((float(m) for m in self._moduli if m > self._highest), 0.0)
