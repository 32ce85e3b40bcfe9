"""The window's heart: so many frames a second, fewer when late, never a queue of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pyqtgraph.Qt import QtCore

_KEPT = 20_000
_REST_SHARE = 0.35  # of a slow frame's time is left to the events of the loop


class Ticker(QtCore.QObject):
    """Calls ``draw`` about every ``every_s``; a frame that is due while one is drawn is dropped.

    ``gaps_s``: how far apart the calls were; ``busy_s``: how long they took.
    """

    def __init__(self, draw: Callable[[], None], every_s: float = 1 / 30) -> None:
        super().__init__()
        self._draw, self._every_s = draw, every_s
        self._due_s = 0.0
        self._last_s: float | None = None
        self.gaps_s: deque[float] = deque(maxlen=_KEPT)
        self.busy_s: deque[float] = deque(maxlen=_KEPT)
        self._timer: Any = QtCore.QTimer(self)
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin."""
        self._due_s = time.perf_counter()
        self._timer.start(0)

    def stop(self) -> None:
        """No more."""
        self._timer.stop()

    def _tick(self) -> None:
        began_s = time.perf_counter()
        if self._last_s is not None:
            self.gaps_s.append(began_s - self._last_s)
        self._last_s = began_s
        self._draw()
        ended_s = time.perf_counter()
        took_s = ended_s - began_s
        self.busy_s.append(took_s)
        self._due_s += self._every_s
        if self._due_s < ended_s:  # late: skip what was missed
            self._due_s = ended_s + took_s * _REST_SHARE
        self._timer.start(max(0, round((self._due_s - ended_s) * 1e3)))
