"""The session so far: a bar for each emotion's share of the time."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme
from apps.gui.panels.canvas import LEFT, RIGHT, Canvas
from apps.gui.strings import tr
from apps.gui.viewmodels.summary import Summary, SummaryRow, summary
from bci_stream.engine.frame import Frame

_NAME_EM, _FIGURE_EM = 4.6, 2.6


class SummaryView(Canvas):
    """A row for each class and one for undecided; below, how much and how steady."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme, tr("session summary"), tr("Share of the time for which each emotion was named")
        )

    def key(self, frame: Frame) -> tuple[object, ...]:
        """The history."""
        return (frame.history,)

    def look(self, frame: Frame) -> Summary:
        """The session so far."""
        return summary(frame)

    def told(self, model: Summary) -> str:
        """Rows and figures."""
        rows = ", ".join(f"{row.name} {row.words}" for row in model.rows)
        return f"{rows}; {model.words}" if rows else model.words

    def bar(self, i: int) -> Any:
        """Where the whole way of row ``i``'s bar is; a share of 1 fills it."""
        em = self.em
        step = self._step()
        left, right = _NAME_EM * em, _FIGURE_EM * em
        return QtCore.QRectF(left, i * step + 0.28 * step, max(1.0, self.width() - left - right), 0.44 * step)

    def filled(self, i: int) -> Any:
        """What of it is filled."""
        bar = self.bar(i)
        bar.setWidth(bar.width() * self.model.rows[i].share)
        return bar

    def _step(self) -> float:
        return float(min(1.5 * self.em, (self.height() - 1.2 * self.em) / max(1, len(self.model.rows))))

    def draw(self, painter: Any, model: Summary) -> None:
        """Rows from the top, the sentence below."""
        if not model.rows:
            self.empty(painter, model.words)
            return
        for i, row in enumerate(model.rows):
            self._draw_row(painter, i, row)
        em = self.em
        top = len(model.rows) * self._step()
        rect = QtCore.QRectF(0, top + 0.1 * em, self.width(), em)
        self.write(painter, rect, model.words, self.theme.muted, LEFT, scale=0.85)

    def _draw_row(self, painter: Any, i: int, row: SummaryRow) -> None:
        em, step = self.em, self._step()
        scale = min(0.95, 0.95 * step / em)
        name = QtCore.QRectF(0, i * step, (_NAME_EM - 0.3) * em, step)
        self.write(painter, name, row.name, self.theme.text, LEFT, scale=scale)
        painter.fillRect(self.bar(i), QtGui.QColor(self.theme.field))
        painter.fillRect(self.filled(i), QtGui.QColor(self.fill(row.which)))
        figure = QtCore.QRectF(self.width() - _FIGURE_EM * em, i * step, _FIGURE_EM * em, step)
        self.write(painter, figure, row.words, self.theme.text, RIGHT, scale=scale)
