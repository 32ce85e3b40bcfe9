"""Which streams of a recording play which role."""

from __future__ import annotations

from dataclasses import dataclass

from apps.choice import StreamChoice
from bci_stream.devices import Catalogue, Match
from bci_stream.errors import StreamFormatError, StreamNotFoundError
from bci_stream.messages import AUDIO, EEG, StreamInfo
from bci_stream.sinks.xdf_headers import AS_BOUND
from bci_stream.sources.binding import (
    Binding,
    bind_audio,
    bind_eeg,
    describe_stream,
    describe_streams,
    find_stream,
    looks_like,
    looks_like_markers,
)
from bci_stream.sources.recordings import Recording

_TOLERANCE = 0.01  # a rate within 1 % of nominal is nominal: the dejitter learns the rest
_REFUSED = 0.2


@dataclass(frozen=True, slots=True)
class BoundRecording:
    """Bindings by role, keys of the marker streams, and what was assumed."""

    bindings: dict[str, Binding]
    markers: tuple[str, ...]
    notes: tuple[str, ...]


def bind_recording(recording: Recording, choice: StreamChoice, *, any_numeric: bool) -> BoundRecording:
    """Find EEG, audio and markers among a recording's streams.

    ``any_numeric``: where neither EEG nor audio is found, take the only other regular stream.

    Raises:
        StreamNotFoundError: neither EEG nor audio is in the recording, or a query finds nothing.
    """
    notes: list[str] = []
    bindings: dict[str, Binding] = {}
    catalogue = choice.catalogue()
    if choice.want_eeg:
        info = find_recorded(recording, EEG, choice.eeg, catalogue, notes)
        if info is not None:
            match = None if AS_BOUND in info.xml else catalogue.binding_match(info)  # once is enough
            bindings[EEG] = _bind_eeg(recording, info, choice, match, notes)
    if choice.want_audio:
        info = find_recorded(recording, AUDIO, choice.audio, catalogue, notes)
        if info is not None:
            rate_hz = _rate(recording, info, notes)
            bindings[AUDIO] = bind_audio(info, sfreq=rate_hz, match=catalogue.match(info))
    if not bindings and any_numeric and choice.want_eeg and (able := _numeric_streams(recording)):
        bindings[EEG] = _bind_anything(able, notes)
    if not bindings:
        raise StreamNotFoundError(
            "the recording has neither EEG nor audio with samples; choose with --eeg or --audio; "
            f"found {describe_streams(recording.streams)}"
        )
    notes += [note for binding in bindings.values() for note in binding.notes]
    markers = tuple(info.key for info in recording.streams if looks_like_markers(info))
    return BoundRecording(bindings, markers, tuple(notes))


def find_recorded(
    recording: Recording, role: str, query: str | None, catalogue: Catalogue, notes: list[str]
) -> StreamInfo | None:
    """The stream for a role, or None where the recording has none and nobody asked for one."""
    if query is not None:
        return find_stream(recording.streams, role, query, catalogue)
    alike = [info for info in recording.streams if looks_like(info, role, catalogue)]
    full = [info for info in alike if recording.summary(info.key).n_samples]
    notes += [f"{describe_stream(info)} is empty: left out" for info in alike if info not in full]
    return find_stream(full, role, None, catalogue) if full else None


def _bind_eeg(
    recording: Recording, info: StreamInfo, choice: StreamChoice, match: Match | None, notes: list[str]
) -> Binding:
    rate = _rate(recording, info, notes)
    return bind_eeg(
        info, channels=choice.channels, pick=choice.pick, unit=choice.unit, sfreq=rate, match=match
    )


def _rate(recording: Recording, info: StreamInfo, notes: list[str]) -> float | None:
    """The rate to work with: nominal, or measured where nominal is missing or off."""
    if AS_BOUND in info.xml:
        return None  # the rate of the live session, which a replay keeps
    measured = recording.measure_sfreq(info.key)
    if info.sfreq == 0:
        notes.append(f"{info.name!r} declares no rate: measured {measured:.2f} Hz")
        return measured
    off = abs(measured / info.sfreq - 1)
    if off > _REFUSED:
        raise StreamFormatError(
            f"{info.name!r} declares {info.sfreq:g} Hz but its stamps run at {measured:.2f} Hz: "
            "the header or the stamps are wrong; leave the stream out"
        )
    if off > _TOLERANCE:
        notes.append(
            f"{info.name!r} declares {info.sfreq:g} Hz, its stamps run at {measured:.2f} Hz: "
            "taken as measured"
        )
        return measured
    return None


def _numeric_streams(recording: Recording) -> list[StreamInfo]:
    return [
        info
        for info in recording.streams
        if info.dtype != "string" and info.sfreq > 0 and recording.summary(info.key).n_samples
    ]


def _bind_anything(able: list[StreamInfo], notes: list[str]) -> Binding:
    """The only other regular stream with samples, its values taken as they are."""
    info = find_stream(able, EEG, f"key={able[0].key}" if len(able) == 1 else None)
    notes.append(f"{describe_stream(info)} is no EEG by its header: shown as it is")
    names = tuple(info.ch_names) or tuple(f"ch{i + 1}" for i in range(info.n_channels))
    return bind_eeg(info, channels=names, pick=names, unit="uV")
