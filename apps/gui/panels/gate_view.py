"""Which modality counted, over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyqtgraph.functions import arrayToQPolygonF
from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme
from apps.gui.panels.canvas import LEFT, RIGHT, Canvas, pen
from apps.gui.panels.time_axis import HEIGHT_EM as AXIS_EM
from apps.gui.panels.time_axis import draw_time_axis
from apps.gui.strings import tr
from apps.gui.viewmodels.bands import Gate, edge_s, gate
from apps.gui.viewmodels.words import share_words
from bci_stream.engine.frame import Frame

_LEGEND_EM = 6.0


class GateView(Canvas):
    """The share of EEG from below, that of the voice from above."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("weight of EEG and voice over time"),
            tr("The gate of the fusion: what it looked at, which need not be what it needed"),
        )

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The history, and the time at the right edge."""
        current = frame.decision.state in ("decided", "uncertain")
        return (frame.history, edge_s(frame), current, frame.weights is None)

    def look(self, frame: Frame) -> tuple[Gate, float]:
        """The gate, and its value now (NaN: nothing is current)."""
        found = gate(frame)
        current = frame.decision.state in ("decided", "uncertain")
        now = float(found.voice[-1]) if current and len(found.voice) else float("nan")
        return found, now

    def told(self, model: tuple[Gate, float]) -> str:
        """The weights now."""
        found, now = model
        if found.words:
            return found.words
        if now != now:
            return tr("nothing current")
        return tr("EEG {e}, voice {v}").format(e=share_words(1 - now), v=share_words(now))

    def area(self) -> Any:
        """Where the weights are drawn."""
        em = self.em
        left, top = 2.9 * em, 0.45 * em
        height = self.height() - top - AXIS_EM * em
        return QtCore.QRectF(left, top, self.width() - left - _LEGEND_EM * em, height)

    def x_at(self, t_s: float) -> float:
        """The horizontal place of an instant of the session."""
        found, area = self.model[0], self.area()
        return float(area.left() + (t_s - found.start_s) / (found.stop_s - found.start_s) * area.width())

    def draw(self, painter: Any, model: tuple[Gate, float]) -> None:
        """Both areas, the line between, the axis."""
        found, now = model
        if found.words:
            self.empty(painter, found.words)
            return
        area, em = self.area(), self.em
        if area.width() < 3 * em or area.height() < em:
            return
        painter.fillRect(area, QtGui.QColor(self.theme.field))
        painter.save()
        painter.setClipRect(area)
        self._draw_shares(painter, area, found)
        painter.restore()
        for share in (0.0, 0.5, 1.0):
            y = area.bottom() - share * area.height()
            painter.setPen(pen(self.theme.border))
            painter.drawLine(QtCore.QPointF(area.left(), y), QtCore.QPointF(area.right(), y))
            rect = QtCore.QRectF(0, y - 0.5 * em, area.left() - 0.3 * em, em)
            self.write(painter, rect, share_words(share), self.theme.muted, RIGHT, scale=0.85)
        draw_time_axis(self, painter, area, found.start_s, found.stop_s)
        self._draw_legend(painter, area, now)

    def _draw_shares(self, painter: Any, area: Any, found: Gate) -> None:
        per_s = area.width() / (found.stop_s - found.start_s)
        x = area.left() + (found.t_s - found.start_s) * per_s
        y = area.top() + found.voice * area.height()
        good = np.isfinite(y)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
        for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            run = slice(first, stop)
            for name, side in (("audio", area.top()), ("eeg", area.bottom())):
                painter.setBrush(QtGui.QColor(self.theme.modality(name)))
                ends_x, ends_y = np.array([x[stop - 1], x[first]]), np.array([side, side])
                painter.drawPolygon(
                    arrayToQPolygonF(np.concatenate([x[run], ends_x]), np.concatenate([y[run], ends_y]))
                )
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)

    def _draw_legend(self, painter: Any, area: Any, now: float) -> None:
        em = self.em
        rows = ((tr("voice"), "audio", now), (tr("EEG"), "eeg", 1.0 - now))
        for i, (name, modality, share) in enumerate(rows):
            y = area.top() + i * 1.25 * em
            left = area.right() + 0.6 * em
            square = QtCore.QRectF(left, y + 0.3 * em, 0.6 * em, 0.6 * em)
            painter.fillRect(square, QtGui.QColor(self.theme.modality(modality)))
            line = QtCore.QRectF(left + 0.9 * em, y, self.width() - left - 0.9 * em, 1.2 * em)
            self.write(painter, line, name, self.theme.text, LEFT, scale=0.92)
            words = share_words(share) if share == share else ""
            self.write(painter, line, words, self.theme.text, RIGHT, scale=0.92)
