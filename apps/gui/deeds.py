"""What the keys do. Each is a method; the table of :mod:`apps.gui.keys` names them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui import theme as themes
from apps.gui.runs import replay_run
from apps.gui.signals.display import PRESETS
from apps.gui.strings import tr
from apps.gui.viewmodels.exporting import export_stretch
from apps.live_run import LiveRun
from apps.live_swap import Swap
from bci_stream.engine.frame import Frame
from bci_stream.engine.replaying import ReplaySession
from bci_stream.errors import BciStreamError
from bci_stream.messages import EEG
from calibration.session import WRONG, WRONG_S

_ALWAYS = ("theme", "picture", "fullscreen", "help", "quit")


class Deeds:
    """Acts on a main window."""

    def __init__(self, window: Any) -> None:
        self.w = window
        self._asked_about: Swap | None = None
        self._guiding = False  # whether the pages of a calibration are shown

    def table(self) -> dict[str, Callable[[], None]]:
        """A callable for each name of the table."""
        look = self._look
        return {
            "start": self.start,
            "stop": self.stop,
            "record": self.record,
            "mark": self.ask_marker,
            "mark1": partial(self.mark, "F2"),
            "mark2": partial(self.mark, "F3"),
            "mark3": partial(self.mark, "F4"),
            "wrong": self.ask_right,
            "swap": self.swap,
            "open": self.ask_recording,
            "calibrate": self.calibrate,
            "pause": self.pause,
            "back": partial(look, -0.5),
            "ahead": partial(look, 0.5),
            "now": self.go_on,
            "louder": self._setting(lambda s: s.louder()),
            "quieter": self._setting(lambda s: s.quieter()),
            "auto": self._setting(lambda s: setattr(s, "auto", not s.auto)),
            "longer": self._setting(lambda s: s.longer()),
            "shorter": self._setting(lambda s: s.shorter()),
            "sweep": self._setting(lambda s: setattr(s, "sweep", not s.sweep)),
            "filter": self.next_filter,
            "model_view": self._setting(lambda s: setattr(s, "model_view", not s.model_view)),
            "next_channels": partial(self._turn_page, 1),
            "previous_channels": partial(self._turn_page, -1),
            "show_all": self._setting(lambda s: s.show_all()),
            "play": self._replay("toggle_pause"),
            "seek_back": partial(self._seek_by, -5.0),
            "seek_ahead": partial(self._seek_by, 5.0),
            "faster": self._replay("faster"),
            "slower": self._replay("slower"),
            "loop": self._replay("toggle_loop"),
            "theme": self.other_theme,
            "picture": self.ask_picture,
            "export": self.ask_export,
            "fullscreen": self.fullscreen,
            "reset_layout": lambda: self.w.reset_layout(),
            "help": lambda: self.w.show_keys(),
            "quit": lambda: self.w.close(),
        }

    # -- signals ------------------------------------------------------------------------------------------

    def _setting(self, change: Callable[[Any], None]) -> Callable[[], None]:
        def do() -> None:
            change(self.w.settings)
            self.w.session_page.settings_changed()

        return do

    def next_filter(self) -> None:
        """The next display filter."""
        keys = [preset.key for preset in PRESETS]
        at = keys.index(self.w.settings.filter_name) if self.w.settings.filter_name in keys else -1
        self.w.settings.filter_name = keys[(at + 1) % len(keys)]
        self.w.session_page.settings_changed()

    def _turn_page(self, by: int) -> None:
        frame = self.w.frame
        n = max((len(h.ch_names) for h in frame.traces.values()), default=0) if frame else 0
        self.w.settings.turn_page(by, n)

    def pause(self) -> None:
        """Hold the picture, or go on."""
        self.w.session_page.signals.toggle_pause()

    def go_on(self) -> None:
        """What is now."""
        self.w.session_page.signals.paused_s = None

    def _look(self, pages: float) -> None:
        if self.w.control.run is not None:
            self.w.session_page.signals.look(pages)

    # -- the session --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with what the start page says; after a failure, begin the same anew."""
        if self.w.control.run is None:
            self.w.start_page.start()
        else:
            self.w.control.again()
            self.w.show_page()

    def stop(self) -> None:
        """End the session; asks while recording."""
        if self.w.control.run is not None and self.may_close():
            self.w.control.end()
            self.w.show_page()

    def live(self) -> LiveRun | None:
        """The live session, if there is one."""
        run = self.w.control.run
        return run if isinstance(run, LiveRun) else None

    def record(self) -> None:
        """Begin or end a recording."""
        run, page = self.live(), self.w.start_page
        if run is None:
            return
        if run.recording() is not None:
            run.stop_recording()
            return
        try:
            run.record(page.destination(), audio=page.record_voice.isChecked())
        except BciStreamError as error:
            self.say("bad", "recording", str(error))

    def calibrate(self) -> None:
        """Guide a person through a calibration; what runs is ended first, and asks while it records."""
        if self.w.wizard is None and self.may_close():
            self.w.control.end()
            self.w.begin_calibration()

    def ask_marker(self) -> None:
        """Put a marker with words; it stands where the key was pressed, however long the words take."""
        run = self.live()
        if run is None:
            return
        now_s = run.clock()
        dialog = QtWidgets.QInputDialog(self.w)
        dialog.setWindowTitle(tr("Marker"))
        dialog.setLabelText(tr("Words of the marker"))
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(lambda text: run.mark(text.strip() or "mark", now_s))
        dialog.open()

    def ask_right(self) -> None:
        """What the last seconds really were, for a later calibration; they end where the key was pressed."""
        run = self.live()
        bundle = run.prepared.bundle if run is not None else None
        if run is None or bundle is None:
            return
        if run.recording() is None:
            self.say(
                "warn", "correction", tr("nothing is recorded: a correction is kept in a recording only")
            )
            return
        now_s = run.clock()
        dialog = QtWidgets.QInputDialog(self.w)
        dialog.setWindowTitle(tr("Wrong"))
        dialog.setLabelText(tr("The last {seconds:g} s were").format(seconds=WRONG_S))
        dialog.setComboBoxItems(list(bundle.contract.classes))
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(lambda label: run.mark(f"{WRONG}{label}", now_s))
        dialog.open()

    def mark(self, label: str) -> None:
        """Put a marker at this moment."""
        if (run := self.live()) is not None:
            run.mark(label)

    def swap(self) -> None:
        """Choose another bundle; it runs beside first."""
        if self.live() is not None:
            self.ask_bundle(self.swap_to)

    def swap_to(self, path: Path) -> None:
        """Let a bundle run beside, and then ask."""
        if (run := self.live()) is not None:
            run.begin_swap(path)

    def _ask_about_swap(self) -> None:
        """Once both have answered for a while, a person decides."""
        run = self.live()
        swap = run.swap if run is not None else None
        if swap is None or swap is self._asked_about or not swap.status.enough:
            return
        self._asked_about = swap
        box = QtWidgets.QMessageBox(self.w)
        box.setObjectName("swap")
        box.setWindowTitle(tr("Swap the model?"))
        box.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        box.setText(swap.status.words)
        take = box.addButton(tr("Swap"), QtWidgets.QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton(tr("Keep the present one"), QtWidgets.QMessageBox.ButtonRole.RejectRole)
        take.clicked.connect(swap.take_over)
        keep.clicked.connect(swap.drop)
        box.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def ask_bundle(self, then: Callable[[Path], None]) -> None:
        """Choose a bundle in a dialog."""
        self._ask_file(tr("Choose a bundle"), tr("Bundles (*.bci)"), "bundle_folder", then)

    def _ask_file(self, title: str, kinds: str, remembered: str, then: Callable[[Path], None]) -> None:
        dialog = QtWidgets.QFileDialog(self.w, title, self.w.store.get(remembered, ""), kinds)
        dialog.setFileMode(QtWidgets.QFileDialog.FileMode.ExistingFile)

        def chosen(name: str) -> None:
            self.w.store.set(remembered, str(Path(name).parent))
            then(Path(name))

        dialog.fileSelected.connect(chosen)
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def may_close(self) -> bool:
        """Whether nothing is lost by ending; asks while recording."""
        run = self.live()
        recording = run.recording() if run is not None else None
        if recording is None:
            return True
        box = QtWidgets.QMessageBox(self.w)
        box.setObjectName("closing")
        box.setWindowTitle(tr("A recording runs"))
        box.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        box.setText(tr("End the recording {path}? All up to now is kept.").format(path=recording.path))
        buttons = QtWidgets.QMessageBox.StandardButton
        box.setStandardButtons(buttons.Yes | buttons.Cancel)
        box.setDefaultButton(buttons.Cancel)
        return bool(box.exec() == buttons.Yes)

    def say(self, level: str, source: str, words: str) -> None:
        """One line in the session's log, and for a while in the status line."""
        run = self.live()
        if run is not None:
            run.say(level, source, words)
        self.w.note(words)

    # -- recordings ---------------------------------------------------------------------------------------

    def ask_recording(self) -> None:
        """Choose a recording and open it."""
        self._ask_file(tr("Open a recording"), tr("Recordings (*.xdf)"), "recording_folder", self.open_path)

    def open_path(self, path: Path) -> None:
        """Open a recording; what runs is ended first, and asks while it records."""
        if not self.may_close():
            return
        options, model = self.w.options, self.w.start_page.model_choice()
        words = tr("opening {name} …").format(name=path.name)
        self.w.control.begin(words, lambda: replay_run(path, options.streams, model))
        self.w.show_page()

    def dropped_path(self, event: Any) -> Path | None:
        """The recording that is being dropped."""
        if self.w.wizard is not None:  # a person is being guided
            return None
        urls = event.mimeData().urls() if event.mimeData().hasUrls() else []
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        return next((path for path in paths if path.suffix.lower() == ".xdf"), None)

    def _replay(self, method: str) -> Callable[[], None]:
        def do() -> None:
            run = self.w.control.run
            if hasattr(run, method):
                getattr(run, method)()

        return do

    def _seek_by(self, seconds: float) -> None:
        run = self.w.control.run
        if hasattr(run, "seek_by"):
            run.seek_by(seconds)

    # -- the window ---------------------------------------------------------------------------------------

    def other_theme(self) -> None:
        """Dark or light."""
        self.w.set_theme(themes.LIGHT if self.w.theme is themes.DARK else themes.DARK)

    def ask_picture(self) -> None:
        """Save a picture of the window, as it is now."""
        picture = self.w.grab()
        self._ask_target(tr("Save a picture"), tr("Pictures (*.png)"), ".png", partial(self._save, picture))

    def _save(self, picture: Any, path: Path) -> None:
        saved = picture.save(str(path))
        self.say("good" if saved else "bad", "window", f"{path} saved" if saved else f"cannot write {path}")

    def ask_export(self) -> None:
        """Save the signals that are on the screen now."""
        if self.w.frame is not None:
            kinds = tr("NumPy (*.npz);;Table of the EEG (*.csv)")
            self._ask_target(tr("Save the signals"), kinds, ".npz", self.export)

    def export(self, path: Path) -> None:
        """Save the signals on the screen."""
        frame, signals = self.w.frame, self.w.session_page.signals
        stretch = signals.stretch(frame)
        shown = signals.shown_eeg(frame, frame.traces[EEG]) if EEG in frame.traces else None
        try:
            export_stretch(path, frame, stretch.head_s - stretch.span_s, stretch.head_s, shown)
        except BciStreamError as error:
            self.say("bad", "window", str(error))
        else:
            self.say("good", "window", f"{path} saved")

    def _ask_target(self, title: str, kinds: str, suffix: str, then: Callable[[Path], None]) -> None:
        dialog = QtWidgets.QFileDialog(self.w, title, self.w.store.get("save_folder", ""), kinds)
        dialog.setAcceptMode(QtWidgets.QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(suffix)

        def chosen(name: str) -> None:
            self.w.store.set("save_folder", str(Path(name).parent))
            then(Path(name))

        dialog.fileSelected.connect(chosen)
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def fullscreen(self) -> None:
        """Fill the screen, or no longer."""
        self.w.setWindowState(self.w.windowState() ^ QtCore.Qt.WindowState.WindowFullScreen)

    # -- what can be done now -----------------------------------------------------------------------------

    def show_settings(self) -> None:
        """Checked actions as the settings are."""
        settings, actions = self.w.settings, self.w.actions_by_name
        for name, on in (
            ("auto", settings.auto),
            ("sweep", settings.sweep),
            ("model_view", settings.model_view),
        ):
            actions[name].setChecked(on)

    def show_state(self, frame: Frame | None) -> None:
        """Enable what can be done now."""
        actions, run = self.w.actions_by_name, self.w.control.run
        if (self.w.wizard is not None) is not self._guiding:  # its pages have keys of their own
            self._guiding = not self._guiding
            for name, action in actions.items():
                action.setEnabled(not self._guiding or name in _ALWAYS)
        if self._guiding:
            return
        live = self.live() is not None
        idle = run is None or (frame is not None and frame.state == "failed")
        actions["start"].setEnabled(idle and self.w.control.opening is None)
        actions["stop"].setEnabled(run is not None)
        for name in ("record", "mark", "mark1", "mark2", "mark3", "swap"):
            actions[name].setEnabled(live)
        actions["record"].setChecked(frame is not None and frame.recording is not None)
        actions["pause"].setEnabled(run is not None)
        actions["pause"].setChecked(self.w.session_page.signals.paused_s is not None)
        replaying = isinstance(run, ReplaySession)
        for name in ("play", "seek_back", "seek_ahead", "faster", "slower", "loop"):
            actions[name].setEnabled(replaying)
        self._ask_about_swap()
