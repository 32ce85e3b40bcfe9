"""What every picture of a panel is made on: a widget that paints itself, and only when its model changed.

Sizes are in em, the height of a line of text, so that a picture fits any screen. Text is drawn as it is: a
channel called ``<b>`` reads ``<b>``.
"""

from __future__ import annotations

from typing import Any, Final

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.palette import Theme
from bci_stream.engine.frame import Frame

_FLAG: Final = QtCore.Qt.AlignmentFlag
LEFT: Final = _FLAG.AlignLeft | _FLAG.AlignVCenter
RIGHT: Final = _FLAG.AlignRight | _FLAG.AlignVCenter
CENTRE: Final = _FLAG.AlignCenter
TOP: Final = _FLAG.AlignHCenter | _FLAG.AlignTop


class Same:
    """Equal only to itself: a part of a key for what is not to be compared number by number."""

    __slots__ = ("it",)

    def __init__(self, it: object) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.it is other.it

    def __hash__(self) -> int:
        return id(self.it)


class ElidedLabel(QtWidgets.QLabel):
    """A line that ends in dots where it does not fit, and never asks for more room."""

    def __init__(self, words: str = "", parent: Any = None) -> None:
        super().__init__(words, parent)
        self.setTextFormat(QtCore.Qt.TextFormat.PlainText)

    def minimumSizeHint(self) -> Any:  # noqa: N802 - Qt's name
        """A few letters."""
        metrics = self.fontMetrics()
        return QtCore.QSize(4 * metrics.averageCharWidth(), metrics.height())

    def paintEvent(self, _event: Any) -> None:  # noqa: N802 - Qt's name
        """Draw what fits."""
        painter = QtGui.QPainter(self)
        metrics = QtGui.QFontMetricsF(self.font())
        shown = metrics.elidedText(self.text(), QtCore.Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.WindowText))
        painter.drawText(QtCore.QRectF(self.rect()), int(self.alignment().value), shown)
        painter.end()


def inked(label: Any, colour: str) -> None:
    """Give a label's text a colour."""
    palette = label.palette()
    palette.setColor(QtGui.QPalette.ColorRole.WindowText, QtGui.QColor(colour))
    label.setPalette(palette)


class Canvas(QtWidgets.QWidget):
    """Paints the model that :meth:`look` makes of a frame.

    A picture says in :meth:`key` on what it depends; while that stays the same nothing is done.
    """

    def __init__(self, theme: Theme, name: str, hint: str = "") -> None:
        super().__init__()
        self.theme = theme
        self.model: Any = None
        self.n_looks = 0
        self._fonts: dict[tuple[float, bool], tuple[Any, Any]] = {}
        self._key: tuple[object, ...] | None = None
        self.setAccessibleName(name)
        if hint:
            self.setToolTip(hint)

    # -- what a picture says of itself ------------------------------------------------------------------

    def key(self, frame: Frame) -> tuple[object, ...]:
        """All that the picture depends on; compared with ==."""
        raise NotImplementedError

    def look(self, frame: Frame) -> Any:
        """The model of a frame."""
        raise NotImplementedError

    def draw(self, painter: Any, model: Any) -> None:
        """Paint the model."""
        raise NotImplementedError

    def told(self, model: Any) -> str:
        """The model in words, for a screen reader."""
        raise NotImplementedError

    # -- the machinery ----------------------------------------------------------------------------------

    def show_frame(self, frame: Frame) -> None:
        """Take a frame; paints when something changed."""
        key = self.key(frame)
        if key == self._key:
            return
        self._key = key
        self.model = self.look(frame)
        self.n_looks += 1
        self.update()
        words = self.told(self.model)
        if words != self.accessibleDescription():
            self.setAccessibleDescription(words)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme = theme
        self.update()

    @property
    def em(self) -> float:
        """Height of a line of text."""
        return float(self.fontMetrics().height())

    def paintEvent(self, _event: Any) -> None:  # noqa: N802 - Qt's name
        """Paint what was shown last."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        if self.model is not None:
            self.draw(painter, self.model)
        painter.end()

    # -- tools for painting -------------------------------------------------------------------------------

    def ink(self, which: int) -> str:
        """The colour of words about class ``which``; grey for none."""
        series = self.theme.series
        return series[which] if 0 <= which < len(series) else self.theme.gone

    def fill(self, which: int) -> str:
        """The colour of an area of class ``which``; grey for none."""
        fills = self.theme.fills
        return fills[which] if 0 <= which < len(fills) else self.theme.gap

    def set_font(self, painter: Any, scale: float = 1.0, *, bold: bool = False) -> Any:
        """Use the widget's font at ``scale``; returns its metrics."""
        scale = round(scale, 2)
        if (scale, bold) not in self._fonts:
            font = QtGui.QFont(self.font())
            font.setPointSizeF(max(4.0, font.pointSizeF() * scale))
            font.setBold(bold)
            self._fonts[scale, bold] = font, QtGui.QFontMetricsF(font)
        font, metrics = self._fonts[scale, bold]
        painter.setFont(font)
        return metrics

    def changeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Another font: measure anew."""
        if event.type() == QtCore.QEvent.Type.FontChange:
            self._fonts.clear()
        super().changeEvent(event)

    def write(
        self,
        painter: Any,
        rect: Any,
        words: str,
        colour: str,
        align: Any = LEFT,
        *,
        scale: float = 1.0,
        bold: bool = False,
    ) -> None:
        """One line of text in ``rect``, shortened with dots where it does not fit."""
        metrics = self.set_font(painter, scale, bold=bold)
        line = " ".join(words.split())
        painter.setPen(QtGui.QColor(colour))
        shown = metrics.elidedText(line, QtCore.Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, int(align.value), shown)

    def empty(self, painter: Any, words: str) -> None:
        """Say why there is nothing, over several lines if needed."""
        self.set_font(painter)
        painter.setPen(QtGui.QColor(self.theme.muted))
        wrap = int(CENTRE.value) | int(QtCore.Qt.TextFlag.TextWordWrap.value)
        painter.drawText(QtCore.QRectF(self.rect()).adjusted(self.em, 0, -self.em, 0), wrap, words)


def pen(colour: str, width: float = 1.0) -> Any:
    """A line of ``width`` device-independent pixels."""
    made = QtGui.QPen(QtGui.QColor(colour))
    made.setWidthF(width)
    made.setCapStyle(QtCore.Qt.PenCapStyle.RoundCap)
    return made
