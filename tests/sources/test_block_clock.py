"""Stamps of a sound card's blocks against a device whose true times are known."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.sources.adc_clock import AdcJudge, BlockTime, LineFit
from bci_stream.sources.block_clock import LATE_S, SLEW, START_S, BlockClock

SFREQ = 16_000.0
N = 80
T0 = 1000.0
LATENCY_S = 0.008  # from the end of a block to its callback, at best


@dataclass(frozen=True)
class Device:
    """A sound card and its host.

    ``host``: "good" tells the true ADC time on its own clock, "epoch" a wrong one on the wall clock, "zero"
    none; "worsens" is good at first. ``lost``, ``stalled``: (from, for) seconds.
    """

    host: str = "epoch"
    ppm: float = 0.0
    lost: tuple[float, float] = (0.0, 0.0)
    stalled: tuple[float, float] = (0.0, 0.0)
    flagged: bool = False
    seed: int = 0


class Run:
    """What comes out, against the truth."""

    def __init__(self, device, seconds=40.0):
        self.clock = BlockClock(SFREQ)
        self.pieces = []
        rng = np.random.default_rng(device.seed)
        rate = SFREQ * (1 + device.ppm * 1e-6)
        after_loss, free_s = False, 0.0
        for b in range(int(seconds * SFREQ / N)):
            first, end = T0 + b * N / rate, T0 + (b + 1) * N / rate
            if device.lost[0] <= first - T0 < sum(device.lost):
                after_loss = True
                continue
            entry = end + LATENCY_S + abs(rng.normal(0, 2e-4)) + (rng.random() < 0.05) * rng.exponential(0.01)
            if b < 12:  # sound servers begin with a burst
                entry = T0 + 12 * N / rate + LATENCY_S + 0.06
            if device.stalled[0] <= entry - T0 < sum(device.stalled):
                entry = T0 + sum(device.stalled)
            entry = free_s = max(entry, free_s + 1e-4)
            time = self.told(device, first, entry, after_loss and device.flagged, rng)
            index = np.arange(b * N, (b + 1) * N, dtype=np.float32)[:, None]
            self.pieces += self.clock.step(time, index)
            after_loss = False
        self.pieces += self.clock.flush()
        self.stamps = np.concatenate([times for times, _ in self.pieces])
        self.index = np.concatenate([data[:, 0] for _, data in self.pieces]).astype(int)
        self.error_ms = (self.stamps - (T0 + self.index / rate)) * 1e3

    def told(self, device, first, entry, overflow, rng):
        if device.host == "zero":
            return BlockTime(entry, 0.0, 0.0, N, overflow)
        if device.host == "epoch":
            return BlockTime(entry, 1.8e9 + first - 0.4, 1.8e9 + entry, N, overflow)
        creep = max(0.0, first - T0 - 20.0) * 0.03 if device.host == "worsens" else 0.0
        adc = first - 500.0 + rng.normal(0, 1e-4) - creep
        return BlockTime(entry, adc, entry - 500.0, N, overflow)

    def steady_ms(self, after_s=0.0, until_s=1e9):
        inside = (self.stamps >= T0 + after_s) & (self.stamps < T0 + until_s)
        return float(np.median(self.error_ms[inside])), float(np.ptp(self.error_ms[inside]))


@pytest.mark.parametrize("host", ["good", "epoch", "zero"])
@pytest.mark.parametrize("ppm", [-80.0, 0.0, 80.0])
def test_stamps_are_steady_from_the_first_sample_on(host, ppm):
    run = Run(Device(host, ppm))
    middle, spread = run.steady_ms()
    assert spread < 0.8
    assert middle == pytest.approx(0.0 if host == "good" else LATENCY_S * 1e3, abs=0.5)
    assert run.clock.rate_ppm == pytest.approx(ppm, abs=8.0)
    assert run.clock.n_lost == 0
    assert len(run.stamps) == int(40 * SFREQ)


def test_a_card_far_off_its_rate_is_followed():
    run = Run(Device(ppm=-500.0), seconds=90.0)
    assert run.steady_ms(30.0)[1] < 0.3
    assert run.clock.rate_ppm == pytest.approx(-500.0, abs=5.0)


@pytest.mark.parametrize(
    ("host", "origin", "words"),
    [
        ("good", "ADC clock", "stamped by the host's ADC clock"),
        ("epoch", "arrival", "wall clock"),
        ("zero", "arrival", "gives no ADC time"),
        ("worsens", "arrival", "wanders"),
    ],
)
def test_what_the_stamps_stand_on_is_said(host, origin, words):
    clock = Run(Device(host)).clock
    assert clock.origin == origin
    assert words in clock.words


def test_a_clock_that_worsens_by_30_ms_a_second_is_left_before_it_does_harm():
    run = Run(Device("worsens"))
    assert run.clock.latency_s == pytest.approx(LATENCY_S, abs=1e-3)
    assert np.abs(run.error_ms).max() < 5.0
    assert run.steady_ms(35.0)[0] == pytest.approx(run.steady_ms(0.0, 19.0)[0], abs=0.5)


@pytest.mark.parametrize("host", ["good", "epoch"])
@pytest.mark.parametrize(("lost_s", "flagged"), [(0.02, True), (0.05, True), (0.05, False), (2.0, False)])
def test_a_loss_is_a_gap_of_the_right_length(host, lost_s, flagged):
    run = Run(Device(host, ppm=60.0, lost=(20.0, lost_s), flagged=flagged))
    n_missing = round(lost_s * SFREQ)
    assert run.clock.n_lost == pytest.approx(n_missing, abs=max(8, n_missing * 2e-4))
    assert run.clock.n_overflows == flagged
    jumps = np.flatnonzero(np.diff(run.stamps) > 0.01)
    assert len(jumps) == 1
    assert np.diff(run.index)[jumps[0]] > 1, "the gap is where the samples are missing"
    assert run.steady_ms()[1] < 1.0


@pytest.mark.parametrize("host", ["good", "epoch"])
@pytest.mark.parametrize("stall_s", [0.06, 0.3, 1.5])
def test_a_stall_that_is_made_up_for_is_no_gap(host, stall_s):
    run = Run(Device(host, stalled=(20.0, stall_s)))
    assert run.clock.n_lost == 0
    assert run.steady_ms()[1] < 0.8


@given(
    st.sampled_from(["good", "epoch", "zero", "worsens"]),
    st.floats(-300, 300),
    st.floats(0.0, 3.0),
    st.floats(0.0, 1.0),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_stamps_never_go_back_and_no_sample_is_invented(host, ppm, lost_s, stall_s, flagged, seed):
    device = Device(host, ppm, (3.0, lost_s), (8.0, stall_s), flagged, seed)
    run = Run(device, seconds=12.0)
    steps = np.diff(run.stamps) * SFREQ
    together = np.diff(run.index) == 1
    assert (np.diff(run.index) > 0).all(), "every sample comes out once, in order"
    assert steps.min() > 1 - 2 * SLEW
    assert np.median(steps[together]) == pytest.approx(1.0, abs=SLEW)
    inside = np.concatenate([np.diff(times, 2) for times, _ in run.pieces])
    assert np.abs(inside).max() < 1e-9, "equally spaced within every block"


def test_nothing_is_handed_out_before_the_start_is_understood():
    clock = BlockClock(SFREQ)
    data = np.zeros((N, 1), np.float32)
    out = [
        len(clock.step(BlockTime(T0 + k * N / SFREQ, 0.0, 0.0, N), data))
        for k in range(int(START_S * SFREQ / N) + 2)
    ]
    assert out[:40] == [0] * 40
    assert sum(out) == len(out)


def test_a_device_that_goes_away_at_once_still_gives_what_it_had():
    clock = BlockClock(SFREQ)
    assert clock.flush() == []
    assert clock.step(BlockTime(T0, 0.0, 0.0, N), np.zeros((N, 1), np.float32)) == []
    ((times, _),) = clock.flush()
    assert times[0] == pytest.approx(T0 - N / SFREQ, abs=1e-6)


def test_a_later_opening_begins_after_the_earlier_one():
    clock = BlockClock(SFREQ, not_before_s=T0 + 5.0)
    clock.step(BlockTime(T0, 0.0, 0.0, N), np.zeros((N, 1), np.float32))
    assert clock.flush()[0][0][0] == T0 + 5.0


def test_two_losses_close_together_are_two_gaps():
    clock, t = BlockClock(SFREQ), T0
    for k in range(300):
        lost = k in (200, 205)
        t += N / SFREQ + 0.1 * lost
        clock.step(BlockTime(t, 0.0, 0.0, N, overflow=lost), np.full((N, 1), k, np.float32))
    assert clock.n_overflows == 2
    assert clock.n_lost == pytest.approx(2 * 0.1 * SFREQ, abs=20)


def test_a_lag_beyond_reason_is_a_fault():
    judge = AdcJudge(SFREQ)
    for k in range(6):
        judge.step(BlockTime(T0 + k * 0.005, 10.0 + k * 0.005, 10.605 + k * 0.005, N))
    assert "600 ms off" in judge.fault
    assert judge.latency_s == 0.0


def test_the_fit_leaves_out_what_lies_far_off_and_follows_a_lasting_step():
    fit = LineFit(SFREQ)
    for k in range(40):
        fit.add(k * 4000, T0 + k * 0.25 + (LATE_S / 2 if k == 20 else 0.0), by_arrival=False)
    assert fit.at(40 * 4000) == pytest.approx(T0 + 10.0, abs=2e-4)
    for k in range(40, 60):
        fit.add(k * 4000, T0 + k * 0.25 - 0.01, by_arrival=False)
    assert fit.at(60 * 4000) == pytest.approx(T0 + 15.0 - 0.01, abs=1e-3)
