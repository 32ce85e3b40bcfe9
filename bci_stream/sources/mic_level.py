"""How loud a signal is, in dB of full scale. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from bci_stream.messages import FloatArray

SILENT_DBFS: Final = -120.0
CLIPPED_DBFS: Final = -0.1


@dataclass(frozen=True, slots=True)
class Level:
    """``rms_dbfs`` and ``peak_dbfs``: 0 is full scale, never below -120."""

    rms_dbfs: float = SILENT_DBFS
    peak_dbfs: float = SILENT_DBFS


class LevelMeter:
    """RMS of the last third of a second, and the peak of the last second and a half."""

    _RMS_S: Final = 0.3
    _PEAK_S: Final = 1.5

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._squares: deque[tuple[int, float]] = deque()
        self._peaks: deque[tuple[int, float]] = deque()

    def step(self, x: FloatArray) -> None:
        """Take samples (n,) or (n, n_channels) in [-1, 1]."""
        if not len(x):
            return
        wide = x.astype(np.float64)
        self._squares.append((len(x), float(np.mean(wide * wide) * len(x))))
        self._peaks.append((len(x), float(np.abs(wide).max())))
        _trim(self._squares, self._RMS_S * self._sfreq)
        _trim(self._peaks, self._PEAK_S * self._sfreq)

    @property
    def level(self) -> Level:
        """As it is now."""
        if not self._squares:
            return Level()
        squares = list(self._squares)
        mean = sum(s for _, s in squares) / sum(n for n, _ in squares)
        return Level(_db(mean**0.5), _db(max(p for _, p in list(self._peaks))))


def _trim(parts: deque[tuple[int, float]], n_samples: float) -> None:
    while len(parts) > 1 and sum(n for n, _ in parts) - parts[0][0] >= n_samples:
        parts.popleft()


def _db(value: float) -> float:
    return max(SILENT_DBFS, 20.0 * float(np.log10(max(value, 1e-9))))
