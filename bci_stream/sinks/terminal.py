"""The terminal view: a live picture where there is a terminal, one line a second where there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Literal

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bci_stream.messages import Flag, MaskArray, Prediction, Window
from bci_stream.sinks.terminal_layout import panel, summary_table
from bci_stream.sinks.terminal_words import Health, TerminalState, plain_line

__all__ = ["TerminalView", "summary_table"]

_REFRESH_S: Final = 0.1
_LINE_EVERY_S: Final = 1.0
_CLOCK_SLACK_S: Final = 1e-6  # ten updates of 0.1 s add up to a little less than a second


class TerminalView:
    """Shows what the model says now, what it stood on, and how the streams are.

    A context manager: the picture is there between ``__enter__`` and ``close``. All methods belong to
    one thread. It reads no clock; time is what :meth:`update` is told.

    Args:
        console: where to; whether it is a terminal decides between the picture and plain lines.
        classes: the model's class names, empty without a model.
        mode: what is being watched.
        uncertain_below: a confidence under this is called uncertain.
        stale_after_s: a window older than this, by ``now_s``, is no longer the headline.
        t0_s: local time that counts as second 0 of the session; None takes the first window's start.
    """

    def __init__(
        self,
        console: Console,
        classes: Sequence[str],
        mode: Literal["live", "replay"] = "live",
        *,
        uncertain_below: float = 0.5,
        stale_after_s: float = 2.0,
        t0_s: float | None = None,
    ) -> None:
        self._console = console
        self._classes = tuple(classes)
        self._mode = mode
        self._uncertain_below = uncertain_below
        self._stale_after_s = stale_after_s
        self._t0_s = t0_s
        self._prediction: Prediction | None = None
        self._window: Window | None = None
        self._marks: dict[str, dict[str, int]] = {}
        self._coverage: dict[str, float] = {}
        self._interval: tuple[float, float] | None = None
        self._seen_s = -math.inf
        self._next_s = -math.inf
        self._live: Live | None = None

    def __enter__(self) -> TerminalView:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                redirect_stdout=False,  # it may carry JSON lines while the picture is on stderr
                vertical_overflow="crop",
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_picture(self) -> bool:
        """Whether a picture stands on the terminal now, rather than plain lines."""
        return self._live is not None

    def close(self) -> None:
        """Leave the last picture standing and give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(
        self,
        prediction: Prediction | None,
        health: Health,
        counters: Mapping[str, int],
        *,
        now_s: float,
        window: Window | None = None,
        recording: str = "",
    ) -> None:
        """Take the newest outcome and redraw if 0.1 s (plain lines: 1 s) have passed since the last time.

        Args:
            prediction: the newest, None when nothing new came (or there is no model).
            health: role to figures, named as in ``StreamHealth``, and ``state`` and ``n_reconnects``.
            counters: name to count, in the order to show; names with "skip", "drop" or "lost" stand out.
            now_s: the wall clock (any monotonic one) in seconds; in a replay too.
            window: the newest window, to show its marks, and its coverage when there is no model.
            recording: how a recording stands, empty where there is none.
        """
        if prediction is not None or window is not None:
            self._take(prediction, window, now_s)
        if now_s < self._next_s - _CLOCK_SLACK_S:
            return
        self._summarise_window()
        state = replace(self.state(health, counters, now_s), recording=recording)
        self._next_s = now_s + (_REFRESH_S if self._live is not None else _LINE_EVERY_S)
        ascii_only = self._console.options.ascii_only
        if self._live is None:
            self._console.print(Text(plain_line(state, ascii_only)), soft_wrap=True)
        else:
            size = self._console.size
            self._live.update(panel(state, size.width, size.height, ascii_only), refresh=True)

    def state(self, health: Health, counters: Mapping[str, int], now_s: float) -> TerminalState:
        """What the picture of this moment holds."""
        since_s = max(0.0, now_s - self._seen_s) if self._interval is not None else 0.0
        return TerminalState(
            mode=self._mode,
            classes=self._classes,
            prediction=self._prediction,
            interval=self._interval,
            since_s=since_s,
            stale=since_s > self._stale_after_s,
            uncertain_below=self._uncertain_below,
            coverage=self._coverage,
            marks=self._marks,
            health=health,
            counters=counters,
        )

    def _take(self, prediction: Prediction | None, window: Window | None, now_s: float) -> None:
        self._prediction = prediction if prediction is not None else self._prediction
        self._window = window
        newest = prediction if prediction is not None else window
        if newest is not None:
            self._t0_s = newest.t_start if self._t0_s is None else self._t0_s
            self._interval = (newest.t_start - self._t0_s, newest.t_end - self._t0_s)
        self._seen_s = now_s

    def _summarise_window(self) -> None:
        """Count the newest window's marks, only for a picture that is drawn, and let the window go."""
        if self._window is None:
            return
        streams = self._window.streams
        self._coverage = {role: part.coverage for role, part in streams.items()}
        self._marks = {role: marked_channels(part.marks) for role, part in streams.items()}
        self._window = None


def marked_channels(marks: MaskArray) -> dict[str, int]:
    """On how many channels each flag occurs, for those that do; marks are (n_samples, n_channels)."""
    present = np.bitwise_or.reduce(marks, axis=0, initial=0)
    counts = {flag.name or "": int(np.count_nonzero(present & flag)) for flag in Flag}
    return {name: count for name, count in counts.items() if count}
