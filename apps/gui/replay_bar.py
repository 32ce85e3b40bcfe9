"""The bar of a recording: play, a slider to seek with, speed, loop."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.strings import tr
from apps.gui.viewmodels.traces import time_words
from bci_stream.engine.replaying import SPEEDS, ReplaySession

_STEPS = 10_000


class ReplayBar(QtWidgets.QWidget):
    """Drives a :class:`ReplaySession`."""

    def __init__(self) -> None:
        super().__init__()
        self._session: ReplaySession | None = None
        self.play = QtWidgets.QPushButton()
        self.play.setAccessibleName(tr("play or hold"))
        self.play.setFixedWidth(76)
        self.slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setAccessibleName(tr("place in the recording"))
        self.place = QtWidgets.QLabel()
        self.speed = QtWidgets.QComboBox()
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} x", speed)
        self.speed.setAccessibleName(tr("speed"))
        self.loop = QtWidgets.QPushButton(tr("Loop"))
        self.loop.setCheckable(True)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.play, self.place):
            layout.addWidget(widget)
        layout.addWidget(self.slider, 1)
        for widget in (self.speed, self.loop):
            layout.addWidget(widget)
        self.play.clicked.connect(lambda: self._do("toggle_pause"))
        self.loop.clicked.connect(lambda: self._do("toggle_loop"))
        self.speed.activated.connect(lambda _: self._do("set_speed", self.speed.currentData()))
        self.slider.sliderReleased.connect(self._seek)
        self.slider.actionTriggered.connect(self._stepped)

    def attach(self, session: ReplaySession | None) -> None:
        """Drive this one; None: nothing."""
        self._session = session
        self.setVisible(session is not None)

    def show_transport(self) -> None:
        """Show where it stands."""
        if self._session is None:
            return
        now = self._session.transport()
        self.play.setText(tr("Again") if now.ended else tr("Play") if now.paused else tr("Hold"))
        self.place.setText(f"{time_words(round(now.position_s, 1))} / {time_words(round(now.duration_s, 1))}")
        if not self.slider.isSliderDown():
            self.slider.setValue(int(now.position_s / max(now.duration_s, 1e-9) * _STEPS))
        if now.speed in SPEEDS:
            self.speed.setCurrentIndex(SPEEDS.index(now.speed))
        self.loop.setChecked(now.loop)

    def _do(self, method: str, *args: Any) -> None:
        if self._session is not None:
            getattr(self._session, method)(*args)

    def _seek(self) -> None:
        if self._session is not None:
            self._session.seek(self.slider.sliderPosition() / _STEPS * self._session.transport().duration_s)

    def _stepped(self, action: int) -> None:
        """A click beside the handle, or a key: go there at once."""
        if action != QtWidgets.QAbstractSlider.SliderAction.SliderMove.value:
            self._seek()
