"""What a window draws: one frozen picture of a running session, made by the engine, read by any view.

A view never computes signals, never waits for the engine and never keeps state of its own that the engine
has: it asks for the newest :class:`Frame` at its own rate and draws it. Everything here is frozen; arrays are
read-only. Times are seconds of the local clock unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bci_stream.engine.track import StreamHealth
from bci_stream.messages import FloatArray, Marker, MaskArray, Prediction


class TraceHistory(Protocol):
    """The last minutes of one stream on an even grid; row ``i`` is the instant ``i / sfreq``.

    Written by the engine, read from any thread. A row that was read once never changes; rows too old or
    not there yet raise IndexError.
    """

    role: str
    ch_names: tuple[str, ...]
    sfreq: float

    @property
    def first(self) -> int:
        """Oldest row that can still be read."""

    @property
    def stop(self) -> int:
        """One past the newest row."""

    def rows(self, first: int, stop: int) -> tuple[FloatArray, MaskArray, MaskArray]:
        """``data`` (n, C), ``mask`` (n,) and ``marks`` (n, C) of :class:`~bci_stream.messages.Flag`."""


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """One electrode now: ``state`` is "good", "noisy", "flat", "clipped" or "gone", ``words`` says why."""

    name: str
    state: str
    words: str
    sd_uv: float


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream's light: ``level`` is "good", "warn" or "bad"; ``words`` a short sentence for a person."""

    role: str
    name: str
    unit: str
    level: str
    words: str
    state: str
    health: StreamHealth
    n_reconnects: int = 0
    channels: tuple[ChannelQuality, ...] = ()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Something that happened: ``t_s`` of the session, ``level`` as of a light, ``source`` a role or part."""

    t_s: float
    level: str
    source: str
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What the model weighs. Learned once: ``eeg_scale`` and the like by modality, (D,), and what a freshly
    begun model has: 1 each; ``importance`` (C,), each electrode's share in the first layer, empty where
    nothing is learned of electrodes. ``places``: (C, 3) of the electrodes on the unit sphere (right, front,
    up), NaN where nobody knows. Of one window: ``electrodes`` (C,), the drop of the label's log probability
    when an electrode is silenced (occlusion), the window's ``electrodes_t_end`` and its label.
    ``attention``: (H, N, N), EEG time by voice time of the newest window, ``window_s`` long; empty where the
    fusion mode ``fusion`` has none.
    """

    scales: Mapping[str, FloatArray]
    ch_names: tuple[str, ...] = ()
    importance: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    electrodes: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    electrodes_t_end: float = float("nan")
    electrodes_label: str = ""
    attention: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    places: FloatArray = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    window_s: float = float("nan")
    fusion: str = ""
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PredictionHistory:
    """The last minutes of predictions, oldest first.

    ``t_end``: (n,). ``probs``: (n, K), NaN where nothing was said. ``decision``: (n,) index of the class
    after hysteresis, -1 for none. ``gate``: (n,) weight of the voice, NaN where the mode has none.
    ``heads``: by modality, (n, K) probabilities. Of the whole session: ``seconds``: (K + 1,) how long each
    class was named and, last, how long none was; ``n_flips``: how often one class followed another.
    """

    classes: tuple[str, ...]
    t_end: NDArray[np.float64]
    probs: FloatArray
    decision: NDArray[np.int16]
    gate: FloatArray
    heads: Mapping[str, FloatArray]
    seconds: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    n_flips: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be shown as current: ``state`` is "decided", "uncertain", "stale" or "none".

    ``label`` is None unless decided; ``words`` says why not. ``since_s``: of the session, when it began.
    """

    state: str
    label: str | None
    confidence: float
    words: str
    age_s: float
    since_s: float = float("nan")


@dataclass(frozen=True, slots=True)
class Recording:
    """A file being written; ``left_s``: how long the disk lasts."""

    path: str
    duration_s: float
    n_bytes: int
    n_free_bytes: int
    left_s: float
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The session as it stands.

    ``state``: "starting", "running", "paused", "stopped" or "failed". ``t0_s``: local time at which the
    session's time is 0. ``now_s``: local time of this picture; a view draws no row after it. ``traces``: raw
    signals by role, at the device's rate; ``model_traces``: the same as the model sees them. ``window``:
    ``(t_start, t_end)`` of the newest window. ``troubles``: workers that are dead or hang, a line each.
    """

    state: str
    t0_s: float
    now_s: float
    traces: Mapping[str, TraceHistory]
    model_traces: Mapping[str, TraceHistory]
    window: tuple[float, float] | None
    markers: tuple[Marker, ...]
    streams: tuple[StreamState, ...]
    prediction: Prediction | None
    decision: Decision
    history: PredictionHistory
    weights: Weights | None
    log: tuple[LogEntry, ...]
    recording: Recording | None
    bundle: str
    n_windows: int
    n_predictions: int
    n_skipped: int
    latency_ms: Mapping[str, float]
    cpu_share: float
    error: str | None = None
    troubles: tuple[str, ...] = ()
