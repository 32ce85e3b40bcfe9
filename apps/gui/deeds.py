"""What the keys do. Each is a method; the table of :mod:`apps.gui.keys` names them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui import theme as themes
from apps.gui.signals.display import PRESETS
from apps.gui.strings import tr
from apps.live_run import LiveRun
from bci_stream.engine.frame import Frame


class Deeds:
    """Acts on a main window."""

    def __init__(self, window: Any) -> None:
        self.w = window

    def table(self) -> dict[str, Callable[[], None]]:
        """A callable for each name of the table."""
        look = self._look
        return {
            "start": lambda: self.w.start_page.start(),
            "stop": self.stop,
            "record": self.record,
            "mark": self.ask_marker,
            "mark1": partial(self.mark, "F2"),
            "mark2": partial(self.mark, "F3"),
            "mark3": partial(self.mark, "F4"),
            "swap": self.swap,
            "open": self.ask_recording,
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

    def ask_marker(self) -> None:
        """Put a marker with words."""

    def mark(self, label: str) -> None:
        """Put a marker at this moment."""
        if (run := self.live()) is not None:
            run.mark(label)

    def swap(self) -> None:
        """Another bundle."""

    def may_close(self) -> bool:
        """Whether nothing is lost by ending; asks while recording."""
        return True

    # -- recordings ---------------------------------------------------------------------------------------

    def ask_recording(self) -> None:
        """Choose a recording and open it."""

    def open_path(self, path: Path) -> None:
        """Open a recording."""

    def dropped_path(self, event: Any) -> Path | None:
        """The recording that is being dropped."""
        return None

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
        """Save a picture of the window."""

    def ask_export(self) -> None:
        """Save the signals on the screen."""

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
        live = self.live() is not None
        actions["start"].setEnabled(run is None and self.w.control.opening is None)
        actions["stop"].setEnabled(run is not None)
        for name in ("record", "mark", "mark1", "mark2", "mark3", "swap"):
            actions[name].setEnabled(live)
        actions["record"].setChecked(frame is not None and frame.recording is not None)
        actions["pause"].setEnabled(run is not None)
        actions["pause"].setChecked(self.w.session_page.signals.paused_s is not None)


def message(parent: Any, title: str, words: str) -> None:
    """Tell something that cannot wait, without stopping the window."""
    box = QtWidgets.QMessageBox(parent)
    box.setWindowTitle(tr(title))
    box.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    box.setText(words)
    box.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
