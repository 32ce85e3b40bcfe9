"""The shell around the pipeline: the one place with a thread and a clock.

:class:`Session` runs a live source; :func:`replay` runs a recording, as fast as asked. Both feed the
very same :class:`~bci_stream.engine.pipeline.Pipeline`, and hand every outcome to the sinks.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.track import StreamHealth
from bci_stream.heartbeat import Heart
from bci_stream.messages import Chunk, Event, Prediction, Window

READ_TIMEOUT_S = 0.1
PREPARE_S = 0.025  # the last samples of a hop are pulled apart from the rest, so that little is left to do
_RECENT = 512  # latencies kept for the percentiles


class LiveSource(Protocol):
    """What a session pulls from; :class:`bci_stream.sources.lsl.LslSource` is one."""

    def read(self, missing_s: Mapping[str, float], timeout_s: float = ...) -> list[Event]:
        """Block until about what is missing has come, or the time-out; [] means not yet."""

    def close(self) -> None:
        """Let go of everything; may be called twice."""


class PredictionSink(Protocol):
    """What a session hands its results to; must not block."""

    def put(self, prediction: Prediction | None, window: Window) -> None:
        """Take one outcome."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How a session stands: for a view that redraws at its own rate."""

    state: str
    prediction: Prediction | None
    health: Mapping[str, StreamHealth]
    n_windows: int
    n_predictions: int
    n_skipped: int
    n_deadline: int
    error: str | None


