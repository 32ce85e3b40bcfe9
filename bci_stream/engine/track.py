"""One stream's way from raw chunks to the grid: clock, dejitter, marks, filter, grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_stream.engine.plan import StreamPlan
from bci_stream.messages import EEG, Chunk, ClockOffset, Flag, FloatArray, MaskArray, TimeArray
from bci_stream.timeline.clock import STEP_S, ClockTrack
from bci_stream.timeline.grid import GridTrack
from bci_stream.timeline.stamps import Dejittered

_BREAK_PERIODS = 1.5  # a step longer than this many sample periods is a gap

#: Takes a stretch of placed raw samples: even local times (n,), values and marks (n, C), breaks (n,).
Tap = Callable[[TimeArray, FloatArray, MaskArray, NDArray[np.bool_]], None]


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """How one stream has been doing since the start.

    ``rate_hz``: measured on the local clock. ``rate_ppm``: how much that is above nominal.
    ``drift_ppm``: the remote clock against the local one. ``n_lost``: samples that never came, by the
    stamps. ``n_late``: samples that came after their
    window was closed. ``age_s``: time since the newest
    sample's instant, NaN without a clock to compare with.
    """

    role: str
    n_samples: int
    rate_hz: float
    rate_ppm: float
    jitter_ms: float
    drift_ppm: float
    offset_s: float
    n_gaps: int
    n_lost: int
    n_late: int
    n_overlap: int
    n_bad_stamps: int
    n_clock_resets: int
    newest_s: float
    age_s: float = float("nan")


class StreamTrack:
    """Feed one stream's chunks and clock offsets; read its grid.

    ``capacity_s``: how much of the grid is kept.
    """

    def __init__(self, plan: StreamPlan, capacity_s: float) -> None:
        self.plan = plan
        n_channels = len(plan.spec.ch_names)
        self.clock = ClockTrack(max(STEP_S, 5.0 / plan.spec.sfreq), keep_bad=True)
        self._dejittered = Dejittered(plan.spec.sfreq)
        self._dejitter = self._dejittered.stage
        self.grid = GridTrack(
            plan.spec.sfreq,
            plan.sfreq,
            n_channels,
            int(capacity_s * plan.sfreq),
            zero_crossings=plan.zero_crossings,
            antialias=plan.antialias,
            settle_s=plan.settle_s,
        )
        self._dsp = _EegStages(plan) if plan.spec.role == EEG else _AudioStages()
        self._last_s = -np.inf
        self.tap: Tap | None = None  # a view of the raw samples, once placed in time
        self.n_samples = 0
        self.n_gaps = 0
        self.lag_s = float("nan")  # how old the newest sample was when it arrived

    def feed(self, chunk: Chunk) -> None:
        """Take raw samples."""
        self._place(self.clock.admit(chunk.timestamps, chunk.data))
        if self._last_s > -np.inf and len(chunk.timestamps):
            self.lag_s = chunk.arrival_s - self._last_s

    def add_offset(self, offset: ClockOffset) -> None:
        """Take a clock measurement."""
        self._place(self.clock.add_pair(offset.remote_s, offset.offset_s))

    def finish(self) -> None:
        """The stream has ended: settle all that is left."""
        self._place(self.clock.flush())
        if (left := self._dejittered.finish()) is not None:
            self._to_grid_kept(*left)
        self.grid.finish()

    def _place(self, pieces: list[tuple[TimeArray, FloatArray]]) -> None:
        for local, data in pieces:
            self._to_grid_kept(*self._dejittered.step(local, data))

    def _to_grid_kept(self, times: TimeArray, kinds: NDArray[np.int8], data: FloatArray) -> None:
        """Pass on what does not lie before samples that were placed already."""
        keep = kinds >= 0
        if not keep.all():
            times, kinds, data = times[keep], kinds[keep], data[keep]
        if len(times):
            self._to_grid(times, kinds, data)

    def _to_grid(self, times: TimeArray, kinds: NDArray[np.int8], data: FloatArray) -> None:
        breaks = self._breaks(times, kinds)
        self.n_samples += len(times)
        self._last_s = float(times[-1])
        marks, values = self._dsp.step(data, np.flatnonzero(breaks))
        if self.tap is not None:
            self.tap(times, data, marks, breaks)
        self.grid.push(times, values, marks, breaks.astype(np.uint8))

    def _breaks(self, times: TimeArray, kinds: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which samples come after a gap."""
        breaks: NDArray[np.bool_] = kinds == 1
        for i in np.flatnonzero(breaks).tolist():
            before_s = times[i - 1] if i else self._last_s
            breaks[i] = times[i] - before_s > _BREAK_PERIODS * self._dejitter.period_s
            self.n_gaps += int(breaks[i] and before_s > -np.inf)
        return breaks

    @property
    def n_lost(self) -> int:
        """Samples that never came, by the stamps."""
        return self._dejitter.n_lost

    @property
    def newest_s(self) -> float:
        """Local time of the newest sample, -inf before the first."""
        return self._last_s

    def health(self, now_s: float = float("nan")) -> StreamHealth:
        """Counters and measured figures so far."""
        jitter, clock = self._dejitter, self.clock
        return StreamHealth(
            role=self.plan.spec.role,
            n_samples=self.n_samples,
            rate_hz=1.0 / jitter.period_s,
            rate_ppm=jitter.rate_ppm,
            jitter_ms=jitter.jitter_s * 1e3,
            drift_ppm=clock.drift_ppm,
            offset_s=clock.offset_s,
            n_gaps=self.n_gaps,
            n_lost=jitter.n_lost,
            n_late=self.grid.n_late,
            n_overlap=jitter.n_overlap,
            n_bad_stamps=clock.n_bad_stamps,
            n_clock_resets=clock.n_resets,
            newest_s=self._last_s,
            age_s=now_s - self._last_s,
        )


