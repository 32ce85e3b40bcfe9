"""The outside of an XDF 1.0 file: how a chunk begins, and the index of a file's chunks.

A file is ``XDF:`` and then chunks of [NumLengthBytes][Length][Tag][Content]; see the specification at
github.com/sccn/xdf. :mod:`~bci_stream.sources.xdf_scan` makes the index in one pass.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field
from typing import Final

from bci_stream.messages import StreamInfo
from bci_stream.sources.metadata import NUMPY_FORMATS
from bci_stream.sources.xdf_samples import Buffer, NumericDecoder, StringDecoder

MAGIC: Final = b"XDF:"
BOUNDARY_UUID: Final = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
OF_A_STREAM: Final = frozenset((STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER))
STREAM_ID: Final = struct.Struct("<I")
CLOCK_PAIR: Final = struct.Struct("<dd")
MAX_STREAMS: Final = 1024
MAX_NOTES: Final = 100

_HEADERS: Final = {1: struct.Struct("<BH"), 4: struct.Struct("<IH"), 8: struct.Struct("<QH")}

Header = tuple[int, int, int]  #: tag, where the content begins, where the chunk ends


def read_header(buffer: Buffer, position: int) -> Header | None:
    """The header of the chunk at ``position``; None where no chunk can begin."""
    size = len(buffer)
    if position >= size:
        return None
    n_bytes = buffer[position]
    header = _HEADERS.get(n_bytes)
    if header is None or position + 1 + header.size > size:
        return None
    length, tag = header.unpack_from(buffer, position + 1)
    body, end = position + 1 + header.size, position + 1 + n_bytes + length
    if length >= 2 and FILE_HEADER <= tag <= STREAM_FOOTER:
        return tag, body, end
    # The specification says to skip tags one does not know; but most of them are damage.
    follows = end == size or (body <= end < size and buffer[end] in _HEADERS)
    return (tag, body, end) if follows else None


class Notes:
    """What to say of a file, one line each: every line once, and no more of them than anybody reads."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._n_more = 0

    def add(self, line: str) -> None:
        """Say it, unless it was said."""
        if line in self._lines:
            return
        if len(self._lines) < MAX_NOTES:
            self._lines[line] = None
        else:
            self._n_more += 1

    def lines(self) -> tuple[str, ...]:
        """All that was said."""
        more = (f"and {self._n_more} more damaged places",) if self._n_more else ()
        return (*self._lines, *more)


@dataclass(slots=True)
class StreamEntry:
    """What the index knows of one stream. ``chunks``: indexes of its Samples chunks."""

    info: StreamInfo
    n_samples: int = 0
    n_salvaged: int = 0
    chunks: array[int] = field(default_factory=lambda: array("Q"))
    offset_remote_s: array[float] = field(default_factory=lambda: array("d"))
    offset_s: array[float] = field(default_factory=lambda: array("d"))

    def decoder(self) -> NumericDecoder | StringDecoder:
        """A fresh decoder for its samples, from the first on."""
        interval_s = 1.0 / self.info.sfreq if self.info.sfreq > 0 else 0.0
        dtype = NUMPY_FORMATS[self.info.dtype]
        if dtype is None:
            return StringDecoder(self.info.n_channels, interval_s)
        return NumericDecoder(self.info.n_channels, dtype, interval_s)


@dataclass(slots=True)
class XdfIndex:
    """Where the Samples and ClockOffset chunks of readable streams are, in file order.

    For Samples, ``starts`` to ``ends`` hold ``counts`` samples; for ClockOffset ``counts`` is 0 and
    ``starts`` is where its two doubles are. ``has_end``: the file has a footer, so its recorder was
    not cut off.
    """

    streams: dict[int, StreamEntry] = field(default_factory=dict)
    tags: array[int] = field(default_factory=lambda: array("B"))
    stream_ids: array[int] = field(default_factory=lambda: array("L"))
    starts: array[int] = field(default_factory=lambda: array("Q"))
    ends: array[int] = field(default_factory=lambda: array("Q"))
    counts: array[int] = field(default_factory=lambda: array("Q"))
    notes: Notes = field(default_factory=Notes)
    has_end: bool = False

    def append(self, tag: int, stream_id: int, start: int, end: int, count: int) -> None:
        """Add a chunk at the end."""
        self.tags.append(tag)
        self.stream_ids.append(stream_id)
        self.starts.append(start)
        self.ends.append(end)
        self.counts.append(count)


def read_clock_offset(buffer: Buffer, start: int) -> tuple[float, float]:
    """(remote time, offset) of a ClockOffset chunk, seconds."""
    remote_s, offset_s = CLOCK_PAIR.unpack_from(buffer, start)
    return remote_s, offset_s
