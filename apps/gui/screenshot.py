"""A picture of the whole window, for the documentation: offscreen, after so many seconds of a session."""

from __future__ import annotations

import time
from typing import Any

from pyqtgraph.Qt import QtCore

from apps.gui.options import GuiOptions

_POLL_MS = 100
_MOST_S = 180.0


def shoot_later(window: Any, options: GuiOptions) -> None:
    """Save the picture once a session has run for ``seconds`` (or after a long wait), then close."""
    began_s = time.monotonic()
    timer = QtCore.QTimer(window)

    def look() -> None:
        frame = window.frame if window.control.run is not None else None
        waited_s = time.monotonic() - began_s
        nothing_to_run = not options.demo and options.replay is None
        ran_s = frame.now_s - frame.t0_s if frame is not None else 0.0
        enough = ran_s >= (options.seconds or 0.0) and frame is not None
        if (problem := window.control.problem) is not None:
            timer.stop()
            window.failed = problem
            window.close_now()
            return
        if not enough and not (nothing_to_run and waited_s > (options.seconds or 0.0)) and waited_s < _MOST_S:
            return
        timer.stop()
        save(window, options.screenshot)
        window.close_now()

    timer.timeout.connect(look)
    timer.start(_POLL_MS)


def save(window: Any, path: Any) -> bool:
    """The window as it is, to a file; False where that failed."""
    return bool(window.grab().save(str(path)))