class _EegStages:
    """Marks on the raw samples, then the causal filter; both start anew after a gap."""

    def __init__(self, plan: StreamPlan) -> None:
        from bci_stream.dsp.artifacts import ArtifactDetector, ArtifactSettings
        from bci_stream.dsp.filters import SosFilter

        n_channels = len(plan.spec.ch_names)
        settings = ArtifactSettings(rail_uv=plan.spec.rail_uv)
        self._detector = ArtifactDetector(settings, plan.spec.sfreq, n_channels)
        self._filter = SosFilter(plan.sos, n_channels) if plan.sos is not None else None

    def step(self, data: FloatArray, breaks: NDArray[np.intp]) -> tuple[MaskArray, FloatArray]:
        if not len(breaks):
            return self._stretch(data)
        marks, values = [], []
        for i, part in enumerate(np.split(data, breaks)):
            if i:
                self._detector.reset()
                if self._filter is not None:
                    self._filter.reset()
            part_marks, part_values = self._stretch(part)
            marks.append(part_marks)
            values.append(part_values)
        return np.concatenate(marks), np.concatenate(values)

    def _stretch(self, data: FloatArray) -> tuple[MaskArray, FloatArray]:
        marks = self._detector.step(data)
        return marks, self._filter.step(data) if self._filter is not None else _zeroed(data, marks)


class _AudioStages:
    """Values that are no numbers become 0 and a mark."""

    def step(self, data: FloatArray, breaks: NDArray[np.intp]) -> tuple[MaskArray, FloatArray]:
        marks = np.where(np.isfinite(data), 0, Flag.NAN).astype(np.uint8)
        return marks, _zeroed(data, marks)


def _zeroed(data: FloatArray, marks: MaskArray) -> FloatArray:
    bad = (marks & Flag.NAN) != 0
    return np.where(bad, np.float32(0), data) if bad.any() else data
