"""Records a live session: the events that the engine was fed, and what it said of them.

:class:`RecordedSource` stands between a source and the engine and hands both the same events in the same
order; :class:`RecordingSink` takes the outcomes; :class:`RecordedPipeline` notes when the wall clock, not a
sample, closed windows. All feed one :class:`~bci_stream.sinks.xdf.XdfRecorder`. With these three a recording
says all that the session depended on, and :class:`ReplayedPipeline` does it once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np

from bci_stream.messages import Chunk, Event, Flag, Marker, Prediction, Window
from bci_stream.sinks.jsonl import prediction_record
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import DECISIONS, ENGINE, PROBABILITIES, QUALITY

WALL_CLOCK: Final = "bci-stream: the wall clock closed windows"  #: label of a moment of the engine's stream
LOST: Final = "bci-stream: never came so far: "  #: what a note of lost samples begins with
_N_FIGURES: Final = 3


class EventSource(Protocol):
    """What a session pulls from."""

    def read(self, missing_s: Mapping[str, float], timeout_s: float = ...) -> list[Event]:
        """The events that have come."""

    def close(self) -> None:
        """Let go."""


def a_second(rates_hz: Mapping[str, float]) -> dict[str, int]:
    """Samples of a second, by stream: the longest chunk that a replay reads."""
    return {stream: max(1, int(rate_hz)) for stream, rate_hz in rates_hz.items()}


class RecordedSource:
    """A live source whose every event goes to a recorder on its way to the engine.

    It does not wait for the disk. Other attributes are those of the source within.

    ``max_samples``: by stream, the most samples of a chunk; a longer one is cut, for the engine and for the
    recorder alike. A replay reads a second at a time, and which windows count as late depends on that.
    """

    def __init__(
        self, source: EventSource, recorder: XdfRecorder, max_samples: Mapping[str, int] | None = None
    ) -> None:
        self._source = source
        self._recorder = recorder
        self._max_samples = dict(max_samples or {})

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        """The source's events."""
        events = [piece for event in self._source.read(missing_s, timeout_s) for piece in self._cut(event)]
        for event in events:
            self._recorder.event(event)
        return events

    def _cut(self, event: Event) -> Iterator[Event]:
        most = self._max_samples.get(event.stream)
        if not isinstance(event, Chunk) or most is None or len(event.timestamps) <= most:
            yield event
            return
        for at in range(0, len(event.timestamps), most):
            piece = slice(at, at + most)
            yield replace(event, timestamps=event.timestamps[piece], data=event.data[piece])

    def close(self) -> None:
        """Close the source; the recorder is its owner's to close, after the last prediction."""
        self._source.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


class WindowMaker(Protocol):
    """The part of the engine's pipeline that depends on time."""

    n_windows: int
    n_empty: int

    def step(self, event: Event) -> Iterator[Any]:
        """Take one event; the outcomes that became due."""

    def wait(self, now_s: float) -> Iterator[Any]:
        """Time has passed; the outcomes whose deadline is over."""

    def lost(self) -> dict[str, int]:
        """Samples that never came, by stream."""


class RecordedPipeline:
    """A pipeline whose wall-clock deadlines are recorded, for a session; all else is the pipeline's own.

    Samples that never came are noted too, when it is seen, with the total so far: for people, a replay counts
    them itself.

    Most windows are closed by samples, which the recording has. Where everything stalls the clock closes
    them, and samples that come afterwards are late: a replay must know when that was.
    """

    def __init__(self, pipeline: WindowMaker, recorder: XdfRecorder) -> None:
        self._pipeline = pipeline
        self._recorder = recorder
        self._lost: dict[str, int] = {}

    def step(self, event: Event) -> Iterator[Any]:
        """As the pipeline's; what is seen to be lost goes to the recorder."""
        yield from self._pipeline.step(event)
        lost = self._pipeline.lost()
        if lost != self._lost:
            now = [f"{n} samples of {stream}" for stream, n in lost.items() if n > self._lost.get(stream, 0)]
            if now and isinstance(event, Chunk) and event.arrival_s == event.arrival_s:
                self._recorder.texts(ENGINE, [event.arrival_s], [(f"{LOST}{', '.join(now)}",)])
            self._lost = lost

    def wait(self, now_s: float) -> Iterator[Any]:
        """As the pipeline's; a moment that closed something goes to the recorder."""
        n_before = self._pipeline.n_windows + self._pipeline.n_empty
        yield from self._pipeline.wait(now_s)
        if self._pipeline.n_windows + self._pipeline.n_empty > n_before:
            self._recorder.texts(ENGINE, [now_s], [(WALL_CLOCK,)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)


class ReplayedPipeline:
    """A pipeline for a replay that lets the recorded moments of the wall clock count; all else is its own."""

    def __init__(self, pipeline: WindowMaker) -> None:
        self._pipeline = pipeline

    def step(self, event: Event) -> Iterator[Any]:
        """As the pipeline's, or a deadline where the recording has one."""
        if isinstance(event, Marker) and event.label.startswith(LOST):
            return iter(())
        if isinstance(event, Marker) and event.label == WALL_CLOCK:
            return self._pipeline.wait(event.timestamp)
        return self._pipeline.step(event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)


class RecordingSink:
    """Writes each outcome into the recording, stamped with the end of its window.

    ``roles``: the streams of a window, in the order of
    :func:`~bci_stream.sinks.xdf_headers.quality_channels`. The recorder stays its owner's to close.
    """

    def __init__(self, recorder: XdfRecorder, roles: Sequence[str]) -> None:
        self._recorder = recorder
        self._roles = tuple(roles)

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Record one outcome; returns at once."""
        if window is not None:
            self._numbers(QUALITY, window.t_end, self._quality(window))
        if prediction is not None:
            text = json.dumps(prediction_record(prediction), allow_nan=False)
            self._recorder.texts(DECISIONS, [prediction.t_end], [(text,)])
            self._numbers(PROBABILITIES, prediction.t_end, [*prediction.probs, prediction.confidence])

    def close(self) -> None:
        """Nothing is held back here."""

    def _numbers(self, key: str, t_end: float, values: Sequence[float]) -> None:
        self._recorder.numbers(key, np.array([t_end]), np.array([values], np.float32))

    def _quality(self, window: Window) -> list[float]:
        values: list[float] = []
        for role in self._roles:
            part = window.streams.get(role)
            if part is None or not len(part.mask):
                values += [float("nan")] * _N_FIGURES
                continue
            gap = float(np.mean((part.mask & Flag.GAP) != 0))
            values += [part.coverage, gap, float(np.mean(part.marks != 0))]
        return values
