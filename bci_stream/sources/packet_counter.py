"""Lost samples, counted by the device's own counter rather than by the stamps.

Many headsets send a running number beside their electrodes; it wraps at 128, 256, 65,536 … So a step of it
tells exactly how many samples are missing, up to whole turns, and those the stamps tell. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import TimeArray

MODULI: Final = (128, 129, 200, 256, 1000, 1024, 4096, 32_768, 65_536, 2**24, 2**31, 2**32)
_SURE_N: Final = 1000  # steps by one before its word counts
_NEARLY: Final = 0.1  # of a turn: how far off the stamps may be of a loss that the counter does not show


class PacketCounter:
    """Feed it the counter's column; it counts once the column has behaved like a counter.

    ``moduli``: where it may wrap.
    """

    def __init__(self, moduli: Sequence[int] = MODULI) -> None:
        self._moduli = tuple(moduli)
        self._highest = 0.0
        self._last: tuple[float, float, float] | None = None
        self._n_steady = 0
        self.n_lost = 0  #: samples that the device took and that never came

    @property
    def is_sure(self) -> bool:
        """Whether the column is a counter: it has gone up by one nearly all the time."""
        return self._n_steady >= _SURE_N

    def step(self, values: NDArray[Any], stamps: TimeArray, sfreq: float, arrival_s: float) -> None:
        """(n,) counter values of consecutive samples, their stamps (s) and when they came (local s).

        A loss of whole turns does not show in the counter: the stamps tell, and the silence before these
        samples, without which it is the clock that jumped.
        """
        counts = np.asarray(values, dtype=np.float64)
        usable = np.isfinite(counts) & np.isfinite(stamps)
        counts, times = counts[usable], stamps[usable]
        if not len(counts):
            return
        silent = math.inf
        if self._last is not None:
            counts, times = np.r_[self._last[0], counts], np.r_[self._last[1], times]
            silent = (arrival_s - self._last[2]) * sfreq
        self._last = (float(counts[-1]), float(times[-1]), arrival_s)
        steps, by_stamps = np.diff(counts), np.diff(times) * sfreq
        odd = steps != 1.0
        self._n_steady += len(steps) - int(odd.sum())
        self._highest = max(self._highest, float(counts.max()))
        for i in np.flatnonzero(odd).tolist():
            self._odd_step(float(steps[i]), float(by_stamps[i]))
        for late in by_stamps[~odd & (by_stamps > self._turn_of() / 2)].tolist():
            self._whole_turns(late, silent)

    def _odd_step(self, step: float, by_stamps: float) -> None:
        turn = self._turn_of()
        n_missing = step - 1 + (turn if step < 1 and turn < math.inf else 0)
        if by_stamps > turn:
            n_missing += turn * round((by_stamps - 1 - n_missing) / turn)
        if n_missing > 0 and self.is_sure:
            self.n_lost += round(n_missing)

    def _whole_turns(self, by_stamps: float, silent: float) -> None:
        turn = self._turn_of()
        n_turns = round((by_stamps - 1) / turn)
        is_whole = abs(by_stamps - 1 - n_turns * turn) < _NEARLY * turn
        if is_whole and silent > turn * n_turns / 2 and self.is_sure:
            self.n_lost += round(turn * n_turns)

    def _turn_of(self) -> float:
        """Where it wraps: the first usual place above all that was seen; nowhere if none is."""
        return next((float(m) for m in self._moduli if m > self._highest), math.inf)
