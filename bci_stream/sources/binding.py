"""How a stream becomes EEG in µV or audio in [-1, 1]: which columns, which names, which scale. Pure.

Everything is decided once, from the header and from what the user said; what had to be assumed is
kept as notes in plain words, for the log and the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError, StreamFormatError
from bci_stream.messages import AUDIO, EEG, FloatArray, StreamInfo, StreamSpec
from bci_stream.sources.metadata import is_parked, normalise_label, unit_to_uv
from bci_stream.sources.selection import (
    MARKERS,
    describe_stream,
    describe_streams,
    find_stream,
    looks_like_audio,
    looks_like_eeg,
    looks_like_markers,
)

__all__ = [
    "MARKERS",
    "Binding",
    "bind_audio",
    "bind_eeg",
    "describe_stream",
    "describe_streams",
    "find_stream",
    "looks_like_audio",
    "looks_like_eeg",
    "looks_like_markers",
]


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A stream bound to a role.

    ``picks``: (n_picks,) columns of the stream. ``scale``: (n_picks,) float64, to µV or to [-1, 1].
    ``ch_names``: names of what is delivered. ``mono``: the picked columns are averaged into one.
    ``sfreq``: Hz. ``notes``: what was assumed or left out, in plain words.
    """

    role: str
    info: StreamInfo
    picks: NDArray[np.intp]
    ch_names: tuple[str, ...]
    scale: NDArray[np.float64]
    sfreq: float
    mono: bool = False
    notes: tuple[str, ...] = ()

    @property
    def spec(self) -> StreamSpec:
        """What this stream delivers to the core."""
        return StreamSpec(self.role, self.ch_names, self.sfreq)

    def convert(self, raw: NDArray[Any]) -> FloatArray:
        """(n, info.n_channels) as recorded -> (n, len(ch_names)) float32, C-contiguous; a copy always.

        Raises:
            StreamFormatError: the samples have another number of channels than the header said.
        """
        if raw.ndim != 2 or raw.shape[1] != self.info.n_channels:
            raise StreamFormatError(
                f"stream {self.info.name!r} delivers samples of shape {raw.shape}, "
                f"its header says {self.info.n_channels} channels: restart the device's connector"
            )
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # a double beyond float32 becomes inf, and is marked
            if self.mono:
                return self._mixed(raw)
            scaled = raw[:, self.picks] if np.all(self.scale == 1.0) else raw[:, self.picks] * self.scale
            return np.ascontiguousarray(scaled, dtype=np.float32)

    def _mixed(self, raw: NDArray[Any]) -> FloatArray:
        # Column by column: the order of a numpy sum may depend on the shape, and with it the last bit.
        total = np.zeros(raw.shape[0], dtype=np.float64)
        for column, scale in zip(self.picks, self.scale, strict=True):
            total += raw[:, column] * scale
        return total.astype(np.float32)[:, np.newaxis]


def bind_eeg(
    info: StreamInfo,
    *,
    channels: Sequence[str] | None = None,
    pick: Sequence[str] | None = None,
    unit: str | None = None,
    sfreq: float | None = None,
) -> Binding:
    """Bind a stream as EEG.

    Args:
        info: the stream's header.
        channels: names of all its columns in order, for a stream without labels.
        pick: electrodes wanted, in this order; None: all but counters, triggers, motion and AUX.
        unit: the unit its samples really have, where the header is silent or wrong.
        sfreq: its rate (Hz), where the header says 0 or is wrong.

    Raises:
        ConfigError: ``channels`` of another count, a name twice, or an unknown ``unit``.
        StreamFormatError: strings, no rate, no EEG-like channel, or a picked electrode is absent.
    """
    rate = _rate(info, EEG, sfreq)
    notes: list[str] = []
    names = _names(info, channels, notes)
    picks = _picked(info, names, pick) if pick else _unparked(info, names, notes)
    scale = _scale_to_uv(info, picks, unit, notes)
    return Binding(
        role=EEG,
        info=info,
        picks=_frozen(picks, np.intp),
        ch_names=tuple(names[column] for column in picks),
        scale=_frozen(scale, np.float64),
        sfreq=rate,
        notes=tuple(notes),
    )


