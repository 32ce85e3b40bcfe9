"""The pass over an XDF file that makes its index: where every chunk is, and what is damaged.

Nothing is decoded in it but stream headers and clock offsets. A chunk counts as sound when another one
begins where it says that it ends. Where that is not so, the pass finds out where the next sound chunk
begins, keeps what is whole before it, goes on there, and says what was lost; a damaged stream header
costs that stream and no other.
"""

from __future__ import annotations

import math

from bci_stream.errors import RecordingError, StreamFormatError
from bci_stream.sources.mapped_file import PageRelease
from bci_stream.sources.metadata import parse_stream_info
from bci_stream.sources.xdf_format import (
    CLOCK_OFFSET,
    CLOCK_PAIR,
    MAGIC,
    MAX_STREAMS,
    OF_A_STREAM,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    STREAM_ID,
    Header,
    StreamEntry,
    XdfIndex,
    read_header,
)
from bci_stream.sources.xdf_samples import Buffer, NumericDecoder, StringDecoder, read_varlen
from bci_stream.sources.xdf_search import ChunkSearch

_OTHERS = -1  # chunks of more streams without a header than are counted one by one


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
    """``step`` reads the chunk at a position and says where the next one is."""

    def __init__(self, buffer: Buffer) -> None:
        self.index = XdfIndex()
        self._buffer = buffer
        self._size = len(buffer)
        self._decoders: dict[int, NumericDecoder | StringDecoder] = {}
        self._lost_chunks: dict[int, int] = {}
        self._n_refused = 0
        self._search = ChunkSearch(buffer)
        self._ahead: tuple[int, Header | None] = (-1, None)
        self._note = self.index.notes.add

    def step(self, position: int) -> int:
        header = self._header(position)
        if header is None:
            return self._resync(position)
        tag, body, end = header
        if tag in OF_A_STREAM:
            if body + STREAM_ID.size > min(end, self._size):
                return self._resync(position)
            stream_id = STREAM_ID.unpack_from(self._buffer, body)[0]
            return self._of_a_stream(position, tag, stream_id, body + STREAM_ID.size, end)
        return end if self._followed(end) else self._next(position, body, end)

    def finish(self) -> None:
        """Say what can be said only at the end."""
        for stream_id, n_chunks in self._lost_chunks.items():
            which = f"stream {stream_id}" if stream_id != _OTHERS else "still other streams"
            self._note(f"{n_chunks} chunks of {which}, whose header cannot be read, were left out")
        if self._n_refused:
            self._note(f"it has more than {MAX_STREAMS} streams: {self._n_refused} more were left out")

    def _header(self, position: int) -> Header | None:
        at, header = self._ahead
        return header if at == position else read_header(self._buffer, position)

    def _followed(self, end: int) -> bool:
        """Whether a chunk may end here: another one begins, or the file ends."""
        if end >= self._size:
            return end == self._size
        header = read_header(self._buffer, end)
        self._ahead = (end, header)
        return header is not None or (self._size - end < 11 and self._buffer[end] in (1, 4, 8))

    def _next(self, position: int, body: int, end: int) -> int:
        """Where the file goes on behind a chunk that nothing follows: at its end, or before it."""
        found = self._search.next_chunk(body)
        if end <= found:  # its length may be right, and what follows be damaged
            return end
        lost = "" if found < self._size else "; the file ends in it"
        self._note(f"damaged or cut chunk at byte {position}: {found - position} bytes read around{lost}")
        return found

    def _resync(self, position: int) -> int:
        found = self._search.next_chunk(position + 1)
        if found == self._size:
            self._note(f"the file ends in a damaged or cut chunk: {found - position} bytes at its end lost")
        else:
            self._note(f"damaged at byte {position}: {found - position} bytes up to the next chunk lost")
        return found

    def _of_a_stream(self, position: int, tag: int, stream_id: int, start: int, end: int) -> int:
        is_cut = False
        if not self._followed(end):
            found = self._search.next_chunk(start)
            is_cut = end > found or (tag == SAMPLES and not self._fits(stream_id, start, end))
            end = found if is_cut else end
        if tag == SAMPLES:
            self._samples(stream_id, start, end, position, is_cut)
        elif tag == CLOCK_OFFSET:
            self._clock_offset(stream_id, start, end, position)
        elif tag == STREAM_HEADER:
            self._stream_header(stream_id, start, end)
        elif tag == STREAM_FOOTER:
            self.index.has_end = True
        return end

    def _fits(self, stream_id: int, start: int, end: int) -> bool:
        """Whether a chunk's content is as long as the chunk."""
        said = read_varlen(self._buffer, start, end)
        decoder = self._decoders.get(stream_id)
        if said is None or decoder is None:
            return said is not None
        n, behind = decoder.measure(self._buffer, said[1], end, said[0], False)
        return n == said[0] and behind == end

    def _samples(self, stream_id: int, start: int, end: int, position: int, is_cut: bool) -> None:
        entry = self.index.streams.get(stream_id)
        if entry is None:
            known = stream_id in self._lost_chunks or len(self._lost_chunks) < MAX_STREAMS
            lost_id = stream_id if known else _OTHERS
            self._lost_chunks[lost_id] = self._lost_chunks.get(lost_id, 0) + 1
            return
        said = read_varlen(self._buffer, start, end)
        n_said, begin = said if said is not None else (0, end)
        n, behind = self._decoders[stream_id].measure(self._buffer, begin, end, n_said, is_cut)
        if n != n_said or said is None or behind < end:
            entry.n_salvaged += n
            what = "the file is cut off in" if is_cut and end == self._size else "damage in"
            self._note(
                f"{what} a chunk of {entry.info.name!r} at byte {position}: {n} whole samples kept of it"
            )
        elif is_cut:
            self._note(
                f"a chunk of {entry.info.name!r} at byte {position} has a damaged length: nothing of it lost"
            )
        if n > 0:
            entry.chunks.append(len(self.index.starts))
            entry.n_samples += n
            self.index.append(SAMPLES, stream_id, begin, behind, n)

    def _clock_offset(self, stream_id: int, start: int, end: int, position: int) -> None:
        entry = self.index.streams.get(stream_id)
        if entry is None:
            return
        if end - start < CLOCK_PAIR.size:
            self._note(f"damaged clock offset of {entry.info.name!r} at byte {position} left out")
            return
        remote_s, offset_s = CLOCK_PAIR.unpack_from(self._buffer, start)
        if not (math.isfinite(remote_s) and math.isfinite(offset_s)):
            self._note(
                f"clock offset of {entry.info.name!r} at byte {position} is no finite number, left out"
            )
            return
        entry.offset_remote_s.append(remote_s)
        entry.offset_s.append(offset_s)
        self.index.append(CLOCK_OFFSET, stream_id, start, end, 0)

    def _stream_header(self, stream_id: int, start: int, end: int) -> None:
        if stream_id in self.index.streams:
            self._note(f"stream {stream_id} has a second header, the first one counts")
            return
        if len(self.index.streams) >= MAX_STREAMS:
            self._n_refused += 1
            return
        try:
            # One byte more than may be is enough for the parser to refuse it.
            info = parse_stream_info(self._buffer[start : min(end, start + (1 << 20))], str(stream_id))
        except StreamFormatError as error:
            self._note(f"stream {stream_id} is left out: {error}")
            return
        entry = StreamEntry(info)
        self.index.streams[stream_id] = entry
        self._decoders[stream_id] = entry.decoder()
        self._search.know(self.index.streams)
