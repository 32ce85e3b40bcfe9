"""The outside of an XDF 1.0 file: where its chunks are, and what is damaged.

A file is ``XDF:`` and then chunks of [NumLengthBytes][Length][Tag][Content]; see the specification at
github.com/sccn/xdf. One pass over the chunk headers makes an index; nothing is decoded in it but stream
headers and clock offsets. Where a chunk is not plausible the pass goes on behind the next boundary chunk,
and says what was lost; a damaged stream header costs that stream and no other.
"""

from __future__ import annotations

import math
import struct
from array import array
from dataclasses import dataclass, field

from bci_stream.errors import RecordingError, StreamFormatError
from bci_stream.messages import StreamInfo
from bci_stream.sources.mapped_file import PageRelease
from bci_stream.sources.metadata import NUMPY_FORMATS, parse_stream_info
from bci_stream.sources.xdf_samples import Buffer, NumericDecoder, StringDecoder, read_varlen

MAGIC = b"XDF:"
BOUNDARY_UUID = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)

_OF_A_STREAM = frozenset((STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER))
_HEADERS = {1: struct.Struct("<BH"), 4: struct.Struct("<IH"), 8: struct.Struct("<QH")}
_STREAM_ID = struct.Struct("<I")
_OFFSET = struct.Struct("<dd")


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
    ``starts`` is where its two doubles are.
    """

    streams: dict[int, StreamEntry] = field(default_factory=dict)
    tags: array[int] = field(default_factory=lambda: array("B"))
    stream_ids: array[int] = field(default_factory=lambda: array("L"))
    starts: array[int] = field(default_factory=lambda: array("Q"))
    ends: array[int] = field(default_factory=lambda: array("Q"))
    counts: array[int] = field(default_factory=lambda: array("Q"))
    warnings: list[str] = field(default_factory=list)

    def append(self, tag: int, stream_id: int, start: int, end: int, count: int) -> None:
        """Add a chunk at the end."""
        self.tags.append(tag)
        self.stream_ids.append(stream_id)
        self.starts.append(start)
        self.ends.append(end)
        self.counts.append(count)


def read_clock_offset(buffer: Buffer, start: int) -> tuple[float, float]:
    """(remote time, offset) of a ClockOffset chunk, seconds."""
    remote_s, offset_s = _OFFSET.unpack_from(buffer, start)
    return remote_s, offset_s


def index_chunks(buffer: Buffer, pages: PageRelease | None = None) -> XdfIndex:
    """Find every chunk of an XDF file that is at hand as a buffer.

    Raises:
        RecordingError: it is empty, compressed, or no XDF file at all.
    """
    _check_magic(buffer)
    scanner = _Scanner(buffer)
    position, size = len(MAGIC), len(buffer)
    while position < size:
        position = scanner.step(position)
        if pages is not None:
            pages.passed(position)
    scanner.finish()
    return scanner.index


def _check_magic(buffer: Buffer) -> None:
    head = buffer[:4]
    if head[:2] == b"\x1f\x8b":
        raise RecordingError("it is compressed (.xdfz, .xdf.gz): unpack it with gunzip first")
    if head != MAGIC:
        raise RecordingError(f"not an XDF file: it begins with {bytes(head)!r} instead of 'XDF:'")


class _Scanner:
    """The pass over the chunk headers. ``step`` reads the chunk at a position and says where the next is."""

    def __init__(self, buffer: Buffer) -> None:
        self.index = XdfIndex()
        self._buffer = buffer
        self._size = len(buffer)
        self._decoders: dict[int, NumericDecoder | StringDecoder] = {}
        self._lost_chunks: dict[int, int] = {}
        self._warn = self.index.warnings.append

    def step(self, position: int) -> int:
        header = self._header(position)
        if header is None:
            return self._resync(position)
        tag, body, end = header
        if tag not in _OF_A_STREAM:
            return end if end <= self._size else self._resync(position)
        if body + 4 > min(end, self._size):
            return self._resync(position)
        stream_id = _STREAM_ID.unpack_from(self._buffer, body)[0]
        if end > self._size:
            return self._cut_chunk(position, tag, stream_id, body + 4)
        if tag == SAMPLES:
            self._samples(stream_id, body + 4, end, position)
        elif tag == CLOCK_OFFSET:
            self._clock_offset(stream_id, body + 4, end, position)
        elif tag == STREAM_HEADER:
            self._stream_header(stream_id, body + 4, end)
        return end

    def finish(self) -> None:
        for stream_id, n_chunks in self._lost_chunks.items():
            self._warn(f"{n_chunks} chunks of stream {stream_id}, whose header cannot be read, were left out")

    def _header(self, position: int) -> tuple[int, int, int] | None:
        """(tag, where the content begins, where the chunk ends), None when no chunk is here."""
        n_bytes = self._buffer[position]
        header = _HEADERS.get(n_bytes)
        if header is None or position + 1 + header.size > self._size:
            return None
        length, tag = header.unpack_from(self._buffer, position + 1)
        end = position + 1 + n_bytes + length
        if length < 2 or not FILE_HEADER <= tag <= STREAM_FOOTER:
            return self._unknown_chunk(tag, position + 1 + header.size, end)
        return tag, position + 1 + header.size, end

    def _unknown_chunk(self, tag: int, body: int, end: int) -> tuple[int, int, int] | None:
        """The specification says to skip tags one does not know; but most of them are damage."""
        follows = end == self._size or (body <= end < self._size and self._buffer[end] in _HEADERS)
        return (tag, body, end) if follows else None

    def _resync(self, position: int) -> int:
        found = self._buffer.find(BOUNDARY_UUID, position)
        if found < 0:
            self._warn(
                f"the file ends in a damaged or cut chunk: {self._size - position} bytes at its end lost"
            )
            return self._size
        self._warn(f"damaged at byte {position}: {found - position} bytes up to the next boundary chunk lost")
        return found + len(BOUNDARY_UUID)

    def _cut_chunk(self, position: int, tag: int, stream_id: int, start: int) -> int:
        """A chunk that says it is longer than the file: keep its whole samples, if nothing follows."""
        entry = self.index.streams.get(stream_id)
        if tag != SAMPLES or entry is None or self._buffer.find(BOUNDARY_UUID, position) >= 0:
            return self._resync(position)
        self._samples(stream_id, start, self._size, position, is_cut=True)
        return self._size

    def _samples(self, stream_id: int, start: int, end: int, position: int, is_cut: bool = False) -> None:
        entry = self.index.streams.get(stream_id)
        if entry is None:
            self._lost_chunks[stream_id] = self._lost_chunks.get(stream_id, 0) + 1
            return
        said = read_varlen(self._buffer, start, end)
        n_said, begin = said if said is not None else (0, end)
        n, end = self._decoders[stream_id].measure(self._buffer, begin, end, n_said, is_cut)
        if n < n_said or said is None:
            entry.n_salvaged += n
            what = "the file is cut off in" if is_cut else "damage in"
            self._warn(
                f"{what} a chunk of {entry.info.name!r} at byte {position}: {n} whole samples kept of it"
            )
        if n > 0:
            entry.chunks.append(len(self.index.starts))
            entry.n_samples += n
            self.index.append(SAMPLES, stream_id, begin, end, n)

    def _clock_offset(self, stream_id: int, start: int, end: int, position: int) -> None:
        entry = self.index.streams.get(stream_id)
        if entry is None:
            return
        if end - start < _OFFSET.size:
            self._warn(f"damaged clock offset of {entry.info.name!r} at byte {position} left out")
            return
        remote_s, offset_s = _OFFSET.unpack_from(self._buffer, start)
        if not (math.isfinite(remote_s) and math.isfinite(offset_s)):
            self._warn(
                f"clock offset of {entry.info.name!r} at byte {position} is no finite number, left out"
            )
            return
        entry.offset_remote_s.append(remote_s)
        entry.offset_s.append(offset_s)
        self.index.append(CLOCK_OFFSET, stream_id, start, end, 0)

    def _stream_header(self, stream_id: int, start: int, end: int) -> None:
        if stream_id in self.index.streams:
            self._warn(f"stream {stream_id} has a second header, the first one counts")
            return
        try:
            # One byte more than may be is enough for the parser to refuse it.
            info = parse_stream_info(self._buffer[start : min(end, start + (1 << 20))], str(stream_id))
        except StreamFormatError as error:
            self._warn(f"stream {stream_id} is left out: {error}")
            return
        entry = StreamEntry(info)
        self.index.streams[stream_id] = entry
        self._decoders[stream_id] = entry.decoder()
