"""What a recording's channels look like, in one pass and bounded memory: spread, flat, railed, an outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import TimeArray

_MAX_BLOCKS = 4096  # seconds whose spread is kept; of a longer recording every second, fourth, … one


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """One channel, in the unit of its stream.

    ``sd``: median over the seconds of the SD within a second, NaN without samples. ``flat``: share of the
    seconds in which nothing changed. ``railed``: share of samples stuck at the recording's highest or
    lowest value. ``bad``: share of samples that are no finite numbers.
    """

    sd: float
    mean: float
    low: float
    high: float
    flat: float
    railed: float
    bad: float


class ChannelStats:
    """Takes a stream's values as they come; ``block``: samples in a second."""

    def __init__(self, n_channels: int, block: int) -> None:
        self._block = max(2, block)
        self._rest = np.empty((0, n_channels))
        self._spreads: list[NDArray[np.float32]] = []
        self._stride, self._n_blocks = 1, 0
        self._flat = np.zeros(n_channels, np.int64)
        self._n = 0
        self._n_bad = np.zeros(n_channels, np.int64)
        self._total = np.zeros(n_channels)
        self._low, self._high = np.full(n_channels, np.inf), np.full(n_channels, -np.inf)
        self._at_low, self._at_high = np.zeros(n_channels, np.int64), np.zeros(n_channels, np.int64)

    def push(self, values: NDArray[Any]) -> None:
        """Take (n, n_channels)."""
        rows = np.concatenate([self._rest, values.astype(np.float64)])
        n = len(rows) // self._block * self._block
        if n:
            self._seconds(rows[:n].reshape(-1, self._block, rows.shape[1]))
        self._rest = rows[n:]

    def finish(self) -> list[ChannelFigures]:
        """The figures; what is left of a second counts when it is a good part of one, or all there is."""
        if len(self._rest) > 1 and (2 * len(self._rest) >= self._block or not self._n):
            self._seconds(self._rest[np.newaxis])
        self._rest = self._rest[:0]
        n_channels = len(self._flat)
        spreads = np.concatenate(self._spreads) if self._spreads else np.full((1, n_channels), np.nan)
        n_good = np.maximum(self._n - self._n_bad, 1)
        stuck = np.where(self._high > self._low, self._at_low + self._at_high, 0)
        columns = (
            _median(spreads),
            np.where(self._n > self._n_bad, self._total / n_good, np.nan),
            np.where(np.isfinite(self._low), self._low, np.nan),
            np.where(np.isfinite(self._high), self._high, np.nan),
            self._flat / max(1, self._n_blocks),
            stuck / n_good,
            self._n_bad / max(1, self._n),
        )
        return [ChannelFigures(*map(float, row)) for row in zip(*columns, strict=True)]

    def _seconds(self, blocks: NDArray[np.float64]) -> None:
        """Take (n_blocks, n, n_channels)."""
        good = np.isfinite(blocks)
        self._n += blocks.shape[0] * blocks.shape[1]
        self._n_bad += (~good).sum(axis=(0, 1))
        known = np.where(good, blocks, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            self._total += known.sum(axis=(0, 1))
            spread = _spread(known, good)
        low, high = np.where(good, blocks, np.inf), np.where(good, blocks, -np.inf)
        self._flat += ((high.max(axis=1) <= low.min(axis=1)) & good.any(axis=1)).sum(axis=0)
        self._extremes(low.min(axis=(0, 1)), high.max(axis=(0, 1)), blocks)
        self._keep(spread.astype(np.float32))

    def _extremes(
        self, low: NDArray[np.float64], high: NDArray[np.float64], blocks: NDArray[np.float64]
    ) -> None:
        rows = blocks.reshape(-1, blocks.shape[-1])
        still = np.zeros(rows.shape, np.bool_)
        still[1:] = rows[1:] == rows[:-1]
        self._at_low[low < self._low] = 0
        self._at_high[high > self._high] = 0
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self._at_low += (still & (rows == self._low)).sum(axis=0)
        self._at_high += (still & (rows == self._high)).sum(axis=0)

    def _keep(self, spread: NDArray[np.float32]) -> None:
        first = -self._n_blocks % self._stride
        self._n_blocks += len(spread)
        self._spreads.append(spread[first :: self._stride])
        if sum(map(len, self._spreads)) > _MAX_BLOCKS:
            self._stride *= 2
            self._spreads = [np.concatenate(self._spreads)[::2]]


def _spread(known: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """SD of each block, NaN where it has no number at all."""
    n = good.sum(axis=1)
    mean = known.sum(axis=1) / np.maximum(n, 1)
    square = (np.where(good, known - mean[:, np.newaxis], 0.0) ** 2).sum(axis=1) / np.maximum(n, 1)
    return np.where(n > 0, np.sqrt(square), np.nan)


def _median(spreads: NDArray[np.float32]) -> NDArray[np.float64]:
    known = np.isfinite(spreads)
    ordered = np.sort(np.where(known, spreads, np.inf), axis=0)
    n = known.sum(axis=0)
    middle = ordered[np.maximum(n - 1, 0) // 2, np.arange(spreads.shape[1])]
    return np.where(n > 0, middle, np.nan).astype(np.float64)


class Outline:
    """Lowest and highest value in each of ``n_bins`` parts of ``[t_start, t_end)``, a channel a column."""

    def __init__(self, t_start: float, t_end: float, n_bins: int, n_channels: int) -> None:
        length_s = t_end - t_start
        self._t_start = t_start if np.isfinite(length_s) else 0.0
        self._scale = n_bins / length_s if 0 < length_s < np.inf else 0.0
        self.low = np.full((n_bins, n_channels), np.inf)
        self.high = np.full((n_bins, n_channels), -np.inf)

    def push(self, local: TimeArray, values: NDArray[Any]) -> None:
        """Take samples: (n,) finite local times, (n, at least n_channels) values."""
        if not len(local):
            return
        places = np.nan_to_num((local - self._t_start) * self._scale)  # stamps may be as far as doubles go
        bins = np.clip(places, 0, len(self.low) - 1).astype(np.intp)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(bins)) + 1])
        rows = values[:, : self.low.shape[1]].astype(np.float64)
        good = np.isfinite(rows)
        np.minimum.at(self.low, bins[starts], np.minimum.reduceat(np.where(good, rows, np.inf), starts))
        np.maximum.at(self.high, bins[starts], np.maximum.reduceat(np.where(good, rows, -np.inf), starts))
