"""Stream headers: the XML that LSL sends and XDF stores, and the words devices use in it.

Connectors disagree about nearly everything below ``<desc>``: where the channel list is, whether a
channel is called ``label`` or ``name``, how a microvolt is spelled. What is known of them is here.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

from bci_stream.errors import StreamFormatError
from bci_stream.messages import StreamInfo

MAX_XML_BYTES = 1_000_000
MAX_CHANNELS = 1024
MAX_SFREQ_HZ = 200_000.0
MAX_TAGS = 100_000  # 1024 channels have 20 000
MAX_TEXT = 500  # of a name, a label or an id: what is longer is damage, and cut

#: Sample formats of LSL and XDF, as numpy spells them (little endian); None for strings.
NUMPY_FORMATS: dict[str, str | None] = {
    "int8": "<i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "float32": "<f4",
    "double64": "<f8",
    "string": None,
}


def parse_stream_info(xml: str | bytes, key: str) -> StreamInfo:
    """Read one stream header.

    Args:
        xml: the ``<info>`` document of LSL or of an XDF StreamHeader chunk, UTF-8.
        key: what tells this stream apart from the others; it also names the stream in errors.

    Raises:
        StreamFormatError: over 1 MB, not XML, with a DTD, or with a channel count, rate or sample
            format that no stream can have.
    """
    info = _parse_xml(xml, key)
    who = f"stream {_text(info, 'name') or key!r}"
    n_channels = _channel_count(_text(info, "channel_count"), who)
    channels = _channel_elements(info, n_channels)
    return StreamInfo(
        key=key,
        name=_text(info, "name"),
        type=_text(info, "type"),
        n_channels=n_channels,
        sfreq=_nominal_rate(_text(info, "nominal_srate"), who),
        dtype=_sample_format(_text(info, "channel_format"), who),
        source_id=_text(info, "source_id"),
        hostname=_text(info, "hostname"),
        uid=_text(info, "uid"),
        ch_names=_column(channels, "label", "name"),
        ch_units=_column(channels, "unit"),
        ch_types=_column(channels, "type"),
        xml=xml if isinstance(xml, str) else xml.decode("utf-8", "replace"),
    )


_ADDRESSES = tuple(f"v{n}{what}" for n in (4, 6) for what in ("address", "data_port", "service_port"))
_VOLATILE = ("uid", "created_at", "session_id", "version", *_ADDRESSES)


def header_digest(info: StreamInfo, without: Collection[str] = ()) -> str:
    """Sha256 of all that a full header says, but for what is new at every start of its program.

    That is ids and ports, and in the description moments, ids, batteries and impedances. ``without``: tags
    that are left out too. Empty where the stream has no header that can be read.
    """
    try:
        root = _parse_xml(info.xml, info.key)
    except StreamFormatError:
        return ""
    for tag in (*_VOLATILE, *without):
        for element in root.findall(tag):
            root.remove(element)
    for element in root.iter():
        text = (element.text or "").strip()
        element.text, element.tail = "" if _is_passing(element.tag, text) else text, ""
    return hashlib.sha256(tostring(root)).hexdigest()


_PASSING_TAG = re.compile(r"t_?0|.*(time|date|start|uuid|guid|session|batter|impedance).*", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4,}\.\d+(e[+-]?\d+)?|\d{4}-\d\d-\d\d([T ].*)?|\d\d:\d\d(:\d\d.*)?", re.IGNORECASE)


def _is_passing(tag: str, text: str) -> bool:
    """Whether it is of this start only: a moment, or named as what changes from one to the next."""
    return _PASSING_TAG.fullmatch(tag) is not None or _MOMENT.fullmatch(text) is not None


def created_at(info: StreamInfo) -> float:
    """When its outlet was made, on its host's LSL clock, s; NaN where the header does not say."""
    found = re.search(r"<created_at>\s*([0-9.eE+]{1,40})\s*</created_at>", info.xml)
    try:
        return float(found[1]) if found else math.nan
    except ValueError:
        return math.nan


