"""What the columns of an EEG stream are called, which of them are taken, and what one unit of each is. Pure.

Three may speak: the user, the stream's header, and the profile of the device that the header fits. The user
wins; the header holds where it says something usable; the profile fills in and mends. What was assumed or
left out is added to ``notes`` in plain words.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from bci_stream.devices import DeviceProfile
from bci_stream.errors import ConfigError, StreamFormatError
from bci_stream.messages import StreamInfo
from bci_stream.sources.metadata import channel_texts, is_electrode, is_parked, normalise_label, unit_to_uv

_SHOWN = 12
_EXTRA = "extra"


def name_columns(
    info: StreamInfo, channels: Sequence[str] | None, profile: DeviceProfile | None, notes: list[str]
) -> tuple[str, ...]:
    """One name per column of the stream: the user's, the header's, the profile's, or ch1, ch2, …

    Raises:
        ConfigError: the user's names are of another count, or one comes twice.
    """
    if channels is not None:
        return _user_names(info, channels)
    generic = tuple(f"ch{column + 1}" for column in range(info.n_channels))
    labels = info.ch_names or ("",) * info.n_channels
    names = tuple(normalise_label(label) or spare for label, spare in zip(labels, generic, strict=True))
    doubled = len(set(names)) < len(names)
    if profile is not None and (doubled or not any(map(is_electrode, names))):
        usual = _usual_names(info, profile)
        if usual:
            notes.append(_assumed_names(info, profile, usual))
            return usual
    if not info.ch_names:
        notes.append("stream names no channels: called ch1, ch2, … in order")
        return generic
    if doubled:
        notes.append("stream gives one name to several channels: called ch1, ch2, … in order")
        return generic
    return names


def pick_columns(
    info: StreamInfo,
    names: tuple[str, ...],
    pick: Sequence[str] | None,
    profile: DeviceProfile | None,
    notes: list[str],
) -> list[int]:
    """The columns to take, in order.

    Raises:
        ConfigError: an electrode is picked twice.
        StreamFormatError: a picked one is absent, or nothing that could be EEG is left.
    """
    if pick:
        return _picked(info, names, pick)
    if profile is not None and (used := _used(names, profile)):
        _note_aside(names, used, notes)
        return used
    return _unparked(info, names, profile, notes)


def scale_columns(
    info: StreamInfo,
    picks: Sequence[int],
    unit: str | None,
    profile: DeviceProfile | None,
    notes: list[str],
) -> list[float]:
    """µV per unit of each picked column: as the user says, else the header, else the profile, else µV.

    Raises ConfigError for a unit of the user's that is none.
    """
    if unit is not None:
        factor = unit_to_uv(unit)
        if factor is None:
            raise ConfigError(f"unknown unit {unit!r}: give V, mV, uV or nV")
        return [factor] * len(picks)
    if profile is not None:
        if (factors := _by_counts(info, picks, profile)) is not None:
            notes.append(f"raw {info.dtype} counts are scaled to µV by the header's own factors")
            return factors
        if profile.unit_overrules and profile.unit is not None:
            notes.append(f"the header's unit is not believed: taken as {profile.unit}, by the profile")
            return [unit_to_uv(profile.unit) or 1.0] * len(picks)
    units = [info.ch_units[column] if info.ch_units else "" for column in picks]
    declared = [unit_to_uv(word) for word in units]
    unknown = sorted({word for word, factor in zip(units, declared, strict=True) if factor is None})
    default = _default_unit(info, unknown, profile, notes) if unknown else 1.0
    return [default if factor is None else factor for factor in declared]


def _usual_names(info: StreamInfo, profile: DeviceProfile) -> tuple[str, ...]:
    """The profile's names for this many columns; none where they cannot be meant."""
    known = tuple(normalise_label(name) for name in profile.channels)
    if not known or (info.n_channels > len(known) and not profile.extra_columns):
        return ()
    n_more = info.n_channels - len(known)
    return known[: info.n_channels] + tuple(f"{_EXTRA}{i + 1}" for i in range(n_more))


def _assumed_names(info: StreamInfo, profile: DeviceProfile, names: Sequence[str]) -> str:
    said = "names no channels" if not info.ch_names else "has no electrode names"
    return (
        f"stream {said}: called {_listed(names)}, as {profile.label} usually is; "
        "if yours sit elsewhere, name them with --channels"
    )


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


def _used(names: tuple[str, ...], profile: DeviceProfile) -> list[int]:
    """The columns of the electrodes that the profile says to use, as far as they are there."""
    wanted = [normalise_label(name) for name in profile.use]
    return [names.index(name) for name in wanted if name in names]


def _unparked(
    info: StreamInfo, names: tuple[str, ...], profile: DeviceProfile | None, notes: list[str]
) -> list[int]:
    types = info.ch_types or ("",) * info.n_channels
    labels = info.ch_names or names  # a header's own words tell more than the generic names
    dropped = tuple(pattern.casefold() for pattern in profile.drop) if profile is not None else ()
    kept = [
        column
        for column, (name, label, of) in enumerate(zip(names, labels, types, strict=True))
        if not (is_parked(name, of) or is_parked(label) or _dropped(label, dropped) or _is_extra(info, name))
    ]
    _note_aside(names, kept, notes)
    if not kept:
        raise StreamFormatError(
            f"stream {info.name!r} has no EEG-like channels, only {', '.join(names)}: "
            "pick some by name if they are EEG"
        )
    return kept


def _is_extra(info: StreamInfo, name: str) -> bool:
    """Whether the profile has named a column that it knows nothing of."""
    return name.startswith(_EXTRA) and name not in info.ch_names


def _dropped(label: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(label.strip().casefold(), pattern) for pattern in patterns)


def _note_aside(names: Sequence[str], kept: Sequence[int], notes: list[str]) -> None:
    if aside := [name for column, name in enumerate(names) if column not in kept]:
        notes.append(f"left out, no EEG: {', '.join(aside)}")


def _by_counts(info: StreamInfo, picks: Sequence[int], profile: DeviceProfile) -> list[float] | None:
    """µV per count of integer samples, where every picked channel's header holds it."""
    if not profile.scale_tags or not info.dtype.startswith("int"):
        return None
    for tag in profile.scale_tags:
        texts = channel_texts(info, tag)
        factors = [_positive(texts[column]) for column in picks] if texts else []
        if factors and all(factor is not None for factor in factors):
            return [factor for factor in factors if factor is not None]
    return None


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _default_unit(
    info: StreamInfo, unknown: Sequence[str], profile: DeviceProfile | None, notes: list[str]
) -> float:
    words = [word for word in unknown if word]
    said = f"stream declares the unit {', '.join(words)}" if words else "stream declares no unit"
    if profile is not None and profile.unit is not None and not info.dtype.startswith("int"):
        shown = profile.unit.replace("uV", "µV")
        notes.append(f"{said}: taken as {shown}, as {profile.label} sends")
        return unit_to_uv(profile.unit) or 1.0
    counts = f"raw {info.dtype} counts " if info.dtype.startswith("int") else ""
    notes.append(f"{said}: {counts}taken as µV")
    return 1.0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
