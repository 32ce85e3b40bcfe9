"""How good each channel has been lately, in figures and in one word for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import Flag, FloatArray, MaskArray

_FLAGS = tuple(Flag(1 << bit) for bit in range(8))
_BLOCKS = 20  # the rolling span moves on in steps of a twentieth
_NOISY_UV = 75.0  # RMS after filtering; resting EEG is 5 to 30 µV
_SILENT_UV = 0.1  # below any amplifier's own noise


class QualityWord(StrEnum):
    """One word for people."""

    GOOD = "good"
    NOISY = "noisy"
    LINE = "line"
    FLAT = "flat"
    RAILED = "railed"
    NO_SIGNAL = "no signal"


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """One channel over the last seconds.

    ``rms_uv``: about its mean over that time, NaN without samples. ``shares``: share of samples that
    carried each flag, 0 to 1. ``n_samples``: how many samples this stands on.
    """

    name: str
    word: QualityWord
    rms_uv: float
    shares: Mapping[Flag, float]
    n_samples: int


class QualityMeter:
    """Rolling quality of every channel over the last ``span_s`` seconds, and up to a twentieth more.

    Args:
        ch_names: the channels in order.
        sfreq: rate in Hz of the samples that will come.
        span_s: how far back the summary looks.

    Raises:
        ConfigError: ``sfreq`` or ``span_s`` is not a positive number.
    """

    def __init__(self, ch_names: Sequence[str], sfreq: float, span_s: float = 5.0) -> None:
        from bci_stream.dsp.kernels import add_to_block  # late: compiles

        if not (0 < sfreq < np.inf and 0 < span_s < np.inf):
            raise ConfigError(f"quality: {span_s:g} s at {sfreq:g} Hz is no span; both must be above 0")
        self._add = add_to_block
        self.ch_names = tuple(ch_names)
        self._block_samples = max(1, round(span_s * sfreq / _BLOCKS))
        n = len(self.ch_names)
        self._finite = np.zeros(
            (_BLOCKS + 1, n), dtype=np.int64
        )  # the last whole blocks and the one in the making
        self._total = np.zeros((_BLOCKS + 1, n))
        self._squares = np.zeros((_BLOCKS + 1, n))
        self._flagged = np.zeros((_BLOCKS + 1, n, 8), dtype=np.int64)
        self._samples = np.zeros(_BLOCKS + 1, dtype=np.int64)
        self._block = 0

    def step(self, x: FloatArray, marks: MaskArray) -> None:
        """Take the next samples: ``x`` (n, n_channels) float32 in µV, filtered; ``marks`` (n, n_channels)."""
        samples = np.ascontiguousarray(x, np.float32)
        flags = np.ascontiguousarray(marks, np.uint8)
        start = 0
        while start < len(samples):
            if self._samples[self._block] == self._block_samples:
                self._next_block()
            room = self._block_samples - int(self._samples[self._block])
            part = slice(start, start + room)
            self._add_part(samples[part], flags[part])
            start += room

    def _add_part(self, samples: FloatArray, flags: MaskArray) -> None:
        b = self._block
        self._add(samples, flags, self._finite[b], self._total[b], self._squares[b], self._flagged[b])
        self._samples[b] += len(samples)

    def _next_block(self) -> None:
        self._block = (self._block + 1) % len(self._samples)
        for sums in (self._finite, self._total, self._squares, self._flagged, self._samples):
            sums[self._block] = 0

    def summary(self) -> tuple[ChannelQuality, ...]:
        """Every channel's quality, in the channels' order."""
        n_samples = int(self._samples.sum())
        shares = self._flagged.sum(axis=0) / max(n_samples, 1)
        rms_uv = self._rms_uv()
        return tuple(
            ChannelQuality(name, _word(n_samples, uv, by_flag), uv, by_flag, n_samples)
            for name, uv, share in zip(self.ch_names, rms_uv.tolist(), shares.tolist(), strict=True)
            for by_flag in [dict(zip(_FLAGS, share, strict=True))]
        )

    def _rms_uv(self) -> NDArray[np.float64]:
        finite = self._finite.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._total.sum(axis=0) / finite
            return np.asarray(np.sqrt(np.maximum(self._squares.sum(axis=0) / finite - mean**2, 0.0)))


def _word(n_samples: int, rms_uv: float, shares: Mapping[Flag, float]) -> QualityWord:
    """The worst that is true of the channel, so that the word points at what to mend first."""
    if n_samples == 0 or not np.isfinite(rms_uv) or shares[Flag.GAP] + shares[Flag.NAN] > 0.5:
        return QualityWord.NO_SIGNAL
    if shares[Flag.RAIL] > 0.1:
        return QualityWord.RAILED
    if shares[Flag.FLAT] > 0.1 or rms_uv < _SILENT_UV:
        return QualityWord.FLAT
    if shares[Flag.LINE] > 0.5:
        return QualityWord.LINE
    troubled = sum(shares[flag] for flag in (Flag.RANGE, Flag.JUMP, Flag.NAN, Flag.GAP))
    return QualityWord.NOISY if troubled > 0.05 or rms_uv > _NOISY_UV else QualityWord.GOOD
