"""The voice: its waveform with a level meter, and its spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.signals.columns import Draw, Image, Piece, Stretch
from apps.gui.signals.display import Level
from apps.gui.signals.raster import draw_heat
from apps.gui.signals.ring_widget import GUTTER, RIGHT, RingWidget
from apps.gui.strings import tr
from apps.gui.theme import Theme, rgb
from bci_stream.engine.frame import TraceHistory

_METER_DB = 60.0
_LOW_DB, _HIGH_DB = -75.0, -15.0
_FIT_EVERY_S = 2.0
_SHARE = 0.47  # of the height, for full scale


class WaveView(RingWidget):
    """The voice as it came, full scale from top to bottom or drawn larger while it is low."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self.level = Level()
        self._gain = 1.0
        self._fitted_s = -np.inf
        self.setMinimumHeight(44)
        self.setAccessibleName(tr("voice, waveform"))

    def show_history(self, history: TraceHistory, stretch: Stretch, level: Level) -> None:
        """Draw what is new."""
        if abs(stretch.head_s - self._fitted_s) >= _FIT_EVERY_S:
            self._fit(history, stretch)
        self.follow(history, stretch, self._gain)
        if level != self.level:
            self.level = level
            self.update(QtCore.QRect(self.width() - RIGHT, 0, RIGHT, self.height()))

    def _fit(self, history: TraceHistory, stretch: Stretch) -> None:
        self._fitted_s = stretch.head_s
        first = max(history.first, history.stop - int(stretch.span_s * history.sfreq))
        if history.stop <= first:
            return
        try:
            data, _, _ = history.rows(first, history.stop)
        except IndexError:
            return
        peak = float(np.nanmax(np.abs(data[:: max(1, len(data) // 20_000)]), initial=0.0))
        gain = next((g for g in (20.0, 10.0, 5.0, 2.0) if peak * g < 0.95), 1.0)
        if gain < self._gain or gain > 2 * self._gain:
            self._gain = gain
            self.update(QtCore.QRect(0, 0, GUTTER, self.height()))

    def drawing(self) -> Draw:
        """One trace."""
        return self._draw_wave

    def _draw_wave(self, image: Image, piece: Piece) -> None:
        height = image.shape[0]
        self.draw_lanes(
            image,
            piece,
            lanes=np.zeros(1, np.int64),
            centres=np.array([height / 2]),
            px_per_unit=height * _SHARE * self._gain,
            offset=np.zeros(1),
            reach_px=height / 2,
            width_px=1,
            colours=[self.theme.series[2]],
        )

    def paint_labels(self, painter: Any) -> None:
        """What it is, and how much it is enlarged."""
        _title(painter, self, tr("voice"), tr("enlarged {gain:g} x").format(gain=self._gain))

    def paint_over(self, painter: Any, area: Any) -> None:
        """The level meter: RMS as a bar, the peak as a line, dB below full scale."""
        box = QtCore.QRectF(self.width() - RIGHT + 8, 4, 12, self.height() - 8)
        painter.fillRect(box, QtGui.QColor(self.theme.field))
        colour = self.theme.bad if self.level.clipped else self.theme.good
        rms, peak = (_share(db) for db in (self.level.rms_db, self.level.peak_db))
        bar = QtCore.QRectF(box.left(), box.bottom() - rms * box.height(), box.width(), rms * box.height())
        painter.fillRect(bar, QtGui.QColor(colour))
        y = box.bottom() - peak * box.height()
        painter.fillRect(QtCore.QRectF(box.left(), y, box.width(), 2), QtGui.QColor(self.theme.text))
        if self.level.clipped:
            painter.setPen(QtGui.QColor(self.theme.bad))
            painter.drawText(area, QtCore.Qt.AlignmentFlag.AlignRight, tr("clipped "))


def _share(db: float) -> float:
    return min(1.0, max(0.0, 1.0 + db / _METER_DB))


class SpectrogramView(RingWidget):
    """Log-mel power of the voice."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._palette = _colours()
        self.setMinimumHeight(52)
        self.setAccessibleName(tr("voice, spectrogram"))

    def show_history(self, history: TraceHistory, stretch: Stretch) -> None:
        """Draw what is new."""
        self.follow(history, stretch)

    def drawing(self) -> Draw:
        """A map."""
        return self._draw_heat

    def _draw_heat(self, image: Image, piece: Piece) -> None:
        special = np.array([rgb(self.theme.panel), rgb(self.theme.gap)], np.uint32)
        draw_heat(
            piece.data,
            piece.mask,
            piece.start,
            piece.rows_per_column,
            image,
            piece.column,
            piece.n_columns,
            _LOW_DB,
            _HIGH_DB,
            self._palette,
            special,
        )

    def paint_labels(self, painter: Any) -> None:
        """What it is."""
        _title(painter, self, tr("voice, mel"), tr("60 Hz to 8 kHz"))


def _colours() -> Any:
    """256 colours that grow evenly in lightness for any colour vision."""
    table = pg.colormap.get("viridis").getLookupTable(nPts=256)[:, :3].astype(np.uint32)
    return np.ascontiguousarray(0xFF000000 | table[:, 0] << 16 | table[:, 1] << 8 | table[:, 2], np.uint32)


def _title(painter: Any, widget: Any, title: str, detail: str) -> None:
    painter.fillRect(QtCore.QRect(0, 0, GUTTER, widget.height()), QtGui.QColor(widget.theme.panel))
    font = painter.font()
    font.setPixelSize(12)
    painter.setFont(font)
    middle = widget.height() / 2
    right = QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
    painter.setPen(QtGui.QColor(widget.theme.text))
    painter.drawText(QtCore.QRectF(2, middle - 17, GUTTER - 8, 17), right, title)
    font.setPixelSize(10)
    painter.setFont(font)
    painter.setPen(QtGui.QColor(widget.theme.muted))
    painter.drawText(QtCore.QRectF(2, middle, GUTTER - 8, 15), right, detail)


class TimeAxis(RingWidget):
    """Session time under all the views."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self.setFixedHeight(24)
        self._shown: tuple[int, float, bool] | None = None
        self.setAccessibleName(tr("time of the session"))

    def show_stretch(self, stretch: Stretch) -> None:
        """Where the time is."""
        now = stretch.column(max(1, self.area.width())), stretch.span_s, stretch.sweep
        if now == self._shown:
            return
        self._shown = now
        self.stretch = stretch
        self._fitting_ring()
        self.update()

    def drawing(self) -> Draw:
        """Nothing but its lines."""
        return lambda image, piece: None

    def _paint_picture(self, painter: Any) -> None:
        return

    def paint_over(self, painter: Any, area: Any) -> None:
        """Ticks and figures."""
        from apps.gui.viewmodels.traces import ticks, time_words

        assert self.stretch is not None
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        free: list[tuple[float, float]] = []
        for t_s in ticks(self.stretch.head_s, self.stretch.span_s, max(2, area.width() // 90)):
            x = self.x_of(t_s)
            if x is None or t_s < -1e-9:
                continue
            painter.fillRect(QtCore.QRectF(x, 0, 1, 5), QtGui.QColor(self.theme.muted))
            words = time_words(t_s)
            width = metrics.horizontalAdvance(words)
            left = min(max(x - width / 2, GUTTER), self.width() - width)
            if all(left > right + 6 or left + width < start - 6 for start, right in free):
                painter.setPen(QtGui.QColor(self.theme.muted))
                painter.drawText(QtCore.QPointF(left, 18), words)
                free.append((left, left + width))

    def paint_labels(self, painter: Any) -> None:
        """The unit."""
        painter.fillRect(QtCore.QRect(0, 0, GUTTER, self.height()), QtGui.QColor(self.theme.panel))
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QtGui.QColor(self.theme.muted))
        box = QtCore.QRectF(0, 4, GUTTER - 6, 18)
        painter.drawText(box, QtCore.Qt.AlignmentFlag.AlignRight, tr("time (m:ss)"))
