"""Eight hours in virtual time: 64 channels of EEG at 1 kHz and a voice at 48 kHz through the real pipeline.

Both streams drift, jitter and are measured now and then. Channel 0 counts, so that every sample that comes
out of the dejitter is told from its neighbours; every window must follow the one before and be full.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Event, FloatArray, StreamSpec, TimeArray
from bci_stream.timeline.windows import WindowSettings
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.virtual import Clock

T0 = 1000.0
CHUNK_S = 0.2
_TICK_S = 0.02
HOURS = 8.0
_MODULUS = 2**23
_GOAL = "0 samples lost or doubled, RSS growth < 5 MB after minute 1"
_RATES = {EEG: 1000.0, AUDIO: 48_000.0}
_CHANNELS = {EEG: 64, AUDIO: 1}
_PPM = {EEG: 40.0, AUDIO: -60.0}


class Counted:
    """Follows the numbers of a stream's samples as they come out."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.n_out = self.n_lost = self.n_doubled = 0

    def tap(self, times: TimeArray, data: FloatArray, *_: object) -> None:
        """As a pipeline's tap."""
        numbers = data[:, 0].astype(np.int64)
        if self.next is None:
            self.next = int(numbers[0])
        steps = np.diff(numbers, prepend=self.next - 1) % _MODULUS
        ahead = steps[(steps > 1) & (steps < _MODULUS // 2)]
        self.n_lost += int((ahead - 1).sum())
        self.n_doubled += int(((steps == 0) | (steps >= _MODULUS // 2)).sum())
        self.n_out += len(numbers)
        self.next = int(numbers[-1]) + 1


@dataclass(frozen=True, slots=True)
class Device:
    """One stream, generated chunk by chunk."""

    role: str
    noise: FloatArray
    jitter_s: NDArray[np.float64]

    @classmethod
    def of(cls, role: str, seed: int) -> Device:
        """Noise of one chunk is enough: only channel 0 tells samples apart."""
        rng = np.random.default_rng(seed)
        n = int(_RATES[role] * CHUNK_S)
        noise = rng.normal(0, 20.0 if role == EEG else 0.1, (n, _CHANNELS[role]))
        return cls(role, noise.astype(np.float32), rng.normal(0, 1e-3, 4096))

    def chunk(self, number: int, clock: Clock) -> Chunk:
        """The chunk with this number."""
        n = len(self.noise)
        numbers = np.arange(number * n, (number + 1) * n)
        data = self.noise.copy()
        data[:, 0] = numbers % _MODULUS
        rate = _RATES[self.role] * (1 + _PPM[self.role] * 1e-6)
        true = T0 + numbers / rate
        return Chunk(self.role, clock.shows(true) + self.jitter_s[number % 4096], data, float(true[-1]))


def events(duration_s: float) -> Iterator[Event]:
    """Both streams, their clocks measured every 5 s."""
    rng = np.random.default_rng(8)
    devices = [Device.of(role, seed) for seed, role in enumerate(_RATES)]
    clocks = {role: Clock(-500.0 * (1 + k), _PPM[role], T0) for k, role in enumerate(_RATES)}
    n_sent = dict.fromkeys(_RATES, 0)
    for number in range(int(duration_s / _TICK_S)):
        local = np.array([T0 + number * _TICK_S])
        for device in devices:
            role, clock = device.role, clocks[device.role]
            if number % round(5.0 / _TICK_S) == 0:
                shown = float(clock.shows(local)[0])
                yield ClockOffset(device.role, shown, float(local[0]) - shown + rng.normal(0, 2e-5))
            while (n_sent[role] + 1) * CHUNK_S / (1 + _PPM[role] * 1e-6) <= local[0] - T0:
                yield device.chunk(n_sent[role], clock)
                n_sent[role] += 1


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of it."""

    n_lost: int
    n_doubled: int
    n_samples: Mapping[str, int]
    n_windows: int
    n_broken: int
    growth_mb: float
    took_s: float


def soak(duration_s: float) -> Soaked:
    """Run, and look at every sample and window."""
    specs = {
        role: StreamSpec(role, tuple(f"ch{c}" for c in range(_CHANNELS[role])), rate)
        for role, rate in _RATES.items()
    }
    pipeline = Pipeline(plan_without_model(specs), WindowSettings(5.0, 0.2))
    counted = {role: Counted() for role in specs}
    for role, each in counted.items():
        pipeline.tap(role, each.tap)
    began_s, n_broken, before = time.monotonic(), 0, None
    start_bytes: float = 0.0
    for number, event in enumerate(events(duration_s)):
        for outcome in pipeline.step(event):
            n_broken += is_broken(outcome, before)
            before = outcome.window.index
        if not start_bytes and before is not None and before * 0.2 > T0 + 60.0:
            start_bytes = resident_bytes()
        if number % 200_000 == 0 and sys.stderr.isatty():
            print(f"{number} events", file=sys.stderr)
    growth = resident_bytes() - start_bytes
    return Soaked(
        sum(c.n_lost for c in counted.values()) + sum(h.n_lost for h in pipeline.health().values()),
        sum(c.n_doubled for c in counted.values()) + sum(h.n_overlap for h in pipeline.health().values()),
        {role: c.n_out for role, c in counted.items()},
        pipeline.n_windows,
        n_broken,
        growth / 1e6,
        time.monotonic() - began_s,
    )


def is_broken(outcome: Outcome, before: int | None) -> bool:
    """Whether a window does not follow the one before, was cut short, or is not full."""
    window = outcome.window
    follows = before is None or window.index == before + 1
    full = window.t_start < T0 + 1.0 or all(part.coverage == 1.0 for part in window.streams.values())
    return not (follows and full and not window.deadline)


def resident_bytes() -> float:
    """Of this process, after what is garbage is gone."""
    gc.collect()
    return float(psutil.Process().memory_info().rss)


def measure(short: bool = False) -> Row:
    """Eight hours, or two minutes."""
    duration_s = 120.0 if short else HOURS * 3600.0
    done = soak(duration_s)
    figure = (
        f"{duration_s / 3600:.2f} h, {sum(done.n_samples.values()):,} samples, {done.n_lost} lost, "
        f"{done.n_doubled} doubled, {done.n_broken} of {done.n_windows:,} windows broken, "
        f"RSS {done.growth_mb:+.1f} MB, in {done.took_s:.0f} s"
    )
    met = done.n_lost == done.n_doubled == done.n_broken == 0 and done.growth_mb < 5.0
    return Row("8 h virtual soak", figure, _GOAL, met)


if __name__ == "__main__":
    command(measure)
