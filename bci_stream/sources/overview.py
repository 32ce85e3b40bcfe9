"""One pass over a recording for a person who wants to know what is in it: rates, gaps, clocks, quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import Gap, StreamInfo, TimeArray
from bci_stream.sources.channel_stats import ChannelFigures, ChannelStats, Outline
from bci_stream.sources.metadata import unit_to_uv
from bci_stream.sources.recordings import Recording
from bci_stream.sources.selection import looks_like_eeg
from bci_stream.sources.stamp_clock import StampClock
from bci_stream.sources.xdf_recording import SampleBlock, StreamSummary

GAP_S = 0.25  #: a step in the stamps longer than this, and than five periods, is a gap
N_BINS = 1500  #: of an outline at most
_MIN_BINS, _BIN_SAMPLES = 50, 4
_MAX_GAPS = 1000
_MAX_MARKERS = 5000
_MAX_LABELS = 500
_TRACES = 8
_BLOCK_VALUES = 1 << 18
_BACK_S = 1.0
_TOGETHER = 1 << 14  # values


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: ``uv``: how many µV one of its ``unit`` is, None where that is not known."""

    name: str
    unit: str
    uv: float | None
    figures: ChannelFigures


@dataclass(frozen=True, slots=True, eq=False)
class StreamOverview:
    """One stream. Times are local ones (s).

    ``n_samples``: that could be read, which may be fewer than the summary counts by the chunks' lengths.
    ``n_segments``: stretches without a gap. ``sfreq``: measured within them (Hz), NaN where it has no
    rate. ``n_lost``: samples that the gaps would have held. ``gaps``: the first thousand.
    ``labels``: how often each marker came; ``markers``: the first five thousand, time and label.
    ``outline``: of its first channels over the whole recording, None for markers.
    """

    info: StreamInfo
    summary: StreamSummary
    n_samples: int
    clock: StampClock
    t_start: float
    t_end: float
    sfreq: float
    jitter_ms: float
    n_gaps: int
    n_segments: int
    n_lost: int
    n_bad_stamps: int
    gaps: tuple[Gap, ...]
    channels: tuple[Channel, ...]
    labels: Mapping[str, int]
    markers: tuple[tuple[float, str], ...]
    outline: Outline | None

    @property
    def is_eeg(self) -> bool:
        """Whether it looks like EEG."""
        return looks_like_eeg(self.info)


