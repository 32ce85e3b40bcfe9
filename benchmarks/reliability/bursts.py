"""Bluetooth: 12 samples a packet, each late by an exponential 20 ms, now and then stalled by 250 ms."""

from __future__ import annotations

import numpy as np

from bci_stream.messages import EEG
from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.in_pyxdf import loaded
from benchmarks.reliability.peers.liblsl import liblsl_dejitter
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.virtual import Clock, Delivery, in_order, run

SFREQ, PACKET = 256.0, 12
T0 = 1000.0
_SETTLED_S = 10.0
_GOAL = "0 false losses, SD < 5 ms"


def delivery(n_packets: int, seed: int) -> Delivery:
    """Stamped at arrival, spread backwards by the nominal rate; no packet overtakes another."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(n_packets * PACKET)
    taken = T0 + (np.arange(n_packets) * PACKET + PACKET - 1) / SFREQ
    late = rng.exponential(20e-3, n_packets)
    late[rng.random(n_packets) < 0.01] += 0.250
    arrival = np.maximum.accumulate(taken + late).repeat(PACKET)
    stamps = arrival - (PACKET - 1 - numbers % PACKET) / SFREQ
    clock = Clock(offset_s=9.0)
    offsets = clock.measured(EEG, T0 - 1.0, T0 + n_packets * PACKET / SFREQ, 2.0, rng)
    return Delivery(EEG, SFREQ, numbers, clock.shows(stamps), arrival, offsets)


def measure(short: bool = False) -> Row:
    """Ten minutes from 20 seeds, or two from two. The radio's mean delay cannot be known and stays in."""
    n_packets = 2_560 if short else 12_800
    n_false, spread_ms, worst_ms = 0, 0.0, 0.0
    for seed in range(2 if short else 20):
        done = run([delivery(n_packets, seed)], 0.02)
        placed, health = done.placed[EEG], done.health[EEG]
        error = (placed.times - (T0 + placed.numbers / SFREQ))[placed.numbers > _SETTLED_S * SFREQ]
        n_false += health.n_lost + health.n_gaps
        spread_ms = max(spread_ms, float(error.std()) * 1e3)
        worst_ms = max(worst_ms, float(np.abs(error - error.mean()).max()) * 1e3)
    figure = f"{n_false} false losses, SD {spread_ms:.2f} ms, worst {worst_ms:.1f} ms"
    met = n_false == 0 and spread_ms < 5.0
    peers = "" if short else beside({"pylsl": _liblsl, "pyxdf": _pyxdf})
    return Row("Bluetooth bursts", figure, _GOAL, met, peers)


def _liblsl() -> str:
    sent = delivery(12_800, 0)
    times = liblsl_dejitter(sent.stamps, SFREQ)
    error = (times - (T0 + sent.numbers / SFREQ))[sent.numbers > _SETTLED_S * SFREQ]
    return f"liblsl dejitter SD {error.std() * 1e3:.2f} ms"


def _pyxdf() -> str:
    n_false, spread_ms, worst_ms = 0, 0.0, 0.0
    for seed in range(20):
        sent = delivery(12_800, seed)
        read = loaded({EEG: SFREQ}, in_order([sent], 0.02))[EEG]
        error = (read.times - (T0 + sent.numbers / SFREQ))[sent.numbers > _SETTLED_S * SFREQ]
        n_false += read.n_breaks
        spread_ms = max(spread_ms, float(error.std()) * 1e3)
        worst_ms = max(worst_ms, float(np.abs(error - error.mean()).max()) * 1e3)
    return f"pyxdf {n_false} false losses, SD {spread_ms:.2f} ms, worst {worst_ms:.1f} ms"


if __name__ == "__main__":
    command(measure)
