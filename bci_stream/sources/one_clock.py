"""A recording with one regular stream, markers beside it, and one clock for both.

What MNE and CSV files have in common: everything is stamped on one clock, which is taken as the local one.
"""

from __future__ import annotations

import abc
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import StreamFormatError, StreamNotFoundError
from bci_stream.messages import ClockOffset, StreamInfo, TimeArray
from bci_stream.sources.xdf_recording import SampleBlock, StreamSummary

DATA: Final = "1"  #: key of the regular stream
NOTES: Final = "2"  #: key of the marker stream

DataBlock = tuple[TimeArray, NDArray[Any], int]  # stamps, (m, n_channels) values, position


def stamp_rate(stamps: TimeArray) -> float:
    """A rate (Hz) from stamps: a median, so that bursts and gaps do not bend it; 0 where there is none."""
    stamps = stamps[np.isfinite(stamps)]
    lag = max(1, min(len(stamps) // 4, 1024))
    step_s = float(np.median(stamps[lag:] - stamps[:-lag])) / lag if len(stamps) > lag else 0.0
    return 1.0 / step_s if step_s > 0 else 0.0


class OneClockRecording(abc.ABC):
    """A :class:`~bci_stream.sources.recordings.Recording` of one data stream, key ``1``, and markers, ``2``.

    Args:
        path: of the file.
        info: header of the data stream.
        extent: number of samples, first and last stamp (s).
        markers: (stamp, label), in the order of time.
        n_bytes: where the positions of blocks end.
    """

    def __init__(
        self,
        path: str,
        info: StreamInfo,
        extent: tuple[int, float, float],
        markers: Sequence[tuple[float, str]],
        n_bytes: int,
    ) -> None:
        self.path, self.n_bytes = path, max(1, n_bytes)
        self._info, self._markers = info, tuple(markers)
        self._n_samples, self._first_s, self._last_s = extent
        self._warnings: list[str] = []

    @abc.abstractmethod
    def _data(self, max_samples: int) -> Iterator[DataBlock]:
        """The data stream in blocks of at most ``max_samples``."""

    @abc.abstractmethod
    def measure_sfreq(self, key: str) -> float:
        """The rate (Hz) of a stream."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let the file go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """The data stream, and the markers where there are any."""
        if not self._markers:
            return (self._info,)
        notes = StreamInfo(
            NOTES, f"{self._info.name}-markers", "Markers", 1, 0.0, "string", ch_names=("marker",)
        )
        return self._info, notes

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each thing that was assumed, damaged or left out."""
        return tuple(self._warnings)

    def summary(self, key: str) -> StreamSummary:
        """What the recording holds of one stream; raises StreamNotFoundError."""
        self._check(key)
        if key == DATA:
            n, first, last = self._n_samples, self._first_s, self._last_s
        else:
            n, first, last = len(self._markers), self._markers[0][0], self._markers[-1][0]
        duration = last - first
        rate = (n - 1) / duration if duration > 0 else float("nan")
        return StreamSummary(n, 0, first, last, duration, rate, n_clock_offsets=1)

    def clock_offsets(self, key: str) -> tuple[TimeArray, TimeArray]:
        """One pair: the clock of the file is the local one."""
        return np.array([self.summary(key).first_stamp]), np.zeros(1)

    def local_time(self, key: str, stamp: float) -> float:
        """The stamp itself."""
        self._check(key)
        return stamp

    def samples_come_first(self, key: str) -> bool:
        """No: the offset leads."""
        self._check(key)
        return False

    def stamp_beside(self, key: str, other: str) -> float:
        """The same instant: there is one clock."""
        self._check(key)
        return self.summary(other).first_stamp

    def blocks(self, max_samples: Mapping[str, int]) -> Iterator[SampleBlock | ClockOffset]:
        """A clock offset for each stream, then the samples, markers beside the samples of their time."""
        for key in max_samples:
            yield ClockOffset(key, self.summary(key).first_stamp, 0.0)
        notes = self._markers if NOTES in max_samples else ()
        n_out = 0
        if DATA in max_samples:
            for stamps, values, position in self._data(max_samples[DATA]):
                yield SampleBlock(DATA, stamps, values, position)
                n_due = bisect_right(notes, float(stamps[-1]), key=itemgetter(0))
                if n_due > n_out:
                    yield _notes(notes[n_out:n_due], position)
                    n_out = n_due
        if n_out < len(notes):
            yield _notes(notes[n_out:], self.n_bytes)

    def _check(self, key: str) -> None:
        if key not in {info.key for info in self.streams}:
            raise StreamNotFoundError(f"recording {self.path} has no stream with key {key!r}")

    def _no_rate(self, n: int) -> StreamFormatError:
        return StreamFormatError(
            f"stream {self._info.name!r}: no rate can be measured from {n} stamps: name its rate"
        )


def _notes(notes: Sequence[tuple[float, str]], position: int) -> SampleBlock:
    return SampleBlock(NOTES, np.array([t for t, _ in notes]), [(label,) for _, label in notes], position)
