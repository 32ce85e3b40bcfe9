"""What goes wrong between an electrode and a program, to order: the transport of a simulated stream.

A stream's samples have true times. Its device groups them in packets, loses some, and stamps the rest
with its own clock, late or early by the jitter. :class:`Transport` says which samples have come by a
moment and what their stamps are; it knows nothing of what the samples hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, FloatArray, TimeArray
from bci_stream.sources.simulator_truth import SimulatorSettings, seeded

Indices = NDArray[np.int64]

#: What a stuck channel holds: a 24-bit amplifier at gain 24 (ADS1299) in µV, a full-scale microphone.
RAIL: Final[Mapping[str, float]] = {EEG: 187_500.0, AUDIO: 1.0}


@dataclass(frozen=True, slots=True)
class Outage:
    """``[t_start, t_start + duration_s)`` in seconds since the first sample."""

    t_start: float
    duration_s: float

    @property
    def t_end(self) -> float:
        """Where it ends, itself outside."""
        return self.t_start + self.duration_s


@dataclass(frozen=True, slots=True)
class ClockReset:
    """At ``t`` s the device's clock jumps by ``jump_s``, to be measured again ``noticed_after_s`` later."""

    t: float
    jump_s: float
    noticed_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ChannelFault:
    """Channel number ``channel`` is stuck, at rest or not a number from ``t_start`` to ``t_end`` s."""

    t_start: float
    t_end: float
    channel: int
    kind: Literal["nan", "flat", "rail"]


@dataclass(frozen=True, slots=True)
class ValueFault:
    """From ``t_start`` to ``t_end`` s channels are swapped, values in another unit, or all of them zero."""

    t_start: float
    t_end: float
    kind: Literal["swap", "unit", "silence"]
    channels: tuple[int, int] = (0, 0)
    factor: float = 1.0


@dataclass(frozen=True)
class StreamFaults:
    """What goes wrong with one stream. The defaults are a perfect one on the local clock.

    Its clock: add ``clock_offset_s`` to a stamp to get local time at the first sample; it then runs
    ``drift_ppm`` fast against the local clock. Its crystal: the true rate is ``rate_ppm`` above the
    nominal one. Its packets hold ``burst_n`` samples, are shifted as one by a normal jitter of SD
    ``jitter_s``, get one stamp per sample (``spread``) or the last one's for all (``equal``), and are
    lost with probability ``loss``. A packet may be stamped late by an exponential time of mean
    ``late_s``, and with probability ``stall_share`` by ``stall_s`` more; none is stamped before an earlier
    one then. In a gap the device drops samples while the stream lives on; in a disconnect the stream
    itself is gone, and its offset is measured anew when it is back. In a freeze nothing is sent, and all
    of it at once afterwards. Impostors offer a stream of the same ids beside it.
    """

    clock_offset_s: float = 0.0
    drift_ppm: float = 0.0
    rate_ppm: float = 0.0
    burst_n: int = 1
    burst_stamps: Literal["spread", "equal"] = "spread"
    jitter_s: float = 0.0
    loss: float = 0.0
    gaps: tuple[Outage, ...] = ()
    disconnects: tuple[Outage, ...] = ()
    clock_resets: tuple[ClockReset, ...] = ()
    channel_faults: tuple[ChannelFault, ...] = ()
    value_faults: tuple[ValueFault, ...] = ()
    freezes: tuple[Outage, ...] = ()
    impostors: tuple[Outage, ...] = ()
    late_s: float = 0.0
    stall_share: float = 0.0
    stall_s: float = 0.25

    def __post_init__(self) -> None:
        if self.burst_n < 1 or self.jitter_s < 0 or not 0 <= self.loss <= 1:
            raise ConfigError(
                f"stream faults: burst_n must be 1 or more, jitter_s 0 or more, loss 0 to 1; "
                f"got {self.burst_n}, {self.jitter_s}, {self.loss}"
            )
        outages = self.gaps + self.disconnects + self.freezes + self.impostors
        if any(outage.duration_s <= 0 for outage in outages):
            raise ConfigError(
                "stream faults: every gap, disconnect, freeze and impostor must last longer than 0 s"
            )


@dataclass(frozen=True)
class Faults:
    """What goes wrong, stream by stream; ``seed`` draws jitter, losses and clock measurements.

    Clock offsets are measured every ``offset_every_s`` (shortest, longest) with a normal error of SD
    ``offset_noise_s``, as liblsl does on one computer.
    """

    eeg: StreamFaults = field(default_factory=StreamFaults)
    audio: StreamFaults = field(default_factory=StreamFaults)
    seed: int = 0
    offset_every_s: tuple[float, float] = (2.0, 5.0)
    offset_noise_s: float = 20e-6

    def of(self, role: str) -> StreamFaults:
        """The faults of the stream in this role."""
        return self.eeg if role == EEG else self.audio


