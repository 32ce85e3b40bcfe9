"""Headers of recorded streams: those of devices with all that they said, and those of our own streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring

from bci_stream.messages import AUDIO, EEG, StreamInfo, StreamSpec
from bci_stream.sinks.xdf_chunks import xml_bytes

DECISIONS: Final = "Decisions"  #: type of the stream that holds each prediction whole, as JSON
PROBABILITIES: Final = "Emotion"  #: type of the stream of class probabilities
QUALITY: Final = "Quality"  #: type of the stream of each window's coverage and marks
RECORDER_LOG: Final = "RecorderLog"  #: type of the stream in which the recorder says what it lost
ENGINE: Final = "Engine"  #: type of the stream that says when the wall clock closed windows
OWN_TEXT_TYPES: Final = frozenset((DECISIONS, RECORDER_LOG, ENGINE))
_AS_BOUND: Final = "as bound"
AS_BOUND: Final = f"<recorded>{_AS_BOUND}</recorded>"  #: in the header of a stream as an engine took it

_UNITS = {EEG: "microvolts", AUDIO: "normalized"}
_TYPES = {EEG: "EEG", AUDIO: "Audio"}


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """A stream of a recording: what its events are called, and its header.

    ``key``: :attr:`Chunk.stream <bci_stream.messages.Chunk>` of its events. ``dtype``: as in XDF, ``string``
    for text. ``local``: stamped on the local clock by ourselves; its one clock offset, 0, is written by us.
    """

    key: str
    name: str
    n_channels: int
    dtype: str
    xml: bytes = field(repr=False)
    local: bool = False


def as_received(key: str, info: StreamInfo) -> RecordedStream:
    """A stream recorded just as it comes, with the very header it has."""
    xml = info.xml.encode("utf-8", "replace") if _readable(info.xml) else xml_bytes(_plain_info(info))
    return RecordedStream(key, info.name, info.n_channels, info.dtype, xml)


def as_bound(info: StreamInfo, spec: StreamSpec) -> RecordedStream:
    """A stream recorded as the engine takes it: the bound channels in µV or [-1, 1], float32.

    Everything else that its header says stays; ``desc/bci_stream`` tells what it was before.
    """
    root = fromstring(info.xml) if _readable(info.xml) else _plain_info(info)
    desc = root.find("desc")
    desc = SubElement(root, "desc") if desc is None else desc
    known = {(c.findtext("label") or "").strip(): c for c in desc.iter("channel")}
    for old in (*desc.findall("channels"), *desc.findall("channel")):
        desc.remove(old)
    channels = SubElement(desc, "channels")
    for label in spec.ch_names:
        channel = known.get(label) if spec.role != AUDIO else None
        channel = Element("channel") if channel is None else channel
        _set(channel, label=label, unit=_UNITS[spec.role], type=_TYPES[spec.role])
        channels.append(channel)
    before = SubElement(desc, "bci_stream")
    _set(
        before,
        recorded=_AS_BOUND,
        channel_count=str(info.n_channels),
        channel_format=info.dtype,
        nominal_srate=repr(info.sfreq),
    )
    if spec.rail_uv is not None:  # so that a replay marks the very same samples
        _set(before, rail_uv=f"{spec.rail_uv[0]!r} {spec.rail_uv[1]!r}")
    _set(
        root, channel_count=str(len(spec.ch_names)), channel_format="float32", nominal_srate=_rate(spec.sfreq)
    )
    return RecordedStream(spec.role, info.name, len(spec.ch_names), "float32", xml_bytes(root))


def as_markers(key: str, info: StreamInfo) -> RecordedStream:
    """A marker stream, several channels joined into one text as the engine joins them."""
    root = fromstring(info.xml) if _readable(info.xml) else _plain_info(info)
    _set(root, channel_count="1", channel_format="string", nominal_srate="0")
    return RecordedStream(key, info.name, 1, "string", xml_bytes(root))


def prediction_streams(
    name: str, classes: Sequence[str], roles: Sequence[str], session: Mapping[str, str]
) -> tuple[RecordedStream, ...]:
    """Our own streams of a live session: quality, decisions and probabilities, stamped with a window's end.

    And the moments at which the engine's clock, not a sample, closed windows.

    ``session``: what a replay needs to know to do the very same; it goes to ``desc/session`` of each.
    """
    probabilities = (*classes, "confidence")
    streams = [
        own_stream(f"{name}-engine", ENGINE, ("note",), "text", session, "string"),
        own_stream(f"{name}-quality", QUALITY, quality_channels(roles), "share", session),
    ]
    if classes:
        streams.append(own_stream(f"{name}-decisions", DECISIONS, ("prediction",), "JSON", session, "string"))
        streams.append(
            own_stream(f"{name}-probabilities", PROBABILITIES, probabilities, "probability", session)
        )
    return tuple(streams)


def quality_channels(roles: Sequence[str]) -> tuple[str, ...]:
    """The quality stream's channels for streams of some roles."""
    return tuple(f"{role}:{figure}" for role in roles for figure in ("coverage", "gap", "marked"))


def own_stream(
    name: str,
    kind: str,
    labels: Sequence[str],
    unit: str,
    session: Mapping[str, str] | None = None,
    dtype: str = "float32",
) -> RecordedStream:
    """A stream that we make ourselves, irregular, on the local clock; its events are called by its type."""
    info = Element("info")
    _set(info, name=name, type=kind, channel_count=str(len(labels)), nominal_srate="0", channel_format=dtype)
    desc = SubElement(info, "desc")
    channels = SubElement(desc, "channels")
    for label in labels:
        _set(SubElement(channels, "channel"), label=label, unit=unit, type=kind)
    _set(SubElement(desc, "acquisition"), manufacturer="bci_stream")
    if session:
        _set(SubElement(desc, "session"), **session)
    return RecordedStream(kind, name, len(labels), dtype, xml_bytes(info), local=True)


def _readable(xml: str) -> bool:
    try:
        fromstring(xml)
    except (ParseError, ValueError):
        return False
    return True


def _plain_info(info: StreamInfo) -> Element:
    """A header made of what is known of a stream."""
    root = Element("info")
    _set(
        root,
        name=info.name,
        type=info.type,
        channel_count=str(info.n_channels),
        nominal_srate=_rate(info.sfreq),
        channel_format=info.dtype,
        source_id=info.source_id,
        hostname=info.hostname,
        uid=info.uid,
    )
    channels = SubElement(SubElement(root, "desc"), "channels")
    blank = ("",) * len(info.ch_names)
    columns = zip(info.ch_names, info.ch_units or blank, info.ch_types or blank, strict=True)
    for label, unit, kind in columns:
        _set(SubElement(channels, "channel"), label=label, unit=unit, type=kind)
    return root


def _rate(sfreq: float) -> str:
    return repr(float(sfreq)) if sfreq else "0"


def _set(parent: Element, **texts: str) -> None:
    """Give an element children with these texts, in place of those of the same name."""
    for tag, text in texts.items():
        child = parent.find(tag)
        child = SubElement(parent, tag) if child is None else child
        child.text = "".join(c for c in text if c.isprintable())
