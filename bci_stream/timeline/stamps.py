"""Gap-aware, causal dejitter: raw local stamps to evenly advancing ones, one segment at a time.

liblsl smooths on the sample count and does not see gaps: after g lost seconds its stamps are wrong
by -g, and overshoot for minutes. Here a line (phase, period) is fitted per gap-free segment by a
recursive least-squares filter with a prior on the rate and a memory of one minute. It is updated at
fixed sample counts only (1, 2, 4, … then every tenth of a second), so that chunking cannot matter.

Samples that are late by more than six times the jitter (at least 20 ms) are behind a loss, or were held
up by the radio. After a loss the samples stay late by as much; after a stall they come in a rush, each
less late than the one before. So they are held back until that is known: a tenth of a second where the
jitter is small, at most :data:`HOLD_S`, and the decision may take half a second where it is large; at most
:data:`YOUNG_HOLD_S` at the beginning of a stream, when the jitter is not known, and as much again when even
later ones follow, as after a second loss: then each part gets its own place. A step
of more than a second is believed at once. A smaller shift of the whole line is found within about a
second, from the mean and from the samples that were not held up. What was lost is counted by the lines
before and after, once they are sure, so that the count does not wander.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import FloatArray, TimeArray

BLOCK_S = 0.1
HOLD_S = 0.2  #: suspects are placed when it is known what they are, or after so long as if on time
YOUNG_HOLD_S = 0.55  #: while the jitter is not known; twice that behind loss upon loss
_RATE_PRIOR = 0.05  # a device's true rate is within 5 % of its nominal one, or it is measured first


class Dejitter:
    """Smooths the stamps of one stream of nominal rate ``sfreq`` Hz."""

    def __init__(self, sfreq: float) -> None:
        from bci_stream.timeline import stamp_kernels as kn

        self._kn = kn
        self._nominal = 1.0 / sfreq
        self._block_full = max(1, round(BLOCK_S * sfreq))
        self._f = np.zeros(kn.N_FLOATS)
        self._k = np.zeros(kn.N_INTS, np.int64)
        self._f[kn.PERIOD_S] = self._nominal
        self._f[kn.P_RATE] = (_RATE_PRIOR * self._nominal) ** 2
        self._f[kn.VAR_SAMPLE] = self._f[kn.VAR_BLOCK] = 5e-3**2
        self._f[kn.LAST_OUT_S] = -np.inf
        self._f[kn.LEAST_NOW] = self._f[kn.LEAST_BEFORE] = np.inf

    def step(self, local: TimeArray) -> tuple[TimeArray, NDArray[np.int8]]:
        """Smooth (n,) local stamps; NaN for a sample that is in its place but says no time.

        Returns (m,) times of the oldest samples not yet returned, and per sample 0, or 1 for the first
        of a segment, or -1 where it lies before samples that were already placed (to be dropped).
        ``m`` is ``n`` but where samples are held back.
        """
        room = len(local) + self.n_held
        times, kinds = np.empty(room), np.empty(room, np.int8)
        n = self._kn.dejitter(np.ascontiguousarray(local), self._f, self._k, self._block_full, times, kinds)
        return times[:n], kinds[:n]

    def finish(self) -> tuple[TimeArray, NDArray[np.int8]]:
        """The stream has ended: the samples that were held back, as if they had been on time."""
        times, kinds = np.empty(self.n_held), np.empty(self.n_held, np.int8)
        self._kn.release(self._f, self._k, times, kinds, 0, 0)
        return times, kinds

    @property
    def n_held(self) -> int:
        """Samples held back: at most :data:`HOLD_S` of them and one, or twice :data:`YOUNG_HOLD_S`.

        Samples without a time among them are not counted in that, up to a second of them.
        """
        return int(self._k[self._kn.HELD])

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
        return max(0, round(float(self._f[self._kn.LOST])))

    @property
    def n_overlap(self) -> int:
        """Samples stamped before ones that had already been placed."""
        return int(self._k[self._kn.N_OVERLAP])


class Dejittered:
    """A :class:`Dejitter` with the samples beside their stamps.

    ``stage`` tells of rate, jitter and loss.
    """

    def __init__(self, sfreq: float) -> None:
        self.stage = Dejitter(sfreq)
        self._held: FloatArray | None = None

    def step(self, local: TimeArray, data: FloatArray) -> tuple[TimeArray, NDArray[np.int8], FloatArray]:
        """(n,) stamps and (n, n_channels) samples -> those that are placed: times, kinds, samples."""
        times, kinds = self.stage.step(local)
        if self._held is not None:
            data = np.concatenate((self._held, data))
        self._held = data[len(times) :].copy() if len(times) < len(data) else None
        return times, kinds, data[: len(times)]

    def finish(self) -> tuple[TimeArray, NDArray[np.int8], FloatArray] | None:
        """What is left at the end of the stream."""
        held, self._held = self._held, None
        return None if held is None else (*self.stage.finish(), held)