class Transport:
    """One stream's way from the device: which samples have come, when they were taken, how they are stamped.

    ``t0`` is the local time of sample 0, in seconds.
    """

    def __init__(self, role: str, sfreq: float, faults: StreamFaults, t0: float, seed: int = 0) -> None:
        self.role = role
        self.t0 = t0
        self._faults = faults
        self._nominal_sfreq = sfreq
        self._true_sfreq = sfreq * (1 + faults.rate_ppm * 1e-6)
        self._jitter = seeded(seed, role + " jitter")
        self._loss = seeded(seed, role + " loss")
        self._late = seeded(seed, role + " late")
        self._newest_s = -np.inf  # of the true time at which a late packet was stamped
        self.n_sent = 0  #: samples taken by the device so far, delivered or not

    def advance(self, now: float) -> Indices:
        """Numbers of the samples delivered since the last call, in packets whole by local ``now``."""
        burst_n = self._faults.burst_n
        now = self._awake(now)
        n_taken = int(np.floor((now - self.t0) * self._true_sfreq + 1e-6)) + 1
        n_packets = (max(n_taken, 0) - self.n_sent) // burst_n
        if n_packets <= 0:
            return np.empty(0, np.int64)
        indices = np.arange(self.n_sent, self.n_sent + n_packets * burst_n)
        self.n_sent += len(indices)
        kept = np.repeat(self._loss.random(n_packets) >= self._faults.loss, burst_n)
        since_start = self.true_times(indices) - self.t0
        for outage in self._faults.gaps + self._faults.disconnects:
            kept &= ~_within(since_start, outage.t_start, outage.t_end)
        return np.asarray(indices[kept])

    def _awake(self, now: float) -> float:
        """Local ``now``, or when the freeze began that lasts then."""
        frozen = (f.t_start for f in self._faults.freezes if f.t_start <= now - self.t0 < f.t_end)
        return min((self.t0 + t for t in frozen), default=now)

    def true_times(self, indices: Indices) -> TimeArray:
        """(n,) local time at which the samples were taken."""
        return np.asarray(self.t0 + indices / self._true_sfreq)

    def stamps(self, indices: Indices) -> TimeArray:
        """(n,) stamps of samples delivered by one ``advance``, on the device's clock."""
        faults = self._faults
        packets = indices // faults.burst_n
        last = packets * faults.burst_n + faults.burst_n - 1
        stamps = self.remote(self.true_times(last) + self._lateness_s(packets, last))
        if faults.burst_stamps == "spread":
            stamps -= (last - indices) / self._nominal_sfreq
        # One draw a packet that arrives at all; which those are does not depend on the chunking.
        _, at = np.unique(packets, return_inverse=True)
        if len(indices) and faults.jitter_s > 0:
            stamps += faults.jitter_s * self._jitter.standard_normal(at[-1] + 1)[at]
        return stamps

    def _lateness_s(self, packets: Indices, last: Indices) -> TimeArray:
        """(n,) how late each sample's packet is stamped; none overtakes another."""
        faults = self._faults
        if not len(packets) or (faults.late_s == 0 and faults.stall_share == 0):
            return np.zeros(len(packets))
        _, first, at = np.unique(packets, return_index=True, return_inverse=True)
        late = self._late.exponential(1.0, len(first)) * faults.late_s
        late += faults.stall_s * (self._late.random(len(first)) < faults.stall_share)
        taken = self.true_times(last[first])
        stamped = np.maximum.accumulate(np.maximum(taken + late, self._newest_s))
        self._newest_s = float(stamped[-1])
        lateness: TimeArray = (stamped - taken)[at]
        return lateness

    def remote(self, local: TimeArray) -> TimeArray:
        """(n,) local time -> what the device's clock shows then."""
        since_start = local - self.t0
        shown = local - self._faults.clock_offset_s + 1e-6 * self._faults.drift_ppm * since_start
        for reset in self._faults.clock_resets:
            shown = shown + reset.jump_s * (since_start >= reset.t)
        return np.asarray(shown)

    def connected(self, now: float) -> bool:
        """Whether the stream exists at local time ``now``, though it may deliver nothing."""
        return not any(d.t_start <= now - self.t0 < d.t_end for d in self._faults.disconnects)

    def impersonated(self, now: float) -> bool:
        """Whether somebody else offers a stream with the same ids at local time ``now``."""
        return any(i.t_start <= now - self.t0 < i.t_end for i in self._faults.impostors)

    def spoil(self, indices: Indices, data: FloatArray) -> FloatArray:
        """(n, n_channels) samples with the faulty channels' values in place of the true ones."""
        since_start = self.true_times(indices) - self.t0
        for change in self._faults.value_faults:
            rows = _within(since_start, change.t_start, change.t_end)
            if change.kind == "swap":
                a, b = change.channels
                data[rows, a], data[rows, b] = data[rows, b].copy(), data[rows, a].copy()
            else:
                data[rows] *= 0.0 if change.kind == "silence" else change.factor
        values = {"nan": np.nan, "flat": 0.0, "rail": RAIL[self.role]}
        for fault in self._faults.channel_faults:
            data[_within(since_start, fault.t_start, fault.t_end), fault.channel] = values[fault.kind]
        return data


def transports(settings: SimulatorSettings, faults: Faults, t0: float) -> dict[str, Transport]:
    """The ways of both signals, by role; sample 0 is taken at local time ``t0``.

    Raises ConfigError for a fault of a channel that is not there.
    """
    n_channels = {EEG: len(settings.ch_names), AUDIO: 1}
    for role, n in n_channels.items():
        for fault in faults.of(role).channel_faults:
            if not 0 <= fault.channel < n:
                raise ConfigError(
                    f"a fault is ordered for channel {fault.channel} of {role}, which has only {n}, from 0 on"
                )
    rates = {EEG: settings.eeg_sfreq, AUDIO: settings.audio_sfreq}
    return {role: Transport(role, rate, faults.of(role), t0, faults.seed) for role, rate in rates.items()}


def _within(times: TimeArray, t_start: float, t_end: float) -> NDArray[np.bool_]:
    return np.asarray((times >= t_start) & (times < t_end))
