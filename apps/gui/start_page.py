"""The start page: what there is, whether it fits, and a button that begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.choice import DEMO_BUNDLE, ModelChoice, StreamChoice
from apps.gui.runs import demo_run, live_run
from apps.gui.strings import tr
from apps.gui.theme import SYMBOLS, Theme
from apps.gui.viewmodels.finder import MIC, Check, Finder, Found, fits
from apps.record import FOLDER, Destination
from bci_stream.devices import builtin_profiles
from bci_stream.messages import AUDIO, EEG, StreamSpec
from bci_stream.sources.binding import MARKERS

_NONE = "none"
_NO_MODEL = "no model"
_MIC_HZ = 16_000.0


class StartPage(QtWidgets.QWidget):
    """Shown while nothing runs."""

    def __init__(self, window: Any) -> None:
        super().__init__()
        self.window_ = window
        self.theme: Theme = window.theme
        options, store = window.options, window.store
        self.finder = Finder((options.scope, options.session_id))
        self._found: tuple[Found, ...] | None = None
        self._offered: Any = None
        self.status = _words_label(tr("state"))
        self.status.setObjectName("status")
        self.streams = self._table()
        self.device = _box(tr("device"))
        self._fill_devices(options.streams.device, store.get("device", ""))
        self.device.activated.connect(lambda _: self.finder.choose_device(self.device.currentData()))
        self.eeg, self.eeg_check = _box(tr("EEG stream")), _words_label(tr("check of the EEG stream"))
        self.audio, self.audio_check = _box(tr("voice stream")), _words_label(tr("check of the voice stream"))
        self.markers = _box(tr("marker stream"))
        self.bundle, self.bundle_check = _box(tr("model")), _words_label(tr("check of the model"))
        self.fit = QtWidgets.QCheckBox(tr("Make absent electrodes from those present"))
        self.publish = QtWidgets.QLineEdit(store.get("publish", ""))
        self.publish.setPlaceholderText(tr("a name, to publish predictions over LSL"))
        self.publish.setAccessibleName(tr("publish predictions as"))
        self.folder = QtWidgets.QLineEdit(store.get("folder", str(FOLDER)))
        self.folder.setAccessibleName(tr("folder of recordings"))
        self.subject = QtWidgets.QLineEdit(store.get("subject", "unknown"))
        self.subject.setAccessibleName(tr("subject"))
        self.record_voice = QtWidgets.QCheckBox(tr("Recordings hold the voice too"))
        self.record_voice.setChecked(store.get("record_voice", False))
        self._fill_bundles(options.model, store.get("bundle", ""))
        self.start_button = QtWidgets.QPushButton(tr("Start"))
        self.start_button.clicked.connect(self.start)
        self.demo = QtWidgets.QPushButton(tr("Demo: a simulated person"))
        self.demo.clicked.connect(self.start_demo)
        for button in (self.start_button, self.demo):
            button.setProperty("primary", True)
            button.setMinimumHeight(34)
        self.open_button = QtWidgets.QPushButton(tr("Open a recording …"))
        self.open_button.clicked.connect(lambda: window.deeds.ask_recording())
        self.bundle.activated.connect(self._bundle_chosen)
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
        table.setMinimumHeight(130)
        return table

    def _lay_out(self) -> None:
        form = QtWidgets.QFormLayout()
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setVerticalSpacing(8)
        eeg = _beside(self.eeg, QtWidgets.QLabel(tr("device")), self.device)
        rows = (
            (tr("EEG"), _stack(eeg, self.eeg_check)),
            (tr("Voice"), _stack(self.audio, self.audio_check)),
            (tr("Markers"), self.markers),
            (tr("Model"), _stack(self.bundle, self.bundle_check, self.fit)),
            (tr("Publish as"), self.publish),
            (tr("Recordings"), _beside(self.folder, QtWidgets.QLabel(tr("subject")), self.subject)),
            ("", self.record_voice),
        )
        for words, widget in rows:
            form.addRow(words, widget)
        live = _card(tr("Live"), self.streams, form, self.start_button, self.status)
        hint = QtWidgets.QLabel(tr("or drop an .xdf file anywhere on this window"))
        hint.setWordWrap(True)
        other = _card(tr("A recording"), self.open_button, hint)
        demo_hint = QtWidgets.QLabel(
            tr("A headset and a microphone, simulated on this computer: nothing to connect.")
        )
        demo_hint.setWordWrap(True)
        demo = _card(tr("Try it"), self.demo, demo_hint)
        side = QtWidgets.QVBoxLayout()
        side.addWidget(other)
        side.addWidget(demo)
        side.addStretch(1)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(24, 16, 24, 24)
        row.setSpacing(18)
        row.addWidget(live, 3)
        row.addLayout(side, 1)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme, self._offered = theme, None
        self.status.setStyleSheet(f"color: {theme.warn}; font-weight: 600;")

    # -- devices and bundles ------------------------------------------------------------------------------

    def _fill_devices(self, asked: str | None, last: str) -> None:
        self.device.addItem(tr("by its header"), "")
        for profile in builtin_profiles():
            self.device.addItem(profile.name, profile.name)
        at = self.device.findData(asked or last)
        self.device.setCurrentIndex(max(0, at))
        self.finder.choose_device(self.device.currentData())

    def _fill_bundles(self, model: ModelChoice, last: str) -> None:
        self.bundle.addItem(tr("demo bundle (simulated people)"), str(DEMO_BUNDLE))
        self.bundle.addItem(tr("no model: signals only"), _NO_MODEL)
        self.bundle.addItem(tr("choose a file …"), "")
        if not model.wanted:
            self.bundle.setCurrentIndex(1)
            self.finder.choose_bundle(None)
        elif model.bundle is not None:
            self.add_bundle(model.bundle)
        elif last and last not in (str(DEMO_BUNDLE), _NO_MODEL) and Path(last).is_file():
            self.add_bundle(Path(last))

    def add_bundle(self, path: Path) -> None:
        """Offer a bundle, and choose it."""
        at = self.bundle.findData(str(path))
        if at < 0:
            self.bundle.insertItem(0, path.name, str(path))
            at = 0
        self.bundle.setCurrentIndex(at)
        self.finder.choose_bundle(path)

    def _bundle_chosen(self, _: int) -> None:
        chosen = self.bundle.currentData()
        if chosen == "":
            self.bundle.setCurrentIndex(0)
            self.window_.deeds.ask_bundle(self.add_bundle)
        else:
            self.finder.choose_bundle(None if chosen == _NO_MODEL else Path(chosen))

    # -- what was found -----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Show what was found, and what goes on."""
        here = self.window_.control.run is None and self.window_.control.opening is None
        self.finder.want(here)
        if not self.isVisible():
            return
        control = self.window_.control
        self.status.setText(control.opening or control.problem or "")
        self.status.setVisible(bool(self.status.text()))
        for button in (self.start_button, self.demo, self.open_button):
            button.setEnabled(here)
        now = (self.finder.streams, self.finder.microphones)
        if now != self._offered:
            self._offered, self._found = now, self.finder.streams
            self._show_streams(self.finder.streams)
        self._show_checks()

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
        for role, box in ((EEG, self.eeg), (AUDIO, self.audio), (MARKERS, self.markers)):
            offers = [(_offer_words(s), s.query) for s in found if s.role == role]
            if role == AUDIO:
                offers += [(tr("microphone: ") + m.name, MIC + m.name) for m in self.finder.microphones]
            self._offer(box, offers)

    def _offer(self, box: Any, offers: list[tuple[str, str]]) -> None:
        """List what can serve; what was chosen stays chosen, else it is the first stream of the network.

        A microphone of this computer is never chosen without being asked for.
        """
        before = box.currentData()
        box.clear()
        for words, data in offers:
            box.addItem(words, data)
        box.addItem(tr("none"), _NONE)
        streams = [data for _, data in offers if not data.startswith(MIC)]
        wanted = before if before not in (None, _NONE) else (streams or [_NONE])[0]
        at = box.findData(wanted)
        box.setCurrentIndex(at if at >= 0 else box.findData((streams or [_NONE])[0]))

    def chosen(self, box: Any) -> Found | None:
        """The stream that is chosen in a box."""
        data = box.currentData()
        return next((s for s in self._found or () if s.query == data), None)

    def microphone(self, box: Any) -> str | None:
        """The microphone that is chosen in a box."""
        data = box.currentData() or ""
        return data.removeprefix(MIC) if data.startswith(MIC) else None

    def _show_checks(self) -> None:
        for box, label in ((self.eeg, self.eeg_check), (self.audio, self.audio_check)):
            stream, mic = self.chosen(box), self.microphone(box)
            check = Check("good", tr("this computer's own")) if mic else Check("off", tr("not used"))
            self._show(label, Check(stream.level, stream.words) if stream else check)
        self._show(self.bundle_check, self.model_check())

    def model_check(self) -> Check:
        """Whether the model is sound, and fits the chosen streams."""
        if self.finder.contract is None or self.finder.bundle.level == "bad":
            return self.finder.bundle
        specs = [s.spec for s in (self.chosen(self.eeg), self.chosen(self.audio)) if s is not None]
        if self.microphone(self.audio) is not None:
            specs.append(StreamSpec(AUDIO, ("voice",), _MIC_HZ))
        return fits(self.finder.contract, [s for s in specs if isinstance(s, StreamSpec)], self._fit_word())

    def _show(self, label: Any, check: Check) -> None:
        text = f"{SYMBOLS[check.level]} {check.words}"
        if label.text() != text:
            label.setText(text)
            colour = self.theme.muted if check.level == "off" else self.theme.quality(check.level)
            label.setStyleSheet(f"color: {colour};")

    # -- beginning ----------------------------------------------------------------------------------------

    def _fit_word(self) -> str:
        return "interpolate" if self.fit.isChecked() else "exact"

    def model_choice(self) -> ModelChoice:
        """The model as the page says."""
        data = self.bundle.currentData()
        base: ModelChoice = self.window_.options.model
        if data == _NO_MODEL:
            return replace(base, bundle=None, wanted=False)
        return replace(base, bundle=Path(data), wanted=True, fit=self._fit_word())

    def stream_choice(self) -> StreamChoice | None:
        """The streams as the page says; None where there are none."""
        eeg, audio = self.chosen(self.eeg), self.chosen(self.audio)
        mic, markers = self.microphone(self.audio), self.chosen(self.markers)
        if eeg is None and audio is None and mic is None:
            return None
        base: StreamChoice = self.window_.options.streams
        return replace(
            base,
            eeg=eeg.query if eeg else None,
            audio=audio.query if audio else None,
            want_eeg=eeg is not None,
            want_audio=audio is not None or mic is not None,
            mic=mic,
            device=self.device.currentData() or None,
            markers=markers.query if markers is not None else None,
        )

    def start(self) -> None:
        """Begin with what the page says."""
        streams = self.stream_choice()
        if streams is None:
            self.window_.control.problem = tr("no stream is chosen: switch a device on, or try the demo")
            return
        options, model = self.window_.options, self.model_choice()
        publish = self.publish.text().strip() or None
        self.window_.control.begin(
            tr("connecting …"),
            lambda: live_run(streams, model, options.scope, options.session_id, publish),
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
            "bundle": self.bundle.currentData() or "",
            "device": self.device.currentData() or "",
            "publish": self.publish.text(),
            "folder": self.folder.text(),
            "subject": self.subject.text(),
            "record_voice": self.record_voice.isChecked(),
        }

    def close_finder(self) -> None:
        """End what looks for streams."""
        self.finder.close()


