"""A fixed-capacity ring addressed by absolute grid index, with contiguous zero-copy views.

Everything is written twice, a capacity apart, so any stretch no longer than the capacity lies in
one piece somewhere: a view costs nothing whatever its length. Rows are time-major.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Ring:
    """Rows ``[end - capacity, end)`` of an endless (n, n_channels) array.

    A view stays valid until ``capacity - its length`` more rows are written.
    """

    def __init__(self, capacity: int, n_channels: int, dtype: DTypeLike = np.float32, start: int = 0) -> None:
        self._rows: NDArray[Any] = np.zeros((2 * capacity, n_channels), dtype)
        self.capacity = capacity
        self.start = start  # first index ever written
        self.end = start  # one past the newest

    def append(self, rows: NDArray[Any]) -> None:
        """Write (n, n_channels) rows at ``end``; only the newest ``capacity`` of them can stay."""
        skipped = max(0, len(rows) - self.capacity)
        self.end += skipped
        rows = rows[skipped:]
        while len(rows):
            at = self.end % self.capacity
            n = min(len(rows), self.capacity - at)
            self._rows[at : at + n] = rows[:n]
            self._rows[at + self.capacity : at + self.capacity + n] = rows[:n]
            self.end += n
            rows = rows[n:]

    def fill(self, n: int, value: float) -> None:
        """Write ``n`` rows of one value, whatever ``n`` is, in bounded time."""
        self.end += max(0, n - self.capacity)
        n = min(n, self.capacity)
        self.append(np.full((n, self._rows.shape[1]), value, self._rows.dtype))

    def view(self, first: int, stop: int) -> NDArray[Any]:
        """Rows ``[first, stop)`` as one contiguous read-only view.

        Raises IndexError when part of them is not (or no longer) there.
        """
        if not (self.end - self.capacity <= first <= stop <= self.end):
            raise IndexError(f"rows [{first}, {stop}) are outside [{self.end - self.capacity}, {self.end})")
        at = first % self.capacity
        rows = self._rows[at : at + stop - first]
        rows.flags.writeable = False
        return rows
