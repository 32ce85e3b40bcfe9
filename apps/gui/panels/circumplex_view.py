"""Valence and arousal: the classes on a circle, and where their probabilities pull."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme, mixed
from apps.gui.panels.canvas import CENTRE, RIGHT, Canvas, pen
from apps.gui.strings import tr
from apps.gui.viewmodels.circumplex import Circumplex, Place, circumplex
from apps.gui.viewmodels.words import share_words
from bci_stream.engine.frame import Frame

_TRAIL_PIECES = 20


class CircumplexView(Canvas):
    """A circle of radius 1; valence to the right, arousal up."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("valence and arousal"),
            tr("Classes where Russell (1980) places them; the ring is their mean, weighed by probability"),
        )

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The history, and whether its newest is current."""
        return (frame.history, frame.decision.state in ("decided", "uncertain"))

    def look(self, frame: Frame) -> Circumplex:
        """The places and the point."""
        return circumplex(frame)

    def told(self, model: Circumplex) -> str:
        """The point in figures."""
        if model.point is None:
            return tr("nothing current")
        return tr("valence {v}, arousal {a}").format(v=f"{model.point[0]:+.1f}", a=f"{model.point[1]:+.1f}")

    def at(self, valence: float, arousal: float) -> Any:
        """The place of a point."""
        centre, radius = self._circle()
        return QtCore.QPointF(centre.x() + valence * radius, centre.y() - arousal * radius)

    def _circle(self) -> tuple[Any, float]:
        em = self.em
        radius = max(em, min(self.width() / 2 - 1.3 * em, self.height() / 2 - 1.3 * em))
        return QtCore.QPointF(self.width() / 2, self.height() / 2), radius

    def draw(self, painter: Any, model: Circumplex) -> None:
        """The circle, the classes, the trail, the point."""
        if not model.places:
            self.empty(painter, tr("none of the classes has a known place"))
            return
        centre, radius = self._circle()
        painter.setPen(pen(self.theme.border, 1.2))
        painter.setBrush(QtGui.QColor(self.theme.field))
        painter.drawEllipse(centre, radius, radius)
        for one, other in (((-1, 0), (1, 0)), ((0, -1), (0, 1))):
            painter.drawLine(self.at(*one), self.at(*other))
        self._draw_ends(painter, centre, radius)
        for place in model.places:
            self._draw_place(painter, place)
        self._draw_trail(painter, model)
        self._draw_unplaced(painter, model)

    def _draw_ends(self, painter: Any, centre: Any, radius: float) -> None:
        em, muted = self.em, self.theme.muted
        wide = self.width()
        top = QtCore.QRectF(0, centre.y() - radius - 1.15 * em, wide, em)
        self.write(painter, top, tr("aroused"), muted, CENTRE, scale=0.85)
        self.write(
            painter, top.translated(0, 2 * radius + 1.3 * em), tr("at rest"), muted, CENTRE, scale=0.85
        )
        for side, words in ((-1, tr("unpleasant")), (1, tr("pleasant"))):
            painter.save()
            painter.translate(centre.x() + side * (radius + 0.65 * em), centre.y())
            painter.rotate(-90 if side < 0 else 90)
            along = QtCore.QRectF(-radius, -0.5 * em, 2 * radius, em)
            self.write(painter, along, words, muted, CENTRE, scale=0.85)
            painter.restore()

    def _draw_place(self, painter: Any, place: Place) -> None:
        em, where = self.em, self.at(place.valence, place.arousal)
        prob = place.prob if np.isfinite(place.prob) else 0.0
        size = (0.22 + 0.55 * np.sqrt(prob)) * em
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(self.fill(place.which)))
        painter.drawEllipse(where, size, size)
        metrics = self.set_font(painter, 0.9)
        wide = metrics.horizontalAdvance(place.name) + 2
        left = min(max(where.x() - wide / 2, 0.0), self.width() - wide)
        rect = QtCore.QRectF(left, where.y() - size - em, wide, em)
        self.write(painter, rect, place.name, self.theme.text, CENTRE, scale=0.9)

    def _draw_trail(self, painter: Any, model: Circumplex) -> None:
        every = max(1, len(model.trail) // _TRAIL_PIECES)
        points = [self.at(v, a) for v, a in model.trail[::-every][::-1].tolist()]
        n = len(points)
        for i in range(1, n):
            painter.setPen(pen(mixed(self.theme.field, self.theme.text, 0.15 + 0.55 * i / n), 1.4))
            painter.drawLine(points[i - 1], points[i])
        if model.point is not None:
            where = self.at(*model.point)
            painter.setBrush(QtGui.QColor(self.theme.panel))
            painter.setPen(pen(self.theme.text, 0.18 * self.em))
            painter.drawEllipse(where, 0.42 * self.em, 0.42 * self.em)

    def _draw_unplaced(self, painter: Any, model: Circumplex) -> None:
        if not model.left_out:
            return
        share = f" {share_words(model.unplaced)}" if np.isfinite(model.unplaced) else ""
        words = tr("without a place: {names}").format(names=", ".join(model.left_out)) + share
        rect = QtCore.QRectF(0, self.height() - self.em, self.width(), self.em)
        self.write(painter, rect, words, self.theme.muted, RIGHT, scale=0.8)