def _parse_xml(xml: str | bytes, key: str) -> Element:
    if len(xml) > MAX_XML_BYTES:
        raise StreamFormatError(
            f"stream {key!r}: its header has {len(xml)} bytes, at most {MAX_XML_BYTES} are read"
        )
    # Decoded first, so that no other encoding can hide a DTD from the search below.
    text = xml if isinstance(xml, str) else xml.decode("utf-8", "replace")
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise StreamFormatError(f"stream {key!r}: its header declares a DTD, which is not read")
    if (n_tags := text.count("<")) > MAX_TAGS:
        raise StreamFormatError(f"stream {key!r}: its header has {n_tags} tags, at most {MAX_TAGS} are read")
    try:
        return fromstring(text)
    except (ParseError, ValueError) as error:
        raise StreamFormatError(f"stream {key!r}: its header is not readable XML ({error})") from error


def _text(element: Element, tag: str) -> str:
    return plain_text(element.findtext(tag) or "").strip()[:MAX_TEXT]


def plain_text(text: str) -> str:
    """What may be shown anywhere: no control characters, nothing that turns the writing direction."""
    if text.isprintable():
        return text
    spaced = (" " if c.isspace() else c for c in text)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in spaced)


def _channel_count(text: str, who: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= MAX_CHANNELS:
        raise StreamFormatError(f"{who}: its header says {text[:40]!r} channels, not 1 to {MAX_CHANNELS}")
    return count


def _nominal_rate(text: str, who: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0.0 <= rate <= MAX_SFREQ_HZ:
        raise StreamFormatError(
            f"{who}: its header says a rate of {text[:40]!r} Hz, not 0 to {MAX_SFREQ_HZ:g}"
        )
    return rate


def _sample_format(text: str, who: str) -> str:
    if text not in NUMPY_FORMATS:
        raise StreamFormatError(
            f"{who}: its header says sample format {text[:40]!r}, not one of {', '.join(NUMPY_FORMATS)}"
        )
    return text


def _channel_elements(info: Element, n_channels: int) -> list[Element]:
    """The channel list, or nothing when its length does not fit: then no name can be trusted."""
    channels = info.findall("desc/channels/channel") or info.findall("desc/channel")
    return channels if len(channels) == n_channels else []


def _column(channels: list[Element], *tags: str) -> tuple[str, ...]:
    values = tuple(next((text for tag in tags if (text := _text(channel, tag))), "") for channel in channels)
    return values if any(values) else ()


def channel_texts(info: StreamInfo, tag: str) -> tuple[str, ...]:
    """What each channel's part of a header says under a tag; nothing where none says anything.

    For what few connectors write; names, units and types are fields of the header already.
    """
    try:
        root = _parse_xml(info.xml, info.key)
    except StreamFormatError:
        return ()
    return _column(_channel_elements(root, info.n_channels), tag)


def is_recorded_bound(info: StreamInfo) -> bool:
    """Whether we recorded the stream as a session took it: already in µV, its columns chosen."""
    return "<recorded>as bound</recorded>" in info.xml


def recorded_rails(info: StreamInfo) -> tuple[float, float] | None:
    """The converter's (low, high) in µV that we noted when we recorded the stream as bound."""
    found = re.search(r"<rail_uv>([^<\s]+) ([^<\s]+)</rail_uv>", info.xml)
    try:
        low, high = (float(text) for text in found.groups()) if found else (0.0, 0.0)
    except ValueError:
        return None
    return (low, high) if -math.inf < low < high < math.inf else None


_UNITS_UV = {
    **dict.fromkeys(("v", "volt", "volts"), 1e6),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1e3),
    **dict.fromkeys(("uv", "microvolt", "microvolts"), 1.0),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-3),
}
_MICRO_SIGNS = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})


def unit_to_uv(unit: str) -> float | None:
    """How many µV one ``unit`` is; None when the unit is missing or unknown.

    An integer n stands for 10^n V, as MNE-LSL writes FIFF's ``unit_mul``: "0" volts, "-6" microvolts.
    """
    word = unit.strip().translate(_MICRO_SIGNS)
    if re.fullmatch(r"[+-]?\d{1,2}", word):
        exponent = int(word) + 6
        return 10.0**exponent if exponent >= 0 else 1.0 / 10.0**-exponent
    if word in ("MV", "megavolt"):  # no amplifier: refuse to take it for millivolts
        return None
    return _UNITS_UV.get(word.casefold())


