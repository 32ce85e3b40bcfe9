"""Finishes recordings whose program was killed: cut behind the last whole chunk, footers added.

No sample is decoded anew and none is moved; what a reader would have found before is what it finds after.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError, fromstring

import numpy as np

from bci_stream.errors import RecordingError
from bci_stream.sinks import xdf_chunks as xdf
from bci_stream.sinks.xdf_file import NOTE_SUFFIX, ChunkFile, note_of

_LENGTHS = {1: "<B", 4: "<I", 8: "<Q"}


@dataclass(slots=True)
class Tally:
    """What a footer says of a stream: counted as it is written, or found again in a file."""

    n_samples: int = 0
    first_s: float = float("nan")
    last_s: float = float("nan")
    offsets: list[tuple[float, float]] = field(default_factory=list)

    def add(self, n: int, first_s: float, last_s: float) -> None:
        """Another chunk of ``n`` samples."""
        if self.n_samples == 0:
            self.first_s = first_s
        self.n_samples += n
        self.last_s = last_s

    def footer(self, stream_id: int) -> bytes:
        """Its StreamFooter chunk."""
        return xdf.stream_footer(stream_id, self.first_s, self.last_s, self.n_samples, self.offsets)


@dataclass(frozen=True, slots=True)
class Finished:
    """A recording that was finished: what is in it, and how many bytes of a cut chunk were taken off."""

    path: Path
    n_samples: dict[str, int]
    n_cut_bytes: int


def finish_all(folder: Path) -> tuple[list[Finished], list[str]]:
    """Finish every recording below ``folder`` whose writer is gone.

    Returns what was finished, and one line for each that could not be. A recording in use is left alone.
    """
    finished: list[Finished] = []
    problems: list[str] = []
    for note in sorted(folder.rglob(f"*{NOTE_SUFFIX}")):
        path = note.with_name(note.name.removesuffix(NOTE_SUFFIX))
        try:
            if not path.exists():
                note.unlink(missing_ok=True)
                continue
            finished.append(finish(path))
        except BlockingIOError:
            continue  # somebody records into it
        except (OSError, RecordingError) as error:
            problems.append(f"unfinished recording {path} stays as it is: {error}")
    return finished, problems


def finish(path: Path) -> Finished:
    """Cut one recording behind its last whole chunk and add the footers it lacks.

    Raises:
        RecordingError: no XDF file.
        OSError: it cannot be written; BlockingIOError: somebody records into it.
    """
    n_before = path.stat().st_size
    end, names, tallies, footed = _survey(path)
    file = ChunkFile.reopen(path, end)
    complete = False
    try:
        for stream_id, tally in tallies.items():
            if stream_id not in footed:
                file.write(tally.footer(stream_id))
        file.sync()
        complete = True
    finally:
        file.close(finished=complete)
    counts = {names[stream_id]: tally.n_samples for stream_id, tally in tallies.items()}
    return Finished(path, counts, n_before - end)


def is_unfinished(path: Path) -> bool:
    """Whether a note lies beside it."""
    return note_of(path).exists()


def _survey(path: Path) -> tuple[int, dict[int, str], dict[int, Tally], set[int]]:
    """(where the last whole chunk ends, names, tallies, streams with a footer)."""
    with open(path, "rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise RecordingError(f"{path} is empty") from error
    with mapped:
        if mapped[:4] != xdf.MAGIC:
            raise RecordingError(f"{path} is no XDF file")
        walk = _Walk(mapped)
        while walk.step():
            pass
        return walk.end, walk.names, walk.tallies, walk.footed


class _Walk:
    """From chunk to chunk through a file that our own writer made."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        self.end = len(xdf.MAGIC)
        self.names: dict[int, str] = {}
        self.tallies: dict[int, Tally] = {}
        self.footed: set[int] = set()
        self._strides: dict[int, int | None] = {}

    def step(self) -> bool:
        """Take the next whole chunk; False when there is none."""
        found = self._header()
        if found is None:
            return False
        tag, body, end = found
        self._take(tag, body, end)
        self.end = end
        return True

    def _header(self) -> tuple[int, int, int] | None:
        at, size = self.end, len(self._mapped)
        if at >= size or (form := _LENGTHS.get(self._mapped[at])) is None:
            return None
        begin = at + 1 + struct.calcsize(form)
        if begin + 2 > size:
            return None
        length, tag = struct.unpack_from(form + "H", self._mapped, at + 1)
        known = xdf.FILE_HEADER <= tag <= xdf.STREAM_FOOTER
        return (tag, begin + 2, begin + length) if known and length >= 2 and begin + length <= size else None

    def _take(self, tag: int, body: int, end: int) -> None:
        if tag in (xdf.FILE_HEADER, xdf.BOUNDARY):
            return
        stream_id = struct.unpack_from("<I", self._mapped, body)[0]
        content = body + 4
        if tag == xdf.STREAM_HEADER:
            self._add_stream(stream_id, self._mapped[content:end])
        elif stream_id not in self.tallies:
            return
        elif tag == xdf.SAMPLES:
            self._count(stream_id, content, end)
        elif tag == xdf.CLOCK_OFFSET:
            self.tallies[stream_id].offsets.append(struct.unpack_from("<dd", self._mapped, content))
        elif tag == xdf.STREAM_FOOTER:
            self.footed.add(stream_id)

    def _add_stream(self, stream_id: int, xml: bytes) -> None:
        try:
            info = fromstring(xml.decode("utf-8", "replace"))
            dtype = xdf.FORMATS[info.findtext("channel_format") or ""]
            n_channels = int(info.findtext("channel_count") or "")
        except (ParseError, KeyError, ValueError):
            return  # its samples stay in the file, only its footer is left out
        self.names[stream_id] = info.findtext("name") or str(stream_id)
        self.tallies[stream_id] = Tally()
        self._strides[stream_id] = None if dtype is None else 9 + n_channels * np.dtype(dtype).itemsize

    def _count(self, stream_id: int, content: int, end: int) -> None:
        """Our chunks have a count of four bytes, and a stamp with every sample."""
        n = struct.unpack_from("<I", self._mapped, content + 1)[0]
        first = content + 5
        stride = self._strides[stream_id]
        last = first + (n - 1) * stride if stride is not None else self._last_text(first, n, end)
        if n:
            stamps = (struct.unpack_from("<d", self._mapped, at + 1)[0] for at in (first, last))
            self.tallies[stream_id].add(n, *stamps)

    def _last_text(self, at: int, n: int, end: int) -> int:
        """Where the last of ``n`` samples of one string begins."""
        for _ in range(n - 1):
            form = _LENGTHS[self._mapped[at + 9]]
            at += 10 + struct.calcsize(form) + struct.unpack_from(form, self._mapped, at + 10)[0]
        return min(at, end - 9)
