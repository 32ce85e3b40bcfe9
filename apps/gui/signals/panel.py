"""The signals of a session: EEG, voice and spectrogram above one time axis, with pause and look-back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.signals.columns import Stretch
from apps.gui.signals.display import DisplayWorker, preset_of
from apps.gui.signals.ring_widget import Line
from apps.gui.signals.trace_view import TraceView
from apps.gui.signals.voice_views import SpectrogramView, TimeAxis, WaveView
from apps.gui.strings import tr
from apps.gui.theme import Theme
from apps.gui.viewmodels.traces import TraceSettings
from bci_stream.engine.frame import Frame, TraceHistory
from bci_stream.messages import AUDIO, EEG


class SignalPanel(QtWidgets.QWidget):
    """Draws the signals of a frame.

    ``changed``: called when a person changed the settings here.
    """

    def __init__(self, theme: Theme, settings: TraceSettings, changed: Callable[[], None]) -> None:
        super().__init__()
        self.theme, self.settings = theme, settings
        self.worker = DisplayWorker()
        self.paused_s: float | None = None  # session time at the right edge while paused
        self.eeg = TraceView(theme, settings, changed)
        self.wave, self.mel, self.axis = WaveView(theme), SpectrogramView(theme), TimeAxis(theme)
        self._frame: Frame | None = None
        self._splitter = QtWidgets.QSplitter(QtCore.Qt.Orientation.Vertical)
        for view, stretch in ((self.eeg, 7), (self.wave, 1), (self.mel, 1)):
            self._splitter.addWidget(view)
            self._splitter.setStretchFactor(self._splitter.count() - 1, stretch)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(3)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._splitter, 1)
        layout.addWidget(self.axis)
        self.setAccessibleName(tr("signals"))

    def show_frame(self, frame: Frame) -> None:
        """Draw what is new."""
        self._frame = frame
        eeg, audio = frame.traces.get(EEG), frame.traces.get(AUDIO)
        self.worker.watch(eeg, audio, preset_of(self.settings.filter_name))
        stretch = self.stretch(frame)
        for view, wanted in ((self.eeg, eeg), (self.wave, audio), (self.mel, audio)):
            view.setVisible(wanted is not None)
        lines = self._lines(frame, stretch)
        for view in (self.eeg, self.wave, self.mel):
            view.show_lines(lines)
        if eeg is not None:
            self._show_eeg(frame, eeg, stretch)
        if audio is not None:
            self.wave.show_history(audio, stretch, self.worker.level)
            if self.worker.mel is not None and self.worker.mel.raw is audio:
                self.mel.show_history(self.worker.mel.history, stretch)
        self.axis.show_stretch(stretch)

    def _show_eeg(self, frame: Frame, raw: TraceHistory, stretch: Stretch) -> None:
        shown = self.shown_eeg(frame, raw)
        if shown is not None:
            self.eeg.show_history(shown, stretch)
        state = next((s for s in frame.streams if s.role == EEG), None)
        if state is not None:
            self.eeg.show_quality(state.channels)

    def shown_eeg(self, frame: Frame, raw: TraceHistory) -> TraceHistory | None:
        """The history that is drawn: raw, filtered for display, or as the model sees it."""
        if self.settings.model_view:
            return frame.model_traces.get(EEG)
        made = self.worker.filtered
        if preset_of(self.settings.filter_name).key == "raw":
            return raw
        return made.history if made is not None and made.raw is raw else None

    def stretch(self, frame: Frame) -> Stretch:
        """The time on the screen."""
        live_s = frame.now_s - frame.t0_s
        head_s = live_s if self.paused_s is None else self.paused_s
        sweep = self.settings.sweep and self.paused_s is None
        return Stretch(head_s, self.settings.span_s, frame.t0_s, sweep)

    def _lines(self, frame: Frame, stretch: Stretch) -> tuple[Line, ...]:
        t0_s, first_s = frame.t0_s, stretch.head_s - stretch.span_s
        lines = [
            Line(marker.timestamp - t0_s, self.theme.marker, marker.label)
            for marker in frame.markers
            if first_s <= marker.timestamp - t0_s <= stretch.head_s
        ]
        if frame.window is not None:
            lines += [Line(t_s - t0_s, self.theme.edge) for t_s in frame.window]
        return tuple(lines)

    # -- pause and look back --------------------------------------------------------------------------------

    def toggle_pause(self) -> None:
        """Hold the picture, or go on with what is now; the engine goes on in either case."""
        if self.paused_s is not None or self._frame is None:
            self.paused_s = None
        else:
            self.paused_s = self._frame.now_s - self._frame.t0_s

    def look(self, pages: float) -> None:
        """Move the held picture by pages of time; pauses first."""
        if self._frame is None:
            return
        if self.paused_s is None:
            self.toggle_pause()
        assert self.paused_s is not None
        first_s, stop_s = self.kept_s()
        low = min(first_s + self.settings.span_s, self.paused_s)  # a full page, where there is one
        self.paused_s = min(max(self.paused_s + pages * self.settings.span_s, low), stop_s)

    def kept_s(self) -> tuple[float, float]:
        """The session times between which signals are kept."""
        assert self._frame is not None
        t0_s = self._frame.t0_s
        firsts = [h.first / h.sfreq - t0_s for h in self._frame.traces.values() if h.stop > h.first]
        return max(0.0, min(firsts, default=0.0)), self._frame.now_s - t0_s

    # -- dress ----------------------------------------------------------------------------------------------

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme = theme
        for view in (self.eeg, self.wave, self.mel, self.axis):
            view.set_theme(theme)

    def close_worker(self) -> None:
        """End the thread that makes signals for the screen."""
        self.worker.close()

    def splitter_state(self) -> list[int]:
        """Heights of the three views."""
        return [int(size) for size in self._splitter.sizes()]

    def restore_splitter(self, sizes: Any) -> None:
        """Heights as they were."""
        if isinstance(sizes, list) and len(sizes) == 3 and all(isinstance(s, int) and s >= 0 for s in sizes):
            self._splitter.setSizes(sizes)
