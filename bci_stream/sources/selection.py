"""Which stream is meant: judge what a stream looks like, and find the one that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bci_stream.devices import NO_DEVICES, Catalogue
from bci_stream.errors import AmbiguousStreamError, ConfigError, StreamNotFoundError
from bci_stream.messages import AUDIO, EEG, StreamInfo
from bci_stream.sources.metadata import is_electrode, is_parked

MARKERS = "markers"

_EEG_TYPES = frozenset(("eeg", "exg"))
_VAGUE_TYPES = frozenset(("data", "signal", "raw", ""))
_AUDIO_TYPES = frozenset(("audio", "voice", "speech", "microphone", "mic"))
_MARKER_WORDS = ("marker", "event", "annotation", "stimul", "trigger")
_MOST_LISTED = 12
_QUERY_KEYS = ("name", "type", "source_id", "hostname", "uid", "key")


def looks_like_eeg(info: StreamInfo) -> bool:
    """Numeric, and either typed EEG/ExG or vaguely typed with electrode labels; not all AUX or counters."""
    if info.dtype == "string":
        return False
    kind = info.type.strip().casefold()
    types = info.ch_types or ("",) * len(info.ch_names)
    usable = [label for label, of in zip(info.ch_names, types, strict=True) if not is_parked(label, of)]
    if kind in _EEG_TYPES:
        return bool(usable) or not info.ch_names
    if kind == "signal" and not info.ch_names:
        return True  # OpenViBE's acquisition server
    return kind in _VAGUE_TYPES and any(is_electrode(label) for label in usable)


def looks_like_audio(info: StreamInfo) -> bool:
    """Numeric and typed audio, voice or microphone."""
    return info.dtype != "string" and info.type.strip().casefold() in _AUDIO_TYPES


def looks_like_markers(info: StreamInfo) -> bool:
    """A string stream, or an irregular one whose type speaks of markers or events."""
    if info.dtype == "string":
        return True
    return info.sfreq == 0 and any(word in info.type.casefold() for word in _MARKER_WORDS)


_LOOKS: dict[str, Callable[[StreamInfo], bool]] = {
    EEG: looks_like_eeg,
    AUDIO: looks_like_audio,
    MARKERS: looks_like_markers,
}


def looks_like(info: StreamInfo, role: str, catalogue: Catalogue = NO_DEVICES) -> bool:
    """Whether a stream can play a role: by its device's profile where that is known, else by its header."""
    match = catalogue.match(info)
    return match.profile.role == role if match is not None else _LOOKS[role](info)


def describe_stream(info: StreamInfo) -> str:
    """A stream in a few words: what tells it from the others in a list."""
    rate = f"{info.sfreq:g} Hz" if info.sfreq else "irregular"
    parts = [info.type or "no type", f"{info.n_channels} ch", rate, info.dtype, f"key={info.key}"]
    if info.source_id:
        parts.insert(4, f"source_id={info.source_id}")
    return f"{info.name!r} ({', '.join(parts)})"


def find_stream(
    infos: Sequence[StreamInfo],
    role: str,
    query: str | None = None,
    catalogue: Catalogue = NO_DEVICES,
) -> StreamInfo:
    """The one stream for a role.

    Args:
        infos: what is there.
        role: ``eeg``, ``audio`` or ``markers``; it decides between streams that answer a query alike.
        query: a name, source_id, uid, key or type, or ``key=value`` pairs joined by commas (name, type,
            source_id, hostname, uid, key). None: the only stream that looks like the role.
        catalogue: profiles to recognise streams by; of the EEG streams, one of the device that was asked for.

    Raises:
        StreamNotFoundError: nothing fits; the text lists what is there.
        AmbiguousStreamError: several fit; the text lists them.
        ConfigError: the role or the query makes no sense.
    """
    if role not in _LOOKS:
        raise ConfigError(f"no stream role {role!r}: choose from {', '.join(_LOOKS)}")
    asked = f"{role} stream" + (f" matching {query!r}" if query else "")
    found = list(infos) if not query else _matching(infos, query)
    alike = [info for info in found if looks_like(info, role, catalogue)]
    if role == EEG and (asked_for := [info for info in alike if catalogue.is_forced(info)]):
        alike = asked_for
    found = alike if alike or not query else found
    if not found:
        raise StreamNotFoundError(f"no {asked}; found {describe_streams(infos)}")
    if len(found) > 1:
        raise AmbiguousStreamError(
            f"{len(found)} streams fit as {asked}: {describe_streams(found)}; "
            "choose one by name=, type=, source_id=, uid= or key="
        )
    return found[0]


def describe_streams(infos: Sequence[StreamInfo]) -> str:
    """Streams in a line, the first of them where there are more than anybody reads."""
    more = [f"and {len(infos) - _MOST_LISTED} more"] if len(infos) > _MOST_LISTED else []
    return "; ".join([*map(describe_stream, infos[:_MOST_LISTED]), *more]) or "no stream at all"


def _matching(infos: Sequence[StreamInfo], query: str) -> list[StreamInfo]:
    """Streams that answer a query; the first field with an answer decides."""
    for field in ("name", "source_id", "uid", "key"):
        if found := [info for info in infos if getattr(info, field) == query]:
            return found
    if "=" in query:
        wanted = _pairs(query)
        return [info for info in infos if all(_equal(info, k, v) for k, v in wanted.items())]
    for field in ("name", "type"):
        if found := [info for info in infos if getattr(info, field).casefold() == query.casefold()]:
            return found
    return []


def _pairs(query: str) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for pair in query.split(","):
        key, equals, value = pair.partition("=")
        if not equals or key.strip() not in _QUERY_KEYS:
            raise ConfigError(
                f"stream query {query!r}: {pair.strip()!r} is not one of {'=, '.join(_QUERY_KEYS)}="
            )
        wanted[key.strip()] = value.strip()
    return wanted


def _equal(info: StreamInfo, key: str, value: str) -> bool:
    found = str(getattr(info, key))
    return found.casefold() == value.casefold() if key == "type" else found == value
