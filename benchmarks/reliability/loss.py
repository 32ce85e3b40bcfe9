"""Packets that are lost on the way, 1 and 5 in a hundred: how many samples are missed, by stamps alone."""

from __future__ import annotations

from itertools import product

import numpy as np

from bci_stream.messages import EEG, FloatArray
from bci_stream.sources.packet_counter import PacketCounter
from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.in_pyxdf import loaded
from benchmarks.reliability.peers.liblsl import liblsl_dejitter
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.virtual import Clock, Delivery, in_order, run

SFREQ, PACKET = 256.0, 12
T0 = 1000.0
_GOAL = "loss exact with a packet counter, ±1 packet without; p99 stamp error < 20 ms"


def delivery(loss: float, n_packets: int, seed: int, jitter_s: float = 2e-3) -> Delivery:
    """Packets of 12 samples that share a jitter; the first 256 and the last 64 all arrive."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(n_packets * PACKET)
    true = T0 + numbers / SFREQ
    lost = rng.random(n_packets) < loss
    lost[:256] = lost[-64:] = False
    kept = ~lost.repeat(PACKET)
    stamps = true + rng.normal(0, jitter_s, n_packets).repeat(PACKET)
    clock = Clock(offset_s=9.0)
    offsets = clock.measured(EEG, T0 - 1.0, T0 + n_packets * PACKET / SFREQ, 2.0, rng)
    return Delivery(EEG, SFREQ, numbers[kept], clock.shows(stamps)[kept], (true + 0.06)[kept], offsets)


def counted(sent: Delivery) -> int:
    """Lost samples by a counter of one byte in the stream, as several headsets have it."""
    counter = PacketCounter()
    column: FloatArray = (sent.numbers % 256).astype(np.float32)
    for piece in range(0, len(column), 50):
        rows = slice(piece, piece + 50)
        counter.step(column[rows], sent.stamps[rows], SFREQ, float(sent.arrivals[rows][-1]))
    return counter.n_lost


def measure(short: bool = False) -> Row:
    """Ten minutes of packets, or two."""
    n_packets = 2_560 if short else 12_800
    words, met = [], True
    for loss in (0.01, 0.05):
        worst_off, worst_ms, exact = 0.0, 0.0, True
        n_lost = 0
        for seed in range(1 if short else 10):
            sent = delivery(loss, n_packets, seed)
            done = run([sent], 0.05)
            placed, health = done.placed[EEG], done.health[EEG]
            n_lost = n_packets * PACKET - len(sent.numbers)
            exact &= counted(sent) == n_lost
            worst_off = max(worst_off, abs(health.n_lost - n_lost) / PACKET)
            error = np.abs(placed.times - (T0 + placed.numbers / SFREQ))[placed.numbers > 5 * SFREQ]
            worst_ms = max(worst_ms, float(np.quantile(error, 0.99)) * 1e3)
        met &= exact and worst_off <= 1.0 and worst_ms < 20.0
        words.append(
            f"{loss:.0%}: counter {'exact' if exact else 'WRONG'}, without off by {worst_off:.2f} packets of "
            f"{n_lost // PACKET}, p99 {worst_ms:.2f} ms"
        )
    peers = "" if short else beside({"pylsl": _liblsl, "pyxdf": _pyxdf})
    return Row("1 % and 5 % packet loss", "; ".join(words), _GOAL, met, peers)


def _liblsl() -> str:
    sent = delivery(0.01, 12_800, 0)
    times = liblsl_dejitter(sent.stamps, SFREQ)
    error = np.abs(times - (T0 + sent.numbers / SFREQ - 9.0))[sent.numbers > 5 * SFREQ]
    return f"liblsl dejitter at 1 %: p99 {np.quantile(error, 0.99) * 1e3:.0f} ms, loss not counted"


def _pyxdf() -> str:
    """With its dejitter, which is on by default, and without, where the jitter alone remains."""
    words = []
    for loss in (0.01, 0.05):
        worst_ms = {True: 0.0, False: 0.0}
        for seed, dejitter in product(range(10), worst_ms):
            sent = delivery(loss, 12_800, seed)
            read = loaded({EEG: SFREQ}, in_order([sent], 0.05), dejitter_timestamps=dejitter)[EEG]
            error = np.abs(read.times - (T0 + sent.numbers / SFREQ))[sent.numbers > 5 * SFREQ]
            worst_ms[dejitter] = max(worst_ms[dejitter], float(np.quantile(error, 0.99)) * 1e3)
        words.append(f"{loss:.0%}: p99 {worst_ms[True]:.0f} ms ({worst_ms[False]:.1f} ms, its dejitter off)")
    return f"pyxdf {', '.join(words)}, loss not counted"


if __name__ == "__main__":
    command(measure)
