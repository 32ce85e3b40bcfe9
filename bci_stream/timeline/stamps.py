"""Gap-aware, causal dejitter: raw local stamps to evenly advancing ones, one segment at a time.

liblsl smooths on the sample count and does not see gaps: after g lost seconds its stamps are wrong
by -g, and overshoot for minutes. Here a line (phase, period) is fitted per gap-free segment by a
recursive least-squares filter with a prior on the rate and a memory of one minute. It is updated at
fixed sample counts only (1, 2, 4, … then every tenth of a second), so that chunking cannot matter.
A residual beyond 0.25 s starts a new segment at once; one beyond six times the jitter (at least
40 ms) starts one when it has lasted 0.15 s, so that a stalled packet is not taken for a loss; a
smaller shift of the whole line is found within about a second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import TimeArray

BLOCK_S = 0.1
_RATE_PRIOR = 0.05  # a device's true rate is within 5 % of its nominal one, or it is measured first


class Dejitter:
    """Smooths the stamps of one stream of nominal rate ``sfreq`` Hz."""

    def __init__(self, sfreq: float) -> None:
        from bci_stream.timeline import kernels as kn

        self._kn = kn
        self._nominal = 1.0 / sfreq
        self._block_full = max(1, round(BLOCK_S * sfreq))
        self._f = np.zeros(kn.N_FLOATS)
        self._k = np.zeros(kn.N_INTS, np.int64)
        self._f[kn.PERIOD_S] = self._nominal
        self._f[kn.P_RATE] = (_RATE_PRIOR * self._nominal) ** 2
        self._f[kn.VAR_SAMPLE] = self._f[kn.VAR_BLOCK] = 5e-3**2
        self._f[kn.LAST_OUT_S] = -np.inf

    def step(self, local: TimeArray) -> tuple[TimeArray, NDArray[np.int8]]:
        """Smooth (n,) local stamps.

        Returns (n,) times, and per sample 0, or 1 for the first of a segment, or -1 where it lies
        before samples that were already placed (to be dropped).
        """
        times = np.empty(len(local))
        kinds = np.empty(len(local), np.int8)
        self._kn.dejitter(np.ascontiguousarray(local), self._f, self._k, self._block_full, times, kinds)
        return times, kinds

    @property
    def period_s(self) -> float:
        """The device's sample period on the local clock, as known now."""
        return float(self._f[self._kn.PERIOD_S])

    @property
    def rate_ppm(self) -> float:
        """How much faster than nominal the device runs, parts per million."""
        return (self._nominal / self.period_s - 1.0) * 1e6

    @property
    def jitter_s(self) -> float:
        """Standard deviation of the raw stamps around the line."""
        return float(np.sqrt(self._f[self._kn.VAR_SAMPLE]))

    @property
    def n_segments(self) -> int:
        """Segments begun."""
        return int(self._k[self._kn.N_SEGMENTS])

    @property
    def n_lost(self) -> int:
        """Samples that the device must have taken and that never came, by the stamps."""
        return int(self._k[self._kn.N_LOST])

    @property
    def n_overlap(self) -> int:
        """Samples stamped before ones that had already been placed."""
        return int(self._k[self._kn.N_OVERLAP])
