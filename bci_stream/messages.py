"""The frozen values that travel through bci_stream, from an edge to the core and out again.

Arrays are (n_samples, n_channels), time first. Seconds are float64, EEG is µV float32, audio is
[-1, 1] float32. Everything that enters the core is one of :data:`Event`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
TimeArray = NDArray[np.float64]
MaskArray = NDArray[np.uint8]

EEG = "eeg"
AUDIO = "audio"


class Flag(enum.IntFlag):
    """Why a grid sample, or a channel of it, is not to be trusted; 0 means good."""

    GAP = 1  #: no sample arrived for this instant
    SETTLING = 2  #: a filter is still settling after a start or a gap
    NAN = 4  #: the value was not finite
    RAIL = 8  #: the amplifier's rail: stuck at an extreme value
    RANGE = 16  #: further from its running mean than any EEG
    FLAT = 32  #: no change for a second
    JUMP = 64  #: a step between two neighbours that no EEG makes
    LINE = 128  #: mains hum dominates


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream's header as it was found, in LSL's words. Empty tuples where it names no channels.

    ``sfreq`` is the nominal rate in Hz, 0 for an irregular stream. ``key`` tells streams of one
    file or one network apart (an XDF stream id, an LSL uid).
    """

    key: str
    name: str
    type: str
    n_channels: int
    sfreq: float
    dtype: str
    source_id: str = ""
    hostname: str = ""
    uid: str = ""
    ch_names: tuple[str, ...] = ()
    ch_units: tuple[str, ...] = ()
    ch_types: tuple[str, ...] = ()
    xml: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a bound stream delivers to the core: its role, channels in order, and nominal rate (Hz).

    ``rail_uv``: (low, high) beyond which its converter cannot go, where that is known.
    """

    role: str
    ch_names: tuple[str, ...]
    sfreq: float
    rail_uv: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One pull from one stream, still on the stream's own clock.

    ``timestamps``: (n,) float64 raw stamps. ``data``: (n, n_channels) float32 in µV or [-1, 1].
    ``arrival_s``: local clock when it was pulled, NaN where nobody looked (a file).
    """

    stream: str
    timestamps: TimeArray
    data: FloatArray
    arrival_s: float = float("nan")


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """One measurement of a stream's clock: add ``offset_s`` to a remote stamp to get local time.

    ``remote_s`` is when it was measured, on the remote clock, as XDF stores it.
    """

    stream: str
    remote_s: float
    offset_s: float


@dataclass(frozen=True, slots=True)
class Marker:
    """A string sample of a marker stream, still on that stream's own clock."""

    stream: str
    timestamp: float
    label: str


Event = Chunk | ClockOffset | Marker


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch ``[t_start, t_end)`` of local time in which a stream delivered nothing."""

    t_start: float
    t_end: float


@dataclass(frozen=True, slots=True)
class StreamWindow:
    """One stream's part of a window, on the grid.

    ``data``: (n, n_channels) float32. ``mask``: (n,) uint8 of :class:`Flag`, 0 = good.
    ``marks``: (n, n_channels) uint8 of :class:`Flag`, per channel. ``coverage``: share of good samples.
    The arrays are views of the ring: copy what must outlive the next few windows.
    """

    role: str
    sfreq: float
    t_start: float
    t_end: float
    data: FloatArray
    mask: MaskArray
    marks: MaskArray
    coverage: float
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Every stream's samples of one half-open interval ``[t_start, t_end)`` of the local clock.

    ``deadline`` is true when the window was closed by lateness rather than by every stream's watermark.
    """

    index: int
    t_start: float
    t_end: float
    streams: Mapping[str, StreamWindow]
    deadline: bool


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time between an instant and its prediction went.

    ``algorithmic_s`` is what the method needs by design (interpolation look-ahead and filter group
    delay); the ``_ms`` figures are what this computer took. NaN: not measured (a file has no arrival).
    """

    algorithmic_s: float
    acquisition_ms: float = float("nan")
    queue_ms: float = float("nan")
    inference_ms: float = float("nan")
    output_ms: float = float("nan")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one window, and what it stood on.

    ``probs`` follow ``classes``. ``label`` is None when no modality had enough good samples.
    ``coverage``: share of good tokens per modality. ``stood_on``: the modalities that were used.
    ``interpolated``: share of the model's electrodes that were made from others. ``gate``: weight of
    the voice in the fusion, NaN where the mode has none. ``age_s``: local time now minus ``t_end``.
    ``valid_until``: the local time after which it says nothing of the present any more, NaN for never.
    ``data_until``: up to when there were samples of everything it stood on, ``t_end`` but for a stall; NaN
    where it stood on nothing.
    """

    index: int
    t_start: float
    t_end: float
    classes: tuple[str, ...]
    logits: tuple[float, ...]
    probs: tuple[float, ...]
    label: str | None
    confidence: float
    stood_on: tuple[str, ...]
    coverage: Mapping[str, float]
    heads: Mapping[str, tuple[float, ...]]
    interpolated: float
    gate: float
    bundle_sha256: str
    latency: Latency
    age_s: float = float("nan")
    tags: tuple[str, ...] = ()
    valid_until: float = float("nan")
    data_until: float = float("nan")
