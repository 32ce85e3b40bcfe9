"""Which stream a request means, and how it is bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bci_stream.devices import NO_DEVICES, Catalogue, Match
from bci_stream.errors import AmbiguousStreamError, ConfigError, StreamFormatError, StreamNotFoundError
from bci_stream.messages import AUDIO, EEG, StreamInfo
from bci_stream.sources.binding import MARKERS, Binding, bind_audio, bind_eeg, find_stream
from bci_stream.sources.lsl_discovery import Directory, Survey, and_refused
from bci_stream.sources.lsl_measure import measure_link, usual_rate

_ROLES: Final = (EEG, AUDIO, MARKERS)
_MEASURE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class LslRequest:
    """A stream that is wanted.

    Args:
        role: ``eeg``, ``audio`` or ``markers``.
        query: which one, as :func:`bci_stream.sources.selection.find_stream` takes it.
        required: whether to fail without it.
        channels, pick, unit: for EEG, as :func:`bci_stream.sources.binding.bind_eeg` takes them.
        catalogue: profiles by which streams are recognised and bound.
    """

    role: str
    query: str | None = None
    required: bool = True
    channels: tuple[str, ...] | None = None
    pick: tuple[str, ...] | None = None
    unit: str | None = None
    catalogue: Catalogue = NO_DEVICES


def check_requests(requests: Sequence[LslRequest]) -> None:
    """Raise ConfigError for an unknown role, a role twice, or none."""
    roles = [request.role for request in requests]
    if unknown := [role for role in roles if role not in _ROLES]:
        raise ConfigError(f"no stream role {unknown[0]!r}: choose from {', '.join(_ROLES)}")
    if len(set(roles)) < len(roles) or not roles:
        raise ConfigError(
            f"one stream for each role can be asked for, got roles: {', '.join(roles) or 'none'}"
        )


def find_requested(request: LslRequest, survey: Survey, settled: bool, final: bool) -> StreamInfo | None:
    """The requested stream; None where it may still come or need not.

    Several that fit are an error once everybody had time to answer, a missing one when time is up.
    """
    try:
        return find_stream(survey.streams, request.role, request.query, request.catalogue)
    except StreamNotFoundError as error:
        if final and request.required:
            raise StreamNotFoundError(f"{error}{and_refused(survey.refused)}") from None
    except (AmbiguousStreamError, ConfigError):  # a name with "=" reads as a query until its stream is there
        if settled or final:
            raise
    return None


def bind_requested(request: LslRequest, info: StreamInfo, directory: Directory) -> Binding:
    """The stream as the request wants it; a stream that declares no rate is measured first.

    Raises:
        StreamFormatError: it cannot serve in this role.
        StreamLostError: it does not answer.
    """
    if request.role == MARKERS:
        return _bind_markers(info)
    match = request.catalogue.binding_match(info) if request.role == EEG else request.catalogue.match(info)
    rate_hz, notes = _rate(request.role, info, directory, match)
    if request.role == AUDIO:
        binding = bind_audio(info, rate_hz, match)
    else:
        binding = bind_eeg(
            info,
            channels=request.channels,
            pick=request.pick,
            unit=request.unit,
            sfreq=rate_hz,
            match=match,
        )
    return replace(binding, notes=binding.notes + notes)


def _rate(
    role: str, info: StreamInfo, directory: Directory, match: Match | None
) -> tuple[float | None, tuple[str, ...]]:
    """The rate (Hz), measured where a stream declares none or not its device's; None: the header's serves."""
    believed = info.sfreq and (match is None or match.profile.has_rate(info.sfreq))
    if believed or info.dtype == "string":
        return None, ()
    link = directory.link(info)
    link.subscribe()
    seen = measure_link(link, info, _MEASURE_S)
    if not seen.regular and not info.sfreq:
        raise StreamFormatError(
            f"stream {info.name!r} declares no sampling rate and sent {seen.n_samples} samples in "
            f"{_MEASURE_S:g} s with {seen.jitter_ms:.0f} ms of jitter, too irregular to serve as {role}: "
            "set the rate in its program"
        )
    said = f"{info.sfreq:g} Hz" if info.sfreq else "no rate"
    if not seen.regular:
        return None, (f"stream declares {said}, which could not be measured: taken at its word",)
    rate_hz = usual_rate(seen.sfreq)
    return rate_hz, (f"stream declares {said}: measured {seen.sfreq:.1f} Hz, taken as {rate_hz:g} Hz",)


def _bind_markers(info: StreamInfo) -> Binding:
    columns = np.arange(info.n_channels, dtype=np.intp)
    names = info.ch_names or tuple(f"ch{column + 1}" for column in columns)
    return Binding(MARKERS, info, columns, names, np.ones(info.n_channels), info.sfreq)
