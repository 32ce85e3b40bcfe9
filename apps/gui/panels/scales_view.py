"""The learned weight of each feature of each modality, as bars up and down from where training began."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme
from apps.gui.panels.canvas import LEFT, RIGHT, Canvas, Same, pen
from apps.gui.strings import tr
from apps.gui.viewmodels.weights import ScaleBars, scale_bars
from apps.gui.viewmodels.words import figure
from bci_stream.engine.frame import Frame

_LEFT_EM, _TITLE_EM = 2.6, 1.1


class ScalesView(Canvas):
    """A strip for each modality; the line in its middle is 1, what training began with."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("scales of the modalities"),
            tr("Learned weight of each of the features of EEG and voice; all were 1 when training began"),
        )

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The learned weights."""
        return (Same(frame.weights.scales if frame.weights is not None else None),)

    def look(self, frame: Frame) -> tuple[ScaleBars, ...]:
        """A strip for each modality."""
        return scale_bars(frame.weights)

    def told(self, model: tuple[ScaleBars, ...]) -> str:
        """What changed, in words."""
        return "; ".join(f"{strip.title}: {strip.words}" for strip in model) or tr("no model")

    def strip(self, i: int) -> Any:
        """Where the bars of a strip are drawn."""
        em, n = self.em, max(1, len(self.model))
        step = self.height() / n
        left = _LEFT_EM * em
        tall = max(1.0, step - (_TITLE_EM + 0.4) * em)
        return QtCore.QRectF(left, i * step + _TITLE_EM * em, self.width() - left, tall)

    def bars(self, i: int) -> Any:
        """(D, 4) left, top, width, height of each bar."""
        strip, found = self.strip(i), self.model[i]
        n = len(found.values)
        change = np.nan_to_num(np.clip(found.values - 1.0, -found.edge, found.edge)) / found.edge
        x = strip.left() + np.arange(n) * strip.width() / n
        middle, half = strip.center().y(), strip.height() / 2
        top = np.where(change > 0, middle - change * half, middle)
        wide = np.full(n, max(1.0, strip.width() / n - 1.0))
        return np.column_stack([x, top, wide, np.abs(change) * half])

    def draw(self, painter: Any, model: tuple[ScaleBars, ...]) -> None:
        """Strips below each other."""
        if not model:
            self.empty(painter, tr("no model"))
            return
        for i, found in enumerate(model):
            self._draw_strip(painter, i, found)

    def _draw_strip(self, painter: Any, i: int, found: ScaleBars) -> None:
        em, strip = self.em, self.strip(i)
        title = QtCore.QRectF(0, strip.top() - _TITLE_EM * em, self.width(), em)
        wide = self.set_font(painter).horizontalAdvance(found.title)
        self.write(painter, title, found.title, self.theme.text, LEFT)
        self.write(
            painter, title.adjusted(wide + em, 0, 0, 0), found.words, self.theme.muted, RIGHT, scale=0.85
        )
        painter.fillRect(strip, QtGui.QColor(self.theme.field))
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
        colour = QtGui.QColor(self.theme.modality(found.name))
        for left, top, width, height in self.bars(i).tolist():
            painter.fillRect(QtCore.QRectF(left, top, width, height), colour)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(pen(self.theme.muted))
        middle = strip.center().y()
        painter.drawLine(QtCore.QPointF(strip.left(), middle), QtCore.QPointF(strip.right(), middle))
        labels = ((strip.top(), 1 + found.edge), (middle, 1.0), (strip.bottom(), 1 - found.edge))
        for y, value in labels if strip.height() > 2.4 * em else labels[1:2]:
            y = min(max(y, strip.top() + 0.3 * em), strip.bottom() - 0.3 * em)
            rect = QtCore.QRectF(0, y - em / 2, strip.left() - 0.3 * em, em)
            self.write(painter, rect, figure(value, "", 1), self.theme.muted, RIGHT, scale=0.8)
