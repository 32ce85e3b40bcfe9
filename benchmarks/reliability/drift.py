"""Clocks and crystals that run apart by ±200 ppm for an hour: how well EEG and voice stay together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from bci_stream.messages import AUDIO, EEG, Event, TimeArray
from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.in_pyxdf import loaded
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.virtual import Clock, Delivery, Numbers, in_order, run_events

T0 = 1000.0
AFTER_S = 60.0
PPM = (200.0, -200.0)
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


@dataclass(frozen=True, slots=True)
class Pair:
    """A headset and a microphone, off by ``ppm`` against each other, for some minutes."""

    ppm: float
    n_minutes: int
    audio_sfreq: float

    @property
    def devices(self) -> tuple[Device, Device]:
        """EEG, voice."""
        return (
            Device(EEG, 256.0, self.ppm, 4e-3, 1),
            Device(AUDIO, self.audio_sfreq, -self.ppm, 2e-3, round(self.audio_sfreq / 100)),
        )

    @property
    def rates(self) -> dict[str, float]:
        """By role, Hz."""
        return {device.role: device.sfreq for device in self.devices}

    def events(self) -> Iterator[Event]:
        """What both deliver, by arrival."""
        rng = np.random.default_rng(int(1000 + self.ppm))
        minutes = (in_order([d.minute(m, rng) for d in self.devices], 0.25) for m in range(self.n_minutes))
        return chain.from_iterable(minutes)

    def apart(self, numbers: Mapping[str, Numbers], times: Mapping[str, TimeArray]) -> TimeArray:
        """(n,) by how much EEG and voice of one instant were put apart, all along after the first minute, s.

        ``numbers``, ``times``: by role, which samples (m,) were put where (m,).
        """
        eeg_s, audio_s = (T0 + numbers[d.role] / d.rate for d in self.devices)
        late = eeg_s > T0 + AFTER_S
        audio_error = np.interp(eeg_s[late], audio_s, times[AUDIO] - audio_s)
        return np.asarray((times[EEG] - eeg_s)[late] - audio_error)


def apart(pair: Pair) -> TimeArray:
    """(n,) by how much our pipeline puts EEG and voice of one instant apart, s."""
    done = run_events(pair.rates, pair.events(), {AUDIO: round(pair.audio_sfreq / 100)}).placed
    return pair.apart({r: p.numbers for r, p in done.items()}, {r: p.times for r, p in done.items()})


def apart_in_pyxdf(pair: Pair) -> TimeArray:
    """(n,) the same, out of a file of all of it."""
    read = {role: stream.times for role, stream in loaded(pair.rates, pair.events()).items()}
    return pair.apart({role: np.arange(len(times)) for role, times in read.items()}, read)


def measure(short: bool = False) -> Row:
    """Both signs against each other; an hour of 48 kHz, or three minutes of 8 kHz."""
    n_minutes, audio_sfreq = (3, 8_000.0) if short else (60, 48_000.0)
    p99, most = _worst([apart(Pair(ppm, n_minutes, audio_sfreq)) for ppm in PPM])
    figure = f"p99 {p99:.3f} ms, max {most:.3f} ms over {n_minutes} min"
    peers = "" if short else beside({"pyxdf": _pyxdf})
    return Row("drift ±200 ppm, EEG-audio alignment", figure, _GOAL, p99 < 1.0 and most < 2.0, peers)


def _pyxdf() -> str:
    """Voice at 8 kHz: pyxdf holds all of the file, several times over, and reads it sample by sample."""
    p99, most = _worst([apart_in_pyxdf(Pair(ppm, 60, 8_000.0)) for ppm in PPM])
    return f"pyxdf p99 {p99:.3f} ms, max {most:.3f} ms over 60 min (voice at 8 kHz)"


def _worst(both: list[TimeArray]) -> tuple[float, float]:
    """(p99, most), ms."""
    p99 = max(float(np.quantile(np.abs(each), 0.99)) for each in both) * 1e3
    return p99, max(float(np.abs(each).max()) for each in both) * 1e3


if __name__ == "__main__":
    command(measure)
