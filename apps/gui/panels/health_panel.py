"""Streams, latency, processor and recording: lights with words, and figures beside them."""

from __future__ import annotations

import math
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.palette import SYMBOLS, Theme
from apps.gui.panels.canvas import ElidedLabel, inked
from apps.gui.panels.latency_view import LatencyView
from apps.gui.strings import plain, tr
from apps.gui.viewmodels.health import Health, Line, StreamRow, health, hints, titles
from bci_stream.engine.frame import Frame

_WIDE_EM = 36.0
_LINE_EM = 48.0  # from here on all lines stand beside each other


class HealthPanel(QtWidgets.QScrollArea):
    """A table with a row for each stream (a column for each where there is little room), and lines below."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self._frame: Frame | None = None
        self._shown: Health | None = None
        self._form: tuple[int, tuple[str, ...]] | None = None
        self._labels: dict[object, Any] = {}
        self._said: dict[object, tuple[str, str]] = {}
        self.latency = LatencyView(theme)
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("health of the session"))
        self._body = QtWidgets.QWidget()
        self.setWidget(self._body)

    @property
    def _em(self) -> float:
        return float(self.fontMetrics().height())

    # -- frames -----------------------------------------------------------------------------------------

    def show_frame(self, frame: Frame) -> None:
        """Draw a frame; only what is seen and what changed."""
        self._frame = frame
        if not self.isVisible():
            return
        found = health(frame)
        width_em = self.width() / self._em
        n_columns = 1 + (width_em > _WIDE_EM) + (width_em > _LINE_EM)
        form = (n_columns, tuple(row.role for row in found.streams))
        if form != self._form:
            self._form = form
            self._build(found, n_columns)
        if found != self._shown:
            self._shown = found
            for row in found.streams:
                self._show_stream(row)
            for line in found.lines:
                self._show_line(line)
        self.latency.show_frame(frame)

    def text(self, *key: object) -> str:
        """What a cell reads: (role, figure's number, "light", "name" or "words") or (line's title,)."""
        return str(self._labels[key].text())

    def _show_stream(self, row: StreamRow) -> None:
        colour = self.theme.quality(row.level)
        self._say((row.role, "light"), row.light, colour)
        self._say((row.role, "name"), row.name, self.theme.text)
        self._say((row.role, "words"), row.words, self.theme.muted if row.level == "good" else colour)
        wide = self._form is not None and self._form[0] > 1
        self._labels[row.role, "words"].setVisible(not wide or row.level != "good")  # else the figures say it
        for i, words in enumerate(row.figures):
            self._say((row.role, i), words, self.theme.text)
        hint = plain(row.hint or row.words).replace("\n", "<br>")
        self._labels[row.role, "words"].setToolTip(hint)
        self._labels[row.role, "name"].setToolTip(plain(row.name))

    def _show_line(self, line: Line) -> None:
        colour = self.theme.muted if line.level == "off" else self.theme.quality(line.level)
        ink = self.theme.text if line.level in ("good", "off") else colour
        self._say((line.title, "light"), SYMBOLS[line.level], colour)
        self._say((line.title,), line.words, ink)
        self._labels[(line.title,)].setToolTip(plain(line.words))

    def _say(self, key: object, words: str, colour: str) -> None:
        if self._said.get(key) == (words, colour):
            return
        label, before = self._labels[key], self._said.get(key, ("", ""))
        self._said[key] = words, colour
        if words != before[0]:
            label.setText(words)
        if colour != before[1]:
            inked(label, colour)

    # -- how it is laid out -------------------------------------------------------------------------------

    def _build(self, found: Health, n_columns: int) -> None:
        self.latency.setParent(None)
        self._body = QtWidgets.QWidget()
        self._labels, self._said, self._shown = {}, {}, None
        em = self._em
        column = QtWidgets.QVBoxLayout(self._body)
        side, end = math.ceil(0.5 * em), math.ceil(0.3 * em)
        column.setContentsMargins(side, end, side, end)
        column.setSpacing(math.ceil(0.25 * em))
        table = QtWidgets.QGridLayout()
        table.setHorizontalSpacing(math.ceil(0.9 * em))
        table.setVerticalSpacing(math.ceil(0.1 * em))
        (self._fill_wide if n_columns > 1 else self._fill_narrow)(table, found)
        column.addLayout(table)
        column.addWidget(self.latency)
        column.addLayout(self._lines(found, n_columns))
        column.addStretch(1)
        self.setWidget(self._body)

    def _lines(self, found: Health, n_columns: int) -> Any:
        """Lights with words, ``n_columns`` side by side; the last one over the whole width."""
        grid = QtWidgets.QGridLayout()
        grid.setHorizontalSpacing(math.ceil(0.5 * self._em))
        grid.setVerticalSpacing(math.ceil(0.1 * self._em))
        for i, line in enumerate(found.lines):
            row, left = i // n_columns, 3 * (i % n_columns)
            last = i == len(found.lines) - 1
            grid.addWidget(self._label((line.title, "light")), row, left)
            grid.addWidget(self._title(line.title), row, left + 1)
            label = self._label((line.title,), elided=True)
            grid.addWidget(label, row, left + 2, 1, 3 * n_columns - 2 - left if last else 1)
        for i, share in enumerate((5, 4, 10)[:n_columns]):
            grid.setColumnStretch(3 * i + 2, share)
        return grid

    def _fill_wide(self, table: Any, found: Health) -> None:
        for i, (words, hint) in enumerate(zip(titles(), hints(), strict=True)):
            table.addWidget(self._title(words, hint, right=True), 0, 2 + i)
        for n, row in enumerate(found.streams):
            top = 1 + 2 * n
            table.addWidget(self._label((row.role, "light")), top, 0)
            table.addWidget(self._label((row.role, "name"), elided=True), top, 1)
            for i in range(len(row.figures)):
                table.addWidget(self._label((row.role, i), right=True), top, 2 + i)
            table.addWidget(
                self._label((row.role, "words"), elided=True), top + 1, 1, 1, 1 + len(row.figures)
            )
        table.setColumnStretch(1, 1)

    def _fill_narrow(self, table: Any, found: Health) -> None:
        for i, (words, hint) in enumerate(zip(titles(), hints(), strict=True)):
            table.addWidget(self._title(words, hint), 3 + i, 0)
        for n, row in enumerate(found.streams):
            table.addWidget(self._label((row.role, "light")), 0, 1 + n)
            table.addWidget(self._label((row.role, "name"), elided=True), 1, 1 + n)
            table.addWidget(self._label((row.role, "words"), wrapped=True), 2, 1 + n)
            for i in range(len(row.figures)):
                table.addWidget(self._label((row.role, i)), 3 + i, 1 + n)
            table.setColumnStretch(1 + n, 1)

    def _label(self, key: object, *, right: bool = False, elided: bool = False, wrapped: bool = False) -> Any:
        label = ElidedLabel() if elided else QtWidgets.QLabel()
        label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        if right:
            label.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter)
        if wrapped:
            label.setWordWrap(True)
            label.setAlignment(QtCore.Qt.AlignmentFlag.AlignTop)
        self._labels[key] = label
        return label

    def _title(self, words: str, hint: str = "", *, right: bool = False) -> Any:
        label = QtWidgets.QLabel(words)
        label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        label.setToolTip(hint)
        if right:
            label.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter)
        inked(label, self.theme.muted)
        return label

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme, self._form = theme, None
        self.latency.set_theme(theme)
        self._refresh()

    def _refresh(self) -> None:
        if self._frame is not None:
            self.show_frame(self._frame)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Catch up with what came while nobody looked."""
        super().showEvent(event)
        self._refresh()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Another form where the room is another."""
        super().resizeEvent(event)
        self._refresh()
