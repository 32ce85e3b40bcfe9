"""Signals made in fixed blocks and read in any pieces, with the filters and events both signals use.

A block's bits depend on its number and the state after the block before it, never on who reads how
much, so any chunking of a simulated signal gives the same bits.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import FloatArray

Samples = NDArray[np.float64]

BLOCK_S = 0.2


class BlockReader:
    """Reads a signal of consecutive blocks. ``make_block(k)`` is called once for every k, in order.

    ``make_block`` returns (n, n_channels) float32 with the same shape every time.
    """

    def __init__(self, make_block: Callable[[int], FloatArray]) -> None:
        self._make_block = make_block
        self._n_blocks = 0
        self._left: FloatArray | None = None

    def read(self, n: int) -> FloatArray:
        """The next ``n`` samples, (n, n_channels); no memory is shared with a later read."""
        parts = []
        while self._left is None or len(self._left) < n:
            if self._left is not None:
                parts.append(self._left)
                n -= len(self._left)
            self._left = self._make_block(self._n_blocks)
            self._n_blocks += 1
        parts.append(self._left[:n])
        self._left = self._left[n:]
        return np.concatenate(parts)


class Resonator:
    """White noise or a source in, a rhythm out: two poles at ``freq_hz``, -3 dB width ``width_hz``.

    ``unit`` says what is one: "power" gives unit variance from unit white noise, "dc" unit gain at 0 Hz.
    """

    def __init__(self, freq_hz: float, width_hz: float, sfreq: float, unit: str) -> None:
        r = np.exp(-np.pi * width_hz / sfreq)
        w = 2 * np.pi * freq_hz / sfreq
        self._a = np.array([1.0, -2 * r * np.cos(w), r * r])
        dc = 1 - 2 * r * np.cos(w) + r * r
        power = np.sqrt((1 - r**2) * (1 - 2 * r**2 * np.cos(2 * w) + r**4) / (1 + r**2))
        self._b = np.array([power if unit == "power" else dc])
        self._state = np.zeros(2)

    def step(self, x: Samples) -> Samples:
        """(n,) -> (n,), continuing from the step before."""
        from scipy.signal import lfilter

        y, self._state = lfilter(self._b, self._a, x, zi=self._state)
        return np.asarray(y)


@dataclass(frozen=True, slots=True)
class Burst:
    """Something that happens once in a while, in seconds."""

    t_start: float
    t_end: float
    size: float


class Bursts:
    """Events at random times (Poisson), drawn as far ahead as is asked for."""

    def __init__(
        self,
        rng: np.random.Generator,
        per_min: float,
        duration_s: tuple[float, float],
        size: tuple[float, float],
    ) -> None:
        self._rng = rng
        self._per_min = per_min
        self._duration_s = duration_s
        self._size = size
        self._drawn: list[Burst] = []

    def within(self, t_from: float, t_to: float) -> list[Burst]:
        """Those that overlap ``[t_from, t_to)``."""
        if self._per_min == 0:
            return []
        while not self._drawn or self._drawn[-1].t_start < t_to:
            self._drawn.append(self._next())
        first = bisect.bisect_left(self._drawn, t_from - self._duration_s[1], key=lambda burst: burst.t_start)
        return [burst for burst in self._drawn[first:] if burst.t_start < t_to and burst.t_end > t_from]

    def _next(self) -> Burst:
        before = self._drawn[-1].t_end if self._drawn else 0.0
        t_start = before + self._rng.exponential(60 / self._per_min)
        return Burst(t_start, t_start + self._rng.uniform(*self._duration_s), self._rng.uniform(*self._size))


def hump(times: Samples, t_start: float, t_end: float) -> Samples:
    """A raised cosine: 0 outside ``(t_start, t_end)``, 1 in its middle."""
    phase = np.clip((times - t_start) / (t_end - t_start), 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * phase))
