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

_SMALL = 0.88
_WIDE_EM = 40.0


class LatencyView(Canvas):
    """Parts beside each other, as long as they are; their names and figures below."""

    def __init__(self, theme: Theme) -> None:
        hint = tr(
            "From a sample's instant to the answer: what the method needs, the way here, waiting, the model,"
            " the output"
        )
        super().__init__(theme, tr("latency"), hint)
        self._fit()

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
        em = self.em
        for (x, y), which, words in self._places():
            square = QtCore.QRectF(x, y + 0.25 * em, 0.55 * em, 0.55 * em)
            painter.fillRect(square, QtGui.QColor(self._shade(which)))
            rect = QtCore.QRectF(x + 0.8 * em, y, self.width() - x - 0.8 * em, em)
            self.write(painter, rect, words, self.theme.muted, LEFT, scale=_SMALL)

    def _places(self) -> list[tuple[tuple[float, float], int, str]]:
        """Where the name of each part is written, in as many lines as it takes."""
        em = self.em
        metrics = QtGui.QFontMetricsF(self.font())
        wide = self.width() > _WIDE_EM * em
        x, y = (self._left() if wide else 0.0), em
        found = []
        for which, (name, value) in enumerate(self.model.latency):
            words = f"{name} {figure(value, 'ms', 1 if value < 10 else 0)}"
            room = _SMALL * metrics.horizontalAdvance(words) + 1.8 * em
            if x > 0 and x + room - em > self.width():
                x, y = 0.0, y + em
            found.append(((x, y), which, words))
            x += room
        return found

    def show_frame(self, frame: Frame) -> None:
        """Take a frame; as tall as the names need."""
        super().show_frame(frame)
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """As tall as the names need."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        places = self._places() if self.model is not None else []
        lowest = max((y for (_, y), _, _ in places), default=self.em)
        tall = math.ceil(lowest + 1.1 * self.em)
        if tall != self.height():
            self.setFixedHeight(tall)
