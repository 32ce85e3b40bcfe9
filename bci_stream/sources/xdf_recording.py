"""An XDF file as a recording: its streams, what they hold, and their samples in file order.

The file is mapped into memory and decoded chunk by chunk, so memory does not grow with its length.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import RecordingError, StreamFormatError, StreamNotFoundError
from bci_stream.messages import ClockOffset, StreamInfo, TimeArray
from bci_stream.sources.mapped_file import PageRelease, map_file
from bci_stream.sources.xdf_format import SAMPLES, StreamEntry, read_clock_offset
from bci_stream.sources.xdf_samples import MAX_TEXT_BYTES, StringDecoder, Strings
from bci_stream.sources.xdf_scan import index_chunks

_RATE_SAMPLES = 65536  # enough to measure a rate, and bounded


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What a recording holds of one stream.

    ``n_salvaged``: of ``n_samples``, those kept from cut or damaged chunks. ``first_stamp`` and
    ``last_stamp`` are on the stream's own clock, ``duration_s`` on the local one (s); NaN where there
    are no samples. ``effective_sfreq``: samples over duration (Hz), NaN with fewer than two.
    """

    n_samples: int
    n_salvaged: int
    first_stamp: float
    last_stamp: float
    duration_s: float
    effective_sfreq: float
    n_clock_offsets: int


@dataclass(frozen=True, slots=True, eq=False)
class SampleBlock:
    """Consecutive samples of one stream as recorded.

    ``timestamps``: (m,). ``values``: (m, n_channels) in the stream's format, or m tuples of strings.
    ``position``: where in the file (bytes) its chunk ends, for a progress bar.
    """

    key: str
    timestamps: TimeArray
    values: NDArray[Any] | Strings
    position: int


