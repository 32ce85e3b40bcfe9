"""The latency of an answer as one bar of its parts, from the sample to the answer."""

from __future__ import annotations

import math
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme, mixed
from apps.gui.panels.canvas import LEFT, Canvas
from apps.gui.strings import tr
from apps.gui.viewmodels.health import Health, health
from apps.gui.viewmodels.words import figure
from bci_stream.engine.frame import Frame

_HEIGHT_EM = 2.1


class LatencyView(Canvas):
    """Parts beside each other, as long as they are; their names and figures below."""

    def __init__(self, theme: Theme) -> None:
        hint = tr(
            "From a sample's instant to the answer: what the method needs, the way here, waiting, the model,"
            " the output"
        )
        super().__init__(theme, tr("latency"), hint)
        self.setFixedHeight(math.ceil(_HEIGHT_EM * self.em))

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The parts, to a tenth of a millisecond."""
        return tuple((name, round(value, 1)) for name, value in frame.latency_ms.items())

    def look(self, frame: Frame) -> Health:
        """The parts and their sum."""
        return health(frame)

    def told(self, model: Health) -> str:
        """Parts and sum in words."""
        if not model.latency:
            return tr("not measured")
        parts = ", ".join(f"{name} {figure(value, 'ms', 1)}" for name, value in model.latency)
        return tr("{total}: {parts}").format(total=figure(model.total_ms, "ms", 0), parts=parts)

    def parts(self) -> list[Any]:
        """Where each part of the bar is drawn."""
        em = self.em
        left, width = self._left(), self.width() - self._left()
        total = sum(max(0.0, value) for _, value in self.model.latency) or 1.0
        rects, x = [], left
        for _, value in self.model.latency:
            wide = width * max(0.0, value) / total
            rects.append(QtCore.QRectF(x, 0.2 * em, wide, 0.6 * em))
            x += wide
        return rects

    def _shade(self, which: int) -> str:
        """Paler with time; no class has these colours."""
        return mixed(self.theme.accent, self.theme.panel, (0.0, 0.35, 0.15, 0.5, 0.7)[which % 5])

    def _left(self) -> float:
        return 8.5 * self.em

    def draw(self, painter: Any, model: Health) -> None:
        """The sum, the bar, the names."""
        em = self.em
        title = QtCore.QRectF(0, 0, self._left() - 0.5 * em, em)
        total = figure(model.total_ms, "ms", 0)
        self.write(painter, title, tr("latency") + f"  {total}", self.theme.text, LEFT)
        if not model.latency:
            rest = QtCore.QRectF(self._left(), 0, self.width() - self._left(), em)
            self.write(painter, rest, tr("not measured"), self.theme.muted, LEFT)
            return
        for which, rect in enumerate(self.parts()):
            painter.fillRect(rect, QtGui.QColor(self._shade(which)))
        self._draw_names(painter, model)

    def _draw_names(self, painter: Any, model: Health) -> None:
        em, x = self.em, self._left()
        for which, (name, value) in enumerate(model.latency):
            words = f"{name} {figure(value, 'ms', 1 if value < 10 else 0)}"
            painter.fillRect(
                QtCore.QRectF(x, 1.25 * em, 0.55 * em, 0.55 * em), QtGui.QColor(self._shade(which))
            )
            wide = self.set_font(painter, 0.88).horizontalAdvance(words)
            room = min(wide + 2, self.width() - x - 0.8 * em)
            if room < em:
                return
            rect = QtCore.QRectF(x + 0.8 * em, em, room, em)
            self.write(painter, rect, words, self.theme.muted, LEFT, scale=0.88)
            x += wide + 1.8 * em
