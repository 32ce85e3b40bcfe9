"""A widget that shows a ring of columns with labels at its left: what the views of signals have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.signals.columns import ColumnRing, Draw, Image, Piece, Stretch
from apps.gui.signals.raster import draw_traces
from apps.gui.theme import Theme, rgb
from bci_stream.engine.frame import TraceHistory

GUTTER = 92  # px for labels, the same in every view so that times stand above each other
RIGHT = 30
_CURSOR = 10  # px that are blank ahead of the newest column while sweeping
_STRIP = 3
_WORDS_PX = 120


@dataclass(frozen=True, slots=True)
class Line:
    """A vertical line at a session time, with words beside it."""

    t_s: float
    colour: str
    words: str = ""


class RingWidget(QtWidgets.QWidget):
    """Draws :class:`ColumnRing` and lines across it; subclasses say how columns and labels are drawn."""

    says_words = False  # whether lines carry their words here

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.stretch: Stretch | None = None
        self._ring: ColumnRing | None = None
        self._picture: Any = None
        self._lines: tuple[Line, ...] = ()
        self._key: Any = None
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_OpaquePaintEvent)

    # -- what subclasses say ----------------------------------------------------------------------------

    def drawing(self) -> Draw:
        """How a piece is drawn into the image."""
        raise NotImplementedError

    def draw_lanes(
        self,
        image: Image,
        piece: Piece,
        *,
        lanes: Any,
        centres: Any,
        px_per_unit: float,
        offset: Any,
        reach_px: float,
        width_px: int,
        colours: Sequence[str],
    ) -> None:
        """Draw channels ``lanes`` of a piece as traces; see :func:`~apps.gui.signals.raster.draw_traces`."""
        theme = self.theme
        special = [rgb(c) for c in (theme.panel, theme.gap, theme.bad, theme.flat)]
        draw_traces(
            piece.data,
            piece.mask,
            piece.marks,
            piece.start,
            piece.rows_per_column,
            image,
            piece.column,
            piece.n_columns,
            lanes,
            centres,
            px_per_unit,
            offset,
            reach_px,
            width_px,
            np.array([rgb(c) for c in colours], np.uint32),
            np.array(special, np.uint32),
        )

    def paint_labels(self, painter: Any) -> None:
        """What stands left of the picture."""

    def paint_over(self, painter: Any, area: Any) -> None:
        """What stands on the picture."""

    # -- the picture --------------------------------------------------------------------------------------

    @property
    def area(self) -> Any:
        """Where the picture is, in the widget's own pixels."""
        return QtCore.QRect(GUTTER, 0, max(1, self.width() - GUTTER - RIGHT), max(1, self.height()))

    @property
    def image(self) -> Any:
        """The image's pixels, (height, width) uint32; for those who look closely."""
        return self._ring.image if self._ring is not None else None

    def follow(self, history: TraceHistory, stretch: Stretch, key: Any = None) -> None:
        """Draw what is new."""
        ring = self._fitting_ring()
        moved = self.stretch is None or self.stretch.sweep != stretch.sweep
        self.stretch = stretch
        full = moved or key != self._key
        self._key = key
        first, stop = ring.update(history, stretch, key)
        if full or not stretch.sweep or stop - first > ring.width // 2:
            self.update(self.area)
        elif stop > first:
            self._update_columns(first - _STRIP, stop + _CURSOR + _STRIP)

    def show_lines(self, lines: tuple[Line, ...]) -> None:
        """Lines across the picture, the very same in every view."""
        if lines == self._lines:
            return
        for line in {*lines} ^ {*self._lines}:
            if (x := self.x_of(line.t_s)) is not None:
                reach = _WORDS_PX if line.words and self.says_words else 3
                self.update(QtCore.QRect(int(x) - reach, 0, 2 * reach, self.height()))
        self._lines = lines

    def x_of(self, t_s: float) -> float | None:
        """Where a session time is, in the widget's own pixels; None when it is not shown."""
        if self.stretch is None or self._ring is None:
            return None
        x = self.stretch.x(t_s, self._ring.width)
        return None if x is None else GUTTER + x / self._ratio

    @property
    def _ratio(self) -> float:
        return float(self.devicePixelRatioF())

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme, self._ring, self._picture = theme, None, None
        self.update()

    def _fitting_ring(self) -> ColumnRing:
        area, ratio = self.area, self._ratio
        height, width = round(area.height() * ratio), round(area.width() * ratio)
        if self._ring is None or self._ring.image.shape != (height, width):
            theme = self.theme
            self._ring = ColumnRing(height, width, self._draw, rgb(theme.panel), rgb(theme.gap))
            image = self._ring.image
            self._picture = QtGui.QImage(
                image.data, width, height, 4 * width, QtGui.QImage.Format.Format_RGB32
            )
            self.update()
        return self._ring

    def _draw(self, image: Any, piece: Any) -> None:
        self.drawing()(image, piece)

    def _update_columns(self, first: int, stop: int) -> None:
        assert self._ring is not None
        width, ratio = self._ring.width, self._ratio
        x0, n = first % width, stop - first
        for start, length in ((x0, min(n, width - x0)), (0, x0 + n - width)):
            if length > 0:
                left = GUTTER + int(start / ratio) - 1
                self.update(QtCore.QRect(left, 0, int(length / ratio) + 3, self.height()))

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Draw what has to be drawn."""
        painter = QtGui.QPainter(self)
        region = event.rect()
        painter.fillRect(region, QtGui.QColor(self.theme.panel))
        if self._picture is not None and self.stretch is not None:
            self._paint_picture(painter)
            self._paint_lines(painter)
            self.paint_over(painter, self.area)
        if region.left() < GUTTER:
            self.paint_labels(painter)
        painter.end()

    def _paint_picture(self, painter: Any) -> None:
        assert self.stretch is not None
        assert self._ring is not None
        area, ratio, width = self.area, self._ratio, self._ring.width
        at = self.stretch.column(width) % width
        if self.stretch.sweep:
            self._paint_part(painter, 0, width, float(area.left()))
            x = area.left() + at / ratio
            painter.fillRect(QtCore.QRectF(x, 0, _CURSOR, area.height()), QtGui.QColor(self.theme.panel))
            painter.fillRect(QtCore.QRectF(x, 0, 1, area.height()), QtGui.QColor(self.theme.muted))
            return
        self._paint_part(painter, at, width - at, float(area.left()))
        self._paint_part(painter, 0, at, area.left() + (width - at) / ratio)

    def _paint_part(self, painter: Any, first: int, n: int, x: float) -> None:
        height, ratio = self.image.shape[0], self._ratio
        target = QtCore.QRectF(x, 0, n / ratio, height / ratio)
        painter.drawImage(target, self._picture, QtCore.QRectF(first, 0, n, height))

    def _paint_lines(self, painter: Any) -> None:
        for line in self._lines:
            if (x := self.x_of(line.t_s)) is None:
                continue
            colour = QtGui.QColor(line.colour)
            painter.fillRect(QtCore.QRectF(x, 0, 1, self.height()), colour)
            if line.words and self.says_words:
                self._paint_words(painter, x, line.words, colour)

    def _paint_words(self, painter: Any, x: float, words: str, colour: Any) -> None:
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        words = metrics.elidedText(words, QtCore.Qt.TextElideMode.ElideRight, _WORDS_PX - 12)
        width = metrics.horizontalAdvance(words) + 6
        left = x + 1 if x + width < self.area.right() else x - width
        box = QtCore.QRectF(left, 0, width, 15)
        painter.fillRect(box, QtGui.QColor(self.theme.panel))
        painter.setPen(colour)
        painter.drawText(box, QtCore.Qt.AlignmentFlag.AlignCenter, words)
