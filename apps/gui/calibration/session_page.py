"""The page of the session itself: baseline, practice, trials, and the self-report after a trial."""

from __future__ import annotations

from functools import partial
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.calibration.page import GuidePage
from apps.gui.calibration.pictures import CuePicture
from apps.gui.parts import whole
from apps.gui.strings import tr
from apps.gui.theme import Theme
from apps.gui.viewmodels.cue import cue, progress_words
from apps.gui.viewmodels.finder import Check
from calibration.session import Phase, State

_PAUSED = (Phase.READY, Phase.PAUSED, Phase.BREAK)


class TrialsPage(GuidePage):
    """The cue large, what is left, and the keys; the numbers after a trial."""

    title = ""

    @property
    def next_words(self) -> str:
        """What the key does now."""
        state = self.guide.state
        return "Begin" if state is None or state.phase is Phase.READY else "Go on"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.picture = CuePicture(wizard.theme, self._painted)
        self.bar = QtWidgets.QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        self.bar.setAccessibleName(tr("share of the trials that is done"))
        self.progress = QtWidgets.QLabel()
        self.progress.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.progress.setAccessibleName(tr("progress"))
        self.progress.setWordWrap(True)
        self.keys = QtWidgets.QLabel(
            tr("Space: begin, go on · P: pause · R: this trial again · Esc: leave, all is kept")
        )
        self.numbers = self._numbers()
        column = whole(self)
        column.setSpacing(8)
        column.addWidget(self.picture, 1)
        column.addWidget(self.numbers)
        column.addWidget(self.bar)
        line = QtWidgets.QHBoxLayout()
        line.addWidget(self.progress, 1)
        line.addWidget(self.keys)
        column.addLayout(line)
        self._phase: Phase | None = None

    def _numbers(self) -> Any:
        holder = QtWidgets.QWidget()
        row = QtWidgets.QHBoxLayout(holder)
        row.setContentsMargins(60, 0, 60, 0)
        for value in range(1, 10):
            button = QtWidgets.QPushButton(str(value))
            button.setAccessibleName(tr("{n} of 9").format(n=value))
            button.setMinimumHeight(44)
            button.clicked.connect(partial(self._rate, str(value)))
            row.addWidget(button)
        holder.setVisible(False)
        return holder

    def _rate(self, key: str, *_: object) -> None:
        self.guide.press(key)
        self.picture.setFocus()

    def first(self) -> Any:
        """The cue: keys go to the session."""
        return self.picture

    def _painted(self) -> None:
        if self.guide.running is not None:
            self.guide.running.painted()

    def tick(self) -> None:
        """What the session shows now."""
        running = self.guide.running
        if running is None:
            return
        state = running.state
        half = self.guide.keys.valence is not None
        now_s, refused = running.now_s(), running.refused if state.missing else ()
        now = cue(state, running.shown, self.guide.texts, now_s, half_rated=half, refused=refused)
        self.picture.show_model(now)
        self.numbers.setVisible(state.phase is Phase.RATE)
        self.bar.setValue(round(1000 * state.progress))
        self.progress.setText(progress_words(state))
        if state.phase is not self._phase:
            self._turned(state)

    def _turned(self, state: State) -> None:
        if self._phase is Phase.CLOSED_EYES:
            QtWidgets.QApplication.beep()  # eyes are closed: nobody sees the end of it
        self._phase = state.phase

    def check(self) -> Check:
        """The button is there where a key is awaited."""
        state = self.guide.state
        if self.guide.busy is not None:
            return Check("off", self.guide.busy)
        return Check("good" if state is not None and state.phase in _PAUSED else "off", "")

    def go_on(self) -> None:
        """Begin, or go on after a pause."""
        self.guide.space()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        super().set_theme(theme)
        self.picture.set_theme(theme)
