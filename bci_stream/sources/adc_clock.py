"""Whether a sound card's own time can be believed, and how its samples lie on the local clock. Pure.

A host gives each block the time at which its first sample met the converter (its ADC time), on a clock of its
own. :class:`AdcJudge` says whether that makes sense; :class:`LineFit` is the running robust fit from sample
count to local time. :mod:`~bci_stream.sources.block_clock` puts them together.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from bci_stream.messages import TimeArray

_EPOCH_S: Final = 1e9  # no computer is up for 31 years: such a clock is the wall's


@dataclass(frozen=True, slots=True)
class BlockTime:
    """What the host says of one block.

    ``entry_s``: local clock when the callback began. ``adc_s``, ``current_s``: time of the first sample and
    of the callback, on the host's clock. ``n``: samples. ``overflow``: samples before or in it were lost.
    """

    entry_s: float
    adc_s: float
    current_s: float
    n: int
    overflow: bool = False


class AdcJudge:
    """Whether a host's ADC times can be believed; once they cannot, they are not again.

    What is looked at is the lag from the end of a block to its callback, by the host's clock. It must make
    sense and may change only slowly; catching up after a stall says nothing of it and is left out.
    """

    _N_RECENT: Final = 40
    _N_FIRST: Final = 4
    _EARLIEST_S: Final = -0.005
    _LATEST_S: Final = 0.3
    _WANDER_S: Final = 0.005
    _FOLLOW: Final = 2e-4  # seconds per second that the usual lag may move
    _MAX_LATENCY_S: Final = 0.1

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._lags: deque[float] = deque(maxlen=self._N_RECENT)
        self._usual_s: float | None = None
        self._last_entry_s = -math.inf
        self.fault = ""  #: why not, in plain words; empty while they can

    @property
    def latency_s(self) -> float:
        """The usual lag, followed slowly and clamped; 0 where it never made sense."""
        return min(max(self._usual_s or 0.0, 0.0), self._MAX_LATENCY_S)

    def step(self, block: BlockTime) -> bool:
        """Look at one more block; whether its ADC time can be believed."""
        if not self.fault:
            self.fault = self._fault_of(block)
        return not self.fault

    def _fault_of(self, block: BlockTime) -> str:
        if not (math.isfinite(block.adc_s) and math.isfinite(block.current_s) and block.adc_s > 0):
            return "the host gives no ADC time"
        if block.current_s > _EPOCH_S:
            return "the host's ADC time is on the wall clock"
        length_s = block.n / self._sfreq
        since_s, self._last_entry_s = block.entry_s - self._last_entry_s, block.entry_s
        if since_s < 0.5 * length_s:
            return ""
        self._lags.append(block.current_s - block.adc_s - length_s)
        return self._fault_of_lags(length_s)

    def _fault_of_lags(self, length_s: float) -> str:
        if len(self._lags) < self._N_FIRST:
            return ""
        typical_s = float(np.quantile(self._lags, 0.2))
        if not self._EARLIEST_S <= typical_s <= self._LATEST_S:
            return f"the host's ADC time is {typical_s * 1e3:.0f} ms off"
        if len(self._lags) < self._N_RECENT:
            return ""
        self._usual_s = typical_s if self._usual_s is None else self._usual_s
        moved_s = typical_s - self._usual_s
        if abs(moved_s) > self._WANDER_S:
            return f"the host's ADC time wanders by {moved_s * 1e3:.0f} ms"
        limit_s = self._FOLLOW * length_s
        self._usual_s += min(max(moved_s, -limit_s), limit_s)
        return ""


class LineFit:
    """Local time against sample count: a robust line over the last minute, with a prior on the rate.

    Forgets what was before a lasting step, which is no drift.
    """

    _N_KEPT: Final = 240
    _RATE_PRIOR: Final = 100e-6
    _NOISE_S: Final = 0.3e-3
    _STEP_S: Final = 1e-3
    _N_LATE: Final = 6
    _N_EARLY: Final = 2

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._points: deque[tuple[int, float]] = deque(maxlen=self._N_KEPT)
        self._n, self._at_s, self.rate = 0, 0.0, 0.0
        self._usual_rate = 0.0  # as known before the last step

    def add(self, n: int, local_s: float, *, by_arrival: bool) -> None:
        """Sample number ``n`` was taken at about ``local_s``.

        ``by_arrival``: an early one is believed sooner; blocks come late for many reasons, early for none.
        """
        n_early = self._N_EARLY if by_arrival else self._N_LATE
        self._points.append((n, local_s))
        late_s = [t - self.at(k) for k, t in list(self._points)[-self._N_LATE :]]
        if len(self._points) > self._N_LATE and min(late_s) > self._STEP_S:
            self._forget_but(self._N_LATE)
        elif len(self._points) > n_early and max(late_s[-n_early:]) < -self._STEP_S:
            self._forget_but(n_early)
        self._refit()

    def at(self, n: int) -> float:
        """Local time of sample number ``n``."""
        return self._at_s + (n - self._n) / self._sfreq * (1.0 + self.rate)

    def _forget_but(self, n_kept: int) -> None:
        self._usual_rate = self.rate
        while len(self._points) > n_kept:
            self._points.popleft()

    def _refit(self) -> None:
        first_n, first_s = self._points[0]
        x = np.array([n - first_n for n, _ in self._points]) / self._sfreq
        z = np.array([t - first_s for _, t in self._points]) - x
        keep = np.ones(len(x), bool)
        for _ in range(2):
            centre, mean, rate = self._regress(x[keep], z[keep])
            off = z - mean - rate * (x - centre)
            keep = np.abs(off) <= max(1e-3, 4.0 * float(np.median(np.abs(off))))
            if keep.all() or not keep.any():
                break
        self._n, self.rate = first_n, rate
        self._at_s = first_s + mean - rate * centre

    def _regress(self, x: TimeArray, z: TimeArray) -> tuple[float, float, float]:
        centre, mean = float(x.mean()), float(z.mean())
        off = x - centre
        information = float(off @ off) / self._NOISE_S**2
        more = float(off @ (z - mean - self._usual_rate * off)) / self._NOISE_S**2
        return centre, mean, self._usual_rate + more / (information + self._RATE_PRIOR**-2)
