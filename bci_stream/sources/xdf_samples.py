"""The inside of an XDF Samples chunk: stamps and values, decoded in blocks of bounded size.

A sample is a flag byte, the stamp (8 bytes) where the flag is 8, and the values. A sample without a
stamp follows the one before at the nominal interval. How many samples carry a stamp follows from the
chunk's length; where all, none or only the first do, every row lies at a constant stride and a
strided view decodes the chunk at once. Otherwise the flags are walked.

Nothing is allocated that the chunk's own bytes do not pay for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import TimeArray

MAX_TEXT_BYTES = 1 << 22  #: more of one text is not read

Buffer = bytes | mmap
Strings = list[tuple[str, ...]]

_STAMP = struct.Struct("<d")
_STAMPED = 8
_COUNT_BYTES = 1 << 22
_BLOCK_BYTES = 1 << 23  # of a file for one block of samples at most, however many are asked for
_TEXT_BYTES = 1 << 18  # and of texts, which take several times as much in memory


def read_varlen(buffer: Buffer, position: int, end: int) -> tuple[int, int] | None:
    """XDF's variable-length integer at ``position``: (value, position after it), None if it is not one."""
    if position >= end:
        return None
    n_bytes = buffer[position]
    after = position + 1 + n_bytes
    if n_bytes not in (1, 4, 8) or after > end:
        return None
    return int.from_bytes(buffer[position + 1 : after], "little"), after


