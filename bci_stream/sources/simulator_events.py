"""A simulated session as the events that the core takes, with faults to order and true times known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Event, FloatArray, Marker, TimeArray
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_faults import Faults, Indices, Transport, transports
from bci_stream.sources.simulator_truth import seeded

MARKERS = "markers"
T0_S = 1000.0  #: local time of the first sample unless told otherwise

#: ``content(role, true_times) -> (n, n_channels)``: what the samples hold, in place of the person's signals.
Content = Callable[[str, TimeArray], FloatArray]


def simulated_events(
    settings: SimulatorSettings,
    faults: Faults | None = None,
    duration_s: float = 60.0,
    chunk_s: float = 0.02,
    *,
    t0: float = T0_S,
    content: Content | None = None,
) -> Iterator[Event]:
    """A session of ``duration_s`` as chunks, clock offsets and markers, in the order of arrival.

    Streams are called "eeg", "audio" and "markers". Sample 0 is taken at local time ``t0``; every
    ``chunk_s`` what has come since is handed out, and ``arrival_s`` is when. The first clock offset of
    a stream comes before its first sample. Markers "class:<name>" are on the local clock, at the
    truth's changes. ``content`` replaces what the samples hold, to measure alignment exactly.
    Raises ConfigError for settings that make no sense.
    """
    faults = faults or Faults()
    simulator = Simulator(settings)
    ways = transports(settings, faults, t0)
    probes = {role: _Probes(way, faults) for role, way in ways.items()}
    markers = [Marker(MARKERS, t0 + s.t_start, f"class:{s.label}") for s in simulator.truth(duration_s)]
    yield ClockOffset(MARKERS, t0, 0.0)
    for now in _ticks(t0, duration_s, chunk_s):
        for role, transport in ways.items():
            n_before = transport.n_sent
            indices = transport.advance(now)
            yield from probes[role].until(now)
            true = transport.true_times(indices)
            data = content(role, true) if content else _render(simulator, transport, indices, n_before)
            if len(indices):
                yield Chunk(role, transport.stamps(indices), transport.spoil(indices, data), now)
        while markers and markers[0].timestamp <= now:
            yield markers.pop(0)


def truth_times(
    settings: SimulatorSettings,
    faults: Faults | None = None,
    duration_s: float = 60.0,
    chunk_s: float = 0.02,
    *,
    t0: float = T0_S,
) -> dict[str, TimeArray]:
    """The local times at which the delivered samples were taken, by role, in the order of delivery.

    One for each stamp that :func:`simulated_events` yields for the same arguments.
    """
    times: dict[str, list[TimeArray]] = {EEG: [], AUDIO: []}
    ways = transports(settings, faults or Faults(), t0)
    for now in _ticks(t0, duration_s, chunk_s):
        for role, transport in ways.items():
            times[role].append(transport.true_times(transport.advance(now)))
    return {role: np.concatenate(parts) for role, parts in times.items()}


def _ticks(t0: float, duration_s: float, chunk_s: float) -> Iterator[float]:
    if chunk_s <= 0:
        raise ConfigError(f"chunk_s must be above 0; got {chunk_s:g}")
    n = int(np.ceil(duration_s / chunk_s - 1e-9))
    # The last tick stops short of the sample at t0 + duration_s, which is outside of [t0, t0 + duration_s).
    return (t0 + min((k + 1) * chunk_s, duration_s) - 1e-6 for k in range(n))


def _render(simulator: Simulator, transport: Transport, indices: Indices, n_before: int) -> FloatArray:
    """The person's signal at ``indices``; what was lost on the way is rendered too and dropped."""
    data = simulator.read(transport.role, transport.n_sent - n_before)
    return np.asarray(data[indices - n_before])


@dataclass
class _Probes:
    """Measures a device's clock now and then, as an inlet does."""

    transport: Transport
    faults: Faults

    def __post_init__(self) -> None:
        self._rng = seeded(self.faults.seed, self.transport.role + " offsets")
        self._next_s = self.transport.t0 - 0.5
        mine = self.faults.of(self.transport.role)
        again = [r.t + r.noticed_after_s for r in mine.clock_resets] + [d.t_end for d in mine.disconnects]
        self._again = sorted(self.transport.t0 + t for t in again)
        self._blind = [(r.t, r.t + r.noticed_after_s) for r in mine.clock_resets]

    def until(self, now: float) -> Iterator[ClockOffset]:
        """The measurements due by local time ``now``."""
        while min([self._next_s, *self._again[:1]]) <= now:
            if self._again and self._again[0] <= self._next_s:
                yield self._measure(self._again.pop(0))
                continue
            t, self._next_s = self._next_s, self._next_s + self._rng.uniform(*self.faults.offset_every_s)
            if self.transport.connected(t) and not self._waits(t):
                yield self._measure(t)

    def _waits(self, t: float) -> bool:
        return any(a <= t - self.transport.t0 < b for a, b in self._blind)

    def _measure(self, t: float) -> ClockOffset:
        shown = float(self.transport.remote(np.array([t]))[0])
        noise_s = self._rng.normal(0.0, self.faults.offset_noise_s) if self.faults.offset_noise_s else 0.0
        return ClockOffset(self.transport.role, shown, t - shown + noise_s)
