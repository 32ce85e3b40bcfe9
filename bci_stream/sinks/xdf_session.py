"""Records a live session: the events that the engine was fed, and what it said of them.

:class:`RecordedSource` stands between a source and the engine and hands both the same events in the same
order; :class:`RecordingSink` takes the outcomes. Both feed one :class:`~bci_stream.sinks.xdf.XdfRecorder`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from bci_stream.messages import Event, Flag, Prediction, Window
from bci_stream.sinks.jsonl import prediction_record
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import DECISIONS, PROBABILITIES, QUALITY

_N_FIGURES: Final = 3


class EventSource(Protocol):
    """What a session pulls from."""

    def read(self, missing_s: Mapping[str, float], timeout_s: float = ...) -> list[Event]:
        """The events that have come."""

    def close(self) -> None:
        """Let go."""


class RecordedSource:
    """A live source whose every event goes to a recorder on its way to the engine.

    It does not wait for the disk. Other attributes are those of the source within.
    """

    def __init__(self, source: EventSource, recorder: XdfRecorder) -> None:
        self._source = source
        self._recorder = recorder

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        """The source's events."""
        events = self._source.read(missing_s, timeout_s)
        for event in events:
            self._recorder.event(event)
        return events

    def close(self) -> None:
        """Close the source; the recorder is its owner's to close, after the last prediction."""
        self._source.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


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
