"""Probabilities over time as stacked areas, and the track of decisions under them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyqtgraph.functions import arrayToQPolygonF
from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme, readable_on
from apps.gui.panels.canvas import CENTRE, LEFT, RIGHT, Canvas, pen
from apps.gui.panels.time_axis import HEIGHT_EM as AXIS_EM
from apps.gui.panels.time_axis import draw_time_axis
from apps.gui.strings import tr
from apps.gui.viewmodels.bands import SPANS_S, Bands, bands, edge_s
from apps.gui.viewmodels.words import share_words
from bci_stream.engine.frame import Frame

_TRACK_EM = 1.15
_GAP_EM = 0.3
_LEGEND_EM = 8.2


class BandsView(Canvas):
    """Stacked probabilities; every instant adds up to 1. Instants without an answer stay empty."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("probabilities over time"),
            tr("Every class's probability, stacked to 100 %; below, the decision after smoothing"),
        )
        self.span_s = SPANS_S[0]

    def set_span(self, span_s: float) -> None:
        """Show that much time."""
        self.span_s = span_s

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The history, and the time at the right edge."""
        return (frame.history, edge_s(frame), self.span_s, frame.decision.state)

    def look(self, frame: Frame) -> tuple[Bands, bool]:
        """The bands, and whether the newest is current."""
        return bands(frame, self.span_s), frame.decision.state in ("decided", "uncertain")

    def told(self, model: tuple[Bands, bool]) -> str:
        """The newest probabilities."""
        found, current = model
        if not current:
            return tr("nothing current")
        pairs = zip(found.names, found.latest(), strict=False)
        return ", ".join(f"{name} {share_words(float(share))}" for name, share in pairs)

    # -- where things are ---------------------------------------------------------------------------------

    def area(self) -> Any:
        """Where the bands are drawn."""
        em = self.em
        left, right = 2.9 * em, _LEGEND_EM * em
        below = (AXIS_EM + _TRACK_EM + _GAP_EM) * em
        top = 0.45 * em
        return QtCore.QRectF(left, top, self.width() - left - right, self.height() - top - below)

    def track(self) -> Any:
        """Where the decisions are drawn."""
        area, em = self.area(), self.em
        return QtCore.QRectF(area.left(), area.bottom() + _GAP_EM * em, area.width(), _TRACK_EM * em)

    def x_at(self, t_s: float) -> float:
        """The horizontal place of an instant of the session."""
        found, area = self.model[0], self.area()
        share = (t_s - found.start_s) / (found.stop_s - found.start_s)
        return float(area.left() + share * area.width())

    def y_at(self, share: float) -> float:
        """The vertical place of a cumulated probability."""
        area = self.area()
        return float(area.bottom() - share * area.height())

    # -- painting -----------------------------------------------------------------------------------------

    def draw(self, painter: Any, model: tuple[Bands, bool]) -> None:
        """Everything."""
        found, current = model
        area = self.area()
        if area.width() < 4 * self.em or area.height() < self.em:
            return
        painter.fillRect(area, QtGui.QColor(self.theme.field))
        self._draw_grid(painter, area)
        painter.save()
        painter.setClipRect(area)
        self._draw_areas(painter, found)
        painter.restore()
        self._draw_track(painter, found)
        self._draw_legend(painter, found, area, current=current)
        draw_time_axis(self, painter, self.track(), found.start_s, found.stop_s)

    def _draw_grid(self, painter: Any, area: Any) -> None:
        em = self.em
        for share in (0.0, 0.5, 1.0):
            y = self.y_at(share)
            painter.setPen(pen(self.theme.border))
            painter.drawLine(QtCore.QPointF(area.left(), y), QtCore.QPointF(area.right(), y))
            rect = QtCore.QRectF(0, y - 0.5 * em, area.left() - 0.3 * em, em)
            self.write(painter, rect, share_words(share), self.theme.muted, RIGHT, scale=0.85)

    def _draw_areas(self, painter: Any, found: Bands) -> None:
        if not len(found.t_s) or not found.names:
            return
        area = self.area()
        per_s = area.width() / (found.stop_s - found.start_s)
        x = area.left() + (found.t_s - found.start_s) * per_s
        y = area.bottom() - found.tops * area.height()
        good = np.isfinite(y).all(1)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
        for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            run = slice(first, stop)
            for k, which in enumerate(found.series):
                painter.setBrush(QtGui.QColor(self.fill(which)))
                painter.drawPolygon(_between(x[run], y[run, k], y[run, k + 1]))
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)

    def _draw_track(self, painter: Any, found: Bands) -> None:
        track, em = self.track(), self.em
        painter.fillRect(track, QtGui.QColor(self.theme.field))
        for part in found.segments:
            left, right = (
                max(track.left(), self.x_at(part.start_s)),
                min(track.right(), self.x_at(part.stop_s)),
            )
            rect = QtCore.QRectF(left, track.top(), max(1.0, right - left), track.height())
            if part.which < 0:
                painter.fillRect(rect, QtGui.QBrush(QtGui.QColor(self.theme.gap), _HATCH))
                continue
            colour = self.fill(part.which)
            painter.fillRect(rect, QtGui.QColor(colour))
            wide = self.set_font(painter, 0.85).horizontalAdvance(part.words) + 0.5 * em
            if wide <= rect.width():
                self.write(painter, rect, part.words, readable_on(colour), CENTRE, scale=0.85)
        title = QtCore.QRectF(track.right() + 0.6 * em, track.top(), _LEGEND_EM * em, track.height())
        self.write(painter, title, tr("decision"), self.theme.muted, LEFT, scale=0.85)

    def _draw_legend(self, painter: Any, found: Bands, area: Any, *, current: bool) -> None:
        """Names from the top down, as the bands lie; each with its share now."""
        em = self.em
        shares = found.latest() if current else np.zeros(0)
        n = len(found.names)
        step = min(1.25 * em, area.height() / max(1, n))
        left = area.right() + 0.6 * em
        for row, k in enumerate(reversed(range(n))):
            y = area.top() + row * step
            square = QtCore.QRectF(left, y + (step - 0.6 * em) / 2, 0.6 * em, 0.6 * em)
            painter.fillRect(square, QtGui.QColor(self.fill(found.series[k])))
            line = QtCore.QRectF(left + 0.9 * em, y, self.width() - left - 0.9 * em, step)
            scale = min(0.92, 0.92 * step / em)
            words = share_words(float(shares[k])) if len(shares) else ""
            room = self.set_font(painter, scale).horizontalAdvance("100 %")
            self.write(painter, line, words, self.theme.text, RIGHT, scale=scale)
            self.write(
                painter, line.adjusted(0, 0, -room, 0), found.names[k], self.theme.text, LEFT, scale=scale
            )


_HATCH = QtCore.Qt.BrushStyle.BDiagPattern


def _between(x: Any, low: Any, high: Any) -> Any:
    """The area between two lines."""
    if len(x) == 1:  # a lone answer is still seen
        x, low, high = np.array([x[0] - 1, x[0] + 1]), np.repeat(low, 2), np.repeat(high, 2)
    return arrayToQPolygonF(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))
