"""What a sink is, and the thread that keeps a slow or dead one from holding up the engine."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from bci_stream.errors import BciStreamError, ConfigError
from bci_stream.heartbeat import Heart
from bci_stream.messages import Prediction, Window
from bci_stream.sinks.freshness import Freshness

Outcome = tuple[Prediction | None, Window | None]


class Sink(Protocol):
    """An edge that takes what comes out of the engine, window by window, oldest first."""

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Take one window's outcome; no model means no prediction, and the window may be left out."""

    def close(self) -> None:
        """Flush and let go; nothing is put afterwards."""


class SinkRunner:
    """Runs a sink in a thread of its own, behind a short queue that prefers the newest.

    ``put`` never waits. When ``capacity`` outcomes are queued the oldest gives way, so a consumer that
    falls behind gets recent windows, in order, with holes. An OSError or BciStreamError ends this sink
    alone and is kept in ``error``. Raises ConfigError for a capacity below 1.

    ``clock``: the local clock of the predictions, for a sink whose reader acts on them. Such a sink is
    told "no decision" once when a label is over and nothing newer came, and at the end; ``is_log``: it
    keeps what was said, rather than act on it; see :mod:`bci_stream.sinks.freshness`.

    Attributes:
        n_delivered: outcomes that the sink took.
        n_dropped: outcomes that never reached it: pushed out of the queue, or put after its end.
        n_taken_back: labels that were over before a newer one came.
        error: one line on why it ended early, None while all is well.
    """

    def __init__(
        self, sink: Sink, capacity: int = 64, clock: Callable[[], float] | None = None, is_log: bool = False
    ) -> None:
        if capacity < 1:
            raise ConfigError(f"a sink's queue holds at least 1 prediction; got a capacity of {capacity}")
        self._sink = sink
        self._name = type(sink).__name__
        self._capacity = capacity
        self._clock = clock
        self._freshness = Freshness(is_log)
        self._queue: deque[Outcome] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._ended = False
        self.n_delivered = 0
        self.n_dropped = 0
        self.n_taken_back = 0
        self.error: str | None = None
        self.heart = Heart(
            f"output {self._name}",
            "predictions go on without it; end the session and open it anew",
            restart=self._begin,
            give_up=self._abandon,
        )
        self._begin()

    @property
    def ended(self) -> bool:
        """Whether the sink takes nothing any more."""
        return self._ended

    def put(self, prediction: Prediction | None, window: Window | None = None) -> None:
        """Queue one outcome and return at once."""
        outcome = (prediction, None if window is None else without_samples(window))
        with self._changed:
            if self._closing or self._ended:
                self.n_dropped += 1
                return
            if len(self._queue) == self._capacity:
                self._queue.popleft()
                self.n_dropped += 1
            self._queue.append(outcome)
            self._changed.notify_all()

    def close(self, timeout_s: float = 2.0) -> None:
        """Deliver what is queued and close; what is left after ``timeout_s`` is dropped, see ``error``."""
        if self.heart.pulse().state == "dead" and not self._ended:
            self._abandon(self.heart.pulse().why)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            n_left = self._give_up()
            self._keep_error(
                f"did not finish within {timeout_s:g} s; {n_left} queued predictions were dropped"
            )

    def _begin(self) -> None:
        self._thread = threading.Thread(
            target=lambda: self.heart.live(self._run), name=f"sink-{self._name}", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        self._guard(self._deliver)
        self._let_go()

    def _let_go(self) -> None:
        self._give_up()
        self._guard(self._sink.close)

    def _abandon(self, words: str) -> None:
        """It died of what nobody foresaw, more often than it is begun anew."""
        self._keep_error(f"ended: {words}")
        self._let_go()

    def _deliver(self) -> None:
        while not (self._closing and not self._queue):
            outcome = self._next()
            if outcome is None:
                self._take_back(self._freshness.expire)
            else:
                self._sink.put(self._fresh(outcome[0]), outcome[1])
                self.n_delivered += 1
        self._take_back(self._freshness.end)

    def _next(self) -> Outcome | None:
        """The oldest in the queue; None when it is over with waiting: a label has expired, or the end."""
        with self._changed:
            self.heart.rest()
            self._changed.wait_for(lambda: self._queue or self._closing, self._label_holds_s())
            self.heart.work()
            return self._queue.popleft() if self._queue else None

    def _label_holds_s(self) -> float | None:
        if self._clock is None or self._freshness.until_s == math.inf:
            return None
        return max(0.0, self._freshness.until_s - self._clock())

    def _fresh(self, prediction: Prediction | None) -> Prediction | None:
        if self._clock is None or prediction is None:
            return prediction
        return self._freshness.admit(prediction, self._clock())

    def _take_back(self, how: Callable[[float], Prediction | None]) -> None:
        prediction = how(self._clock()) if self._clock is not None else None
        if prediction is not None:
            self._sink.put(prediction, None)
            self.n_taken_back += 1

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, BciStreamError) as error:
            self._keep_error(f"ended: {' '.join(str(error).split()) or type(error).__name__}")

    def _keep_error(self, text: str) -> None:
        if self.error is None:  # the first is the cause, later ones follow from it
            self.error = f"{self._name} {text}"

    def _give_up(self) -> int:
        with self._changed:
            self._ended = True
            n_left = len(self._queue)
            self.n_dropped += n_left
            self._queue.clear()
        return n_left


def without_samples(window: Window) -> Window:
    """The window with copied masks and marks and no samples: what a report needs and may keep.

    The originals are views of rings that move on while the window waits in a queue; and a queue full of
    samples could fill hundreds of megabytes. ``data`` becomes (0, n_channels).
    """
    streams = {
        role: replace(part, data=part.data[:0].copy(), mask=part.mask.copy(), marks=part.marks.copy())
        for role, part in window.streams.items()
    }
    return replace(window, streams=streams)
