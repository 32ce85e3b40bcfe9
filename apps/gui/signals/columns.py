"""Which columns of a picture show which time, and which of them are to be drawn now. No Qt.

Column ``c`` of a picture of ``width`` columns over ``span_s`` seconds covers ``[c, c + 1) * span_s / width``
of the session's time, for every view alike, so that a marker stands at one place in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.gui.signals.raster import blank
from bci_stream.engine.frame import TraceHistory
from bci_stream.messages import FloatArray, MaskArray

LATE_S = 0.5  # what has not come for this long is shown as missing
Image = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time on the screen: it ends at session time ``head_s`` and is ``span_s`` long.

    ``sweep``: the newest columns overwrite the oldest in place, as on an oscilloscope; else all move left.
    """

    head_s: float
    span_s: float
    t0_s: float
    sweep: bool = True

    def column(self, width: int) -> int:
        """One past the last column that is shown."""
        return math.floor(self.head_s / self.span_s * width)

    def x(self, t_s: float, width: int) -> float | None:
        """Where session time ``t_s`` is, in columns from the left; None outside."""
        head = self.head_s / self.span_s * width
        c = t_s / self.span_s * width
        if not head - width <= c <= head:
            return None
        return c % width if self.sweep else c - (math.floor(head) - width)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows to draw: ``start`` is where column ``column`` begins among them, in rows."""

    data: FloatArray
    mask: MaskArray
    marks: MaskArray
    start: float
    rows_per_column: float
    column: int
    n_columns: int


Draw = Callable[[Image, Piece], None]


class ColumnRing:
    """An image of which only new columns are drawn.

    ``draw`` draws a :class:`Piece`. ``key``: whatever the picture depends on; another key draws all anew.
    """

    def __init__(self, height: int, width: int, draw: Draw, background: int, gap: int) -> None:
        self.image: Image = np.full((max(1, height), max(1, width)), background, np.uint32)
        self._draw, self._background, self._gap = draw, background, gap
        self._drawn = self._cleared = self._hatched = 0
        self._key: Any = None

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.image.shape[1])

    def update(self, history: TraceHistory, stretch: Stretch, key: Any = None) -> tuple[int, int]:
        """Draw what is new; returns the columns ``[first, stop)`` that changed."""
        head = stretch.column(self.width)
        low = head - self.width
        full_key = (id(history), stretch.span_s, stretch.t0_s, key)
        if full_key != self._key or head < self._cleared:
            self._key = full_key
            self._drawn = self._cleared = self._hatched = low
        self._drawn = max(self._drawn, low)
        before = self._drawn
        self._drawn = max(before, self._fill(history, stretch, head))
        first = before if self._drawn > before else head
        return min(first, self._clear(history, stretch, head, low)), head

    def _fill(self, history: TraceHistory, stretch: Stretch, head: int) -> int:
        """Draw every column whose rows are all there; returns one past the last of them."""
        per_column = stretch.span_s / self.width * history.sfreq
        origin = stretch.t0_s * history.sfreq
        there = math.floor((history.stop - 2 - origin) / per_column)
        stop = min(head, there)
        n = stop - self._drawn
        if n <= 0:
            return self._drawn
        left = origin + self._drawn * per_column
        first_row = max(history.first, math.floor(left) - 1)
        stop_row = min(history.stop, math.ceil(left + n * per_column) + 2)
        if stop_row <= first_row:
            return stop
        try:
            data, mask, marks = history.rows(first_row, stop_row)
        except IndexError:  # the oldest of them were overwritten at this moment: next time
            return self._drawn
        self._draw(self.image, Piece(data, mask, marks, left - first_row, per_column, self._drawn, n))
        return stop

    def _clear(self, history: TraceHistory, stretch: Stretch, head: int, low: int) -> int:
        """Empty the columns that wait for their rows; mark them when they have waited long.

        Returns the first column that it touched.
        """
        first = touched = max(self._drawn, self._cleared)
        if head > first:
            blank(self.image, first, head - first, self._background, 0)
        self._cleared = head
        late = math.floor((stretch.head_s - LATE_S) / stretch.span_s * self.width)
        first = max(self._drawn, self._hatched, low)
        if late > first and history.stop > 0:
            blank(self.image, first, late - first, self._background, self._gap)
            self._hatched, touched = late, min(first, touched)
        return touched
