"""A head seen from above, nose up, coloured by a number for each electrode."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme
from apps.gui.panels.canvas import CENTRE, LEFT, RIGHT, Canvas, Same, pen
from apps.gui.panels.image import image_of
from apps.gui.strings import tr
from apps.gui.viewmodels.topomap import HeadMap
from apps.gui.viewmodels.weights import ElectrodeMap, importance_map, window_map
from bci_stream.engine.frame import Frame

_BAR_EM, _WORDS_EM = 1.1, 1.2
_MOST_NAMED = 20


class HeadView(Canvas):
    """Draws an :class:`ElectrodeMap`."""

    def told(self, model: ElectrodeMap) -> str:
        """Where it is strongest."""
        return model.words

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The learned weights."""
        raise NotImplementedError

    # -- where things are ---------------------------------------------------------------------------------

    def circle(self) -> tuple[Any, float]:
        """Centre and radius of the head's outline."""
        em = self.em
        tall = self.height() - (_BAR_EM + _WORDS_EM) * em
        radius = max(em, min(self.width() / 2 - 0.6 * em, tall / 2 / 1.08 - 0.1 * em))
        return QtCore.QPointF(self.width() / 2, tall / 2 + 0.07 * radius), radius

    def at(self, x: float, y: float) -> Any:
        """The place of a point of the head, x to the right ear and y to the nose."""
        centre, radius = self.circle()
        return QtCore.QPointF(centre.x() + x * radius, centre.y() - y * radius)

    # -- painting -----------------------------------------------------------------------------------------

    def draw(self, painter: Any, model: ElectrodeMap) -> None:
        """The head, its scale, and words below; or why there is none."""
        head = model.head
        if head is None or not head.names:
            self.empty(painter, model.words)
            return
        self._draw_field(painter, head)
        self._draw_outline(painter)
        self._draw_electrodes(painter, head)
        self._draw_scale(painter, model)
        rect = QtCore.QRectF(0, self.height() - _WORDS_EM * self.em, self.width(), _WORDS_EM * self.em)
        self.write(painter, rect, model.words, self.theme.muted, CENTRE, scale=0.85)

    def _draw_field(self, painter: Any, head: HeadMap) -> None:
        centre, radius = self.circle()
        box = QtCore.QRectF(centre.x() - radius, centre.y() - radius, 2 * radius, 2 * radius)
        path = QtGui.QPainterPath()
        path.addEllipse(box)
        if not head.image.size:
            painter.fillPath(path, QtGui.QColor(self.theme.field))
            return
        image = image_of(head.image, head.low, head.high, self.theme.signed, self.theme.field)
        painter.save()
        painter.setClipPath(path)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(box, image)
        painter.restore()

    def _draw_outline(self, painter: Any) -> None:
        centre, radius = self.circle()
        painter.setPen(pen(self.theme.muted, 0.09 * self.em))
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, radius, radius)
        nose = [self.at(-0.1, 0.992), self.at(0.0, 1.12), self.at(0.1, 0.992)]
        painter.drawPolyline(QtGui.QPolygonF(nose))
        for side in (-1, 1):
            ear = [
                self.at(side * x, y) for x, y in ((0.99, 0.17), (1.06, 0.14), (1.06, -0.14), (0.99, -0.17))
            ]
            painter.drawPolyline(QtGui.QPolygonF(ear))

    def _draw_electrodes(self, painter: Any, head: HeadMap) -> None:
        em = self.em
        _, radius = self.circle()
        n = len(head.names)
        size = min(0.2 * em, max(0.07 * em, radius / (3.2 * n**0.5)))
        strongest = set(head.strongest())
        everyone = n <= _MOST_NAMED and radius > 5.5 * em
        for name, (x, y) in zip(head.names, head.points.tolist(), strict=True):
            where = self.at(x, y)
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(QtGui.QColor(self.theme.text))
            painter.drawEllipse(where, size, size)
            if (everyone or name in strongest) and radius > 3 * em:
                self._draw_name(painter, name, where)

    def _draw_name(self, painter: Any, name: str, where: Any) -> None:
        """The name above its dot, on a plate so that it is read on any colour."""
        em = self.em
        wide = min(6 * em, self.set_font(painter, 0.8).horizontalAdvance(name) + 0.3 * em)
        left = min(max(where.x() - wide / 2, 0.0), self.width() - wide)
        plate = QtCore.QRectF(left, where.y() - 1.15 * em, wide, 0.85 * em)
        ground = QtGui.QColor(self.theme.panel)
        ground.setAlphaF(0.72)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(plate, 0.2 * em, 0.2 * em)
        self.write(painter, plate, name, self.theme.text, CENTRE, scale=0.8)

    def _draw_scale(self, painter: Any, model: ElectrodeMap) -> None:
        em = self.em
        y = self.height() - (_WORDS_EM + _BAR_EM) * em
        metrics = self.set_font(painter, 0.8)
        before, after = (metrics.horizontalAdvance(words) + 2 for words in (model.low, model.high))
        wide = max(2 * em, min(6 * em, self.width() - before - after - 0.8 * em))
        left = max(0.0, (self.width() - wide - before - after - 0.8 * em) / 2) + before + 0.4 * em
        bar = QtCore.QRectF(left, y + 0.35 * em, wide, 0.4 * em)
        gradient = QtGui.QLinearGradient(bar.topLeft(), bar.topRight())
        stops = self.theme.signed
        for i, stop in enumerate(stops):
            gradient.setColorAt(i / (len(stops) - 1), QtGui.QColor(stop))
        painter.setPen(pen(self.theme.border))
        painter.setBrush(QtGui.QBrush(gradient))
        painter.drawRect(bar)
        rect = QtCore.QRectF(left - before - 0.4 * em, y, before, 1.1 * em)
        self.write(painter, rect, model.low, self.theme.muted, RIGHT, scale=0.8)
        rect = QtCore.QRectF(bar.right() + 0.4 * em, y, self.width() - bar.right() - 0.4 * em, 1.1 * em)
        self.write(painter, rect, model.high, self.theme.muted, LEFT, scale=0.8)


class ImportanceView(HeadView):
    """What the first layer has learned of each electrode."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("learned importance of electrodes"),
            tr(
                "Each electrode's share in the first layer, against an even one."
                " A filter also uses electrodes to cancel noise"
            ),
        )

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The learned shares; the same object while the model stays."""
        return (Same(frame.weights.importance), frame.weights.ch_names) if frame.weights is not None else ()

    def look(self, frame: Frame) -> ElectrodeMap:
        """The head."""
        return importance_map(frame.weights)


class WindowView(HeadView):
    """Which electrodes carried the answer of a window just past."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("electrodes that carried the answer"),
            tr("How much less sure the answer is when an electrode is silenced for the window"),
        )

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The window it is of, and how old that is."""
        weights = frame.weights
        if weights is None:
            return ()
        age_s = frame.now_s - weights.electrodes_t_end
        return (Same(weights.electrodes), int(age_s) if age_s == age_s else -1)

    def look(self, frame: Frame) -> ElectrodeMap:
        """The head."""
        return window_map(frame)
