"""The page of a session: what goes on in one line, the signals, and the bar of a recording."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.replay_bar import ReplayBar
from apps.gui.signals.display import PRESETS, preset_of
from apps.gui.signals.panel import SignalPanel
from apps.gui.strings import tr
from apps.gui.theme import SYMBOLS, Theme
from apps.gui.viewmodels.headline import headline
from apps.gui.viewmodels.traces import SPANS_S
from bci_stream.engine.frame import Frame
from bci_stream.engine.replaying import ReplaySession


class SessionPage(QtWidgets.QWidget):
    """Shows frames; its settings are those of the window."""

    def __init__(self, window: Any) -> None:
        super().__init__()
        self.window_ = window
        self.theme: Theme = window.theme
        self.settings = window.settings
        self.headline = QtWidgets.QLabel()
        self.headline.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.headline.setAccessibleName(tr("state of the session"))
        self.signals = SignalPanel(window.theme, self.settings, self.settings_changed)
        self.span, self.filter, self.amplitude = self._choices()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 4)
        layout.setSpacing(4)
        layout.addLayout(self._top())
        layout.addWidget(self.signals, 1)
        self.bar = ReplayBar()
        self.bar.attach(None)
        layout.addWidget(self.bar)
        self._level = ""
        self._error_said = False

    def _top(self) -> Any:
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.headline, 1)
        for words, box in ((tr("Span"), self.span), (tr("Filter (display only)"), self.filter)):
            label = QtWidgets.QLabel(words)
            label.setBuddy(box)
            row.addWidget(label)
            row.addWidget(box)
        row.addWidget(self.amplitude)
        return row

    def _choices(self) -> tuple[Any, Any, Any]:
        span = QtWidgets.QComboBox()
        for seconds in SPANS_S:
            span.addItem(f"{seconds:g} s", seconds)
        span.setAccessibleName(tr("time span"))
        span.setToolTip(tr("How much time is shown (Shift+Up, Shift+Down)"))
        chosen = QtWidgets.QComboBox()
        for preset in PRESETS:
            chosen.addItem(tr(preset.words), preset.key)
        chosen.setAccessibleName(tr("display filter"))
        chosen.setToolTip(tr("A causal filter for the eye; the model has its own (F)"))
        span.activated.connect(lambda _: self._choose("span_s", span.currentData()))
        chosen.activated.connect(lambda _: self._choose("filter_name", chosen.currentData()))
        amplitude = QtWidgets.QLabel()
        amplitude.setAccessibleName(tr("amplitude"))
        amplitude.setToolTip(tr("The height of a lane (+, -, wheel; A chooses by the signal)"))
        return span, chosen, amplitude

    def _choose(self, name: str, value: Any) -> None:
        setattr(self.settings, name, value)
        self.settings_changed()

    def settings_changed(self) -> None:
        """Show what the settings are now."""
        self.span.setCurrentIndex(
            SPANS_S.index(self.settings.span_s) if self.settings.span_s in SPANS_S else 2
        )
        keys = [preset.key for preset in PRESETS]
        self.filter.setCurrentIndex(keys.index(preset_of(self.settings.filter_name).key))
        self.filter.setEnabled(not self.settings.model_view)
        auto = tr(" auto") if self.settings.auto else ""
        self.amplitude.setText(f"{self.settings.amplitude:g} µV{auto}")
        self.window_.deeds.show_settings()

    def begin(self, run: Any) -> None:
        """A run has begun."""
        self.bar.attach(run if isinstance(run, ReplaySession) else None)
        self.signals.paused_s = None
        self.settings_changed()

    def show_frame(self, frame: Frame) -> None:
        """Draw a frame."""
        self.signals.show_frame(frame)
        if (error := self.signals.worker.error) is not None and not self._error_said:
            self._error_said = True
            self.window_.deeds.say("bad", "window", error)
        self.bar.show_transport()
        level, words = headline(frame, self.signals.paused_s)
        self.headline.setText(f"{SYMBOLS[level]} {words}")
        if level != self._level:
            self._level = level
            colour = self.theme.quality(level) if level != "off" else self.theme.muted
            self.headline.setStyleSheet(f"color: {colour}; font-weight: 600;")

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme, self._level = theme, ""
        self.signals.set_theme(theme)

    def close_worker(self) -> None:
        """End the thread that makes signals for the screen."""
        self.signals.close_worker()
