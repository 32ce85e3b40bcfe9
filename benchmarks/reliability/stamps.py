"""Stamps that are no times: NaN, infinite, 1e15, negative and repeated ones among a million samples."""

from __future__ import annotations

import numpy as np

from bci_stream.messages import EEG, TimeArray
from benchmarks.reliability.peers import beside
from benchmarks.reliability.peers.in_pyxdf import loaded
from benchmarks.reliability.peers.liblsl import liblsl_dejitter
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.virtual import Clock, Delivery, in_order, run

SFREQ = 1000.0
T0 = 1000.0
_GOAL = "stamps finite and increasing; next good sample < 5 ms error"
_FINE_S = 5e-3
_ABSURD = (np.nan, np.inf, -np.inf, 1e15, -1e15, -3.0, -4e9, 0.0, 1e300)


def delivery(n: int, seed: int) -> tuple[Delivery, TimeArray]:
    """(A stream with stray bad stamps and stretches of them, which of its samples are bad (n,) bool)."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(n)
    true = T0 + numbers / SFREQ
    clock = Clock(offset_s=3.0)
    stamps = clock.shows(true) + rng.normal(0, 1e-3, n)
    bad = np.zeros(n, bool)
    for at in rng.integers(2000, n - 2000, n // 500):
        length = int(rng.choice([1, 1, 1, 2, 5, 20]))
        rows = slice(at, at + length)
        if rng.random() < 0.2:
            stamps[rows] = stamps[at - 1]
        else:
            stamps[rows] = rng.choice(_ABSURD, length)
        bad[rows] = True
    offsets = clock.measured(EEG, T0 - 1.0, T0 + n / SFREQ, 2.0, rng)
    return Delivery(EEG, SFREQ, numbers, stamps, true + 0.01, offsets), bad


def measure(short: bool = False) -> Row:
    """A million samples, or 60,000."""
    n = 60_000 if short else 1_000_000
    worst_ms, tidy, n_missing = 0.0, True, 0
    for seed in range(1 if short else 3):
        sent, bad = delivery(n, seed)
        placed = run([sent], 0.05).placed[EEG]
        tidy &= bool(np.isfinite(placed.times).all() and (np.diff(placed.times) > 0).all())
        good = ~bad[placed.numbers]
        error = np.abs(placed.times - (T0 + placed.numbers / SFREQ))[good]
        worst_ms = max(worst_ms, float(error.max()) * 1e3)
        n_missing = max(n_missing, int((~bad).sum() - good.sum()))
    order = "finite and increasing" if tidy else "NOT ORDERLY"
    figure = f"stamps {order}, worst good sample {worst_ms:.2f} ms, {n_missing} good ones left out"
    return Row(
        "NaN, inf, 1e15, negative, duplicate stamps",
        figure,
        _GOAL,
        tidy and worst_ms < _FINE_S * 1e3 and n_missing == 0,
        "" if short else beside({"pylsl": _liblsl, "pyxdf": _pyxdf}),
    )


def _liblsl() -> str:
    n = 20_000
    stamps = T0 + np.arange(n) / SFREQ
    stamps[5_000] = np.nan
    times = liblsl_dejitter(stamps, SFREQ)
    return f"liblsl after one NaN: {int(np.isnan(times[5_001:]).sum()):,} of {n - 5_001:,} stamps NaN"


def _pyxdf() -> str:
    """The file of a million samples as it is; then without the step that spreads what is bad."""
    sent, bad = delivery(1_000_000, 0)
    words = []
    for dejitter in (True, False):
        read = loaded({EEG: SFREQ}, in_order([sent], 0.05), dejitter_timestamps=dejitter)[EEG]
        error = np.abs(read.times - (T0 + sent.numbers / SFREQ))[~bad]
        fine = error < _FINE_S
        words.append(
            f"{int((~np.isfinite(read.times)).sum()):,} of {len(bad):,} stamps not finite, "
            f"{int((~fine).sum()):,} good samples off by over {_FINE_S * 1e3:g} ms or without a time"
        )
    return f"pyxdf: {words[0]}; its dejitter off: {words[1]}"


if __name__ == "__main__":
    command(measure)
