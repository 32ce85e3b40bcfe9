"""Streams in virtual time through the real pipeline: where every sample was put, and where it belongs.

Channel 0 of a virtual stream counts its samples, so that what comes out of the pipeline can be told
sample for sample from what went in, whatever was lost or dropped on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.track import StreamHealth
from bci_stream.messages import Chunk, ClockOffset, Event, StreamSpec, TimeArray
from bci_stream.timeline.windows import WindowSettings

_COUNT_MODULUS = 2**23  # what float32 counts exactly
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a stream hands over: numbers of its samples (n,), their raw stamps (n,), local arrival (n,)."""

    role: str
    sfreq: float
    numbers: Numbers
    stamps: TimeArray
    arrivals: TimeArray
    offsets: Sequence[ClockOffset] = ()

    def events(self, chunk_s: float = 0.1) -> Iterator[tuple[float, Event]]:
        """(local arrival, event), in the order of arrival; a measured offset arrives when it is measured."""
        for offset in self.offsets:
            yield offset.remote_s + offset.offset_s, offset
        counts = (self.numbers % _COUNT_MODULUS).astype(np.float32)[:, None]
        slots = np.floor(self.arrivals / chunk_s)
        edges = np.flatnonzero(np.diff(slots)) + 1
        for first, stop in zip([0, *edges], [*edges, len(slots)], strict=True):
            if first < stop:
                arrival_s = float(self.arrivals[stop - 1])
                yield arrival_s, Chunk(self.role, self.stamps[first:stop], counts[first:stop], arrival_s)


@dataclass
class Placed:
    """Where the pipeline put the samples of one stream: (n,) numbers and local times, in its order."""

    role: str
    every: int = 1  # keep one of so many
    _numbers: list[Numbers] = field(default_factory=list)
    _times: list[TimeArray] = field(default_factory=list)
    _newest: int = 0

    def tap(self, times: TimeArray, data: NDArray[np.float32], *_: object) -> None:
        """As a pipeline's tap."""
        wrapped = data[:, 0].astype(np.int64)
        around = np.round((self._newest - wrapped) / _COUNT_MODULUS).astype(np.int64)
        numbers = wrapped + around * _COUNT_MODULUS
        self._newest = int(numbers[-1])
        kept = numbers % self.every == 0
        self._numbers.append(numbers[kept])
        self._times.append(times[kept])

    @property
    def numbers(self) -> Numbers:
        """Of the samples."""
        return np.concatenate(self._numbers)

    @property
    def times(self) -> TimeArray:
        """Local, s."""
        return np.concatenate(self._times)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    placed: dict[str, Placed]
    health: dict[str, StreamHealth]
    n_windows: int


def in_order(deliveries: Sequence[Delivery], chunk_s: float = 0.1) -> list[Event]:
    """The events of several streams, by arrival."""
    events = [pair for delivery in deliveries for pair in delivery.events(chunk_s)]
    return [event for _, event in sorted(events, key=lambda pair: pair[0])]


def run(deliveries: Sequence[Delivery], chunk_s: float = 0.1) -> Run:
    """Everything through one pipeline."""
    return run_events({d.role: d.sfreq for d in deliveries}, in_order(deliveries, chunk_s))


def run_events(
    rates: Mapping[str, float], events: Iterable[Event], every: Mapping[str, int] | None = None
) -> Run:
    """Events of streams of one channel, which counts; ``every``: by role, keep one sample of so many."""
    specs = {role: StreamSpec(role, ("count",), sfreq) for role, sfreq in rates.items()}
    pipeline = Pipeline(plan_without_model(specs), WindowSettings(2.0, 0.2))
    placed = {role: Placed(role, (every or {}).get(role, 1)) for role in rates}
    for role, each in placed.items():
        pipeline.tap(role, each.tap)
    for event in events:
        _exhaust(pipeline.step(event))
    _exhaust(pipeline.end())
    return Run(placed, pipeline.health(), pipeline.n_windows)


def _exhaust(outcomes: Iterator[Outcome]) -> None:
    for _ in outcomes:
        pass


@dataclass(frozen=True, slots=True)
class Clock:
    """A device's clock: it shows ``local - offset_s``, runs ``drift_ppm`` fast and jumps at ``jumps``.

    ``jumps``: (local time, s) pairs. ``at``: local time at which the drift is nil.
    """

    offset_s: float = 0.0
    drift_ppm: float = 0.0
    at: float = 0.0
    jumps: tuple[tuple[float, float], ...] = ()

    def shows(self, local: TimeArray) -> TimeArray:
        """(n,) local times -> what it shows then."""
        shown = local - self.offset_s + 1e-6 * self.drift_ppm * (local - self.at)
        for t_s, by_s in self.jumps:
            shown = shown + by_s * (local >= t_s)
        return shown

    def measured(
        self, role: str, t_start: float, t_end: float, every_s: float, rng: np.random.Generator
    ) -> list[ClockOffset]:
        """Offsets as liblsl measures them on one computer: now and then, good to 20 µs."""
        times = np.arange(t_start, t_end, every_s)
        shown = self.shows(times)
        noise = rng.normal(0, 20e-6, len(times))
        return [
            ClockOffset(role, float(r), float(t - r + e)) for t, r, e in zip(times, shown, noise, strict=True)
        ]
