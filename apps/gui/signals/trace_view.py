"""The EEG: one lane a channel, drawn by compiled code; labels with quality, and a scale bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.signals.columns import Draw, Image, Piece, Stretch
from apps.gui.signals.ring_widget import GUTTER, RingWidget
from apps.gui.strings import plain, tr
from apps.gui.theme import SYMBOLS, Theme
from apps.gui.viewmodels.traces import TraceSettings, bar_units, fitting_amplitude, label_words, spread
from bci_stream.engine.frame import ChannelQuality, TraceHistory

_REACH_LANES = 1.5  # how far a trace may leave its lane
_FIT_EVERY_S = 1.0
_LABEL_PX = 13
_OFFSET_LANES = 0.4  # a raw trace that has wandered this far is centred again


class TraceView(RingWidget):
    """Shows a history by :class:`TraceSettings`.

    ``changed``: called when a person changed the settings here.
    """

    says_words = True

    def __init__(self, theme: Theme, settings: TraceSettings, changed: Callable[[], None]) -> None:
        super().__init__(theme)
        self.settings, self._changed = settings, changed
        self._quality: dict[str, ChannelQuality] = {}
        self._names: tuple[str, ...] = ()
        self._lanes: list[int] = []
        self._offset = np.zeros(0)
        self._offset_no = 0
        self._fitted_s = -np.inf
        self._history: TraceHistory | None = None
        self.unit = "µV"
        self.setMouseTracking(True)
        self.setMinimumHeight(120)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(tr("EEG traces"))

    # -- drawing ------------------------------------------------------------------------------------------

    def show_history(self, history: TraceHistory, stretch: Stretch) -> None:
        """Draw what is new of a history."""
        lanes = self.settings.lanes(history.ch_names)
        if history is not self._history or lanes != self._lanes:
            self._history, self._names, self._lanes = history, history.ch_names, lanes
            self._offset = np.zeros(len(lanes))
            self._fitted_s = -np.inf
            self.update()
        if abs(stretch.head_s - self._fitted_s) >= _FIT_EVERY_S:
            self._fit(history, stretch)
        colours = tuple(self._colour(i) for i in lanes)
        self.follow(history, stretch, (self.settings.amplitude, self._offset_no, tuple(lanes), colours))

    def show_quality(self, channels: tuple[ChannelQuality, ...]) -> None:
        """How each electrode is doing."""
        quality = {channel.name: channel for channel in channels}
        if quality != self._quality:
            self._quality = quality
            self.update(QtCore.QRect(0, 0, GUTTER, self.height()))

    def drawing(self) -> Draw:
        """Traces."""
        return self._draw_traces

    def _draw_traces(self, image: Image, piece: Piece) -> None:
        self.draw_lanes(
            image,
            piece,
            lanes=np.asarray(self._lanes, np.int64),
            centres=self._centres() * self._ratio,
            px_per_unit=self.px_per_unit * self._ratio,
            offset=self._offset,
            reach_px=self._lane_px * self._ratio * _REACH_LANES,
            width_px=1 if self._ratio < 1.5 and self.height() < 1200 else 2,
            colours=[self._colour(i) for i in self._lanes],
        )

    def _colour(self, channel: int) -> str:
        name = self._names[channel]
        if name in self.settings.bad:
            return self.theme.gone
        quality = self._quality.get(name)
        good = quality is None or quality.state == "good"
        return self.theme.trace if good or quality is None else self.theme.quality(quality.state)

    @property
    def _lane_px(self) -> float:
        return float(self.height()) / max(1, len(self._lanes))

    def _centres(self) -> Any:
        return (np.arange(len(self._lanes)) + 0.5) * self._lane_px

    @property
    def px_per_unit(self) -> float:
        """Widget pixels per µV."""
        return float(self._lane_px / self.settings.amplitude)

    def _fit(self, history: TraceHistory, stretch: Stretch) -> None:
        """Centre traces that have an offset, and choose the amplitude where that is left to us."""
        self._fitted_s = stretch.head_s
        stop = min(history.stop, int((stretch.t0_s + stretch.head_s) * history.sfreq))
        middle, sd = spread(history, self._lanes, stop)
        if np.isnan(middle).all():
            return
        if self.settings.auto and (fitting := fitting_amplitude(sd)) is not None:
            ratio = fitting / self.settings.amplitude
            if not 0.5 < ratio < 2.0 or self.settings.amplitude < fitting:
                self.settings.amplitude = fitting
                self._changed()
        middle = np.where(np.isnan(middle), self._offset, middle)
        if np.abs(middle - self._offset).max(initial=0.0) > _OFFSET_LANES * self.settings.amplitude:
            self._offset = middle
            self._offset_no += 1

    # -- labels and bar -----------------------------------------------------------------------------------

    def paint_labels(self, painter: Any) -> None:
        """Names with a symbol and colour for their quality."""
        painter.fillRect(QtCore.QRect(0, 0, GUTTER, self.height()), QtGui.QColor(self.theme.panel))
        every = max(1, int(np.ceil(_LABEL_PX / max(self._lane_px, 0.1))))
        font = painter.font()
        font.setPixelSize(int(min(13, max(9, self._lane_px * 0.8))) if every == 1 else 10)
        painter.setFont(font)
        for lane in range(0, len(self._lanes), every):
            self._paint_label(painter, lane, every)
        if self.settings.hidden:
            painter.setPen(QtGui.QColor(self.theme.muted))
            box = QtCore.QRect(4, self.height() - 15, GUTTER - 8, 14)
            painter.fillRect(box, QtGui.QColor(self.theme.panel))
            words = tr("{n} hidden").format(n=len(self.settings.hidden))
            painter.drawText(box, QtCore.Qt.AlignmentFlag.AlignLeft, words)

    def _paint_label(self, painter: Any, lane: int, every: int) -> None:
        name = self._names[self._lanes[lane]]
        state = self._state(name)
        painter.setPen(QtGui.QColor(self._colour(self._lanes[lane]) if state != "good" else self.theme.text))
        y = lane * self._lane_px + (self._lane_px - _LABEL_PX - 3) / 2
        box = QtCore.QRectF(22, y, GUTTER - 26, _LABEL_PX + 3)
        metrics = painter.fontMetrics()
        shown = metrics.elidedText(name, QtCore.Qt.TextElideMode.ElideRight, int(box.width()))
        painter.drawText(
            box, QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.AlignmentFlag.AlignRight, shown
        )
        symbol = QtCore.QRectF(4, y, 16, _LABEL_PX + 3)
        painter.setPen(QtGui.QColor(self.theme.quality(state)))
        painter.drawText(symbol, QtCore.Qt.AlignmentFlag.AlignCenter, SYMBOLS.get(state, ""))

    def _state(self, name: str) -> str:
        if name in self.settings.bad:
            return "gone"
        quality = self._quality.get(name)
        return quality.state if quality is not None else "off"

    def paint_over(self, painter: Any, area: Any) -> None:
        """The scale bar."""
        if not self._lanes:
            painter.setPen(QtGui.QColor(self.theme.muted))
            painter.drawText(area, QtCore.Qt.AlignmentFlag.AlignCenter, tr("every channel is hidden"))
            return
        units = bar_units(self.px_per_unit, min(60.0, self.height() / 5))
        length = units * self.px_per_unit
        x, bottom = self.width() - 8, self.height() - 8
        colour = QtGui.QColor(self.theme.text)
        painter.fillRect(QtCore.QRectF(x - 2, bottom - length, 2, length), colour)
        words = f"{units:g} {self.unit}"
        width = painter.fontMetrics().horizontalAdvance(words) + 8
        box = QtCore.QRectF(x - 8 - width, bottom - length / 2 - 9, width, 18)
        painter.fillRect(box, QtGui.QColor(self.theme.panel))
        painter.setPen(colour)
        painter.drawText(box, QtCore.Qt.AlignmentFlag.AlignCenter, words)

    # -- a person's hand ----------------------------------------------------------------------------------

    def lane_at(self, y: float) -> int | None:
        """The lane under a height."""
        lane = int(y / self._lane_px) if self._lanes else -1
        return lane if 0 <= lane < len(self._lanes) else None

    def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Amplitude; with Ctrl the time span."""
        up = event.angleDelta().y() > 0
        if event.modifiers() & QtCore.Qt.KeyboardModifier.ControlModifier:
            (self.settings.shorter if up else self.settings.longer)()
        else:
            (self.settings.louder if up else self.settings.quieter)()
        self._changed()
        event.accept()

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """A click on a label hides the channel; the right button offers more."""
        position = event.position()
        lane = self.lane_at(position.y())
        if position.x() > GUTTER or lane is None:
            super().mousePressEvent(event)
            return
        name = self._names[self._lanes[lane]]
        if event.button() == QtCore.Qt.MouseButton.RightButton:
            self._menu(name).exec(event.globalPosition().toPoint())
        elif self.settings.hidden and position.y() > self.height() - 16:
            self.settings.show_all()
        else:
            self.settings.hide(name)
        self._changed()

    def _menu(self, name: str) -> Any:
        from pyqtgraph.Qt import QtWidgets

        menu = QtWidgets.QMenu(self)
        hide = menu.addAction(tr("Hide"))
        hide.triggered.connect(lambda: self._do(lambda: self.settings.hide(name)))
        bad = menu.addAction(tr("Bad channel"))
        bad.setCheckable(True)
        bad.setChecked(name in self.settings.bad)
        bad.triggered.connect(lambda: self._do(lambda: self.settings.toggle_bad(name)))
        show = menu.addAction(tr("Show all"))
        show.triggered.connect(lambda: self._do(self.settings.show_all))
        return menu

    def _do(self, action: Callable[[], None]) -> None:
        action()
        self._changed()

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Say what is under the pointer."""
        lane = self.lane_at(event.position().y())
        if lane is None:
            return
        name = self._names[self._lanes[lane]]
        words = label_words(name, self._quality.get(name), name in self.settings.bad)
        self.setToolTip(plain(words))
