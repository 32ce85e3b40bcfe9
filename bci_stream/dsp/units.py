"""Whether samples that are said to be µV can be µV, by how large they are. Pure; nothing is rescaled.

A wrong unit multiplies every channel alike, while a bad contact, a railing converter or a hard clench of the
jaw does not; so the judgement is made to need all channels: the typical channel is beyond what EEG can be
*and* no live channel is anywhere near it. A channel's amplitude is the median over seconds of its standard
deviation between 1 and 40 Hz, which neither offsets of many mV nor mains hum nor bursts move. It is taken by
numpy alone and in a millisecond or two: the thread that looks has samples to fetch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import FloatArray

JUDGED_S = 5.0
_TOO_SMALL_UV, _TOO_LARGE_UV = 0.05, 5000.0
_PLAUSIBLE_UV = (1.0, 200.0)
_MARGIN = 10.0  # how near the limit the least wrong channel may be
_BAND_HZ = (1.0, 40.0)
_BLOCK_S = 1.0
_LEAST_S = 2.0
_RAILED_SHARE = 0.1
_NO_DIGITS = 1e-6  # of the largest value: what float32 cannot resolve says nothing
_MOST_CHANNELS = 16
_ENOUGH_HZ = 200.0  # faster streams are averaged down to about this first
_FACTORS = {"V": 1e6, "mV": 1e3, "nV": 1e-3}


@dataclass(frozen=True, slots=True)
class UnitDoubt:
    """Why samples cannot be µV. ``likely``: V, mV or nV, None for raw counts; ``typical_uv``: as if µV."""

    typical_uv: float
    likely: str | None

    @property
    def words(self) -> str:
        """What was found and what helps, in one line."""
        kind = f"look like {self.likely}" if self.likely else "look like raw counts of the converter"
        remedy = (
            f"say so with --unit {self.likely}"
            if self.likely
            else "let the device's program send µV, or say the unit with --unit"
        )
        return (
            f"its samples are taken as µV, but a typical channel varies by {self.typical_uv:.3g} between 1 "
            f"and 40 Hz, where EEG varies by 1 to 200 µV; they {kind}: {remedy} (nothing was rescaled)"
        )


def doubt_unit(data: NDArray[np.floating], sfreq: float) -> UnitDoubt | None:
    """Judge some seconds of samples; None where they can be µV, or tell nothing.

    Args:
        data: (n, n_channels) as delivered, said to be µV; 5 s are enough.
        sfreq: Hz.
    """
    return doubt_amplitudes(amplitudes_uv(data, sfreq))


def doubt_amplitudes(spread: NDArray[np.float64]) -> UnitDoubt | None:
    """The same from the (n_channels,) amplitudes of :func:`amplitudes_uv`."""
    alive = spread[np.isfinite(spread)]
    if not alive.size:
        return None
    typical = float(np.median(alive))
    small = typical < _TOO_SMALL_UV and float(alive.max()) < _TOO_SMALL_UV * _MARGIN
    large = typical > _TOO_LARGE_UV and float(alive.min()) > _TOO_LARGE_UV / _MARGIN
    return UnitDoubt(typical, _likely(typical)) if small or large else None


def amplitudes_uv(data: NDArray[np.floating], sfreq: float) -> NDArray[np.float64]:
    """(n_channels,) amplitude of each, NaN for one that tells nothing: flat, railed, or mostly no numbers.

    Of many channels some are looked at, the others are NaN too: a unit is everybody's.
    """
    spread = np.full(data.shape[1], np.nan)
    stride = -(-data.shape[1] // _MOST_CHANNELS)
    for column in range(0, data.shape[1], stride):
        series = np.asarray(data[:, column], dtype=np.float64)
        series = series[np.isfinite(series)]
        if len(series) >= _LEAST_S * sfreq and not _is_railed(series):
            spread[column] = _amplitude(series, sfreq)
    return spread


def _is_railed(series: NDArray[np.float64]) -> bool:
    """Whether much of it lies at its own extremes, as a flat or clipped channel does."""
    at_ends = np.count_nonzero((series == series.min()) | (series == series.max()))
    return bool(at_ends > _RAILED_SHARE * len(series))


def _amplitude(series: NDArray[np.float64], sfreq: float) -> float:
    n_joined = max(1, int(sfreq / _ENOUGH_HZ))
    means = series[: len(series) // n_joined * n_joined].reshape(-1, n_joined).mean(axis=1)
    n_block = max(4, round(_BLOCK_S * sfreq / n_joined))
    starts = range(0, len(means) - n_block + 1, n_block // 2)
    blocks = np.stack([means[start : start + n_block] for start in starts])
    found = float(np.median(_band_sd(blocks, sfreq / n_joined)))
    return found if found > _NO_DIGITS * float(np.abs(series).max()) else np.nan


def _band_sd(blocks: NDArray[np.float64], sfreq: float) -> NDArray[np.float64]:
    """(n_blocks,) standard deviation between 1 and 40 Hz of (n_blocks, n) samples, a straight line apart."""
    n = blocks.shape[1]
    time = np.arange(n) - (n - 1) / 2
    level = blocks.mean(axis=1, keepdims=True)
    slope = (blocks - level) @ time / (time @ time)
    taper = np.hanning(n)
    spectrum = np.fft.rfft((blocks - level - slope[:, np.newaxis] * time) * taper, axis=1)
    hz = np.arange(spectrum.shape[1]) * sfreq / n
    band = (hz >= _BAND_HZ[0]) & (hz <= _BAND_HZ[1])
    power = 2.0 * (np.abs(spectrum[:, band]) ** 2).sum(axis=1) / (n * (taper @ taper))
    return np.asarray(np.sqrt(power))


def _likely(typical: float) -> str | None:
    """The unit in which the amplitude would be EEG's; None where it would be in none."""
    for unit, factor in _FACTORS.items():
        if _PLAUSIBLE_UV[0] <= typical * factor <= _PLAUSIBLE_UV[1]:
            return unit
    if typical >= _TOO_LARGE_UV:
        return None
    return min(("V", "mV"), key=lambda unit: abs(np.log(typical * _FACTORS[unit] / 20.0)))


class UnitCheck:
    """Gathers the first seconds of a stream and judges them once; how they were cut changes nothing.

    A stretch in which no channel tells anything (nothing is put on yet) is let go, and the next one judged.
    """

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._n_wanted = max(2, round(JUDGED_S * sfreq))
        self._parts: list[FloatArray] = []
        self._n_held = 0
        self.done = False

    def step(self, data: FloatArray) -> UnitDoubt | None:
        """Take (n, n_channels) samples; the doubt, once, where there is one."""
        while not self.done and len(data):
            taken, data = data[: self._n_wanted - self._n_held], data[self._n_wanted - self._n_held :]
            self._parts.append(taken)
            self._n_held += len(taken)
            if self._n_held < self._n_wanted:
                return None
            if (doubt := self._judge()) is not None:
                return doubt
        return None

    def _judge(self) -> UnitDoubt | None:
        held = np.concatenate(self._parts)
        self._parts, self._n_held = [], 0
        with np.errstate(all="ignore"):  # damaged values may be any number, or none
            spread = amplitudes_uv(held, self._sfreq)
        self.done = bool(np.isfinite(spread).any())
        return doubt_amplitudes(spread)
