"""Clocks and crystals that run apart by ±200 ppm for an hour: how well EEG and voice stay together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from bci_stream.messages import AUDIO, EEG, TimeArray
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.virtual import Clock, Delivery, Placed, in_order, run_events

T0 = 1000.0
AFTER_S = 60.0
_GOAL = "p99 < 1 ms, max < 2 ms after 60 s"


@dataclass(frozen=True, slots=True)
class Device:
    """A stream whose clock runs ``ppm`` fast and whose crystal runs ``ppm`` slow; jitter of SD per block."""

    role: str
    sfreq: float
    ppm: float
    jitter_s: float
    block: int

    @property
    def rate(self) -> float:
        """Its true rate, Hz."""
        return self.sfreq * (1 - self.ppm * 1e-6)

    def minute(self, number: int, rng: np.random.Generator) -> Delivery:
        """What it delivers within one minute, in whole blocks."""
        first, stop = (round(m * 60 * self.rate / self.block) * self.block for m in (number, number + 1))
        numbers = np.arange(first, stop)
        true = T0 + numbers / self.rate
        clock = Clock(offset_s=-77.0, drift_ppm=self.ppm, at=T0)
        jitter = rng.normal(0, self.jitter_s, len(numbers) // self.block).repeat(self.block)
        arrivals = true[np.arange(len(numbers)) // self.block * self.block + self.block - 1] + 0.01
        start_s = T0 + 60 * number - (number == 0)
        offsets = clock.measured(self.role, start_s, T0 + 60 * (number + 1), 2.0, rng)
        return Delivery(self.role, self.sfreq, numbers, clock.shows(true) + jitter, arrivals, offsets)


def errors(placed: Placed, rate: float) -> TimeArray:
    """(n,) how late each sample was put, s."""
    return placed.times - (T0 + placed.numbers / rate)


def apart(ppm: float, n_minutes: int, audio_sfreq: float) -> TimeArray:
    """(n,) by how much EEG and voice of one instant were put apart, all along after the first minute, s."""
    rng = np.random.default_rng(int(1000 + ppm))
    devices = (
        Device(EEG, 256.0, ppm, 4e-3, 1),
        Device(AUDIO, audio_sfreq, -ppm, 2e-3, round(audio_sfreq / 100)),
    )
    minutes = (in_order([d.minute(m, rng) for d in devices], 0.25) for m in range(n_minutes))
    every = {AUDIO: round(audio_sfreq / 100)}
    done = run_events({d.role: d.sfreq for d in devices}, chain.from_iterable(minutes), every)
    eeg, audio = (errors(done.placed[d.role], d.rate) for d in devices)
    eeg_s, audio_s = (T0 + done.placed[d.role].numbers / d.rate for d in devices)
    late = eeg_s > T0 + AFTER_S
    return eeg[late] - np.interp(eeg_s[late], audio_s, audio)


def measure(short: bool = False) -> Row:
    """Both signs against each other; an hour of 48 kHz, or three minutes of 8 kHz."""
    n_minutes, audio_sfreq = (3, 8_000.0) if short else (60, 48_000.0)
    both = [np.abs(apart(ppm, n_minutes, audio_sfreq)) for ppm in (200.0, -200.0)]
    p99 = max(float(np.quantile(each, 0.99)) for each in both) * 1e3
    most = max(float(each.max()) for each in both) * 1e3
    figure = f"p99 {p99:.3f} ms, max {most:.3f} ms over {n_minutes} min"
    return Row("drift ±200 ppm, EEG-audio alignment", figure, _GOAL, p99 < 1.0 and most < 2.0)


if __name__ == "__main__":
    command(measure)