def _offer_words(stream: Found) -> str:
    return f"{stream.info.name} ({stream.words.split(';')[0]})"


def _box(name: str) -> Any:
    box = QtWidgets.QComboBox()
    box.setAccessibleName(name)
    box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
    return box


def _words_label(name: str) -> Any:
    label = QtWidgets.QLabel()
    label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setAccessibleName(name)
    return label


def _stack(*widgets: Any) -> Any:
    holder = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    for widget in widgets:
        layout.addWidget(widget)
    return holder


def _beside(*widgets: Any) -> Any:
    holder = QtWidgets.QWidget()
    layout = QtWidgets.QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget, 0 if isinstance(widget, QtWidgets.QLabel) else 2)
    return holder


def _card(title: str, *parts: Any) -> Any:
    card = QtWidgets.QFrame()
    card.setProperty("card", True)
    layout = QtWidgets.QVBoxLayout(card)
    layout.setContentsMargins(16, 14, 16, 14)
    layout.setSpacing(10)
    heading = QtWidgets.QLabel(title)
    font = heading.font()
    font.setPixelSize(18)
    font.setBold(True)
    heading.setFont(font)
    layout.addWidget(heading)
    for part in parts:
        (layout.addLayout if isinstance(part, QtWidgets.QLayout) else layout.addWidget)(part)
    return card
