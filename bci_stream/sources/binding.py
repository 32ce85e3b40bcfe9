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

from bci_stream.devices import DeviceProfile, Match
from bci_stream.errors import StreamFormatError
from bci_stream.messages import AUDIO, EEG, FloatArray, StreamInfo, StreamSpec
from bci_stream.sources.columns import name_columns, pick_columns, scale_columns
from bci_stream.sources.metadata import is_counter, is_recorded_bound, recorded_rails
from bci_stream.sources.selection import (
    MARKERS,
    describe_stream,
    describe_streams,
    find_stream,
    looks_like,
    looks_like_audio,
    looks_like_eeg,
    looks_like_markers,
)

_RAIL_HAIR = 1e-4  # of the span: under one step of a 12-bit converter

__all__ = [
    "MARKERS",
    "Binding",
    "bind_audio",
    "bind_eeg",
    "describe_stream",
    "describe_streams",
    "find_stream",
    "looks_like",
    "looks_like_audio",
    "looks_like_eeg",
    "looks_like_markers",
]


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A stream bound to a role.

    ``picks``: (n_picks,) columns of the stream. ``scale``: (n_picks,) float64, to µV or to [-1, 1].
    ``ch_names``: names of what is delivered. ``mono``: the picked columns are averaged into one.
    ``average``: the mean of the picked columns is subtracted from each. ``sfreq``: Hz. ``notes``: what was
    assumed or left out, in plain words. ``profile``: of the device, where it is known. ``rail_uv``: the
    converter's (low, high), where they are known. ``unit_checked``: the unit is the user's own word, or was
    judged before. ``counter``: the column with the device's running number of its samples, None for none.
    """

    role: str
    info: StreamInfo
    picks: NDArray[np.intp]
    ch_names: tuple[str, ...]
    scale: NDArray[np.float64]
    sfreq: float
    mono: bool = False
    average: bool = False
    notes: tuple[str, ...] = ()
    profile: DeviceProfile | None = None
    rail_uv: tuple[float, float] | None = None
    unit_checked: bool = False
    counter: int | None = None

    @property
    def spec(self) -> StreamSpec:
        """What this stream delivers to the core."""
        return StreamSpec(self.role, self.ch_names, self.sfreq, self.rail_uv)

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
            if self.average:
                scaled = scaled - self._mean(scaled)
            return np.ascontiguousarray(scaled, dtype=np.float32)

    def _mean(self, scaled: NDArray[Any]) -> NDArray[np.float64]:
        """(n, 1): the mean over the columns that are numbers. Column by column, as in :meth:`_mixed`."""
        total, n_finite = np.zeros(len(scaled)), np.zeros(len(scaled))
        for column in range(scaled.shape[1]):
            good = np.isfinite(scaled[:, column])
            total += np.where(good, scaled[:, column], 0.0)
            n_finite += good
        return (total / np.maximum(n_finite, 1.0))[:, np.newaxis]

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
    match: Match | None = None,
) -> Binding:
    """Bind a stream as EEG.

    Args:
        info: the stream's header.
        channels: names of all its columns in order, for a stream without labels.
        pick: electrodes wanted, in this order; None: all but counters, triggers, motion and AUX.
        unit: the unit its samples really have, where the header is silent or wrong.
        sfreq: its rate (Hz), where the header says 0 or is wrong.
        match: the profile of its device, which helps where the header is silent or wrong.

    Raises:
        ConfigError: ``channels`` of another count, a name twice, or an unknown ``unit``.
        StreamFormatError: strings, no rate, no EEG-like channel, or a picked electrode is absent.
    """
    rate = _rate(info, EEG, sfreq)
    profile = match.profile if match is not None else None
    notes = [_recognised(info, match, rate)] if match is not None else []
    names = name_columns(info, channels, profile, notes)
    picks = pick_columns(info, names, pick, profile, notes)
    scale = scale_columns(info, picks, unit, profile, notes)
    average = profile is not None and profile.rereference == "average" and len(picks) > 1
    if average:
        notes.append(
            f"sends potentials without a reference: the mean of its {len(picks)} electrodes is subtracted"
        )
    return Binding(
        role=EEG,
        info=info,
        picks=_frozen(picks, np.intp),
        ch_names=tuple(names[column] for column in picks),
        scale=_frozen(scale, np.float64),
        sfreq=rate,
        average=average,
        notes=tuple(notes),
        profile=profile,
        rail_uv=_rails(profile, scale) if profile is not None else recorded_rails(info),
        unit_checked=unit is not None or is_recorded_bound(info),
        counter=_counter(info, names, picks),
    )


def bind_audio(info: StreamInfo, sfreq: float | None = None, match: Match | None = None) -> Binding:
    """Bind a stream as mono audio: integers by their full scale, floats as they are, channels averaged.

    ``match``: the profile of its program, for what there is to say of it.

    Raises:
        StreamFormatError: strings, or no rate in the header and none given.
    """
    rate = _rate(info, AUDIO, sfreq)
    bits = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}.get(info.dtype)
    full_scale = 2.0 ** (bits - 1) if bits else 1.0
    profile = match.profile if match is not None else None
    notes: tuple[str, ...] = ()
    if info.n_channels > 1:
        notes = (f"{info.n_channels} audio channels are averaged into one",)
    if profile is not None and profile.note is not None:
        notes += (f"{info.name!r} is {profile.label}: {profile.note}",)
    return Binding(
        role=AUDIO,
        info=info,
        picks=_frozen(range(info.n_channels), np.intp),
        ch_names=("audio",),
        scale=_frozen([1.0 / full_scale / info.n_channels] * info.n_channels, np.float64),
        sfreq=rate,
        mono=True,
        notes=notes,
        profile=profile,
    )


def _counter(info: StreamInfo, names: Sequence[str], picks: Sequence[int]) -> int | None:
    """The column that counts samples, by its name or type."""
    types = info.ch_types or ("",) * len(names)
    found = (c for c, (name, kind) in enumerate(zip(names, types, strict=True)) if is_counter(name, kind))
    return next((column for column in found if column not in picks), None)


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


def _recognised(info: StreamInfo, match: Match, rate: float) -> str:
    """Which device it is, by what, and what there is to say of it."""
    profile = match.profile
    doubts = [] if profile.verified else ["this profile was not verified on a device"]
    if profile.role != EEG:
        doubts.append("which is no EEG by its profile")
    if not profile.has_rate(info.sfreq or rate):
        usual = " or ".join(f"{known:g}" for known in profile.sfreq)
        said = f"declares {info.sfreq:g}" if info.sfreq else f"runs at {rate:g}"
        doubts.append(f"it {said} Hz, the device has {usual} Hz")
    reference = [f"reference {profile.reference}"] if profile.reference else []
    more = "; ".join([*reference, *([profile.note] if profile.note else []), *doubts])
    return f"{info.name!r} is taken as {profile.label} ({match.words})" + (f": {more}" if more else "")


def _rails(profile: DeviceProfile, scale: Sequence[float]) -> tuple[float, float] | None:
    """Where its converter ends, µV, a hair inside; unknown when the samples were not in µV after all."""
    if profile.clip_uv is None or profile.rereference is not None or any(factor != 1.0 for factor in scale):
        return None
    low, high = profile.clip_uv
    inside = _RAIL_HAIR * (high - low)
    return low + inside, high - inside
