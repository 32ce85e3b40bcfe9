"""A gap, a clock that jumps, a clock that begins anew: how soon the stamps are right again.

A gap of 5 s: the samples between were never taken. A jump by ±10 s or a restart: nothing is lost, the
device's clock alone has changed, and liblsl measures that within its 2 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import EEG, Event
from bci_stream.sources.clock_guard import ClockGuard
from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.in_pyxdf import loaded
from benchmarks.reliability.peers.liblsl import liblsl_dejitter
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.virtual import Clock, Delivery, Numbers, in_order, run_events

SFREQ = 256.0
T0, EVENT_S, END_S = 1000.0, 121.3, 150.0
AFTER_S = 0.5
_GOAL = "< 5 ms error 0.5 s after; exactly one event"
CASES = {"5 s gap": 0.0, "+10 s jump": 10.0, "-10 s jump": -10.0, "reset": -900.0}


def delivery(case: str, seed: int) -> Delivery:
    """150 s of EEG with 4 ms of jitter and the event two minutes in."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(int(END_S * SFREQ))
    true = T0 + numbers / SFREQ
    jumps = ((T0 + EVENT_S, CASES[case]),) if CASES[case] else ()
    if not jumps:
        kept = (true < T0 + EVENT_S) | (true >= T0 + EVENT_S + 5.0)
        numbers, true = numbers[kept], true[kept]
    clock = Clock(offset_s=55.0, jumps=jumps)
    offsets = clock.measured(EEG, T0 - 1.0 + rng.random(), T0 + END_S, 2.0, rng)
    stamps = clock.shows(true) + rng.normal(0, 4e-3, len(true))
    return Delivery(EEG, SFREQ, numbers, stamps, true + 0.01, offsets)


def judged(case: str, seed: int) -> tuple[float, int, int]:
    """(worst error from half a second after the event on, s; events told; samples not placed)."""
    sent = delivery(case, seed)
    done = run_events({EEG: SFREQ}, at_the_edge([sent]))
    placed, health = done.placed[EEG], done.health[EEG]
    error = np.abs(placed.times - (T0 + placed.numbers / SFREQ))
    n_lost = len(sent.numbers) - len(placed.numbers)
    return float(error[_after(case, placed.numbers)].max()), health.n_gaps + health.n_clock_resets, n_lost


def at_the_edge(deliveries: Iterable[Delivery]) -> Iterator[Event]:
    """What the pipeline is handed: behind what looks at the stamps as they arrive."""
    guard = ClockGuard()
    for event in in_order(list(deliveries)):
        yield from guard.step([event])


def measure(short: bool = False) -> Row:
    """Every case from several phases of the clock's measurement."""
    worst, words = {}, []
    met = True
    for case in CASES:
        seen = [judged(case, seed) for seed in range(2 if short else 20)]
        worst[case] = max(error for error, _, _ in seen)
        events = {n for _, n, _ in seen}
        n_lost = max(n for _, _, n in seen)
        met &= worst[case] < 5e-3 and events == {1} and n_lost == 0
        told = "/".join(map(str, sorted(events)))
        words.append(f"{case} {worst[case] * 1e3:.2f} ms, {told} event, {n_lost} lost")
    peers = "" if short else beside({"pylsl": _liblsl, "pyxdf": _pyxdf})
    return Row("5 s gap, ±10 s jump, reset", "; ".join(words), _GOAL, met, peers)


def _liblsl() -> str:
    words = []
    for case in CASES:
        sent = delivery(case, 0)
        times = liblsl_dejitter(sent.stamps, SFREQ)
        right = T0 + sent.numbers / SFREQ - 55.0 + CASES[case] * (sent.numbers / SFREQ >= EVENT_S)
        words.append(f"{case} {np.abs(times - right)[_after(case, sent.numbers)].max() * 1e3:,.0f} ms")
    return "liblsl dejitter " + ", ".join(words)


def _pyxdf() -> str:
    words = []
    for case in CASES:
        after_ms, before_ms, told = 0.0, 0.0, set()
        for seed in range(20):
            sent = delivery(case, seed)
            read = loaded({EEG: SFREQ}, in_order([sent]))[EEG]
            error = np.abs(read.times - (T0 + sent.numbers / SFREQ)) * 1e3
            after_ms = max(after_ms, float(error[_after(case, sent.numbers)].max()))
            before_ms = max(before_ms, float(error[sent.numbers / SFREQ < EVENT_S].max()))
            told.add(read.n_breaks)
        before = f" (before it {before_ms:,.0f} ms)" if before_ms > 5.0 else ""
        words.append(f"{case} {after_ms:.2f} ms{before}, {'/'.join(map(str, sorted(told)))} event")
    return "pyxdf " + "; ".join(words)


def _after(case: str, numbers: Numbers) -> NDArray[np.bool_]:
    """(n,) which samples were taken half a second after the event or later."""
    return numbers / SFREQ >= EVENT_S + AFTER_S + (5.0 if case == "5 s gap" else 0.0)


if __name__ == "__main__":
    command(measure)
