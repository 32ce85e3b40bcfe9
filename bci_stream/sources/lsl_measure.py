"""Look at a live stream for a moment: its real rate, its jitter, and which of its channels carry a signal."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import StreamFormatError
from bci_stream.messages import StreamInfo, TimeArray
from bci_stream.sources.lsl_discovery import link_to
from bci_stream.sources.lsl_link import Link

_MAX_BYTES: Final = 64_000_000
_MIN_SAMPLES: Final = 20
_MAX_JITTER_MS: Final = 30.0  # packets of 12 samples at 125 Hz, stamped at arrival, have 28 ms
_USUAL_RATES_HZ: Final = (50, 100, 125, 128, 200, 220, 250, 256, 300, 500, 512, 1000, 1024, 2000, 2048, 4096)
_USUAL_AUDIO_HZ: Final = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000)
_SNAP: Final = 0.01


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a stream did for a moment.

    ``sfreq``: Hz by its stamps, 0 with under 20 samples. ``jitter_ms``: SD of its stamps about an even
    grid. ``rms``: per channel, about the mean, in the unit that the header declares (``unit``, "" where
    it is silent). ``flat``: per channel, whether it never changed or is not finite.
    """

    n_samples: int
    sfreq: float
    jitter_ms: float
    unit: str
    rms: tuple[float, ...]
    flat: tuple[bool, ...]

    @property
    def regular(self) -> bool:
        """Whether the stamps are even enough to bind the stream at this rate."""
        return self.sfreq > 0 and self.jitter_ms <= _MAX_JITTER_MS


def measure_stream(info: StreamInfo, seconds: float = 2.0) -> Measurement:
    """Connect to a listed stream and look at it for ``seconds``.

    Raises:
        StreamFormatError: it carries strings.
        StreamNotFoundError, StreamLostError: it is gone or does not answer.
    """
    if info.dtype == "string":
        raise StreamFormatError(f"stream {info.name!r} carries strings: there is no rate to measure")
    link = link_to(info)
    link.subscribe()
    return measure_link(link, info, seconds)


def measure_link(link: Link, info: StreamInfo, seconds: float) -> Measurement:
    """The same over an open connection; ends early when the stream is lost or 64 MB have come."""
    deadline = time.monotonic() + seconds
    data: list[NDArray[Any]] = []
    stamps: list[TimeArray] = []
    n_bytes = 0
    while (left_s := deadline - time.monotonic()) > 0 and not link.lost and n_bytes < _MAX_BYTES:
        pulled, at = link.pull(max(1, math.ceil(info.sfreq * 0.1)), min(0.1, left_s))
        data.append(pulled.copy())
        stamps.append(at.copy())
        n_bytes += pulled.nbytes
    empty = np.empty((0, info.n_channels))
    return describe_samples(info, np.concatenate([empty, *data]), np.concatenate([np.empty(0), *stamps]))


def describe_samples(info: StreamInfo, data: NDArray[Any], timestamps: TimeArray) -> Measurement:
    """Judge (n, n_channels) samples and their (n,) stamps. Pure."""
    sfreq, jitter_ms = rate_of(timestamps)
    values = np.asarray(data, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = values.std(axis=0) if len(values) else np.zeros(info.n_channels)
    units = sorted({unit for unit in info.ch_units if unit})
    return Measurement(
        n_samples=len(timestamps),
        sfreq=sfreq,
        jitter_ms=jitter_ms,
        unit=", ".join(units),
        rms=tuple(spread.tolist()),
        flat=tuple((~(spread > 0)).tolist()),
    )


def rate_of(timestamps: TimeArray) -> tuple[float, float]:
    """(Hz, jitter SD in ms) of stamps by a straight line through them; (0, 0) where there is none."""
    stamps = timestamps[np.isfinite(timestamps)]
    if len(stamps) < _MIN_SAMPLES or stamps[-1] <= stamps[0]:
        return 0.0, 0.0
    index = np.arange(len(stamps), dtype=np.float64)
    index -= index.mean()
    centred = stamps - stamps.mean()
    period_s = float(index @ centred / (index @ index))
    if period_s <= 0:
        return 0.0, 0.0
    return 1.0 / period_s, float(np.std(centred - period_s * index)) * 1e3


def usual_rate(sfreq: float) -> float:
    """A measured rate (Hz) as the device's maker would write it: a usual rate within 1 %, else 0.1 Hz."""
    usual = min(_USUAL_RATES_HZ + _USUAL_AUDIO_HZ, key=lambda rate: abs(rate - sfreq))
    return float(usual) if abs(usual - sfreq) <= _SNAP * usual else round(sfreq, 1)
