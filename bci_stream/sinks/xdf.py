"""The recorder: events and predictions into an XDF file, behind a queue that holds nobody up.

One thread writes, one chunk by one write, as soon as it is handed one. So a killed program loses what is
in the queue and nothing else (the system keeps what was written), and what the engine was fed is in the
file in the order in which it was fed: raw stamps, values, and the clock offsets between them. Replaying
the file is therefore the session once more.

A slow disk fills the queue, bounded in bytes. What no longer fits is left out, counted, and said in the
file by a stream of its own. A disk that refuses ends the recording behind the last whole chunk, and
nothing but the recording.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.heartbeat import Heart
from bci_stream.messages import Chunk, ClockOffset, Event, Marker, TimeArray
from bci_stream.sinks import xdf_chunks as xdf
from bci_stream.sinks.xdf_file import ChunkFile
from bci_stream.sinks.xdf_headers import RECORDER_LOG, RecordedStream, own_stream
from bci_stream.sinks.xdf_recovery import Tally

QUEUE_BYTES: Final = 64 << 20  # a minute and a half of 64 channels at 2 kHz and 48 kHz of voice
_RESERVE_BYTES: Final = 1 << 20  # small things (markers, clock offsets) still fit when samples do not
_OVERHEAD_BYTES: Final = 200  # of an entry of the queue
_SMALL_BYTES: Final = 4096
_BOUNDARY_S: Final = 10.0
_SYNC_S: Final = 2.0  # what a power cut costs at most
_RATE_S: Final = 10.0  # over which the present rate of bytes is measured
_IDLE_S: Final = 0.5

Numbers = tuple[TimeArray, NDArray[Any]]
Texts = tuple[list[float], list[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """How a recording stands.

    ``left_s``: how long the free space will do at the present rate, infinite when nothing comes.
    ``n_dropped``: samples that the queue had no room for, by stream. ``error``: one line, None while well.
    """

    path: Path
    n_bytes: int
    duration_s: float
    n_free_bytes: int
    left_s: float
    n_samples: Mapping[str, int]
    n_dropped: Mapping[str, int]
    error: str | None


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    content: Numbers | Texts | ClockOffset
    n_bytes: int


@dataclass(slots=True)
class _Lost:
    """A stretch of one stream that had no room."""

    n_samples: int
    first_s: float
    last_s: float


class XdfRecorder:
    """Writes events of some streams to a new file. Every method may be called from any thread.

    Args:
        path: the file; see :class:`~bci_stream.sinks.xdf_file.ChunkFile` for what is refused.
        streams: what is recorded; events of other streams are left out.
        queue_bytes: how much may wait for a slow disk.
        clock: seconds, for boundaries and durations.
        opened: makes the file; a test gives a slow or a full one.

    Raises:
        ConfigError: the file exists or cannot be made.

    Attributes:
        error: one line on why the recording ended early, None while all is well.
    """

    def __init__(
        self,
        path: Path,
        streams: Sequence[RecordedStream],
        *,
        queue_bytes: int = QUEUE_BYTES,
        clock: Callable[[], float] = time.monotonic,
        opened: Callable[[Path], ChunkFile] = ChunkFile,
    ) -> None:
        self.path = path
        self.error: str | None = None
        self._clock = clock
        self._queue_bytes = queue_bytes
        self._streams = {stream.key: stream for stream in streams}
        self._ids = {stream.key: number for number, stream in enumerate(streams, start=1)}
        self._tallies = {stream.key: Tally() for stream in streams}
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._introduced: list[str] = []  # streams whose header is written
        self._offset_s: dict[str, float] = {}  # each stream's newest, to place what was left out
        self._lost: dict[str, _Lost] = {}
        self._n_dropped: dict[str, int] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._began_s = self._ended_s = self._synced_s = self._marked_s = clock()
        self._rates: deque[tuple[float, int]] = deque([(self._began_s, 0)])
        self._file = opened(path)
        self.heart = Heart(
            "recorder",
            "predictions go on; what was written is kept: record into a new file",
            give_up=self._abandon,
        )
        self._thread = threading.Thread(
            target=lambda: self.heart.live(self._run), name="xdf-recorder", daemon=True
        )
        self._thread.start()

    # -- whoever has something to record ----------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Record what came from a source. Returns at once; the arrays are kept and must not change."""
        if isinstance(event, Chunk):
            self.numbers(event.stream, event.timestamps, event.data)
        elif isinstance(event, Marker):
            self.texts(event.stream, [event.timestamp], [(event.label,)])
        elif event.stream in self._streams:
            self._offset_s[event.stream] = event.offset_s
            self._put(_Entry(event.stream, event, _OVERHEAD_BYTES))

    def numbers(self, key: str, stamps: TimeArray, values: NDArray[Any]) -> None:
        """Record samples of a stream of numbers: ``stamps`` (n,), ``values`` (n, n_channels)."""
        if len(stamps) and key in self._streams:
            self._put(_Entry(key, (stamps, values), stamps.nbytes + values.nbytes + _OVERHEAD_BYTES))

    def texts(self, key: str, stamps: list[float], rows: list[tuple[str, ...]]) -> None:
        """Record samples of a stream of strings."""
        if stamps and key in self._streams:
            n_chars = sum(len(text) for row in rows for text in row)
            self._put(_Entry(key, (stamps, rows), 4 * n_chars + _OVERHEAD_BYTES))

    def status(self) -> RecorderStatus:
        """How the recording stands now."""
        n_free = self._file.n_free_bytes
        (then_s, n_then), (now_s, n_now) = self._rates[0], self._rates[-1]
        rate = (n_now - n_then) / (now_s - then_s) if now_s > then_s else 0.0
        names = {key: stream.name for key, stream in self._streams.copy().items()}
        return RecorderStatus(
            path=self.path,
            n_bytes=self._file.n_bytes,
            duration_s=(self._clock() if self._thread.is_alive() else self._ended_s) - self._began_s,
            n_free_bytes=n_free,
            left_s=n_free / rate if rate > 0 else float("inf"),
            n_samples={names[key]: tally.n_samples for key, tally in self._tallies.copy().items()},
            n_dropped={names[key]: n for key, n in self._n_dropped.copy().items()},
            error=self.error,
        )

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is queued and the footers, and let the file go. May be called again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._thread.is_alive() and self.error is None:
            self.error = f"the disk did not take {self.path.name} whole within {timeout_s:g} s"

    def _put(self, entry: _Entry) -> None:
        with self._changed:
            if self._closing or self.error is not None:
                self._n_dropped[entry.key] = self._n_dropped.get(entry.key, 0) + _n_samples(entry)
                return
            room = self._queue_bytes + (_RESERVE_BYTES if entry.n_bytes < _SMALL_BYTES else 0)
            if self._queued_bytes + entry.n_bytes > room:
                self._leave_out(entry)
                return
            if entry.key in self._lost:  # said once, when the stream goes on
                self._append(self._confession([entry.key]))
            self._append(entry)
            self._changed.notify_all()

    def _append(self, entry: _Entry) -> None:
        self._queue.append(entry)
        self._queued_bytes += entry.n_bytes

    def _leave_out(self, entry: _Entry) -> None:
        n = _n_samples(entry)
        self._n_dropped[entry.key] = self._n_dropped.get(entry.key, 0) + n
        if isinstance(entry.content, ClockOffset):
            return
        stamps = entry.content[0]
        lost = self._lost.setdefault(entry.key, _Lost(0, float(stamps[0]), 0.0))
        lost.n_samples += n
        lost.last_s = float(stamps[-1])

    def _confession(self, keys: list[str]) -> _Entry:
        """What some streams lack, as samples of the recorder's own stream, at the local time it began."""
        if RECORDER_LOG not in self._streams:
            self._ids[RECORDER_LOG] = len(self._ids) + 1
            self._tallies[RECORDER_LOG] = Tally()
            self._streams[RECORDER_LOG] = own_stream(
                f"{self.path.stem}-recorder", RECORDER_LOG, ("gap",), "JSON", dtype="string"
            )
        stamps: list[float] = []
        rows: list[tuple[str, ...]] = []
        for key in keys:
            lost = self._lost.pop(key)
            stamps.append(lost.first_s + self._offset_s.get(key, 0.0))
            record = {
                "kind": "recorder gap",
                "stream": self._streams[key].name,
                "n_samples": lost.n_samples,
                "first_stamp": lost.first_s,
                "last_stamp": lost.last_s,
            }
            rows.append((json.dumps(record),))
        return _Entry(RECORDER_LOG, (stamps, rows), _OVERHEAD_BYTES)

    # -- the thread that writes ---------------------------------------------------------------------------

    def _run(self) -> None:
        finished = False
        try:
            self._begin()
            while self._turn():
                self._keep_house()
        except OSError as error:
            self._fail(error)
        try:
            self._end()
            finished = True
        except OSError as error:  # the note stays, and the file is finished when there is room again
            if self.error is None:
                self._fail(error)
        self._file.close(finished=finished)
        self._ended_s = self._clock()

    def _begin(self) -> None:
        self._file.write(xdf.file_header(recorder="bci_stream", datetime=_now()))
        for key in list(self._streams):
            self._introduce(key)
        self._mark()

    def _introduce(self, key: str) -> None:
        self._file.write(xdf.stream_header(self._ids[key], self._streams[key].xml))
        self._introduced.append(key)

    def _turn(self) -> bool:
        """Write the oldest entry; it leaves the queue when it is written. False at the end."""
        with self._changed:
            self.heart.rest()
            self._changed.wait_for(lambda: self._queue or self._closing, timeout=_IDLE_S)
            self.heart.work()
            if self._closing and self._lost:
                self._append(self._confession(list(self._lost)))
            if not self._queue:
                return not self._closing
            entry = self._queue[0]
        self._write_entry(entry)
        with self._changed:
            self._queue.popleft()
            self._queued_bytes -= entry.n_bytes
        return True

    def _write_entry(self, entry: _Entry) -> None:
        key, stream_id, stream = entry.key, self._ids[entry.key], self._streams[entry.key]
        if key not in self._introduced:
            self._introduce(key)
        if isinstance(entry.content, ClockOffset):
            self._write_offset(key, entry.content.remote_s, entry.content.offset_s)
            return
        stamps, values = entry.content
        first_s, last_s = float(stamps[0]), float(stamps[-1])
        if stream.local and not self._tallies[key].offsets:
            self._write_offset(key, first_s, 0.0)
        if isinstance(values, list):
            self._file.write(xdf.texts(stream_id, list(stamps), values))
        else:
            self._file.write(xdf.samples(stream_id, np.asarray(stamps), values, stream.dtype))
        self._tallies[key].add(len(stamps), first_s, last_s)

    def _write_offset(self, key: str, remote_s: float, offset_s: float) -> None:
        self._file.write(xdf.clock_offset(self._ids[key], remote_s, offset_s))
        self._tallies[key].offsets.append((remote_s, offset_s))

    def _keep_house(self) -> None:
        now_s = self._clock()
        self._rates.append((now_s, self._file.n_bytes))
        while now_s - self._rates[0][0] > _RATE_S and len(self._rates) > 2:
            self._rates.popleft()
        if now_s - self._marked_s >= _BOUNDARY_S:
            self._mark()
        if now_s - self._synced_s >= _SYNC_S:
            self._file.sync()
            self._synced_s = now_s

    def _mark(self) -> None:
        self._file.write(xdf.boundary())
        self._marked_s = self._clock()

    def _end(self) -> None:
        for key in self._introduced:
            self._file.write(self._tallies[key].footer(self._ids[key]))
        self._file.sync()

    def _abandon(self, words: str) -> None:
        self._fail(OSError(words))
        self._file.close(finished=False)
        self._ended_s = self._clock()

    def _fail(self, error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno else str(error)
        with self._changed:
            for entry in self._queue:
                self._n_dropped[entry.key] = self._n_dropped.get(entry.key, 0) + _n_samples(entry)
            self._queue.clear()
            self._queued_bytes = 0
            self.error = (
                f"recording {self.path} ended after {self._file.n_bytes} bytes ({reason}): all up to there "
                "is kept; free some space or choose another folder and record anew"
            )


def _n_samples(entry: _Entry) -> int:
    return 0 if isinstance(entry.content, ClockOffset) else len(entry.content[0])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
