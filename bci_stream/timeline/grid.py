"""Samples onto an absolute sample grid (index = time x rate), with a mask that says what is missing.

Between neighbours of one segment the value is a windowed-sinc interpolation (Smith & Gossett 1984,
doi 10.1109/ICASSP.1984.1172555), whose cut-off falls with the rate when the grid is coarser than the
stream, so it follows the drift of a sound card and does not alias. Half a sample period around a
sample belongs to it; what is between two segments is a gap, marked, its value 0. Nothing that was
handed out is rewritten: samples that come after their window was closed are counted and dropped.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import Flag, FloatArray, MaskArray, TimeArray
from bci_stream.timeline.ring import Ring

_N_PHASES = 512
_BEGINNING = -(2**62)
_BLOCK_ROWS = 4096


class _Runs:
    """Stretches ``[first, stop)`` of grid rows, in order; those before a row can be forgotten."""

    def __init__(self) -> None:
        self._runs: deque[tuple[int, int]] = deque()

    def add(self, first: int, stop: int) -> None:
        """Append a stretch that begins where or after the newest one ends."""
        if self._runs and self._runs[-1][1] == first:
            first = self._runs.pop()[0]
        self._runs.append((first, stop))

    def forget_before(self, row: int) -> None:
        """Drop what lies wholly before ``row``."""
        while self._runs and self._runs[0][1] <= row:
            self._runs.popleft()

    def within(self, first: int, stop: int) -> list[tuple[int, int]]:
        """The parts inside ``[first, stop)``."""
        return [(max(a, first), min(b, stop)) for a, b in self._runs if a < stop and b > first]


def sinc_table(cutoff: float, zero_crossings: int) -> NDArray[np.float64]:
    """Kaiser-windowed sinc, one row a sub-sample phase: (phases + 1, taps), rows sum to 1.

    ``cutoff``: share of the stream's Nyquist frequency that passes; the lower, the more taps.
    """
    reach = int(np.ceil(zero_crossings / cutoff / 2)) * 2  # taps come in fours
    offsets = np.arange(-reach + 1, reach + 1)
    phases = np.arange(_N_PHASES + 1)[:, None] / _N_PHASES
    x = offsets[None, :] - phases
    window = np.i0(7.0 * np.sqrt(np.maximum(0.0, 1.0 - (x / reach) ** 2)))
    table: NDArray[np.float64] = np.sinc(x * cutoff) * window
    table /= table.sum(axis=1, keepdims=True)
    return table


class GridTrack:
    """One stream's samples on the grid of rate ``sfreq`` Hz: rings of values, mask and marks.

    ``stream_sfreq``: the stream's nominal rate. ``capacity``: grid rows kept. ``settle_s``: how long
    after the start of a segment rows carry ``Flag.SETTLING``. ``antialias=False`` is for samples that
    were low-passed already. ``end`` is the watermark: one past the
    newest grid index that is settled for good.
    """

    def __init__(
        self,
        stream_sfreq: float,
        sfreq: float,
        n_channels: int,
        capacity: int,
        *,
        zero_crossings: int,
        antialias: bool = True,
        settle_s: float = 0.0,
    ) -> None:
        from bci_stream.timeline import grid_kernels as kn

        self._kn = kn
        self.sfreq = sfreq
        self._period = 1.0 / stream_sfreq
        self._settle_s = settle_s
        cutoff = min(1.0, 0.95 * sfreq / stream_sfreq) if antialias and sfreq < stream_sfreq else 1.0
        self._table = sinc_table(cutoff, zero_crossings)
        self._reach = self._table.shape[1] // 2
        self._n_channels = n_channels
        self._capacity = capacity
        self._t = np.empty(0)
        self._x = np.empty((0, n_channels), np.float32)
        self._marks = np.empty((0, n_channels), np.uint8)
        self._breaks = np.empty(0, np.uint8)
        self._cursor = np.zeros(3, np.int64)
        self._seg_start = np.zeros(1)
        self._carry = np.zeros(n_channels, np.uint8)
        self._out = np.empty((_BLOCK_ROWS, n_channels), np.float32)
        self._out_mask = np.empty(_BLOCK_ROWS, np.uint8)
        self._out_marks = np.empty((_BLOCK_ROWS, n_channels), np.uint8)
        self._rings: tuple[Ring, Ring, Ring] | None = None
        self._gaps, self._bad = _Runs(), _Runs()
        self._gap_end = 0
        self._finished = False
        self._sealed_s = -np.inf
        self.n_late = 0  # samples whose instant was closed before they came

    @property
    def lookahead_s(self) -> float:
        """How much of the stream beyond an instant must be there before its value is known."""
        return float(self._reach * self._period)

    @property
    def started(self) -> bool:
        """Has any sample been placed?"""
        return self._rings is not None

    @property
    def start_s(self) -> float:
        """Local time of the first grid row; only once started."""
        return self._ring(0).start / self.sfreq

    @property
    def end(self) -> int:
        """The watermark, a grid index; only once started."""
        return self._ring(0).end

    @property
    def capacity(self) -> int:
        """How many rows are kept."""
        return self._capacity

    @property
    def in_gap(self) -> bool:
        """Is the next row known to be missing?"""
        return self.started and self._gap_end > self.end

    @property
    def resumes_s(self) -> float:
        """Where the gap that :attr:`in_gap` speaks of ends, local time."""
        return self._gap_end / self.sfreq

    def push(self, times: TimeArray, x: FloatArray, marks: MaskArray, breaks: NDArray[np.uint8]) -> None:
        """Add samples: times (n,), values and marks (n, n_channels), breaks (n,) 1 = after a gap."""
        if not len(times):
            return
        if self._rings is None:
            self._begin(float(times[0]))
        if times[0] < self._sealed_s:
            self.n_late += int(np.searchsorted(times, self._sealed_s))
        keep = max(0, int(self._cursor[0]) - self._reach)
        self._t = np.concatenate((self._t[keep:], times))
        self._x = np.concatenate((self._x[keep:], x))
        self._marks = np.concatenate((self._marks[keep:], marks))
        self._breaks = np.concatenate((self._breaks[keep:], breaks))
        self._cursor[0] -= keep
        self._cursor[2] = max(0, int(self._cursor[2]) - keep)

    def finish(self) -> None:
        """The stream has ended: what is left needs no more neighbours."""
        if self._rings is None or self._finished:
            return
        blank = np.zeros((1, self._n_channels))
        never = self._t[-1:] + 1e6
        self.push(never, blank.astype(np.float32), blank.astype(np.uint8), np.ones(1, np.uint8))
        self._finished = True

    def advance(self, limit: int) -> bool:
        """Settle rows up to grid index ``limit``; False when nothing more can be settled now."""
        if self._rings is None or self.end >= limit:
            return False
        before = self.end
        while self.end < limit:
            if self._gap_end > self.end:
                self._write_gap(min(self._gap_end, limit) - self.end)
                continue
            rows = min(limit - self.end, _BLOCK_ROWS)
            status, gap_end = self._resample(rows)
            if status == self._kn.OUT_GAP:
                if self._finished and self._cursor[0] == len(self._t) - 2:
                    break  # past the last sample ever
                self._gap_end = gap_end
            elif status == self._kn.OUT_WAITING:
                break
        return self.end > before

    def seal(self, index: int) -> None:
        """Close everything before grid ``index``: what has not come by now is missing for good."""
        if self._rings is None or self.end >= index:
            return
        self._write_gap(index - self.end)
        self._sealed_s = index / self.sfreq

    def view(self, first: int, stop: int) -> tuple[FloatArray, MaskArray, MaskArray]:
        """Values, mask (n,) and marks of grid rows ``[first, stop)``, as views of the rings."""
        if self._rings is None or stop <= self._rings[0].start:
            return self._blank(stop - first)
        data, mask, marks = self._rings
        return data.view(first, stop), mask.view(first, stop)[:, 0], marks.view(first, stop)

    def gaps(self, first: int, stop: int) -> list[tuple[int, int]]:
        """The stretches of rows ``[first, stop)`` for which nothing was delivered."""
        if self._rings is None or stop <= self._rings[0].start:
            return [(first, stop)]
        return self._gaps.within(first, stop)

    def n_bad(self, first: int, stop: int) -> int:
        """How many of rows ``[first, stop)`` carry any flag; the cost does not grow with their number."""
        if self._rings is None or stop <= self._rings[0].start:
            return stop - first
        return sum(b - a for a, b in self._bad.within(first, stop))

    def _blank(self, n: int) -> tuple[FloatArray, MaskArray, MaskArray]:
        return (
            np.zeros((n, self._n_channels), np.float32),
            np.full(n, Flag.GAP, np.uint8),
            np.zeros((n, self._n_channels), np.uint8),
        )

    def _begin(self, t_first: float) -> None:
        start = int(np.ceil(t_first * self.sfreq))
        self._cursor[1] = start
        self._seg_start[0] = t_first
        self._rings = (
            Ring(self._capacity, self._n_channels, np.float32, start),
            Ring(self._capacity, 1, np.uint8, start - self._capacity),
            Ring(self._capacity, self._n_channels, np.uint8, start),
        )
        self._rings[1].fill(self._capacity, Flag.GAP)
        self._gaps.add(_BEGINNING, start)
        self._bad.add(_BEGINNING, start)

    def _resample(self, rows: int) -> tuple[int, int]:
        n, status, gap_end = self._kn.resample(
            self._t,
            self._x,
            self._marks,
            self._breaks,
            len(self._t),
            self._table,
            self.sfreq,
            self._period,
            self._settle_s,
            self._cursor,
            self._seg_start,
            self._carry,
            self._out[:rows],
            self._out_mask[:rows],
            self._out_marks[:rows],
        )
        self._note_flags(self._out_mask[:n])
        self._ring(0).append(self._out[:n])
        self._ring(1).append(self._out_mask[:n, None])
        self._ring(2).append(self._out_marks[:n])
        return status, gap_end

    def _note_flags(self, mask: MaskArray) -> None:
        """Remember which of the rows to come are flagged, before they are appended."""
        flagged = np.flatnonzero(mask)
        if len(flagged):
            for run in np.split(flagged, np.flatnonzero(np.diff(flagged) > 1) + 1):
                self._bad.add(self.end + int(run[0]), self.end + int(run[-1]) + 1)
        self._forget()

    def _forget(self) -> None:
        self._gaps.forget_before(self.end - self._capacity)
        self._bad.forget_before(self.end - self._capacity)

    def _write_gap(self, n: int) -> None:
        self._gaps.add(self.end, self.end + n)
        self._bad.add(self.end, self.end + n)
        self._forget()
        self._ring(0).fill(n, 0)
        self._ring(1).fill(n, Flag.GAP)
        self._ring(2).fill(n, 0)
        self._cursor[1] = self.end

    def _ring(self, which: int) -> Ring:
        if self._rings is None:
            raise IndexError("no sample has been placed yet")
        return self._rings[which]
