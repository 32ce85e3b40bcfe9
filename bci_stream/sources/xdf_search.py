"""Finds where the chunks of an XDF file go on behind a damaged place.

A chunk of a known stream can be told by its tag and stream id, one that introduces a stream by its XML; and
both by a header that fits around them, and by another chunk, or the file's end, where they end. Failing
that, the file goes on behind a boundary chunk, which is what those are for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bci_stream.sources.xdf_format import (
    BOUNDARY_UUID,
    CLOCK_OFFSET,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    STREAM_ID,
    read_header,
)
from bci_stream.sources.xdf_samples import Buffer

_TAGS = bytes((STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER))
_HEADER_TAG = bytes((STREAM_HEADER, 0))
_N_LENGTH_BYTES = (1, 4, 8)


class ChunkSearch:
    """Looks through one file; what was looked through once is not looked through again."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._size = len(buffer)
        self._known: frozenset[int] = frozenset()
        self._pattern = _pattern(self._known)
        self._answer = (0, -1)  # from where, and what was found: it holds for all in between

    def know(self, stream_ids: Iterable[int]) -> None:
        """These are streams of the file."""
        known = frozenset(stream_ids)
        if known != self._known:
            self._known, self._pattern = known, _pattern(known)
            self._answer = (0, -1)

    def next_chunk(self, position: int) -> int:
        """Where the first sound chunk at or behind ``position`` begins; the file's size if none does."""
        begin, found = self._answer
        if not begin <= position <= found:
            found = next(self._candidates(position), self._size)
            self._answer = (position, found)
        return found

    def _candidates(self, position: int) -> Iterator[int]:
        for match in self._pattern.finditer(self._buffer, position):
            if match.lastgroup == "boundary":
                begin = self._begin_of(match.start() - 2, position)
                yield match.end() if begin is None else begin
                continue
            if match.lastgroup == "header" or self._id_at(match.start() + 2) in self._known:
                begin = self._begin_of(match.start(), position)
                if begin is not None:
                    yield begin

    def _id_at(self, position: int) -> int:
        return int(STREAM_ID.unpack_from(self._buffer, position)[0])

    def _begin_of(self, tag_at: int, position: int) -> int | None:
        """Where the chunk with this tag begins, when a whole chunk is there and another one follows."""
        for n_bytes in _N_LENGTH_BYTES:
            begin = tag_at - n_bytes - 1
            if begin < position or self._buffer[begin] != n_bytes:
                continue
            header = read_header(self._buffer, begin)
            if header is not None and self._goes_on(header[2]):
                return begin
        return None

    def _goes_on(self, end: int) -> bool:
        return end == self._size or (end < self._size and read_header(self._buffer, end) is not None)


def _pattern(stream_ids: frozenset[int]) -> re.Pattern[bytes]:
    """A boundary, or a tag and then a stream id: byte by byte, so that it takes as long with many streams."""
    boundary = b"(?P<boundary>" + re.escape(BOUNDARY_UUID) + b")"
    header = b"(?P<header>" + re.escape(_HEADER_TAG) + rb".{4}\s*<(?:\?xml|info))"
    if not stream_ids:
        return re.compile(boundary + b"|" + header, re.DOTALL)
    columns = zip(*(STREAM_ID.pack(stream_id) for stream_id in stream_ids), strict=True)
    of_id = b"".join(b"[" + b"".join(re.escape(bytes((b,))) for b in sorted(set(c))) + b"]" for c in columns)
    return re.compile(boundary + b"|" + header + b"|[" + _TAGS + rb"]\x00" + of_id, re.DOTALL)
