"""Replay of an XDF recording: the events of its bound streams, in the order in which they were written.

Stamps go out as recorded and clock offsets at their place in the file, so that the core aligns a
recording by the same means as a live session. What the file lacks is said, not invented: a stream
without clock offsets counts as on the local clock, and one on another epoch is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bci_stream.errors import StreamFormatError
from bci_stream.messages import Chunk, ClockOffset, Event, Marker, TimeArray
from bci_stream.sources.binding import MARKERS, Binding
from bci_stream.sources.recordings import Recording
from bci_stream.sources.unit_guard import UnitGuard
from bci_stream.sources.xdf_recording import SampleBlock, StreamSummary, XdfRecording

__all__ = ["StreamSummary", "XdfRecording", "XdfSource"]

_FOREIGN_CLOCK_S = 1e6  # further apart than two clocks that count from a start of the computer
_MARKER_BLOCK = 1024


@dataclass(slots=True)
class _Track:
    """One stream on its way: its events' name, and what its clock needs.

    ``shift_s`` is added to every offset (a stream brought to the others' epoch), ``rebase_s`` to the
    remote times at which they were measured.
    """

    stream: str
    key: str
    binding: Binding | None
    first_stamp: float
    shift_s: float = 0.0
    rebase_s: float = 0.0
    skip_offsets: int = 0
    n_bad_stamps: int = 0
    guard: UnitGuard | None = None

    def offset(self, remote_s: float, offset_s: float) -> ClockOffset:
        return ClockOffset(self.stream, remote_s + self.rebase_s, offset_s + self.shift_s)


class XdfSource:
    """Events of some streams of a recording.

    Args:
        recording: an open recording.
        bindings: role -> binding of a stream of the recording; the role names its chunks.
        markers: keys of marker streams; one goes out as ``markers``, several as ``markers:<name>``.
        reanchor: put a stream that was stamped on another epoch (the Unix clock) beside the others by
            the order of the file, instead of refusing it.

    Raises:
        StreamNotFoundError: a binding or marker key that the recording does not have.
        StreamFormatError: a bound stream without samples, or on another epoch and not ``reanchor``.
    """

    def __init__(
        self,
        recording: Recording,
        bindings: Mapping[str, Binding],
        markers: Sequence[str] = (),
        *,
        reanchor: bool = False,
    ) -> None:
        self._recording = recording
        self._warnings: list[str] = []
        self._position = 0
        data = [self._data_track(role, binding) for role, binding in bindings.items()]
        self._tracks = {track.key: track for track in (*data, *self._marker_tracks(markers))}
        for track in self._tracks.values():
            self._check_offsets(track)
        self._check_epochs(reanchor)
        self._t_start, self.duration_s = self._extent(data)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the recording lacks and what was assumed, one line each; grows while events are read."""
        return (*self._recording.warnings, *self._warnings)

    @property
    def progress(self) -> float:
        """Share of the file's bytes that the events so far came from, 0 to 1."""
        return self._position / self._recording.n_bytes

    @property
    def t_start(self) -> float:
        """Local time (s) of the first bound sample; ``events`` counts from here."""
        return self._t_start

    def events(self, t_from_s: float | None = None, t_to_s: float | None = None) -> Iterator[Event]:
        """Chunks of at most a second, markers and clock offsets, in the file's arrival order.

        Args:
            t_from_s: leave out samples before this many seconds from the start.
            t_to_s: leave out samples from this many seconds from the start on, and end there.

        Raises:
            StreamFormatError: the first seconds of the EEG cannot be in the unit that it was taken for.
        """
        for track in self._tracks.values():
            track.guard = None if track.binding is None else UnitGuard(track.binding)
        t_from = -np.inf if t_from_s is None else self._t_start + t_from_s
        t_to = np.inf if t_to_s is None else self._t_start + t_to_s
        trimmed = t_from_s is not None or t_to_s is not None
        yield from self._first_offsets()
        to_come = {track.key for track in self._tracks.values() if track.binding is not None}
        seen_offsets = dict.fromkeys(self._tracks, 0)
        for item in self._recording.blocks({k: _block_samples(t) for k, t in self._tracks.items()}):
            if isinstance(item, ClockOffset):
                track = self._tracks[item.stream]
                seen_offsets[track.key] += 1
                if seen_offsets[track.key] > track.skip_offsets:
                    yield track.offset(item.remote_s, item.offset_s)
                continue
            track = self._tracks[item.key]
            self._position = item.position
            self._note_bad_stamps(track, item.timestamps)
            if not trimmed:
                yield from _events_of(track, item, slice(None))
                continue
            local = item.timestamps + (self._local(track, float(item.timestamps[0])) - item.timestamps[0])
            yield from _events_of(track, item, ~((local < t_from) | (local >= t_to)))
            if local[0] >= t_to:
                to_come.discard(track.key)
                if not to_come:
                    break
        self._position = self._recording.n_bytes

    def _data_track(self, role: str, binding: Binding) -> _Track:
        summary = self._recording.summary(binding.info.key)
        if summary.n_samples == 0:
            raise StreamFormatError(f"stream {binding.info.name!r} is empty: bind another one as {role}")
        return _Track(role, binding.info.key, binding, summary.first_stamp)

    def _marker_tracks(self, keys: Sequence[str]) -> Iterator[_Track]:
        names = {info.key: info.name for info in self._recording.streams}
        for key in keys:
            summary = self._recording.summary(key)
            if summary.n_samples:
                stream = MARKERS if len(keys) == 1 else f"{MARKERS}:{names[key]}"
                yield _Track(stream, key, None, summary.first_stamp)

    def _check_offsets(self, track: _Track) -> None:
        """Whether an offset must go out before the first sample, and whether it is of the stamps' clock."""
        remote_s, _ = self._recording.clock_offsets(track.key)
        if not len(remote_s):
            self._warnings.append(f"{track.stream} stream has no clock offsets: taken as on the local clock")
            return
        track.skip_offsets = int(self._recording.samples_come_first(track.key))
        if np.min(np.abs(remote_s - track.first_stamp)) > _FOREIGN_CLOCK_S:
            track.rebase_s = track.first_stamp - float(remote_s[0])
            self._warnings.append(
                f"{track.stream} stream is stamped on another clock than its offsets measure"
            )

    def _check_epochs(self, reanchor: bool) -> None:
        reference = min(
            (track for track in self._tracks.values() if track.binding is not None),
            key=lambda track: abs(self._local(track, track.first_stamp)),
            default=None,
        )
        for track in self._tracks.values():
            if reference is None or track is reference:
                continue
            apart_s = self._local(track, track.first_stamp) - self._local(reference, reference.first_stamp)
            if abs(apart_s) > _FOREIGN_CLOCK_S:
                self._foreign(track, reference, apart_s, reanchor)

    def _foreign(self, track: _Track, reference: _Track, apart_s: float, reanchor: bool) -> None:
        found = f"{track.stream} stream is stamped {apart_s:.0f} s away from the {reference.stream} stream"
        if reanchor:
            beside = self._recording.stamp_beside(reference.key, track.key)
            track.shift_s = self._local(reference, beside) - self._local(track, track.first_stamp)
            self._warnings.append(
                f"{found}: put beside it by the order of the file, good to a chunk's length"
            )
        elif track.binding is None:
            self._warnings.append(f"{found}: its markers cannot be placed")
        else:
            raise StreamFormatError(
                f"{found} (the Unix clock?) and no clock offset bridges that: leave it out, or reanchor it"
            )

    def _local(self, track: _Track, stamp: float) -> float:
        return self._recording.local_time(track.key, stamp) + track.shift_s

    def _extent(self, data: Sequence[_Track]) -> tuple[float, float]:
        if not data:
            return 0.0, 0.0
        starts = [self._local(track, track.first_stamp) for track in data]
        ends = [s + self._recording.summary(t.key).duration_s for s, t in zip(starts, data, strict=True)]
        return min(starts), max(ends) - min(starts)

    def _first_offsets(self) -> Iterator[ClockOffset]:
        """The offsets that samples need before the file has any: its first one, or 0 where it has none."""
        for track in self._tracks.values():
            remote_s, offset_s = self._recording.clock_offsets(track.key)
            if not len(remote_s):
                yield ClockOffset(track.stream, track.first_stamp, track.shift_s)
            elif track.skip_offsets:
                yield track.offset(float(remote_s[0]), float(offset_s[0]))

    def _note_bad_stamps(self, track: _Track, timestamps: TimeArray) -> None:
        if track.n_bad_stamps or np.isfinite(timestamps).all():
            return
        track.n_bad_stamps = int(np.count_nonzero(~np.isfinite(timestamps)))
        self._warnings.append(f"{track.stream} stream has stamps that are no finite numbers")


def _block_samples(track: _Track) -> int:
    return _MARKER_BLOCK if track.binding is None else max(1, int(track.binding.sfreq))


def _events_of(track: _Track, block: SampleBlock, keep: slice | np.ndarray) -> Iterator[Event]:
    timestamps = block.timestamps[keep]
    if not len(timestamps):
        return
    if track.binding is not None and isinstance(block.values, np.ndarray):
        values = track.binding.convert(block.values[keep])
        if track.guard is not None:
            track.guard.look(values)
        yield Chunk(track.stream, timestamps, values)
        return
    kept = np.arange(len(block.timestamps))[keep]
    for row, timestamp in zip(kept, timestamps, strict=True):
        label = ",".join(value if isinstance(value, str) else f"{value:g}" for value in block.values[row])
        yield Marker(track.stream, float(timestamp), label)
