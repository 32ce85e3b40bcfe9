"""The last pages: the fit with its live curve, the report, and what to do with the model."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.calibration.check_pages import VerdictLabel
from apps.gui.calibration.page import READ_PX, GuidePage
from apps.gui.calibration.pictures import CurvePicture, FilePicture
from apps.gui.parts import card, paragraph, sized, whole
from apps.gui.strings import tr
from apps.gui.theme import Theme
from apps.gui.viewmodels.curve import curve
from apps.gui.viewmodels.finder import Check
from apps.gui.viewmodels.outcome import OutcomeView, outcome_view
from bci_stream.errors import BciStreamError
from calibration.protocol import said


class FitPage(GuidePage):
    """How the fit comes along; or why it could not, and what is missing."""

    title = "Fitting a model to you"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "Fit again"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.what = paragraph(pixels=READ_PX)
        self.what.setAccessibleName(tr("what is done now"))
        self.bar = QtWidgets.QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setAccessibleName(tr("share of the fit that is done"))
        self.picture = CurvePicture(wizard.theme)
        self.best = paragraph()
        self.stop = QtWidgets.QPushButton(tr("&Cancel the fit"))
        self.stop.clicked.connect(lambda: self.guide.cancel_fit())
        self.more = QtWidgets.QPushButton()
        self.more.clicked.connect(lambda: self.guide.record_missing())
        buttons = QtWidgets.QHBoxLayout()
        buttons.addWidget(self.stop)
        buttons.addWidget(self.more)
        buttons.addStretch(1)
        legend = paragraph(
            tr(
                "Loss on trials held out of the fit, lower is better. Every way of fitting is tried on three "
                "parts of the trials."
            )
        )
        column = whole(self)
        column.addWidget(card("", self.what, self.bar, self.picture, legend, self.best, buttons), 1)

    def first(self) -> Any:
        """The button that stops it, or that records more."""
        return self.stop if self.guide.fit is not None else self.more

    def tick(self) -> None:
        """How far it is."""
        fit = self.guide.fit
        self.stop.setVisible(fit is not None)
        missing = self.guide.missing if fit is None else {}
        self.more.setVisible(bool(missing))
        if fit is None:
            parts = [f"{n} x {said(self.guide.texts, f'emotion.{label}')}" for label, n in missing.items()]
            self.more.setText(tr("&Record what is missing: {what}").format(what=", ".join(parts)))
            return
        stopping = fit.stop.is_set()
        self.what.setText(tr("stopping …") if stopping else f"{tr(fit.what)} …")
        self.bar.setValue(round(1000 * fit.share))
        found = curve(tuple(fit.tried))
        self.picture.show_model(found)
        self.best.setText(found.words)

    def check(self) -> Check:
        """It goes on by itself; after a failure it can be tried again."""
        return Check("off" if self.guide.fit is not None or self.guide.busy is not None else "good", "")

    def go_on(self) -> None:
        """Once more."""
        self.guide.begin_fit()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        super().set_theme(theme)
        self.picture.set_theme(theme)


class ReportPage(GuidePage):
    """Base against calibrated, honestly; what was dropped; which model is in use."""

    title = "What it was worth"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "Go on"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.headline = VerdictLabel(tr("verdict"))
        self.table = QtWidgets.QTableWidget(0, 3)
        self.table.setAccessibleName(tr("base against calibrated"))
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setVisible(False)
        self.table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.NoSelection)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.horizontalHeader().setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.Stretch)
        self.table.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.how, self.dropped_title = paragraph(), paragraph()
        self.active = paragraph(pixels=READ_PX)
        self.dropped = QtWidgets.QListWidget()
        self.dropped.setAccessibleName(tr("trials that were left out, and why"))
        self.dropped.setWordWrap(True)
        self.open_page = QtWidgets.QPushButton(tr("&Open the whole report"))
        self.open_page.clicked.connect(self._open)
        self.pictures = [FilePicture() for _ in range(2)]
        self._view: OutcomeView | None = None
        left = QtWidgets.QVBoxLayout()
        for widget in (self.headline, self.active, self.table, self.how, self.dropped_title):
            left.addWidget(widget)
        left.addWidget(self.dropped, 8)
        left.addWidget(self.open_page, 0, QtCore.Qt.AlignmentFlag.AlignLeft)
        left.addStretch(1)
        right = QtWidgets.QVBoxLayout()
        for label in self.pictures:
            right.addWidget(label, 1)
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(18)
        row.addLayout(left, 3)
        row.addLayout(right, 2)
        whole(self).addWidget(card("", row), 1)

    def first(self) -> Any:
        """The table, to be read."""
        return self.table

    def enter(self) -> None:
        """Read the report."""
        guide = self.guide
        assert guide.journal is not None
        assert guide.number is not None
        try:
            self._view = view = outcome_view(guide.store, guide.journal.name, guide.number)
        except BciStreamError as error:
            guide.problem = str(error)
            return
        self.headline.show_check(Check("good" if view.better else "warn", view.headline), self.theme)
        self.active.setText(view.active)
        self._fill(view)
        self.how.setText(view.how)
        n = len(view.dropped)
        self.dropped_title.setText(
            tr("Trials left out: {n}").format(n=n) if n else tr("No trial was left out.")
        )
        self.dropped.clear()
        self.dropped.addItems(list(view.dropped))
        self.dropped.setVisible(n > 0)
        for picture, path in zip(self.pictures, view.pictures, strict=False):
            picture.show_file(path)

    def _fill(self, view: OutcomeView) -> None:
        self.table.setRowCount(len(view.rows))
        for i, row in enumerate(view.rows):
            for j, words in enumerate(row):
                item = QtWidgets.QTableWidgetItem(words)
                font = item.font()
                font.setPixelSize(READ_PX)
                font.setBold(i > 0 and j == 0)
                item.setFont(font)
                self.table.setItem(i, j, item)
        self.table.setCurrentCell(-1, -1)
        self.table.resizeRowsToContents()
        height = sum(self.table.rowHeight(i) for i in range(len(view.rows)))
        self.table.setFixedHeight(height + 4)

    def _open(self) -> None:
        if self._view is not None:
            QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(str(self._view.page)))

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        super().set_theme(theme)
        if self._view is not None:
            level = "good" if self._view.better else "warn"
            self.headline.show_check(Check(level, self._view.headline), theme)


class UsePage(GuidePage):
    """Which model from now on; try it live, or finish."""

    title = "Which model from now on?"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "Finish"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.calibrated = QtWidgets.QRadioButton(tr("the &calibrated model"))
        self.base = QtWidgets.QRadioButton(tr("the &base model"))
        for choice in (self.calibrated, self.base):
            sized(choice, READ_PX)
        self.advice, self.later = paragraph(pixels=READ_PX), paragraph()
        self.live = QtWidgets.QPushButton(tr("&Try it live"))
        self.live.clicked.connect(self._try)
        column = whole(self)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.live)
        row.addStretch(1)
        column.addWidget(card("", self.advice, self.calibrated, self.base, row, self.later))
        column.addStretch(1)

    def first(self) -> Any:
        """The choice that is made."""
        return self.calibrated if self.calibrated.isChecked() else self.base

    def enter(self) -> None:
        """What is in use is chosen."""
        guide = self.guide
        assert guide.journal is not None
        name = guide.journal.name
        try:
            profile = guide.store.load(name)
            better = guide.number is not None and profile.model_of(guide.number).better
        except BciStreamError as error:
            guide.problem = str(error)
            return
        used = profile.active == guide.number and guide.number is not None
        (self.calibrated if used else self.base).setChecked(True)
        self.advice.setText(
            tr("The report calls the calibrated model better: it is in use.")
            if better
            else tr(
                "The report does not call the calibrated model better, so the base stays unless you say so."
            )
        )
        self.later.setText(
            tr(
                "In the terminal: bci-stream live --profile {name} · bci-stream profile show {name} · "
                "bci-stream profile forget {name} removes all of it."
            ).format(name=name)
        )

    def _keep(self) -> bool:
        try:
            self.guide.use(self.calibrated.isChecked())
        except BciStreamError as error:
            self.guide.problem = str(error)
            return False
        return True

    def go_on(self) -> None:
        """Keep the choice, and finish."""
        if self._keep():
            self.wizard.finish()

    def _try(self) -> None:
        if self._keep():
            self.wizard.finish(live=True)
