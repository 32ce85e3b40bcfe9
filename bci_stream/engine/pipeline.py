"""The pipeline: events in, windows and predictions out. Pure; time is an argument.

``feed`` takes a chunk, a clock offset or a marker and returns what became due; ``advance`` says that
time has passed. A window closes when every stream has delivered past its end, or when the newest one
is ``lateness_s`` past it; nothing that was handed out changes afterwards. So the same samples give the
same windows, logits and probabilities, bit for bit, however they were cut and however fast they came,
as long as no stream runs further ahead of another than the lateness.

The order of things for one window: every stream's rows are settled up to its end; the newest hop goes
through the encoders (once, ever); then the tokens of the whole window are fused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from bci_stream.engine.plan import StreamPlan
from bci_stream.engine.track import StreamHealth, StreamTrack, Tap
from bci_stream.messages import (
    Chunk,
    ClockOffset,
    Event,
    Gap,
    Marker,
    Prediction,
    StreamWindow,
    Window,
)
from bci_stream.timeline.clock import ClockTrack, Piece
from bci_stream.timeline.grid import GridTrack
from bci_stream.timeline.windows import WindowSchedule, WindowSettings, row_at, samples_per

if TYPE_CHECKING:  # the model brings torch, which windows alone do not need
    from bci_stream.engine.decide import Decider
    from bci_stream.model.predictor import Hop, RawPrediction, StreamingPredictor

_AHEAD_S = 2.0  # how far the rings may run ahead of the next window, beyond the lateness
_NEVER = -(2**62)
_WALL_SLACK_S = 0.5  # how much longer a window waits by the wall clock than by the other streams


@dataclass(frozen=True, slots=True)
class Outcome:
    """A window that became due, and what the model says of it (None: no model, or skipped)."""

    window: Window
    prediction: Prediction | None


class Pipeline:
    """Turns events of bound streams into windows and predictions.

    Args:
        plans: role to plan, see :mod:`bci_stream.engine.plan`.
        settings: window, hop and lateness.
        predictor: the model, or None for windows only.
        stopwatch: seconds, for the latency split; None leaves it NaN.
        stale_after_s: by :meth:`advance`'s clock, windows that ended longer ago than this and are
            followed by a newer complete one are not fused (newest first), only counted.
    """

    def __init__(
        self,
        plans: Mapping[str, StreamPlan],
        settings: WindowSettings,
        predictor: StreamingPredictor | None = None,
        *,
        stopwatch: Callable[[], float] | None = None,
        stale_after_s: float | None = None,
    ) -> None:
        self.settings = settings
        self.plans = dict(plans)
        self._margin_s = settings.lateness_s + _AHEAD_S
        capacity_s = 2 * settings.window_s + 2 * self._margin_s
        self._tracks = {role: StreamTrack(plan, capacity_s) for role, plan in plans.items()}
        self._schedule = WindowSchedule(settings)
        self._decider = _decider(plans, settings, predictor, stopwatch)
        self._stale_after_s = stale_after_s
        self._now_s = -np.inf
        self._marker_clocks: dict[str, ClockTrack] = {}
        self._marker_labels: dict[int, str] = {}  # of markers whose clock is not known yet
        self.markers: deque[Marker] = deque(maxlen=10_000)  # in local time, oldest first
        self._n_markers = 0
        self._n_placed = 0
        self.n_windows = 0
        self.n_empty = 0  # windows in which no stream had anything: not handed out
        self.n_deadline = 0  # windows closed by lateness
        self.n_skipped = 0  # windows not fused because newer ones were due

    def feed(self, event: Event) -> list[Prediction]:
        """Take one event; return the predictions that became due."""
        return _predictions(self.step(event))

    def advance(self, now_s: float) -> list[Prediction]:
        """Time has passed (local clock); close windows whose deadline is over."""
        return _predictions(self.wait(now_s))

    def finish(self) -> list[Prediction]:
        """Every stream has ended; return the predictions for what was still waiting."""
        return _predictions(self.end())

    def step(self, event: Event) -> Iterator[Outcome]:
        """As :meth:`feed`, yielding windows too; their arrays are views, valid until the next is drawn.

        The iterator must be exhausted before the next event.
        """
        if isinstance(event, Marker) or event.stream not in self._tracks:
            self._take_marker(event)
            return
        track = self._tracks[event.stream]
        if isinstance(event, Chunk):
            track.feed(event)
        else:
            track.add_offset(event)
        yield from self._run()

    def wait(self, now_s: float) -> Iterator[Outcome]:
        """As :meth:`advance`, yielding windows too."""
        self._now_s = now_s
        yield from self._run(now_s - _WALL_SLACK_S)

    def end(self) -> Iterator[Outcome]:
        """As :meth:`finish`, yielding windows too, the last one perhaps not full."""
        for track in self._tracks.values():
            track.finish()
        for stream, clock in self._marker_clocks.items():
            self._keep_markers(stream, clock.flush())
        started = [track.grid for track in self._tracks.values() if track.grid.started]
        yield from self._run()
        newest_s = max((grid.end / grid.sfreq for grid in started), default=-np.inf)
        last = round(newest_s / self.settings.hop_s) if started else 0
        while self._schedule.next_index is not None and self._schedule.next_index <= last:
            yield from self._close(self._schedule.next_index, by_deadline=False)

    def missing_s(self) -> dict[str, float]:
        """Per stream, how many seconds of it the next window still waits for (0: none)."""
        index, hop_s = self._schedule.next_index, self.settings.hop_s
        if index is None:
            return dict.fromkeys(self._tracks, hop_s)
        missing = {}
        for role, track in self._tracks.items():
            ahead_s = track.grid.lookahead_s
            missing[role] = self._schedule.end_s(index) + ahead_s - track.newest_s
            missing[role] = min(max(0.0, missing[role]), hop_s + ahead_s)
        return missing

    def lost(self) -> dict[str, int]:
        """Samples that never came, by stream."""
        return {role: track.n_lost for role, track in self._tracks.items()}

    def lag_s(self) -> float:
        """How old the newest samples were when they arrived, of the slowest stream; NaN unknown."""
        lags = [t.lag_s for t in self._tracks.values() if t.lag_s == t.lag_s]
        return max(lags, default=float("nan"))

    @property
    def n_markers(self) -> int:
        """Markers placed so far."""
        return self._n_placed

    def recent_markers(self, n: int = 500) -> tuple[Marker, ...]:
        """The newest markers in local time, oldest first; from any thread."""
        while True:
            try:
                return tuple(islice(self.markers, max(0, len(self.markers) - n), None))
            except RuntimeError:  # one was placed meanwhile
                continue

    def health(self, now_s: float = float("nan")) -> dict[str, StreamHealth]:
        """Per stream: rate, loss, jitter, drift and the rest, so far."""
        return {role: track.health(now_s) for role, track in self._tracks.items()}

    def recent(self, role: str, seconds: float | None = None) -> StreamWindow | None:
        """The newest part of a stream's ring that is closed for good, copied; from any thread.

        ``seconds``: how much at most; None: all that is kept. None is returned before the first window.
        """
        while self._schedule.next_index is not None and role in self._tracks:
            grid, stop = self._tracks[role].grid, self._row(role, self._schedule.next_index - 1)
            if not grid.started:
                break
            first = max(row_at(grid.start_s, grid.sfreq), self._safe_row(grid, _AHEAD_S))
            first = first if seconds is None else max(first, stop - round(seconds * grid.sfreq))
            if first >= stop:
                break
            data, mask, marks = grid.view(first, stop)
            data, mask, marks = data.copy(), mask.copy(), marks.copy()
            if first < self._safe_row(grid, _AHEAD_S / 2):
                continue  # overwritten meanwhile: the other thread is far ahead
            coverage = float((mask == 0).mean())
            t_start, t_end = first / grid.sfreq, stop / grid.sfreq
            return StreamWindow(role, grid.sfreq, t_start, t_end, data, mask, marks, coverage, ())
        return None

    def _safe_row(self, grid: GridTrack, ahead_s: float) -> int:
        """The oldest row that stays while ``ahead_s`` more of the stream is written."""
        return grid.end - grid.capacity + int(ahead_s * grid.sfreq)

    def swap(self, predictor: StreamingPredictor) -> None:
        """Answer with another model from the next window on, warmed up from the rings."""
        if self._decider is None:
            return
        self._decider.swap(predictor, self._recent_hops(predictor.warm_up_hops))

    def shadow(self, predictor: StreamingPredictor | None) -> None:
        """Let another model answer beside the one that counts, from the next window on; None: no longer.

        Raises:
            BundleMismatchError: its bundle wants other signals or windows than this session makes.
        """
        if self._decider is not None:
            hops = self._recent_hops(predictor.warm_up_hops) if predictor is not None else []
            self._decider.shadow(predictor, hops)

    @property
    def shadow_said(self) -> RawPrediction | None:
        """What the model beside said of the newest window."""
        return self._decider.shadow_said if self._decider is not None else None

    @property
    def newest_hop(self) -> Hop | None:
        """The newest hop exactly as the model was given it; None without a model."""
        return self._decider.newest_hop if self._decider is not None else None

    @property
    def said(self) -> RawPrediction | None:
        """All that the model said of the newest window; None without a model or when it was skipped."""
        return self._decider.said if self._decider is not None else None

    @property
    def predictor(self) -> StreamingPredictor | None:
        """The model that answers now."""
        return self._decider.predictor if self._decider is not None else None

    def tap(self, role: str, tap: Tap | None) -> None:
        """Show the raw samples of a stream, placed in time, to ``tap`` as they come."""
        self._tracks[role].tap = tap

    def rehearse(self) -> None:
        """Change nothing, but have the model's code and weights in the processor's caches."""
        if self._decider is not None:
            self._decider.predictor.rehearse()

    def _run(self, wall_s: float = -np.inf) -> Iterator[Outcome]:
        """Settle rows and close windows until nothing more can be done."""
        moved = True
        while moved:
            moved = False
            for role, track in self._tracks.items():
                began = track.grid.started
                moved |= track.grid.advance(self._limit(role))
                if (track.grid.started and not began) or self._schedule.next_index is None:
                    self._begin(role)
            while (due := self._schedule.due(self._complete(), max(self._newest_s(), wall_s))) is not None:
                moved = True
                yield from self._close(*due)

    def _begin(self, role: str) -> None:
        grid = self._tracks[role].grid
        if grid.started:
            self._schedule.start(grid.start_s)

    def _limit(self, role: str) -> int:
        index = self._schedule.next_index
        if index is None:
            grid = self._tracks[role].grid
            start_s = grid.start_s if grid.started else 0.0
            return int((start_s + self._margin_s) * grid.sfreq)
        return int((self._schedule.end_s(index) + self._margin_s) * self.plans[role].sfreq)

    def _newest_s(self) -> float:
        ends = (t.grid.end / t.grid.sfreq for t in self._tracks.values() if t.grid.started)
        return max(ends, default=-np.inf)

    def _complete(self) -> dict[str, int]:
        """Hops delivered in full, per stream that is not idle."""
        newest_s = self._newest_s()
        idle_s = max(1.0, 2 * self.settings.lateness_s)
        first_s = min((t.grid.start_s for t in self._tracks.values() if t.grid.started), default=newest_s)
        complete = {}
        for role, track in self._tracks.items():
            end_s = track.grid.end / track.grid.sfreq if track.grid.started else first_s
            if newest_s - end_s <= idle_s:
                complete[role] = self._hops_in(track.grid) if track.grid.started else _NEVER
        return complete

    def _close(self, index: int, by_deadline: bool) -> Iterator[Outcome]:
        for role, track in self._tracks.items():
            track.grid.seal(self._row(role, index))
        window = self._window(index, by_deadline)
        skip = self._is_stale(index)
        prediction = self._decider.decide(window, fuse=not skip) if self._decider else None
        self._schedule.advance()
        if all(part.coverage == 0.0 for part in window.streams.values()):
            self.n_empty += 1
            self._leap()
            return
        self.n_windows += 1
        self.n_deadline += by_deadline
        self.n_skipped += skip
        yield Outcome(window, prediction)
        if self._decider is not None:
            self._decider.answer_beside()  # after the answer that counts is out

    def _is_stale(self, index: int) -> bool:
        if self._stale_after_s is None:
            return False
        newer = min(self._complete().values(), default=index) > index
        return newer and self._now_s - self._schedule.end_s(index) > self._stale_after_s

    def _window(self, index: int, by_deadline: bool) -> Window:
        end_s = self._schedule.end_s(index)
        streams = {role: self._part(role, index) for role in self._tracks}
        return Window(index, round(end_s - self.settings.window_s, 9), end_s, streams, by_deadline)

    def _part(self, role: str, index: int) -> StreamWindow:
        grid, end_s = self._tracks[role].grid, self._schedule.end_s(index)
        start_s = round(end_s - self.settings.window_s, 9)
        first, stop = row_at(start_s, grid.sfreq), self._row(role, index)
        data, mask, marks = grid.view(first, stop)
        gaps = tuple(Gap(a / grid.sfreq, b / grid.sfreq) for a, b in grid.gaps(first, stop))
        coverage = 1.0 - grid.n_bad(first, stop) / max(1, len(mask))
        return StreamWindow(role, grid.sfreq, start_s, end_s, data, mask, marks, coverage, gaps)

    def _row(self, role: str, index: int) -> int:
        """The grid row at which window ``index`` ends."""
        return row_at(self._schedule.end_s(index), self.plans[role].sfreq)

    def _hops_in(self, grid: GridTrack) -> int:
        return int(np.floor(round(grid.end / (grid.sfreq * self.settings.hop_s), 6)))

    def _leap(self) -> None:
        """Nothing in sight: go straight to the first window that can hold something."""
        ahead = [t.grid.resumes_s for t in self._tracks.values() if t.grid.started and t.grid.in_gap]
        if not ahead or self._schedule.next_index is None:
            return
        target = int(min(ahead) / self.settings.hop_s)
        behind = any(not t.grid.in_gap and self._waits_for(r) for r, t in self._tracks.items())
        if behind or target <= self._schedule.next_index:
            return
        self._schedule.advance(target)
        for role, track in self._tracks.items():
            track.grid.seal(self._row(role, target - 1))
        if self._decider is not None:
            self._decider.reset()

    def _waits_for(self, role: str) -> bool:
        return role in self._complete() and self._tracks[role].grid.started

    def _recent_hops(self, n: int) -> list[Mapping[str, StreamWindow]]:
        index = self._schedule.next_index
        if index is None:
            return []
        return [{role: self._hop_part(role, i) for role in self._tracks} for i in range(index - n, index)]

    def _hop_part(self, role: str, index: int) -> StreamWindow:
        grid, t_end = self._tracks[role].grid, self._schedule.end_s(index)
        data, mask, marks = grid.view(self._row(role, index - 1), self._row(role, index))
        t_start = t_end - self.settings.hop_s
        return StreamWindow(role, grid.sfreq, t_start, t_end, data, mask, marks, float("nan"), ())

    def _take_marker(self, event: Event) -> None:
        """Put a marker on the local clock; it waits for its stream's first offset like any sample."""
        if isinstance(event, Chunk):
            return
        clock = self._marker_clocks.setdefault(event.stream, ClockTrack(step_s=np.inf))
        if isinstance(event, ClockOffset):
            pieces = clock.add_pair(event.remote_s, event.offset_s)
        else:
            self._n_markers += 1
            self._marker_labels[self._n_markers] = event.label
            row = np.array([[self._n_markers]], np.float32)
            pieces = clock.admit(np.array([event.timestamp]), row)
        self._keep_markers(event.stream, pieces)

    def _keep_markers(self, stream: str, pieces: list[Piece]) -> None:
        for times, rows in pieces:
            for t, number in zip(times.tolist(), rows[:, 0].tolist(), strict=True):
                self.markers.append(Marker(stream, t, self._marker_labels.pop(int(number))))
                self._n_placed += 1


def validity_s(settings: WindowSettings) -> float:
    """How long after a window's end its prediction holds, in seconds.

    By then the next one is there even if the clock had to close it, with one hop to spare.
    """
    return settings.lateness_s + _WALL_SLACK_S + 2 * settings.hop_s


def _predictions(outcomes: Iterator[Outcome]) -> list[Prediction]:
    return [outcome.prediction for outcome in outcomes if outcome.prediction is not None]


def _decider(
    plans: Mapping[str, StreamPlan],
    settings: WindowSettings,
    predictor: StreamingPredictor | None,
    stopwatch: Callable[[], float] | None,
) -> Decider | None:
    if predictor is None:
        return None
    from bci_stream.engine.decide import Decider

    hop_n = {role: samples_per(settings.hop_s, plan.sfreq, "a hop") for role, plan in plans.items()}
    return Decider(plans, hop_n, predictor, stopwatch, validity_s(settings))
