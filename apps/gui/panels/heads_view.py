"""What each modality says alone, beside the joint answer: a bar of probabilities each."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme
from apps.gui.panels.canvas import LEFT, RIGHT, Canvas, pen
from apps.gui.strings import tr
from apps.gui.viewmodels.answer import HeadRow, head_rows
from bci_stream.engine.frame import Frame

_ROW_EM = 2.1


class HeadsView(Canvas):
    """A row for each head: its title, the likeliest class, and all probabilities in one bar."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme, tr("each modality alone"), tr("What EEG and voice would say, each without the other")
        )

    def key(self, frame: Frame) -> tuple[object, ...]:
        """What the heads say."""
        return (frame.history, frame.decision.state in ("decided", "uncertain"), frame.prediction is None)

    def look(self, frame: Frame) -> tuple[HeadRow, ...]:
        """What the heads say."""
        return head_rows(frame)

    def told(self, model: tuple[HeadRow, ...]) -> str:
        """The same in a sentence."""
        return ", ".join(f"{row.title} {row.words}" for row in model)

    def bar(self, row: int) -> Any:
        """Where the bar of a row is drawn."""
        em = self.em
        step = self._step()
        return QtCore.QRectF(0, row * step + 1.15 * em, self.width(), min(0.7 * em, step - 1.3 * em))

    def parts(self, row: int) -> list[Any]:
        """Where each class's share of a bar is drawn."""
        bar, probs = self.bar(row), self.model[row].probs
        total = sum(probs) or 1.0
        rects, x = [], bar.left()
        for prob in probs:
            wide = bar.width() * prob / total
            rects.append(QtCore.QRectF(x, bar.top(), wide, bar.height()))
            x += wide
        return rects

    def _step(self) -> float:
        return float(min(_ROW_EM * self.em, self.height() / max(1, len(self.model or ()))))

    def draw(self, painter: Any, model: tuple[HeadRow, ...]) -> None:
        """Rows from the top."""
        if not model:
            self.empty(painter, tr("no model"))
            return
        for i, row in enumerate(model):
            self._draw_row(painter, i, row)

    def _draw_row(self, painter: Any, i: int, row: HeadRow) -> None:
        em = self.em
        line = QtCore.QRectF(0, i * self._step(), self.width(), 1.1 * em)
        half = self.set_font(painter).horizontalAdvance(row.title) + em
        self.write(painter, line, row.title, self.theme.muted, LEFT)
        ink = self.ink(row.which) if row.which >= 0 else self.theme.muted
        self.write(painter, line.adjusted(half, 0, 0, 0), row.words, ink, RIGHT, bold=row.which >= 0)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.fillRect(self.bar(i), QtGui.QColor(self.theme.field))
        for which, rect in enumerate(self.parts(i)):
            painter.fillRect(rect, QtGui.QColor(self.fill(which)))
        painter.setPen(pen(self.theme.border))
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
        painter.drawRect(self.bar(i))
