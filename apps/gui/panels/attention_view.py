"""Which time of the voice each time of the EEG attends to."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyqtgraph.Qt import QtCore

from apps.gui.palette import Theme
from apps.gui.panels.canvas import CENTRE, RIGHT, TOP, Canvas, Same, pen
from apps.gui.panels.image import image_of
from apps.gui.strings import tr
from apps.gui.viewmodels.weights import AttentionMap, attention_map
from bci_stream.engine.frame import Frame


class AttentionView(Canvas):
    """A square: voice time to the right, EEG time up; both end now, at the upper right corner."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("attention of EEG to voice"),
            tr("How strongly each moment of the EEG looks at each moment of the voice, in the newest window"),
        )
        self.which: int | None = None

    def set_head(self, which: int | None) -> None:
        """Show one head, or the mean of all."""
        self.which = which

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The map, and which head."""
        weights = frame.weights
        return (Same(weights.attention) if weights is not None else None, self.which)

    def look(self, frame: Frame) -> AttentionMap:
        """The map."""
        return attention_map(frame.weights, self.which)

    def told(self, model: AttentionMap) -> str:
        """Where it looks, in words."""
        return model.words

    def area(self) -> Any:
        """Where the map is drawn: a square."""
        em = self.em
        left, below, above = 2.9 * em, 3.6 * em, 0.5 * em
        side = max(em, min(self.width() - left - em, self.height() - below - above))
        x = left + max(0.0, (self.width() - left - em - side) / 2)
        return QtCore.QRectF(x, above, side, side)

    def draw(self, painter: Any, model: AttentionMap) -> None:
        """The map, its axes, words below."""
        if not model.image.size:
            self.empty(painter, model.words)
            return
        area = self.area()
        high = float(np.nanmax(model.image)) if np.isfinite(model.image).any() else 1.0
        image = image_of(model.image[::-1], 0.0, high or 1.0, self.theme.heat, self.theme.field)
        painter.drawImage(area, image)
        painter.setPen(pen(self.theme.border))
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
        painter.drawRect(area)
        self._draw_axes(painter, area, model.window_s)
        em = self.em
        rect = QtCore.QRectF(0, area.bottom() + 2.35 * em, self.width(), 1.2 * em)
        self.write(painter, rect, model.words, self.theme.muted, CENTRE, scale=0.85)

    def _draw_axes(self, painter: Any, area: Any, window_s: float) -> None:
        em, muted = self.em, self.theme.muted
        for t_s in _ticks_s(window_s, int(area.width() / (2.5 * em))):
            share = 1.0 + t_s / window_s
            x, y = area.left() + share * area.width(), area.bottom() - share * area.height()
            painter.setPen(pen(self.theme.border))
            painter.drawLine(QtCore.QPointF(x, area.bottom()), QtCore.QPointF(x, area.bottom() + 0.2 * em))
            painter.drawLine(QtCore.QPointF(area.left() - 0.2 * em, y), QtCore.QPointF(area.left(), y))
            words = f"{t_s:g}"
            rect = QtCore.QRectF(x - 2 * em, area.bottom() + 0.2 * em, 4 * em, em)
            self.write(painter, rect, words, muted, TOP, scale=0.8)
            rect = QtCore.QRectF(0, y - em / 2, area.left() - 0.3 * em, em)
            self.write(painter, rect, words, muted, RIGHT, scale=0.8)
        rect = QtCore.QRectF(area.left() - 3 * em, area.bottom() + 1.15 * em, area.width() + 6 * em, em)
        self.write(painter, rect, tr("voice time, s"), muted, CENTRE, scale=0.85)
        painter.save()
        painter.translate(area.left() - 2.3 * em, area.center().y())
        painter.rotate(-90)
        rect = QtCore.QRectF(-area.height() / 2, -0.6 * em, area.height(), em)
        self.write(painter, rect, tr("EEG time, s"), muted, CENTRE, scale=0.85)
        painter.restore()


def _ticks_s(window_s: float, most: int) -> list[float]:
    """Seconds before the window's end, round, at most ``most``."""
    if not np.isfinite(window_s) or window_s <= 0:
        return []
    steps = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
    step = next((step for step in steps if window_s / step <= max(1, most)), window_s)
    return [0.0 - float(t) for t in np.arange(0.0, window_s + 1e-6, step)]
