"""Ticks of session time below a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyqtgraph.Qt import QtCore

from apps.gui.panels.canvas import TOP, Canvas, pen
from apps.gui.viewmodels.words import clock_words

_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600)
HEIGHT_EM = 1.3


def ticks_s(start_s: float, stop_s: float, most: int) -> list[float]:
    """Round times within a stretch, at most ``most``."""
    span = stop_s - start_s
    step = next((step for step in _STEPS_S if span / step <= max(1, most)), _STEPS_S[-1])
    first = np.ceil(start_s / step) * step
    return [float(t) for t in np.arange(first, stop_s + 1e-6, step) if t >= 0]


def draw_time_axis(canvas: Canvas, painter: Any, area: Any, start_s: float, stop_s: float) -> None:
    """Ticks and words under ``area``, which stands for ``[start_s, stop_s]``."""
    em = canvas.em
    per_s = area.width() / (stop_s - start_s)
    for t in ticks_s(start_s, stop_s, int(area.width() / (4.5 * em))):
        x = area.left() + (t - start_s) * per_s
        painter.setPen(pen(canvas.theme.border))
        painter.drawLine(QtCore.QPointF(x, area.bottom()), QtCore.QPointF(x, area.bottom() + 0.25 * em))
        left = min(max(x - 2 * em, area.left() - em), canvas.width() - 4 * em)
        rect = QtCore.QRectF(left, area.bottom() + 0.25 * em, 4 * em, em)
        canvas.write(painter, rect, clock_words(t), canvas.theme.muted, TOP, scale=0.85)