# The 10-05 system (Oostenveld and Praamstra 2001), longest row names first.
_ROWS = "AFP AFF AF FFC FFT FCC FTT FC FT FP F CCP CPP CP C TTP TPP TP T PPO POO PO P OI O NFP N I A M"
_ELECTRODE = re.compile(rf"({'|'.join(_ROWS.split())})(Z|10|[1-9])(H?)", re.IGNORECASE)
_OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_PREFIX = re.compile(r"^(?:EEG|EXG)[\s_\-]+", re.IGNORECASE)
_REFERENCE = re.compile(r"\s*[-_]\s*(?:ref|le|ar|avg|a1|a2|m1|m2|pz)$", re.IGNORECASE)


def normalise_label(label: str) -> str:
    """An electrode's name as the 10-05 system writes it; other labels only lose their decoration.

    ``EEG FP1-REF`` and ``fp1 - Pz`` become ``Fp1``; the old T3 T4 T5 T6 become T7 T8 P7 P8.
    """
    bare = _PREFIX.sub("", label.strip()).rstrip(".")
    bare = _REFERENCE.sub("", bare) or bare
    match = _ELECTRODE.fullmatch(bare)
    if match is None:
        return bare
    row, place, half = match.groups()
    row = row.upper().replace("FP", "Fp")
    name = row + place.lower() + half.lower()
    return _OLD_NAMES.get(name, name)


def is_electrode(label: str) -> bool:
    """Whether a label, once normalised, is a position of the 10-05 system."""
    return _ELECTRODE.fullmatch(normalise_label(label)) is not None


_PARKED_LABELS = re.compile(
    "|".join(
        (
            r"time[ _]?stamps?|.*counter|packet.*|cnt|mkidx|sync|status",
            r"interpolated?|bat|battery.*|valid(ation)?( indicator)?|quality.*",
            r"(hardware)?[ _]?markers?|events?|trg|trig|.*trigger(in|stream)?|ste.*|stim?|sti\d*",
            r"acc[xyz]?|acc[ _\-].*|accel.*|gyr[xyz]?|gyr[ _\-].*|gyro.*|mag[xyz]?|mag[ _\-].*|magn.*",
            r".*\baux([ _\-]?\w+)?|ppg.*|ecg.*|ekg.*|emg.*|[hv]?eog.*|gsr.*|temp(erature)?|resp.*",
        )
    ),
    re.IGNORECASE,
)
_PARKED_TYPES = frozenset(
    (
        *("trigger", "triggers", "trig", "stim", "sti", "marker", "markers", "sync", "status", "quality"),
        *("counter", "samplecounter", "timestamp", "time", "battery", "bat", "valid", "misc", "temp"),
        *("acc", "accel", "accelerometer", "gyr", "gyro", "gyroscope", "mag", "magnetometer", "temperature"),
        *("aux", "ppg", "ecg", "ekg", "emg", "eog", "gsr", "resp", "bio", "audio"),
    )
)


_COUNTER_LABELS = re.compile(r".*counter|packet.*num.*|packet[ _]?(id|index|count)|cnt", re.IGNORECASE)


def is_counter(label: str, channel_type: str = "") -> bool:
    """Whether a channel is the device's running number of its samples."""
    if channel_type.strip().casefold() in ("counter", "samplecounter"):
        return True
    return _COUNTER_LABELS.fullmatch(_PREFIX.sub("", label.strip())) is not None


def is_parked(label: str, channel_type: str = "") -> bool:
    """Whether a channel of an EEG stream is no electrode: a counter, trigger, motion or AUX input."""
    if channel_type.strip().casefold() in _PARKED_TYPES:
        return True
    return _PARKED_LABELS.fullmatch(_PREFIX.sub("", label.strip())) is not None
