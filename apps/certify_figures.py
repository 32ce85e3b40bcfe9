"""What a certificate states: figures of one live session, each against its limit. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from bci_stream.engine.track import StreamHealth

SETTLE_S = 3.0  #: after the first prediction in time: nothing before counts but for loss, gaps and clocks
_ON_TIME_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is called good enough for a person's feedback in real time; the page states each."""

    arrival_p50_ms: float = 20.0
    arrival_p95_ms: float = 50.0
    arrival_p99_ms: float = 100.0
    lag_p95_ms: float = 150.0
    age_p95_ms: float = 400.0
    window_jitter_ms: float = 50.0
    stamp_jitter_ms: float = 30.0
    drift_ppm: float = 200.0
    rate_ppm: float = 10_000.0
    lost_share: float = 0.001
    gaps: float = 0.0
    late_share: float = 0.01
    unanswered: float = 0.0
    missing_share: float = 0.02
    cpu_share: float = 0.5
    memory_mb: float = 20.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the certificate. ``value``: NaN where it could not be measured, which fails."""

    name: str
    value: float
    limit: float
    unit: str
    meaning: str

    @property
    def passed(self) -> bool:
        """Within the limit."""
        return abs(self.value) <= self.limit

    def record(self) -> dict[str, Any]:
        """JSON-safe."""
        value = self.value if math.isfinite(self.value) else None
        return {**asdict(self), "value": value, "passed": self.passed}


@dataclass(frozen=True, slots=True)
class Note:
    """What was noted at one prediction, in the engine's thread.

    ``at_s``: monotonic time. ``is_late``: its window was closed by a deadline. ``n_unanswered``: windows
    until then that got no prediction. ``cpu_s``: of this process until then. ``memory_mb``: resident.
    """

    at_s: float
    index: int
    arrival_ms: float
    lag_ms: float
    age_ms: float
    is_late: bool
    n_unanswered: int
    cpu_s: float
    memory_mb: float


def settled(notes: Sequence[Note]) -> list[Note]:
    """Without the beginning: what had waited in buffers, and some seconds behind that."""
    on_time = next((note.at_s for note in notes if note.age_ms < _ON_TIME_MS), None)
    from_s = (notes[0].at_s if on_time is None else on_time) + SETTLE_S if notes else 0.0
    return [note for note in notes if note.at_s >= from_s]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies; NaN of nothing."""
    known = sorted(value for value in values if math.isfinite(value))
    return known[min(len(known) - 1, int(len(known) * share))] if known else math.nan


def figures_of(notes: Sequence[Note], health: Mapping[str, StreamHealth], limits: Limits) -> list[Figure]:
    """Every line of the certificate, those of the whole session first."""
    counted = settled(notes)
    lines = _latency(counted, limits) + _windows(counted, limits) + _resources(counted, limits)
    for role, stream in health.items():
        lines += _stream(role, stream, limits)
    return lines


def _column(notes: Sequence[Note], name: str) -> list[float]:
    return [getattr(note, name) for note in notes]


def _latency(notes: Sequence[Note], limits: Limits) -> list[Figure]:
    arrival, arrival_ms = "newest sample in hand to prediction out", _column(notes, "arrival_ms")
    steps = [(after.at_s - before.at_s) * 1e3 for before, after in pairwise(notes)]
    lag, age = "age of the newest sample when it came in: device, radio and LSL", "window's end to prediction"
    return [
        Figure("latency p50", percentile(arrival_ms, 0.5), limits.arrival_p50_ms, "ms", arrival),
        Figure("latency p95", percentile(arrival_ms, 0.95), limits.arrival_p95_ms, "ms", arrival),
        Figure("latency p99", percentile(arrival_ms, 0.99), limits.arrival_p99_ms, "ms", arrival),
        Figure(
            "acquisition lag p95", percentile(_column(notes, "lag_ms"), 0.95), limits.lag_p95_ms, "ms", lag
        ),
        Figure("age p95", percentile(_column(notes, "age_ms"), 0.95), limits.age_p95_ms, "ms", age),
        Figure("rhythm", _sd(steps), limits.window_jitter_ms, "ms", "SD of the time between two predictions"),
    ]


def _windows(notes: Sequence[Note], limits: Limits) -> list[Figure]:
    missing = late = unanswered = math.nan
    if notes:
        missing = 1 - len(notes) / (notes[-1].index - notes[0].index + 1)
        late = sum(note.is_late for note in notes) / len(notes)
        unanswered = float(notes[-1].n_unanswered - notes[0].n_unanswered)
    by_deadline = "closed by their deadline, not by the last sample"
    return [
        Figure("windows missing", missing, limits.missing_share, "share", "of those that were due"),
        Figure("windows late", late, limits.late_share, "share", by_deadline),
        Figure(
            "windows unanswered", unanswered, limits.unanswered, "", "skipped, being too old to be answered"
        ),
    ]


def _resources(notes: Sequence[Note], limits: Limits) -> list[Figure]:
    wall_s = notes[-1].at_s - notes[0].at_s if len(notes) > 1 else math.nan
    cpu = (notes[-1].cpu_s - notes[0].cpu_s) / wall_s if wall_s > 0 else math.nan
    memory_mb = _column(notes, "memory_mb")
    quarter = max(1, len(memory_mb) // 4)
    grown = percentile(memory_mb[-quarter:], 0.5) - percentile(memory_mb[:quarter], 0.5)
    return [
        Figure("processor", cpu, limits.cpu_share, "share", "of one core, by this program"),
        Figure("memory growth", grown, limits.memory_mb, "MB", "last quarter against the first"),
    ]


def _stream(role: str, health: StreamHealth, limits: Limits) -> list[Figure]:
    lost = health.n_lost / max(1, health.n_samples + health.n_lost)
    return [
        Figure(f"{role}: loss", lost, limits.lost_share, "share", "samples that never came, by the stamps"),
        Figure(f"{role}: gaps", float(health.n_gaps), limits.gaps, "", "breaks in the stamps"),
        Figure(
            f"{role}: jitter",
            health.jitter_ms,
            limits.stamp_jitter_ms,
            "ms",
            "SD of the stamps about an even grid",
        ),
        Figure(
            f"{role}: rate", health.rate_ppm, limits.rate_ppm, "ppm", "measured rate against the header's"
        ),
        Figure(
            f"{role}: drift", health.drift_ppm, limits.drift_ppm, "ppm", "its clock against this computer's"
        ),
    ]


def _sd(values: Sequence[float]) -> float:
    if not values:
        return math.nan
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