def survey(recording: Recording) -> tuple[StreamOverview, ...]:
    """Look at every stream of a recording, once."""
    looks = {info.key: _Look(info, recording) for info in recording.streams}
    sizes = {key: max(64, _BLOCK_VALUES // look.info.n_channels) for key, look in looks.items()}
    for item in recording.blocks(sizes):
        if isinstance(item, SampleBlock):
            looks[item.key].take(item)
    return tuple(look.finish() for look in looks.values())


@dataclass(slots=True)
class _Steps:
    """Gaps and steps of one stream's local times."""

    limit_s: float
    last_s: float = float("nan")
    gaps: list[Gap] = field(default_factory=list)
    n_gaps: int = 0
    n_breaks: int = 0
    lost_s: float = 0.0
    n: int = 0
    total_s: float = 0.0
    squares: float = 0.0

    def take(self, local: TimeArray) -> None:
        times = local if np.isnan(self.last_s) else np.concatenate([[self.last_s], local])
        steps = np.diff(times)
        wide, back = steps > self.limit_s, steps < -_BACK_S
        self.n_breaks += int(np.count_nonzero(wide | back))
        self.n_gaps += int(np.count_nonzero(wide))
        self.lost_s += float(steps[wide].sum())
        for i in np.flatnonzero(wide)[: _MAX_GAPS - len(self.gaps)].tolist():
            self.gaps.append(Gap(float(times[i]), float(times[i + 1])))
        even = steps[~(wide | back)]
        self.n += len(even)
        self.total_s += float(even.sum())
        self.squares += float(even @ even)
        if len(times):
            self.last_s = float(times[-1])

    @property
    def period_s(self) -> float:
        """Mean step outside gaps."""
        return self.total_s / self.n if self.n and self.total_s > 0 else float("nan")

    @property
    def jitter_s(self) -> float:
        """SD of the steps outside gaps."""
        if not self.n:
            return float("nan")
        return float(np.sqrt(max(0.0, self.squares / self.n - (self.total_s / self.n) ** 2)))


class _Look:
    """One stream on its way through the pass."""

    def __init__(self, info: StreamInfo, recording: Recording) -> None:
        self.info = info
        self._summary = recording.summary(info.key)
        self._clock = StampClock(*recording.clock_offsets(info.key))
        ends = self._clock.local(np.array([self._summary.first_stamp, self._summary.last_stamp]))
        self._ends = (float(ends[0]), float(ends[1]))
        regular = info.sfreq > 0
        self._steps = _Steps(max(GAP_S, 5.0 / info.sfreq) if regular else float("inf"))
        self._n_bad_stamps = 0
        self._n_samples = 0
        self._waiting: list[SampleBlock] = []
        self._n_waiting = 0
        self._labels: Counter[str] = Counter()
        self._markers: list[tuple[float, str]] = []
        self._stats: ChannelStats | None = None
        self._outline: Outline | None = None
        if info.dtype != "string":
            self._stats = ChannelStats(info.n_channels, round(info.sfreq) if regular else 100)
            n_bins = min(N_BINS, max(_MIN_BINS, self._summary.n_samples // _BIN_SAMPLES))
            self._outline = Outline(*self._ends, n_bins, min(_TRACES, info.n_channels))

    def take(self, block: SampleBlock) -> None:
        """Small blocks are looked at together: some recorders write every sample as a chunk."""
        self._waiting.append(block)
        self._n_samples += len(block.timestamps)
        self._n_waiting += len(block.timestamps) * self.info.n_channels
        if self._n_waiting >= _TOGETHER:
            self._look()

    def _look(self) -> None:
        waiting, self._waiting, self._n_waiting = self._waiting, [], 0
        if not waiting:
            return
        stamps = np.concatenate([block.timestamps for block in waiting])
        if self._stats is not None:
            self._take(stamps, np.concatenate([block.values for block in waiting]))
        else:
            self._take(stamps, [row for block in waiting for row in block.values])

    def _take(self, timestamps: TimeArray, values: NDArray[Any] | list[tuple[str, ...]]) -> None:
        with np.errstate(all="ignore"):  # stamps and values may be anything that eight bytes can hold
            local = self._clock.local(timestamps)
            good = np.isfinite(local)
            self._n_bad_stamps += int(np.count_nonzero(~good))
            self._steps.take(local[good])
            if isinstance(values, np.ndarray):
                self._numbers(local[good], values, good)
            else:
                self._texts(local, values)

    def _numbers(self, local: TimeArray, values: NDArray[Any], good: NDArray[np.bool_]) -> None:
        assert self._stats is not None
        assert self._outline is not None
        self._stats.push(values)
        self._outline.push(local, values[good])

    def _texts(self, local: TimeArray, values: list[tuple[str, ...]]) -> None:
        for time_s, row in zip(local.tolist(), values, strict=True):
            label = ",".join(row)[:200]
            if label in self._labels or len(self._labels) < _MAX_LABELS:
                self._labels[label] += 1
            if len(self._markers) < _MAX_MARKERS:
                self._markers.append((time_s, label))

    def finish(self) -> StreamOverview:
        self._look()
        with np.errstate(all="ignore"):
            return self._finished()

    def _finished(self) -> StreamOverview:
        steps = self._steps
        regular = self.info.sfreq > 0
        lost = (steps.lost_s / steps.period_s - steps.n_gaps) if steps.n_gaps and steps.n else 0.0
        return StreamOverview(
            info=self.info,
            summary=self._summary,
            n_samples=self._n_samples,
            clock=self._clock,
            t_start=self._ends[0],
            t_end=self._ends[1],
            sfreq=1.0 / steps.period_s if regular else float("nan"),
            jitter_ms=steps.jitter_s * 1e3 if regular else float("nan"),
            n_gaps=steps.n_gaps,
            n_segments=steps.n_breaks + 1 if self._n_samples else 0,
            n_lost=round(lost) if np.isfinite(lost) else 0,
            n_bad_stamps=self._n_bad_stamps,
            gaps=tuple(steps.gaps),
            channels=self._channels(),
            labels=dict(self._labels.most_common()),
            markers=tuple(self._markers),
            outline=self._outline if self._n_samples else None,
        )

    def _channels(self) -> tuple[Channel, ...]:
        if self._stats is None or not self._n_samples:
            return ()
        n, info = self.info.n_channels, self.info
        names = info.ch_names or tuple(f"ch{i + 1}" for i in range(n))
        units = info.ch_units or ("",) * n
        figures = self._stats.finish()
        return tuple(
            Channel(name or f"ch{i + 1}", unit, unit_to_uv(unit), each)
            for i, (name, unit, each) in enumerate(zip(names, units, figures, strict=True))
        )
