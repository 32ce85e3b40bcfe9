"""The emotion now, large; its confidence; and what it stands on."""

from __future__ import annotations

import math
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.palette import Theme
from apps.gui.panels.canvas import LEFT, RIGHT, Canvas
from apps.gui.strings import tr
from apps.gui.viewmodels.answer import Answer, answer
from bci_stream.engine.frame import Frame

HEIGHT_EM = 4.4
_LARGEST, _SMALLEST = 2.3, 1.2
_MARKS = {"uncertain": "? ", "stale": "○ "}


class Headline(Canvas):
    """Says what may be said, and greys out what is old."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(
            theme,
            tr("emotion now"),
            tr("The emotion that leads after smoothing; grey when nothing current may be said"),
        )
        self.setMinimumHeight(math.ceil(HEIGHT_EM * self.em))

    def key(self, frame: Frame) -> tuple[object, ...]:
        """What is said."""
        return (answer(frame),)

    def look(self, frame: Frame) -> Answer:
        """What is said."""
        return answer(frame)

    def told(self, model: Answer) -> str:
        """The same in one sentence."""
        said = " ".join(part for part in (model.words, model.confidence_words) if part)
        return f"{said}: {model.detail}" if model.detail else said

    def word_ink(self, model: Answer) -> str:
        """The colour of the large word."""
        if model.state == "decided":
            return self.ink(model.which)
        return self.theme.text if model.state == "uncertain" else self.theme.gone

    def draw(self, painter: Any, model: Answer) -> None:
        """A bar of the class's colour at the left, the word, the figure, the sentence."""
        em, width = self.em, float(self.width())
        edge = QtCore.QRectF(0, 0.3 * em, 0.35 * em, HEIGHT_EM * em - 0.7 * em)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(self.word_ink(model)))
        painter.drawRoundedRect(edge, 0.15 * em, 0.15 * em)
        left, inner = 0.9 * em, width - 0.9 * em
        word = _MARKS.get(model.state, "") + model.words
        figure = model.confidence_words
        scale = self._scale(painter, word, figure, inner)
        line = QtCore.QRectF(left, 0.1 * em, inner, 2.8 * em)
        room = self.set_font(painter, scale, bold=True).horizontalAdvance(figure) if figure else 0.0
        self.write(
            painter,
            line.adjusted(0, 0, -room - 0.5 * em * bool(figure), 0),
            word,
            self.word_ink(model),
            LEFT,
            scale=scale,
            bold=True,
        )
        if figure:
            self.write(painter, line, figure, self.theme.text, RIGHT, scale=scale, bold=True)
        below = QtCore.QRectF(left, 2.8 * em, inner, 1.2 * em)
        self.write(painter, below, model.detail, self.theme.muted)

    def _scale(self, painter: Any, word: str, figure: str, room: float) -> float:
        """As large as fits."""
        wide = self.set_font(painter, _LARGEST, bold=True).horizontalAdvance(f"{word}  {figure}")
        return float(max(_SMALLEST, min(_LARGEST, _LARGEST * room / max(1.0, wide + 0.5 * self.em))))
