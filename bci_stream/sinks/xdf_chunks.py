"""XDF 1.0 chunks as bytes. Pure: no file, no clock, no state.

A chunk is [NumLengthBytes][Length][Tag][Content], see the specification at github.com/sccn/xdf. Every
sample carries its own stamp, so that the stamps of a recording are those that were received, bit for bit.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import TimeArray

MAGIC: Final = b"XDF:"
BOUNDARY_UUID: Final = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)

#: XDF's sample formats as numpy spells them; None for strings.
FORMATS: Final[dict[str, str | None]] = {
    "int8": "<i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "float32": "<f4",
    "double64": "<f8",
    "string": None,
}

_STAMPED = 8
_DECLARATION = b'<?xml version="1.0"?>'
_SHORT = struct.Struct("<BBH")
_LONG = struct.Struct("<BIH")
_COUNT = struct.Struct("<IBI")
_STAMP = struct.Struct("<Bd")


def chunk(tag: int, content: bytes) -> bytes:
    """A whole chunk; ``content`` is at most 4 GB."""
    length = len(content) + 2
    head = _SHORT.pack(1, length, tag) if length < 256 else _LONG.pack(4, length, tag)
    return head + content


def file_header(**fields: str) -> bytes:
    """The magic and the FileHeader chunk; ``fields`` go beside its version."""
    info = Element("info")
    SubElement(info, "version").text = "1.0"
    for name, text in fields.items():
        SubElement(info, name).text = text
    return MAGIC + chunk(FILE_HEADER, xml_bytes(info))


def stream_header(stream_id: int, xml: bytes) -> bytes:
    """A StreamHeader chunk; ``xml`` is the stream's ``<info>`` document in UTF-8."""
    return chunk(STREAM_HEADER, struct.pack("<I", stream_id) + xml)


def samples(stream_id: int, stamps: TimeArray, values: NDArray[Any], dtype: str) -> bytes:
    """A Samples chunk of numbers: ``stamps`` (n,), ``values`` (n, n_channels), of a :data:`FORMATS` dtype."""
    rows = np.empty(len(stamps), _row_dtype(dtype, values.shape[1]))
    rows["flag"] = _STAMPED
    rows["stamp"] = stamps
    rows["values"] = values
    return chunk(SAMPLES, _COUNT.pack(stream_id, 4, len(rows)) + rows.tobytes())


def texts(stream_id: int, stamps: Sequence[float], rows: Sequence[Sequence[str]]) -> bytes:
    """A Samples chunk of strings: one row of strings for each stamp."""
    parts = [_COUNT.pack(stream_id, 4, len(stamps))]
    for stamp, row in zip(stamps, rows, strict=True):
        parts.append(_STAMP.pack(_STAMPED, stamp))
        parts += map(_text, row)
    return chunk(SAMPLES, b"".join(parts))


def clock_offset(stream_id: int, remote_s: float, offset_s: float) -> bytes:
    """A ClockOffset chunk: when it was measured on the stream's clock, and what to add to its stamps."""
    return chunk(CLOCK_OFFSET, struct.pack("<Idd", stream_id, remote_s, offset_s))


def boundary() -> bytes:
    """A Boundary chunk, from which a reader finds its way again behind damage."""
    return chunk(BOUNDARY, BOUNDARY_UUID)


def stream_footer(
    stream_id: int, first_s: float, last_s: float, n_samples: int, offsets: Sequence[tuple[float, float]]
) -> bytes:
    """A StreamFooter chunk; stamps are written so that they read back exactly."""
    info = Element("info")
    if n_samples:
        SubElement(info, "first_timestamp").text = repr(first_s)
        SubElement(info, "last_timestamp").text = repr(last_s)
    SubElement(info, "sample_count").text = str(n_samples)
    if n_samples > 1 and last_s > first_s:
        SubElement(info, "measured_srate").text = repr((n_samples - 1) / (last_s - first_s))
    listed = SubElement(info, "clock_offsets")
    for remote_s, offset_s in offsets:
        pair = SubElement(listed, "offset")
        SubElement(pair, "time").text = repr(remote_s)
        SubElement(pair, "value").text = repr(offset_s)
    return chunk(STREAM_FOOTER, struct.pack("<I", stream_id) + xml_bytes(info))


def xml_bytes(element: Element) -> bytes:
    """An element as a document in UTF-8, the way LSL writes them."""
    document: bytes = tostring(element, encoding="utf-8", xml_declaration=False)
    return _DECLARATION + document


@lru_cache(maxsize=256)
def _row_dtype(dtype: str, n_channels: int) -> np.dtype[Any]:
    return np.dtype([("flag", "u1"), ("stamp", "<f8"), ("values", FORMATS[dtype], (n_channels,))])


def _text(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    head = struct.pack("<BB", 1, len(raw)) if len(raw) < 256 else struct.pack("<BI", 4, len(raw))
    return head + raw
