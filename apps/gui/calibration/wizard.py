"""The guide in the main window: a page at a time, the same keys on each.

Enter goes on (or presses the button that has the keyboard), Alt+Left goes back, Esc leaves and asks first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.calibration.check_pages import ElectrodesPage, MicrophonePage
from apps.gui.calibration.end_pages import FitPage, ReportPage, UsePage
from apps.gui.calibration.page import GuidePage
from apps.gui.calibration.pictures import StepLine
from apps.gui.calibration.session_page import TrialsPage
from apps.gui.calibration.start_pages import ConsentPage, DevicesPage, ResumePage
from apps.gui.parts import heading
from apps.gui.stream_form import StreamForm
from apps.gui.strings import tr
from apps.gui.theme import Theme
from apps.gui.viewmodels.calibration import Guide, Page
from apps.gui.viewmodels.cue import BASELINE, PRACTICE, TRIALS, step_of

_PAGES: Final[dict[Page, type[GuidePage]]] = {
    Page.RESUME: ResumePage,
    Page.CONSENT: ConsentPage,
    Page.DEVICES: DevicesPage,
    Page.ELECTRODES: ElectrodesPage,
    Page.MICROPHONE: MicrophonePage,
    Page.SESSION: TrialsPage,
    Page.FIT: FitPage,
    Page.REPORT: ReportPage,
    Page.USE: UsePage,
}
_STEPS: Final = {
    Page.CONSENT: "Consent",
    Page.DEVICES: "Devices",
    Page.ELECTRODES: "Electrodes",
    Page.MICROPHONE: "Microphone",
    Page.FIT: "Fit",
    Page.REPORT: "Report",
    Page.USE: "Use",
}
STEPS: Final = (
    "Consent",
    "Devices",
    "Electrodes",
    "Microphone",
    BASELINE,
    PRACTICE,
    TRIALS,
    "Fit",
    "Report",
    "Use",
)


class Wizard(QtWidgets.QWidget):
    """Pages around one :class:`~apps.gui.viewmodels.calibration.Guide`.

    ``done``: called when it closes, with whether the model is to be tried live, and words for the person.
    """

    def __init__(self, window: Any, guide: Guide, done: Callable[[bool, str], None]) -> None:
        super().__init__()
        self.window_, self.guide, self._done = window, guide, done
        self.theme: Theme = window.theme
        self.steps = StepLine()
        self.title = heading("", 22)
        self.problem = QtWidgets.QLabel()
        self.problem.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        self.problem.setAccessibleName(tr("what did not work"))
        self.hint = QtWidgets.QLabel()
        self.hint.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.hint.setAccessibleName(tr("what is awaited"))
        self.leave_button = QtWidgets.QPushButton(tr("Leave (Esc)"))
        self.back_button = QtWidgets.QPushButton(tr("Back (Alt+←)"))
        self.next_button = QtWidgets.QPushButton()
        self.next_button.setProperty("primary", True)
        self.leave_button.clicked.connect(self.ask_leave)
        self.back_button.clicked.connect(self.back)
        self.next_button.clicked.connect(self.go_on)
        self.pages: dict[Page, GuidePage] = {page: make(self) for page, make in _PAGES.items()}
        self.stack = QtWidgets.QStackedWidget()
        for page in self.pages.values():
            self.stack.addWidget(page)
        self._lay_out()
        self._shortcuts()
        self._shown: Page | None = None
        self._box: Any = None
        self.set_theme(self.theme)
        self.tick()

    def _lay_out(self) -> None:
        foot = QtWidgets.QHBoxLayout()
        foot.addWidget(self.leave_button)
        foot.addStretch(1)
        foot.addWidget(self.hint)
        foot.addSpacing(12)
        foot.addWidget(self.back_button)
        foot.addWidget(self.next_button)
        for button in (self.leave_button, self.back_button, self.next_button):
            button.setMinimumHeight(34)
        self.next_button.setMinimumWidth(150)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(24, 12, 24, 14)
        column.setSpacing(8)
        column.addWidget(self.steps)
        column.addWidget(self.title)
        column.addWidget(self.problem)
        column.addWidget(self.stack, 1)
        column.addLayout(foot)

    def _shortcuts(self) -> None:
        context = QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut
        for keys, do in (
            (("Return", "Enter"), self._enter),
            (("Escape",), self.ask_leave),
            (("Alt+Left",), self.back),
        ):
            for key in keys:
                shortcut = QtGui.QShortcut(QtGui.QKeySequence(key), self)
                shortcut.setContext(context)
                shortcut.activated.connect(do)

    def begin(self) -> None:
        """It is on the screen: the keyboard goes to the first page."""
        self.page.first().setFocus()

    def make_form(self) -> StreamForm:
        """Boxes for streams and model, on the window's finder."""
        return StreamForm(self.window_, self.window_.start_page.finder, signals_only=False)

    @property
    def page(self) -> GuidePage:
        """The page that is shown."""
        return self.pages[self.guide.page]

    # -- frames -------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let the session go on, and draw it."""
        self.guide.tick()
        page = self.page
        if self.guide.page is not self._shown:
            self._turn()
        page.tick()
        self._show_foot(page)

    def _turn(self) -> None:
        self._shown = self.guide.page
        page = self.page
        page.enter()
        self.stack.setCurrentWidget(page)
        self.title.setText(tr(page.title))
        self.title.setVisible(bool(page.title))
        page.first().setFocus()

    def _show_foot(self, page: GuidePage) -> None:
        guide = self.guide
        self.steps.show_steps(STEPS, self._step(), self.theme)
        self.steps.setVisible(guide.page is not Page.RESUME)
        self.problem.setText(guide.problem or "")
        self.problem.setVisible(guide.problem is not None)
        check = page.check()
        self.hint.setText(guide.busy or (check.words if check.level in ("bad", "off") else ""))
        self.next_button.setEnabled(guide.busy is None and check.level in ("good", "warn"))
        self.next_button.setText(f"{tr(page.next_words)} ({tr('Enter')})")
        self.back_button.setEnabled(guide.may_go_back)

    def _step(self) -> str:
        state = self.guide.state
        if self.guide.page is Page.SESSION and state is not None:
            return step_of(state)
        return _STEPS.get(self.guide.page, TRIALS)

    # -- keys ---------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        focus = QtWidgets.QApplication.focusWidget()
        if isinstance(focus, QtWidgets.QPushButton) and self.isAncestorOf(focus) and focus.isVisible():
            focus.click()
        else:
            self.go_on()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """The session's own keys; what no widget wanted comes here."""
        key = event.text().lower()
        if key == "q" and self.guide.page is Page.SESSION:
            self.ask_leave()
        elif not key or not self.guide.press(key):
            super().keyPressEvent(event)

    def go_on(self) -> None:
        """The next page, if what it needs is there by now."""
        self._show_foot(self.page)
        if self.next_button.isEnabled():
            self.page.go_on()
            self.tick()

    def back(self) -> None:
        """The page before."""
        self.guide.back()
        self.tick()

    # -- leaving ------------------------------------------------------------------------------------------

    def ask_leave(self) -> None:
        """Ask, unless there is nothing that could be missed; a session pauses meanwhile."""
        if self._box is not None:
            return
        if self.guide.page in (Page.RESUME, Page.CONSENT, Page.REPORT, Page.USE):
            self.leave()
            return
        self.guide.hold()
        box = self._box = QtWidgets.QMessageBox(self)
        box.setObjectName("leaving")
        box.setWindowTitle(tr("Leave the calibration?"))
        box.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        box.setText(tr("All that was recorded is kept. Calibrate offers to go on from here."))
        leave = box.addButton(tr("&Leave"), QtWidgets.QMessageBox.ButtonRole.AcceptRole)
        stay = box.addButton(tr("&Stay"), QtWidgets.QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(leave)
        box.setEscapeButton(stay)
        box.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        box.finished.connect(lambda _: self._answered(box.clickedButton() is leave))
        box.open()

    def _answered(self, leave: bool) -> None:
        self._box = None
        self.window_.activateWindow()  # not every desktop does so by itself
        if leave:
            self.leave()
        else:
            self.page.first().setFocus()

    def leave(self) -> None:
        """Close; what was recorded stays."""
        self._done(False, self.guide.leave())

    def finish(self, *, live: bool = False) -> None:
        """All is done."""
        self.guide.finish()
        self._done(live, "")

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme = theme
        self.problem.setStyleSheet(f"color: {theme.bad}; font-weight: 600;")
        self.hint.setStyleSheet(f"color: {theme.muted};")
        for page in self.pages.values():
            page.set_theme(theme)