class NumericDecoder:
    """Samples of one numeric stream. State: the last stamp, from which omitted ones follow.

    Args:
        n_channels: values a sample.
        dtype: of one value, little endian.
        interval_s: between samples where the stamp is omitted; 0 for an irregular stream.
    """

    def __init__(self, n_channels: int, dtype: str, interval_s: float) -> None:
        self._dtype = np.dtype(dtype)
        self._n_channels = n_channels
        self._row = n_channels * self._dtype.itemsize
        self._interval_s = interval_s
        self.last_stamp = 0.0

    def measure(self, buffer: Buffer, start: int, end: int, n_said: int, is_cut: bool) -> tuple[int, int]:
        """How many whole samples are in bytes ``start`` to ``end``, and where they end.

        ``n_said`` is what the chunk says; it holds unless the samples do not fill the chunk then, but
        do with another number. Only a chunk that is not cut can be told by its length alone.
        """
        if not is_cut and self._n_stamped(end - start, n_said) is not None:
            return n_said, end
        n, behind = self._count(buffer, start, end, n_said)
        if n == n_said and behind < end and not is_cut:
            n_more, last = self._count(buffer, behind, end, end - behind)
            return (n + n_more, end) if last == end else (n, behind)
        return n, behind

    def _count(self, buffer: Buffer, start: int, end: int, n: int) -> tuple[int, int]:
        """Walk over up to ``n`` samples: how many are whole, and where they end."""
        before, n_found, at_once = self.last_stamp, 0, 1 + _COUNT_BYTES // (9 + self._row)
        for n_whole, n_bytes, _, _ in self._walk(buffer, start, end, n, at_once):
            n_found += n_whole
            start += n_bytes
        self.last_stamp = before
        return n_found, start

    def blocks(
        self, buffer: Buffer, start: int, end: int, n: int, max_samples: int
    ) -> Iterator[tuple[TimeArray, NDArray[Any]]]:
        """Stamps (m,) and values (m, n_channels), copies, at most ``max_samples`` a time and 8 MB."""
        max_samples = min(max_samples, 1 + _BLOCK_BYTES // (9 + self._row))
        n_stamped = self._n_stamped(end - start, n)
        if n_stamped == n:
            yield from self._stamped(buffer, start, n, max_samples)
        elif n_stamped == 0 or (n_stamped == 1 and buffer[start] == _STAMPED):
            yield from self._unstamped(buffer, start, n, max_samples, bool(n_stamped))
        else:
            yield from self._mixed(buffer, start, end, n, max_samples)

    def skip(self, buffer: Buffer, start: int, end: int, n: int) -> None:
        """Leave a chunk out, but for what its stamps mean for those of the next."""
        n_stamped = self._n_stamped(end - start, n)
        if n_stamped == n:
            self.last_stamp = _STAMP.unpack_from(buffer, end - self._row - 8)[0]
        elif n_stamped == 0:
            self.last_stamp += n * self._interval_s
        else:
            for _ in self.blocks(buffer, start, end, n, n):
                pass

    def _n_stamped(self, n_bytes: int, n: int) -> int | None:
        """How many of ``n`` samples carry a stamp, None when ``n`` samples cannot fill ``n_bytes``."""
        n_stamped, rest = divmod(n_bytes - n * (1 + self._row), 8)
        return n_stamped if rest == 0 and 0 <= n_stamped <= n else None

    def _rows(self, buffer: Buffer, offset: int, stride: int, n: int) -> NDArray[Any]:
        view = np.ndarray((n,), dtype=f"V{self._row}", buffer=buffer, offset=offset, strides=(stride,))
        return self._values(view.copy())

    def _values(self, rows: NDArray[Any]) -> NDArray[Any]:
        return rows.view(self._dtype).reshape(-1, self._n_channels)

    def _stamped(
        self, buffer: Buffer, start: int, n: int, max_samples: int
    ) -> Iterator[tuple[TimeArray, NDArray[Any]]]:
        stride = 9 + self._row
        for first in range(0, n, max_samples):
            m, offset = min(max_samples, n - first), start + first * stride
            stamps = np.ndarray((m,), "<f8", buffer, offset + 1, (stride,)).copy()
            self.last_stamp = float(stamps[-1])
            flags = np.ndarray((m,), np.uint8, buffer, offset, (stride,))
            yield from _sound(flags == _STAMPED, stamps, self._rows(buffer, offset + 9, stride, m))

    def _unstamped(
        self, buffer: Buffer, start: int, n: int, max_samples: int, first_is_stamped: bool
    ) -> Iterator[tuple[TimeArray, NDArray[Any]]]:
        stride, values = 1 + self._row, start + (9 if first_is_stamped else 1)
        for first in range(0, n, max_samples):
            m = min(max_samples, n - first)
            if first_is_stamped and first == 0:
                stamps = self._deduced(_STAMP.unpack_from(buffer, start + 1)[0], m)
            else:
                stamps = self._deduced(self.last_stamp + self._interval_s, m)
            # The byte before a sample's values is the flag, or the end of the first one's stamp.
            flags = np.ndarray((m,), np.uint8, buffer, values + first * stride - 1, (stride,)) == 0
            flags[0] |= first_is_stamped and first == 0
            yield from _sound(flags, stamps, self._rows(buffer, values + first * stride, stride, m))

    def _deduced(self, first_stamp: float, n: int) -> TimeArray:
        """One interval added after another, as every reader of XDF does, so that the bits agree."""
        if n == 1:  # some recorders write every sample as a chunk
            self.last_stamp = first_stamp
            return np.array([first_stamp])
        stamps = np.full(n, self._interval_s)
        stamps[0] = first_stamp
        np.cumsum(stamps, out=stamps)
        self.last_stamp = float(stamps[-1])
        return stamps

    def _mixed(
        self, buffer: Buffer, start: int, end: int, n: int, max_samples: int
    ) -> Iterator[tuple[TimeArray, NDArray[Any]]]:
        for n_whole, _, stamps, rows in self._walk(buffer, start, end, n, max_samples):
            yield stamps[:n_whole], self._values(rows[:n_whole])

    def _walk(
        self, buffer: Buffer, start: int, end: int, n: int, max_samples: int
    ) -> Iterator[tuple[int, int, TimeArray, NDArray[np.uint8]]]:
        """Flag by flag up to the first sample that is not whole: (samples, bytes, stamps, values) a block."""
        from bci_stream.sources.kernels import walk_samples

        while n > 0:
            content = np.frombuffer(buffer[start : min(end, start + max_samples * (9 + self._row))], np.uint8)
            n_most = min(n, max_samples, len(content) // (1 + self._row))
            stamps, rows = np.empty(n_most), np.empty((n_most, self._row), dtype=np.uint8)
            n_whole, n_bytes = walk_samples(
                content, n_most, self._row, self._interval_s, self.last_stamp, stamps, rows
            )
            if n_whole == 0:
                return
            self.last_stamp = float(stamps[n_whole - 1])
            yield n_whole, n_bytes, stamps, rows
            start += n_bytes
            n -= n_whole


def _sound(
    good: NDArray[np.bool_], stamps: TimeArray, values: NDArray[Any]
) -> Iterator[tuple[TimeArray, NDArray[Any]]]:
    """The samples whose flag is what it must be; the others are known to be damaged."""
    if good.all():
        yield stamps, values
    elif good.any():
        yield stamps[good], values[good]


class StringDecoder:
    """Samples of one string stream, one by one. State: the last stamp; ``n_cut``: texts that were cut."""

    def __init__(self, n_channels: int, interval_s: float) -> None:
        self._n_channels = n_channels
        self._interval_s = interval_s
        self.last_stamp = 0.0
        self.n_cut = 0

    def measure(self, buffer: Buffer, start: int, end: int, n_said: int, is_cut: bool) -> tuple[int, int]:
        """How many whole samples of the ``n_said`` are in bytes ``start`` to ``end``, and where they end."""
        before, n = self.last_stamp, 0
        for _, _, position in self._samples(buffer, start, end, n_said):
            n += 1
            start = position
        self.last_stamp = before
        return n, start

    def blocks(
        self, buffer: Buffer, start: int, end: int, n: int, max_samples: int
    ) -> Iterator[tuple[TimeArray, Strings]]:
        """Stamps (m,) and m tuples of strings, at most ``max_samples`` and about 256 kB a time.

        Fewer than ``n`` if the chunk is damaged.
        """
        stamps: list[float] = []
        values: Strings = []
        for stamp, spans, position in self._samples(buffer, start, end, n):
            stamps.append(stamp)
            values.append(tuple([self._text(buffer, span) for span in spans]))
            if len(stamps) == max_samples or position - start > _TEXT_BYTES:
                yield np.array(stamps), values
                stamps, values, start = [], [], position
        if stamps:
            yield np.array(stamps), values

    def skip(self, buffer: Buffer, start: int, end: int, n: int) -> None:
        """Leave a chunk out, but for what its stamps mean for those of the next."""
        for _ in self._samples(buffer, start, end, n):
            pass

    def _samples(
        self, buffer: Buffer, start: int, end: int, n: int
    ) -> Iterator[tuple[float, list[tuple[int, int]], int]]:
        """Up to ``n`` (stamp, where its texts are, position behind), up to the first that is not whole."""
        position = start
        for _ in range(n):
            if position >= end or (flag := buffer[position]) not in (0, _STAMPED):
                return
            values = position + 1 + flag
            if values > end or (read := self._spans(buffer, values, end)) is None:
                return
            stamp = (
                _STAMP.unpack_from(buffer, position + 1)[0] if flag else self.last_stamp + self._interval_s
            )
            self.last_stamp = stamp
            spans, position = read
            yield stamp, spans, position

    def _spans(self, buffer: Buffer, position: int, end: int) -> tuple[list[tuple[int, int]], int] | None:
        spans = []
        for _ in range(self._n_channels):
            if end - position > 1 and buffer[position] == 1:  # nearly every text is this short
                begin, position = position + 2, position + 2 + buffer[position + 1]
            else:
                length = read_varlen(buffer, position, end)
                if length is None:
                    return None
                begin, position = length[1], length[1] + length[0]
            if position > end:
                return None
            spans.append((begin, position))
        return spans, position

    def _text(self, buffer: Buffer, span: tuple[int, int]) -> str:
        begin, end = span
        if end - begin > MAX_TEXT_BYTES:
            self.n_cut += 1
            end = begin + MAX_TEXT_BYTES
        return buffer[begin:end].decode("utf-8", "replace")