class XdfRecording:
    """An open XDF file; use :meth:`open`, and close it or use it as a context manager."""

    def __init__(self, path: str, mapped: mmap.mmap) -> None:
        self.path = path
        self.n_bytes = len(mapped)
        self._mapped = mapped
        self._index = index_chunks(mapped, PageRelease(mapped))
        self._entries = {entry.info.key: entry for entry in self._index.streams.values()}
        self._summaries: dict[str, StreamSummary] = {}

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """Map a file and find its chunks.

        Raises:
            RecordingError: missing, a folder, empty, compressed, not XDF, or without a readable stream.
        """
        name = fspath(path)
        mapped = map_file(name)
        try:
            recording = cls(name, mapped)
            if not recording._entries:
                reason = "; ".join(recording.warnings[:1]) or "it ends after its header"
                raise RecordingError(f"it has no readable stream ({reason})")
        except RecordingError as error:
            mapped.close()
            raise RecordingError(f"cannot read recording {name}: {error}") from error
        return recording

    def close(self) -> None:
        """Let the file go; nothing can be read from it afterwards."""
        self._mapped.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """The header of every readable stream, in the file's order."""
        return tuple(entry.info for entry in self._entries.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each thing that is damaged, cut off or left out."""
        return self._index.notes.lines()

    @property
    def complete(self) -> bool:
        """Whether its recorder closed it: the file has footers."""
        return self._index.has_end

    def summary(self, key: str) -> StreamSummary:
        """What the recording holds of one stream; decodes its ends only.

        Raises:
            StreamNotFoundError: no such stream.
        """
        if key not in self._summaries:
            self._summaries[key] = self._summarise(key)
        return self._summaries[key]

    def _summarise(self, key: str) -> StreamSummary:
        entry = self._entry(key)
        first, last = self._first_stamp(entry), self._last_stamp(entry)
        duration_s = self.local_time(key, last) - self.local_time(key, first)
        return StreamSummary(
            n_samples=entry.n_samples,
            n_salvaged=entry.n_salvaged,
            first_stamp=first,
            last_stamp=last,
            duration_s=duration_s,
            effective_sfreq=(entry.n_samples - 1) / duration_s if duration_s > 0 else float("nan"),
            n_clock_offsets=len(entry.offset_s),
        )

    def clock_offsets(self, key: str) -> tuple[TimeArray, TimeArray]:
        """Remote times and offsets (s) of a stream, in file order, as two (n,) arrays."""
        entry = self._entry(key)
        return np.array(entry.offset_remote_s), np.array(entry.offset_s)

    def local_time(self, key: str, stamp: float) -> float:
        """A stamp on the local clock by the offset measured nearest to it: good to about a millisecond."""
        remote_s, offset_s = self.clock_offsets(key)
        if not len(remote_s):
            return stamp
        with np.errstate(all="ignore"):  # a damaged stamp or offset may be any number
            return stamp + float(offset_s[np.argmin(np.abs(remote_s - stamp))])

    def samples_come_first(self, key: str) -> bool:
        """Whether a stream's first samples stand in the file before its first clock offset."""
        entry = self._entry(key)
        n_before = entry.chunks[0] if entry.chunks else len(self._index.tags)
        stream_ids, tags = self._index.stream_ids[:n_before], self._index.tags[:n_before]
        return not any(of == int(key) and tag != SAMPLES for of, tag in zip(stream_ids, tags, strict=True))

    def stamp_beside(self, key: str, other: str) -> float:
        """First stamp of the chunk of ``key`` that was written next before the first chunk of ``other``."""
        entry, until = self._entry(key), self._entry(other).chunks[0]
        number = max(0, int(np.searchsorted(np.array(entry.chunks), until)) - 1)
        n_in_chunk = self._index.counts[entry.chunks[number]]
        anchor = self._stamped_chunk(entry, number)
        stamps = np.concatenate([np.empty(0), *self._stamps(entry, anchor, number + 1)])
        return float(stamps[max(0, len(stamps) - n_in_chunk)]) if len(stamps) else float("nan")

    def measure_sfreq(self, key: str) -> float:
        """A stream's rate (Hz) from its stamps: a median, so that bursts and gaps do not bend it.

        Raises:
            StreamNotFoundError: no such stream.
            StreamFormatError: too few samples, or stamps that do not advance.
        """
        entry = self._entry(key)
        stamps = self._leading_stamps(entry, _RATE_SAMPLES)
        stamps = stamps[np.isfinite(stamps)]
        lag = max(1, min(len(stamps) // 4, 1024))
        step_s = float(np.median(stamps[lag:] - stamps[:-lag])) / lag if len(stamps) > lag else 0.0
        if not step_s > 0:
            raise StreamFormatError(
                f"stream {entry.info.name!r}: "
                f"no rate can be measured from {len(stamps)} stamps: name its rate"
            )
        return 1.0 / step_s

    def blocks(self, max_samples: Mapping[str, int]) -> Iterator[SampleBlock | ClockOffset]:
        """Samples and clock offsets of some streams in the order in which the file has them.

        Args:
            max_samples: the streams' keys, with the most samples a block of each may have.
        """
        limits = {int(key): limit for key, limit in max_samples.items() if self._entry(key)}
        decoders = {stream_id: self._index.streams[stream_id].decoder() for stream_id in limits}
        index, pages = self._index, PageRelease(self._mapped)
        chunks = zip(index.tags, index.stream_ids, index.starts, index.ends, index.counts, strict=True)
        for tag, stream_id, start, end, n in chunks:
            if stream_id not in limits:
                continue
            if tag != SAMPLES:
                yield ClockOffset(str(stream_id), *read_clock_offset(self._mapped, start))
                continue
            n_read = 0
            for stamps, values in decoders[stream_id].blocks(self._mapped, start, end, n, limits[stream_id]):
                n_read += len(stamps)
                yield SampleBlock(str(stream_id), stamps, values, end)
            if n_read < n:
                self._warn_of_loss(stream_id, start, n - n_read)
            pages.passed(end)
        for stream_id, decoder in decoders.items():
            if isinstance(decoder, StringDecoder) and decoder.n_cut:
                name = self._index.streams[stream_id].info.name
                self._index.notes.add(
                    f"{decoder.n_cut} texts of {name!r} cut: each is over {MAX_TEXT_BYTES >> 20} MB"
                )

    def _warn_of_loss(self, stream_id: int, start: int, n_lost: int) -> None:
        """Flags can be damaged where a chunk's length is sound: that shows only when it is decoded."""
        name = self._index.streams[stream_id].info.name
        self._index.notes.add(f"damage in a chunk of {name!r} at byte {start}: {n_lost} samples of it lost")

    def _entry(self, key: str) -> StreamEntry:
        try:
            return self._entries[key]
        except KeyError:
            raise StreamNotFoundError(
                f"recording {self.path} has no stream with key {key!r}; it has {', '.join(self._entries)}"
            ) from None

    def _extent(self, chunk: int) -> tuple[mmap.mmap, int, int, int]:
        return self._mapped, self._index.starts[chunk], self._index.ends[chunk], self._index.counts[chunk]

    def _stamped_chunk(self, entry: StreamEntry, number: int) -> int:
        """The last chunk up to ``number`` whose first sample has a stamp of its own; 0 if none has."""
        while number > 0 and self._mapped[self._index.starts[entry.chunks[number]]] == 0:
            number -= 1
        return number

    def _stamps(self, entry: StreamEntry, begin: int, end: int) -> Iterator[TimeArray]:
        """Stamps of a stream's chunks ``begin`` to ``end``, in blocks."""
        decoder = entry.decoder()
        for chunk in entry.chunks[begin:end]:
            for stamps, _ in decoder.blocks(*self._extent(chunk), max_samples=4096):
                yield stamps

    def _first_stamp(self, entry: StreamEntry) -> float:
        """The first finite stamp, NaN when there is none."""
        for stamps in self._stamps(entry, 0, len(entry.chunks)):
            if (finite := stamps[np.isfinite(stamps)]).size:
                return float(finite[0])
        return float("nan")

    def _last_stamp(self, entry: StreamEntry) -> float:
        """The last finite stamp, NaN when there is none."""
        end, last = len(entry.chunks), float("nan")
        while end > 0 and np.isnan(last):
            begin, decoder = self._stamped_chunk(entry, end - 1), entry.decoder()
            for chunk in entry.chunks[begin : end - 1]:
                decoder.skip(*self._extent(chunk))
            for stamps, _ in decoder.blocks(*self._extent(entry.chunks[end - 1]), max_samples=4096):
                if (finite := stamps[np.isfinite(stamps)]).size:
                    last = float(finite[-1])
            end = begin if begin < end - 1 else end - 1
        return last

    def _leading_stamps(self, entry: StreamEntry, n_wanted: int) -> TimeArray:
        parts, n = [np.empty(0)], 0
        for stamps in self._stamps(entry, 0, len(entry.chunks)):
            parts.append(stamps)
            n += len(stamps)
            if n >= n_wanted:
                break
        return np.concatenate(parts)