def bind_audio(info: StreamInfo, sfreq: float | None = None) -> Binding:
    """Bind a stream as mono audio: integers by their full scale, floats as they are, channels averaged.

    Raises:
        StreamFormatError: strings, or no rate in the header and none given.
    """
    rate = _rate(info, AUDIO, sfreq)
    bits = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}.get(info.dtype)
    full_scale = 2.0 ** (bits - 1) if bits else 1.0
    notes = (f"{info.n_channels} audio channels are averaged into one",) if info.n_channels > 1 else ()
    return Binding(
        role=AUDIO,
        info=info,
        picks=_frozen(range(info.n_channels), np.intp),
        ch_names=("audio",),
        scale=_frozen([1.0 / full_scale / info.n_channels] * info.n_channels, np.float64),
        sfreq=rate,
        mono=True,
        notes=notes,
    )


def _frozen(values: Sequence[float], dtype: type[np.generic]) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def _rate(info: StreamInfo, role: str, sfreq: float | None) -> float:
    if info.dtype == "string":
        raise StreamFormatError(f"stream {info.name!r} carries strings and cannot serve as {role}")
    rate = info.sfreq if sfreq is None else sfreq
    if not 0 < rate < float("inf"):
        raise StreamFormatError(
            f"stream {info.name!r} declares no sampling rate (irregular): "
            f"measure its rate and bind it as {role} with that"
        )
    return rate


def _names(info: StreamInfo, channels: Sequence[str] | None, notes: list[str]) -> tuple[str, ...]:
    """One name per column of the stream: the user's, the header's, or ch1, ch2, …"""
    generic = tuple(f"ch{column + 1}" for column in range(info.n_channels))
    if channels is not None:
        return _user_names(info, channels)
    if not info.ch_names:
        notes.append("stream names no channels: called ch1, ch2, … in order")
        return generic
    names = tuple(
        normalise_label(label) or spare for label, spare in zip(info.ch_names, generic, strict=True)
    )
    if len(set(names)) < len(names):
        notes.append("stream gives one name to several channels: called ch1, ch2, … in order")
        return generic
    return names


def _user_names(info: StreamInfo, channels: Sequence[str]) -> tuple[str, ...]:
    if len(channels) != info.n_channels:
        raise ConfigError(
            f"{len(channels)} channel names were given, stream {info.name!r} has {info.n_channels} channels: "
            "name every one in order"
        )
    names = tuple(normalise_label(name) for name in channels)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"channel names given twice: {', '.join(twice)}")
    return names


def _picked(info: StreamInfo, names: tuple[str, ...], pick: Sequence[str]) -> list[int]:
    wanted = [normalise_label(name) for name in pick]
    if absent := [name for name in wanted if name not in names]:
        raise StreamFormatError(
            f"stream {info.name!r} has no channel {', '.join(absent)}; it has {', '.join(names)}"
        )
    if len(set(wanted)) < len(wanted):
        raise ConfigError(f"a channel is picked twice in {', '.join(wanted)}")
    return [names.index(name) for name in wanted]


def _unparked(info: StreamInfo, names: tuple[str, ...], notes: list[str]) -> list[int]:
    types = info.ch_types or ("",) * info.n_channels
    labels = info.ch_names or names  # a header's own words tell more than the generic names
    parked = [
        is_parked(name, of) or is_parked(label) for name, label, of in zip(names, labels, types, strict=True)
    ]
    if aside := [name for name, away in zip(names, parked, strict=True) if away]:
        notes.append(f"left out, no EEG: {', '.join(aside)}")
    if all(parked):
        raise StreamFormatError(
            f"stream {info.name!r} has no EEG-like channels, only {', '.join(names)}: "
            "pick some by name if they are EEG"
        )
    return [column for column, away in enumerate(parked) if not away]


def _scale_to_uv(info: StreamInfo, picks: list[int], unit: str | None, notes: list[str]) -> list[float]:
    if unit is not None:
        factor = unit_to_uv(unit)
        if factor is None:
            raise ConfigError(f"unknown unit {unit!r}: give V, mV, uV or nV")
        return [factor] * len(picks)
    units = [info.ch_units[column] if info.ch_units else "" for column in picks]
    factors = [unit_to_uv(word) for word in units]
    if unknown := sorted({word for word, factor in zip(units, factors, strict=True) if factor is None}):
        notes.append(_assumed(info, [word for word in unknown if word]))
    return [1.0 if factor is None else factor for factor in factors]


def _assumed(info: StreamInfo, unknown: list[str]) -> str:
    said = f"stream declares the unit {', '.join(unknown)}" if unknown else "stream declares no unit"
    if info.dtype.startswith("int"):
        return f"{said}: raw {info.dtype} counts taken as µV"
    return f"{said}: taken as µV"
