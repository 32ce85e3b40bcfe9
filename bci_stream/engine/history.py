"""The last minutes of a stream on an even grid, for views: one writer (the engine), any reader.

Samples are put onto the nearest row of ``time x rate`` as they are; nothing is filtered and nothing is
interpolated but the row that a drifting clock leaves out now and then, which repeats its neighbour. What
was not delivered is a gap. Memory is bounded in bytes: the oldest rows give way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import Flag, FloatArray, MaskArray, TimeArray

KEPT_S = 600.0
MAX_BYTES = 192 << 20
_GUARD_S = 1.0  # rows that the writer may be about to overwrite are no longer given out
_MIN_ROWS = 64


def capacity_of(n_channels: int, sfreq: float, kept_s: float = KEPT_S, max_bytes: int = MAX_BYTES) -> int:
    """Rows that are kept: ``kept_s`` of them, or what ``max_bytes`` hold."""
    row_bytes = 5 * n_channels + 1
    return max(_MIN_ROWS, min(round(kept_s * sfreq), max_bytes // row_bytes))


class History:
    """Implements :class:`~bci_stream.engine.frame.TraceHistory`.

    ``capacity``: rows kept, see :func:`capacity_of`. One thread writes; any thread reads.
    """

    def __init__(self, role: str, ch_names: tuple[str, ...], sfreq: float, capacity: int) -> None:
        self.role, self.ch_names, self.sfreq = role, ch_names, sfreq
        self.capacity = capacity
        self._guard = min(max(1, round(_GUARD_S * sfreq)), capacity // 4)
        self._data = np.zeros((capacity, len(ch_names)), np.float32)
        self._mask = np.full(capacity, Flag.GAP, np.uint8)
        self._marks = np.zeros((capacity, len(ch_names)), np.uint8)
        self._begin = self._stop = 0
        self._started = False

    @property
    def first(self) -> int:
        """Oldest row that can still be read."""
        return max(self._begin, self._stop - self.capacity + self._guard)

    @property
    def stop(self) -> int:
        """One past the newest row."""
        return self._stop

    @property
    def n_bytes(self) -> int:
        """Memory taken."""
        return self._data.nbytes + self._mask.nbytes + self._marks.nbytes

    def rows(self, first: int, stop: int) -> tuple[FloatArray, MaskArray, MaskArray]:
        """Copies of rows ``[first, stop)``: data (n, C), mask (n,), marks (n, C). Raises IndexError."""
        self._check(first, stop)
        parts = [(self._data[a:b], self._mask[a:b], self._marks[a:b]) for a, b in self._spans(first, stop)]
        data, mask, marks = (np.concatenate(part) for part in zip(*parts, strict=True))
        self._check(first, stop)  # nothing of it was overwritten meanwhile
        return data, mask, marks

    def push(self, times: TimeArray, data: FloatArray, marks: MaskArray, breaks: NDArray[np.bool_]) -> None:
        """Samples at even local ``times`` (n,); ``breaks`` (n,): the ones that come after a gap."""
        if not len(times):
            return
        rows = np.floor(times * self.sfreq + 0.5).astype(np.int64)
        if not self._started:
            self._begin = self._stop = int(rows[0])
            self._started = True
        grid = np.arange(max(self._stop, int(rows[-1]) + 1 - self.capacity), int(rows[-1]) + 1)
        if not len(grid):
            return  # all of it lies in the past
        at = np.searchsorted(rows, grid)
        gap = breaks[at] & (rows[at] > grid)
        values = np.where(gap[:, None], np.float32(0), data[at]) if gap.any() else data[at]
        self.write(int(grid[0]), values, np.where(gap, np.uint8(Flag.GAP), np.uint8(0)), marks[at])

    def write(self, first: int, data: FloatArray, mask: MaskArray, marks: MaskArray) -> None:
        """Rows from ``first`` on, at most ``capacity`` of them; what is left out before it is a gap."""
        if not self._started:
            self._begin = self._stop = first
            self._started = True
        if first > self._stop:
            self._fill_gap(max(self._stop, first - self.capacity), first)
        skip = max(0, self._stop - first)
        if skip >= len(mask):
            return
        first, stop = first + skip, first + len(mask)
        done = skip
        for a, b in self._spans(first, stop):
            part = slice(done, done + b - a)
            self._data[a:b], self._mask[a:b], self._marks[a:b] = data[part], mask[part], marks[part]
            done += b - a
        self._stop = stop

    def _fill_gap(self, first: int, stop: int) -> None:
        for a, b in self._spans(first, stop):
            self._data[a:b], self._mask[a:b], self._marks[a:b] = 0, Flag.GAP, 0
        self._stop = stop

    def _check(self, first: int, stop: int) -> None:
        if not self.first <= first <= stop <= self._stop:
            raise IndexError(f"rows [{first}, {stop}) are outside [{self.first}, {self._stop})")

    def _spans(self, first: int, stop: int) -> list[tuple[int, int]]:
        a, n = first % self.capacity, stop - first
        if a + n <= self.capacity:
            return [(a, a + n)]
        return [(a, self.capacity), (0, a + n - self.capacity)]
