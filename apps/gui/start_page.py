"""The start page: what there is, whether it fits, and a button that begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.choice import ModelChoice, StreamChoice
from apps.gui.output_form import OutputForm
from apps.gui.parts import beside, card, paragraph, stack, words_label
from apps.gui.runs import demo_run, live_run
from apps.gui.stream_form import StreamForm
from apps.gui.strings import tr
from apps.gui.theme import SYMBOLS, Theme
from apps.gui.viewmodels.calibration import Guide
from apps.gui.viewmodels.finder import Finder, Found
from apps.record import FOLDER, Destination
from bci_stream.errors import BciStreamError


class StartPage(QtWidgets.QWidget):
    """Shown while nothing runs."""

    def __init__(self, window: Any) -> None:
        super().__init__()
        self.window_ = window
        self.theme: Theme = window.theme
        options, store = window.options, window.store
        self.finder = Finder((options.scope, options.session_id))
        self.status = words_label(tr("state"))
        self.status.setObjectName("status")
        self.streams = self._table()
        self.form = form = StreamForm(window, self.finder)
        self.eeg, self.audio, self.bundle_check = form.eeg, form.audio, form.bundle_check
        form.use_finder()
        self.folder = QtWidgets.QLineEdit(store.get("folder", str(FOLDER)))
        self.folder.setAccessibleName(tr("folder of recordings"))
        self.outputs = OutputForm(store.get, lambda: Path(self.folder.text()))
        self.subject = QtWidgets.QLineEdit(store.get("subject", "unknown"))
        self.subject.setAccessibleName(tr("subject"))
        self.record_voice = QtWidgets.QCheckBox(tr("Recordings hold the voice too"))
        self.record_voice.setChecked(store.get("record_voice", False))
        self.start_button = QtWidgets.QPushButton(tr("Start"))
        self.start_button.clicked.connect(self.start)
        self.demo = QtWidgets.QPushButton(tr("Demo: a simulated person"))
        self.demo.clicked.connect(self.start_demo)
        for button in (self.start_button, self.demo):
            button.setProperty("primary", True)
            button.setMinimumHeight(34)
        self.open_button = QtWidgets.QPushButton(tr("Open a recording …"))
        self.open_button.clicked.connect(lambda: window.deeds.ask_recording())
        self.calibrate_button = QtWidgets.QPushButton(tr("Calibrate to a person …"))
        self.calibrate_button.clicked.connect(lambda: window.deeds.calibrate())
        self._lay_out()

    # -- looks --------------------------------------------------------------------------------------------

    def _table(self) -> Any:
        table = QtWidgets.QTableWidget(0, 4)
        table.setHorizontalHeaderLabels([tr("Stream"), tr("Type"), tr("Check"), tr("Host")])
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.NoSelection)
        table.setAccessibleName(tr("streams on the network"))
        header = table.horizontalHeader()
        header.setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QtWidgets.QHeaderView.ResizeMode.Stretch)
        table.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        table.setShowGrid(False)
        header.setDefaultAlignment(QtCore.Qt.AlignmentFlag.AlignLeft)
        table.setMinimumHeight(84)
        return table

    def _lay_out(self) -> None:
        form = QtWidgets.QFormLayout()
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setVerticalSpacing(8)
        own = self.form
        eeg = beside(own.eeg, QtWidgets.QLabel(tr("device")), own.device)
        rows = (
            (tr("EEG"), stack(eeg, own.eeg_check)),
            (tr("Voice"), stack(own.audio, own.audio_check)),
            (tr("Markers"), own.markers),
            (tr("Model"), stack(own.bundle, own.bundle_check, own.fit)),
            (tr("Outputs"), self.outputs),
            (tr("Recordings"), beside(self.folder, QtWidgets.QLabel(tr("subject")), self.subject)),
            ("", self.record_voice),
        )
        for words, widget in rows:
            form.addRow(words, widget)
        live = card(tr("Live"), self.streams, form, self.start_button, self.status)
        hint = paragraph(tr("or drop an .xdf file anywhere on this window"))
        other = card(tr("A recording"), self.open_button, hint)
        demo_hint = paragraph(
            tr("A headset and a microphone, simulated on this computer: nothing to connect.")
        )
        demo = card(tr("Try it"), self.demo, demo_hint)
        person_hint = paragraph(
            tr("Ten guided minutes, a model that fits one person, and an honest report of whether it does.")
        )
        person = card(tr("A person"), self.calibrate_button, person_hint)
        side = QtWidgets.QVBoxLayout()
        for part in (person, other, demo):
            side.addWidget(part)
        side.addStretch(1)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(24, 16, 24, 24)
        row.setSpacing(18)
        row.addWidget(live, 3)
        row.addLayout(side, 1)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme = theme
        self.form.set_theme(theme)
        self.outputs.set_theme(theme)
        self.status.setStyleSheet(f"color: {theme.warn}; font-weight: 600;")

    def add_bundle(self, path: Path) -> None:
        """Offer a bundle, and choose it."""
        self.form.add_bundle(path)

    # -- what was found -----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Show what was found, and what goes on."""
        here = self.window_.control.run is None and self.window_.control.opening is None
        self.finder.want(here and self.window_.looks_for_streams)
        if not self.isVisible():
            return
        control = self.window_.control
        self.status.setText(control.opening or control.problem or "")
        self.status.setVisible(bool(self.status.text()))
        for button in (self.start_button, self.demo, self.open_button, self.calibrate_button):
            button.setEnabled(here)
        if self.form.tick():
            self._show_streams(self.finder.streams)

    def _show_streams(self, found: tuple[Found, ...]) -> None:
        self.streams.setRowCount(max(1, len(found)))
        for row, stream in enumerate(found):
            texts = (stream.info.name, stream.info.type, f"{SYMBOLS[stream.level]} {stream.words}")
            for column, text in enumerate((*texts, stream.info.hostname)):
                item = QtWidgets.QTableWidgetItem(text)
                item.setToolTip(text.replace("<", "&lt;"))
                self.streams.setItem(row, column, item)
        if not found:
            waiting = tr("no stream yet: switch the headset's LSL connector on")
            for column, text in enumerate(("", "", waiting, "")):
                self.streams.setItem(0, column, QtWidgets.QTableWidgetItem(text))

    # -- beginning ----------------------------------------------------------------------------------------

    def model_choice(self) -> ModelChoice:
        """The model as the page says."""
        return self.form.model_choice()

    def stream_choice(self) -> StreamChoice | None:
        """The streams as the page says; None where there are none."""
        return self.form.stream_choice()

    def start(self) -> None:
        """Begin with what the page says."""
        streams = self.stream_choice()
        if streams is None:
            self.window_.control.problem = tr("no stream is chosen: switch a device on, or try the demo")
            return
        options, model = self.window_.options, self.model_choice()
        try:
            outputs = self.outputs.choice()
        except BciStreamError as error:
            self.window_.control.problem = str(error)
            return
        self.window_.control.begin(
            tr("connecting …"),
            lambda: live_run(streams, model, options.scope, options.session_id, outputs),
        )

    def try_profile(self, guide: Guide) -> None:
        """A live session with the model that a calibration left in use, on the same streams."""
        streams, journal, options = guide.streams or self.stream_choice(), guide.journal, self.window_.options
        if streams is None or journal is None:
            return
        base = Path(journal.bundle) if journal.bundle else None
        try:
            bundle = guide.store.active_bundle(journal.name) or base
        except BciStreamError as error:
            self.window_.control.problem = str(error)
            return
        model = replace(options.model, bundle=bundle, wanted=True)
        self.window_.control.begin(
            tr("connecting …"), lambda: live_run(streams, model, options.scope, options.session_id)
        )

    def start_demo(self) -> None:
        """A simulated person."""
        options, model = self.window_.options, self.model_choice()
        self.window_.control.begin(
            tr("starting a simulated person …"),
            lambda: demo_run(options.scope, options.session_id, model),
        )

    def destination(self) -> Destination:
        """Where recordings go."""
        return Destination(Path(self.folder.text()), subject=self.subject.text().strip() or "unknown")

    def remembered(self) -> dict[str, Any]:
        """What should be found again."""
        return {
            "bundle": self.form.bundle.currentData() or "",
            "device": self.form.device.currentData() or "",
            **self.outputs.texts(),
            "folder": self.folder.text(),
            "subject": self.subject.text(),
            "record_voice": self.record_voice.isChecked(),
        }

    def close_finder(self) -> None:
        """End what looks for streams."""
        self.finder.close()