class Session:
    """A live run: one engine thread that blocks on the source, and sinks that never block it.

    Args:
        source: opened, delivers events for the pipeline's streams.
        pipeline: see :class:`~bci_stream.engine.pipeline.Pipeline`.
        sinks: each gets every outcome.
        clock: the local clock of the streams, seconds (``pylsl.local_clock``).
        on_outcome: called in the engine thread after the sinks, for a caller that counts.
        view_every_s: take samples at least this often, for a view that shows them as they come; None
            takes most of a hop at once.
    """

    def __init__(
        self,
        source: LiveSource,
        pipeline: Pipeline,
        sinks: Sequence[PredictionSink],
        clock: Callable[[], float],
        on_outcome: Callable[[Outcome], None] | None = None,
        *,
        view_every_s: float | None = None,
    ) -> None:
        self._source, self._pipeline, self._sinks, self._clock = source, pipeline, sinks, clock
        self._on_outcome = on_outcome
        self._view_every_s = view_every_s
        self._asked: queue.SimpleQueue[Callable[[Pipeline], None]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self.heart = Heart("engine", "if that lasts, the session ends: start it anew then", vital=True)
        self._thread = threading.Thread(
            target=lambda: self.heart.live(self._loop), name="bci-engine", daemon=True
        )
        self._last: Prediction | None = None
        self._fresh: tuple[Prediction | None, Window | None] = (None, None)
        self._n_predictions = 0
        self._state = "starting"
        self.error: BaseException | None = None
        self.latencies_ms: deque[float] = deque(maxlen=_RECENT)  # newest sample in hand to prediction out

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the run and close the source; waits for the engine thread."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._source.close()

    def ask(self, action: Callable[[Pipeline], None]) -> None:
        """Have something done to the pipeline in the engine thread, between two windows.

        What it raises ends the session: it must keep what is only its own trouble to itself.
        """
        self._asked.put(action)

    @property
    def state(self) -> str:
        """ "starting", "running", "stopped" or "failed"."""
        if self._state == "running" and not self._thread.is_alive():
            return "failed"  # it ended without a word
        return self._state

    @property
    def running(self) -> bool:
        """Is the engine thread alive?"""
        return self._thread.is_alive()

    def snapshot(self) -> Snapshot:
        """The state now; cheap, from any thread."""
        pipeline = self._pipeline
        return Snapshot(
            state=self._state,
            prediction=self._last,
            health=pipeline.health(self._clock()),
            n_windows=pipeline.n_windows,
            n_predictions=self._n_predictions,
            n_skipped=pipeline.n_skipped,
            n_deadline=pipeline.n_deadline,
            error=str(self.error) if self.error is not None else None,
        )

    def now_s(self) -> float:
        """The local clock of the streams."""
        return self._clock()

    def take_fresh(self) -> tuple[Prediction | None, Window | None]:
        """The newest outcome since the last call; (None, None) when nothing new came."""
        fresh, self._fresh = self._fresh, (None, None)
        return fresh

    def _loop(self) -> None:
        self._state = "running"
        try:
            while not self._stop.is_set():
                self._turn()
            self._state = "stopped" if self.error is None else "failed"
        except Exception as error:  # whatever it is, the session has failed; its heart keeps it too
            self.error, self._state = error, "failed"
            raise

    def fail(self, error: BaseException) -> None:
        """End the run because of something outside it; from any thread, returns at once."""
        if self.error is None:
            self.error = error
        self._state = "failed"
        self._stop.set()

    def _turn(self) -> None:
        """Pull most of a hop and do its work early, then pull its last samples and answer at once."""
        self.heart.work()
        while not self._asked.empty():
            self._asked.get()(self._pipeline)
        missing_s = self._pipeline.missing_s()
        most_s = max(missing_s.values(), default=0.0)
        if (every_s := self._view_every_s) is not None and most_s > every_s + 2 * PREPARE_S:
            shares_s = {role: min(left_s, every_s) for role, left_s in missing_s.items()}
            self._take(self._source.read(shares_s, READ_TIMEOUT_S))
            return
        early = most_s > 1.5 * PREPARE_S
        if early:
            missing_s = {role: max(0.0, left_s - PREPARE_S) for role, left_s in missing_s.items()}
        self._take(self._source.read(missing_s, READ_TIMEOUT_S))
        if early:
            self._pipeline.rehearse()

    def _take(self, events: list[Event]) -> None:
        for event in events:
            arrival_s = event.arrival_s if isinstance(event, Chunk) else float("nan")
            for outcome in self._pipeline.step(event):
                self._emit(outcome, arrival_s)
        for outcome in self._pipeline.wait(self._clock()):
            self._emit(outcome, float("nan"))

    def _emit(self, outcome: Outcome, arrival_s: float) -> None:
        prediction = outcome.prediction
        if prediction is not None:
            prediction = self._timed(prediction, arrival_s)
            outcome = replace(outcome, prediction=prediction)
            self._last = prediction
            self._n_predictions += 1
        self._fresh = (prediction, outcome.window)
        for sink in self._sinks:
            sink.put(prediction, outcome.window)
        if self._on_outcome is not None:
            self._on_outcome(outcome)

    def _timed(self, prediction: Prediction, arrival_s: float) -> Prediction:
        now_s = self._clock()
        split = prediction.latency
        total_ms = (now_s - arrival_s) * 1e3
        if total_ms == total_ms:  # NaN when a deadline, not a sample, closed the window
            self.latencies_ms.append(total_ms)
        latency = replace(
            split,
            acquisition_ms=self._pipeline.lag_s() * 1e3,
            queue_ms=total_ms - split.inference_ms,
            output_ms=0.0,
        )
        return replace(prediction, latency=latency, age_s=now_s - prediction.t_end)


def replay(
    events: Iterable[Event],
    pipeline: Pipeline,
    *,
    speed: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Outcome]:
    """Run a recording through the pipeline, yielding outcomes as they become due.

    ``speed``: 1 is real time, None as fast as it goes. The deadlines are those of the recording's own
    time, so the outcomes do not depend on the speed.
    """
    pace = None if speed is None else _Pace(speed, sleep, clock)
    steps = chain.from_iterable(pipeline.step(event) for event in events)
    for outcome in chain(steps, _deferred(pipeline.end)):
        if pace is not None:
            pace.wait_until(outcome.window.t_end)
        yield outcome


def _deferred(make: Callable[[], Iterator[Outcome]]) -> Iterator[Outcome]:
    yield from make()


class _Pace:
    """Sleeps until a recording's instant is due by the wall clock."""

    def __init__(self, speed: float, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._speed, self._sleep, self._clock = speed, sleep, clock
        self._origin: tuple[float, float] | None = None

    def wait_until(self, t_s: float) -> None:
        """Return once ``t_s`` of the recording has come."""
        if self._origin is None:
            self._origin = (t_s, self._clock())
        start_s, began_s = self._origin
        due_s = began_s + (t_s - start_s) / self._speed
        left_s = due_s - self._clock()
        if left_s > 0:
            self._sleep(left_s)
