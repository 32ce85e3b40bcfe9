"""Before the first trial: the electrodes with advice, the microphone with its level."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.calibration.page import READ_PX, GuidePage
from apps.gui.calibration.pictures import HeadPicture, LevelPicture
from apps.gui.parts import card, paragraph, sized, whole
from apps.gui.strings import tr
from apps.gui.theme import SYMBOLS, Theme
from apps.gui.viewmodels.electrodes import electrodes, to_see_to
from apps.gui.viewmodels.finder import Check
from bci_stream.messages import EEG


class VerdictLabel(QtWidgets.QLabel):
    """A light with words."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.setAccessibleName(name)
        self._shown: tuple[str, str, str] | None = None

    def show_check(self, check: Check, theme: Theme) -> None:
        """Another verdict."""
        key = (check.level, check.words, theme.name)
        if key == self._shown:
            return
        self._shown = key
        self.setText(f"{SYMBOLS[check.level]} {check.words}" if check.words else "")
        colour = theme.muted if check.level == "off" else theme.quality(check.level)
        self.setStyleSheet(f"color: {colour}; font-weight: 600; font-size: 15px;")


class ElectrodesPage(GuidePage):
    """How each electrode is, and what to do about those that are not good."""

    title = "Are the electrodes on?"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "Go on"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.head = HeadPicture(wizard.theme)
        self.verdict = VerdictLabel(tr("verdict on the electrodes"))
        self.table = QtWidgets.QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels([tr("Electrode"), tr("Found"), tr("What helps")])
        self.table.verticalHeader().setVisible(False)
        self.table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.NoSelection)
        self.table.setAccessibleName(tr("electrodes to see to"))
        self.table.setShowGrid(False)
        self.table.setWordWrap(True)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(QtCore.Qt.AlignmentFlag.AlignLeft)
        header.setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QtWidgets.QHeaderView.ResizeMode.Stretch)
        hint = paragraph(
            tr("Sit still, eyes open. It is measured all the time: see to an electrode and watch its mark."),
            READ_PX,
        )
        side = QtWidgets.QVBoxLayout()
        side.addWidget(self.verdict)
        side.addWidget(hint)
        side.addWidget(self.table, 1)
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(18)
        row.addWidget(self.head, 2)
        row.addLayout(side, 3)
        column = whole(self)
        frame = card("", row)
        column.addWidget(frame, 1)
        self._rows: list[tuple[str, ...]] | None = None

    def first(self) -> Any:
        """The list, to be read."""
        return self.table

    def tick(self) -> None:
        """What is measured now."""
        running = self.guide.running
        if running is None:
            return
        found = electrodes(running.check.electrodes) if EEG not in running.lost else ()
        self.head.show_model(found)
        self.verdict.show_check(self.guide.may_go_on(), self.theme)
        rows = [(one.name, f"{SYMBOLS[one.state]} {one.words}", one.advice) for one in to_see_to(found)]
        if rows != self._rows:
            self._rows = list(rows)
            self._fill(rows)

    def _fill(self, rows: list[tuple[str, str, str]]) -> None:
        self.table.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for j, words in enumerate(row):
                self.table.setItem(i, j, QtWidgets.QTableWidgetItem(words))
        self.table.resizeRowsToContents()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        super().set_theme(theme)
        self.head.set_theme(theme)


class MicrophonePage(GuidePage):
    """Is the voice heard, and loud enough?"""

    title = "Is your voice heard?"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "Go on"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.level = LevelPicture(wizard.theme)
        self.level.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.verdict = VerdictLabel(tr("verdict on the microphone"))
        self.sentence = paragraph(tr("“The cloth is lying on the fridge. In seven hours it will be time.”"))
        sized(self.sentence, 24)
        ask = paragraph(tr("Read this aloud, as loud as you will speak later:"), READ_PX)
        column = whole(self)
        marks = paragraph(tr("The lines mark the quiet and the loud parts of the last seconds."))
        frame = card("", ask, self.sentence, self.level, marks, self.verdict)
        column.addWidget(frame)
        column.addStretch(1)

    def first(self) -> Any:
        """The level, to be read."""
        return self.level

    def tick(self) -> None:
        """What is heard now."""
        if self.guide.running is not None:
            self.level.show_model(self.guide.running.check.voice)
            self.verdict.show_check(self.guide.may_go_on(), self.theme)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        super().set_theme(theme)
        self.level.set_theme(theme)
