import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.timeline.stamps import HOLD_S, Dejitter, Dejittered
from tests.laws import cuts


def simulate(sfreq, duration_s, jitter_s, *, burst=1, ppm=0.0, gaps=(), seed=0, t0=1000.0):
    """True sample times, and raw stamps with jitter per burst; samples inside a gap are missing."""
    rng = np.random.default_rng(seed)
    n = int(duration_s * sfreq)
    true = t0 + np.arange(n) / (sfreq * (1 + ppm * 1e-6))
    jitter = rng.normal(0, jitter_s, -(-n // burst)).repeat(burst)[:n]
    kept = np.ones(n, bool)
    for start, length in gaps:
        kept &= ~((true >= t0 + start) & (true < t0 + start + length))
    return true[kept], (true + jitter)[kept]


@pytest.mark.parametrize("lost_s", [0.5, 2.0, 10.0])
def test_one_second_after_a_gap_the_stamps_are_right(lost_s):
    true, raw = simulate(256, 150, 4e-3, gaps=[(120, lost_s)])
    times, kinds = Dejitter(256).step(raw)
    error = np.abs(times - true)
    after = true > 1000 + 120 + lost_s + 1.0
    assert error[after].max() < 1e-3
    assert error[(true > 1005) & (true < 1120)].max() < 2e-3
    assert (kinds == 1).sum() == 2


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_bursts_and_drift_for_an_hour(ppm):
    true, raw = simulate(256, 3600, 10e-3, burst=12, ppm=ppm)
    stage = Dejitter(256)
    times, _ = stage.step(raw)
    error = np.abs(times - true)[true > 1010]
    assert error.mean() < 1e-3
    assert error.max() < 5e-3
    assert stage.n_segments == 1
    assert stage.n_lost == 0
    assert stage.rate_ppm == pytest.approx(ppm, abs=20)


def test_lost_samples_are_counted():
    _, raw = simulate(256, 60, 1e-3, gaps=[(20, 0.5), (40, 2.0)])
    stage = Dejitter(256)
    stage.step(raw)
    assert stage.n_lost == pytest.approx(2.5 * 256, abs=1)
    assert stage.n_segments == 3


def test_one_lost_packet_is_found():
    true, raw = simulate(256, 100, 2e-3, burst=12, gaps=[(60, 12 / 256)])
    stage = Dejitter(256)
    times, _ = stage.step(raw)
    assert np.abs(times - true)[true > 1061].max() < 4e-3
    assert stage.n_lost == pytest.approx(12, abs=2)


def test_a_stalled_packet_is_not_a_loss():
    """One burst is stamped 100 ms late, the next ones are on time: nothing was lost."""
    true, raw = simulate(256, 60, 1e-3, burst=12)
    late = slice(12 * 500, 12 * 501)
    raw[late] += 0.1
    stage = Dejitter(256)
    times, _ = stage.step(raw)
    assert stage.n_lost == 0
    assert stage.n_segments == 1
    assert np.abs(times - true)[true > 1005].max() < 2e-3


def test_packets_held_up_by_a_quarter_of_a_second_are_no_loss():
    """They come in a rush, each less late than the one before; the radio delays every packet a little."""
    rng = np.random.default_rng(3)
    n = 256 * 12
    taken = 1000.0 + (np.arange(n // 12) * 12 + 11) / 256
    late = rng.exponential(20e-3, len(taken))
    late[[8, *range(60, len(late), 37)]] += 0.25  # the first before anything is known of the jitter
    raw = np.maximum.accumulate(taken + late).repeat(12) - (11 - np.arange(n) % 12) / 256
    stage = Dejitter(256)
    times, _ = stage.step(raw)
    assert stage.n_lost == 0
    assert stage.n_segments == 1
    error = (times - (1000.0 + np.arange(len(times)) / 256))[256 * 4 :]
    assert error.std() < 5e-3


def test_many_lost_packets_are_counted_to_the_sample_and_none_is_misplaced():
    rng = np.random.default_rng(5)
    true, raw = simulate(256, 240, 2e-3, burst=12, seed=5)
    kept = rng.random(len(true) // 12) > 0.03
    kept[:100] = kept[-40:] = True
    rows = kept.repeat(12)
    true, raw = true[: len(rows)][rows], raw[: len(rows)][rows]
    stage = Dejitter(256)
    times, _ = stage.step(raw)
    assert abs(stage.n_lost - (~kept).sum() * 12) <= 12
    assert np.quantile(np.abs(times - true)[true > 1005], 0.99) < 10e-3


@pytest.mark.parametrize("second_s", [0.35, 0.5, 0.9])
def test_two_losses_within_the_first_seconds_leave_what_is_between_them_in_its_place(second_s):
    """Beginning as ever, a tenth of a second after half a second that is lost, then a second loss."""
    n_second = round((1.6 + second_s) * 250)
    kept = np.r_[0:250, 375:400, n_second : n_second + 300]
    truth = 1000.0 + kept / 250
    stage = Dejitter(250.0)
    times, kinds = stage.step(truth)
    assert len(times) == len(truth)
    np.testing.assert_allclose(times, truth, atol=1e-3)
    assert np.flatnonzero(kinds).tolist() == [0, 250, 275]
    assert stage.n_lost == 125 + n_second - 400


def test_loss_upon_loss_in_the_first_seconds_leaves_each_stretch_in_its_place():
    kept = np.r_[0:250, 275:300, 325:350, 475:500, 525:550, 575:900]
    truth = 1000.0 + kept / 250
    times, kinds = Dejitter(250.0).step(truth)
    np.testing.assert_allclose(times, truth, atol=1e-3)
    assert np.flatnonzero(kinds).tolist() == [0, 250, 275, 300, 325, 350]


def test_samples_without_a_time_behind_a_loss_do_not_hide_it_and_are_not_held_for_ever():
    kept = np.r_[0:250, 375:900]
    truth = 1000.0 + kept / 250
    raw = truth.copy()
    raw[275:400] = np.nan
    times, kinds = Dejitter(250.0).step(raw)
    np.testing.assert_allclose(times, truth, atol=1e-3)
    assert np.flatnonzero(kinds).tolist() == [0, 250]
    stage = Dejitter(250.0)
    stage.step(np.r_[raw[:275], np.full(2500, np.nan)])
    assert stage.n_held == 0


def test_a_few_equal_stamps_do_not_hide_a_loss():
    kept = np.r_[0:250, 325:625]
    truth = 1000.0 + kept / 250
    raw = truth.copy()
    raw[302:305] = raw[301]
    times, kinds = Dejitter(250.0).step(raw)
    np.testing.assert_allclose(times, truth, atol=2e-3)
    assert np.flatnonzero(kinds).tolist() == [0, 250]


def test_samples_without_a_time_are_put_between_their_neighbours():
    true, raw = simulate(256, 20, 1e-3)
    blank = np.r_[1000:1001, 2000:2020, 3000:3120]
    raw[blank] = np.nan
    stage = Dejitter(256)
    times, kinds = stage.step(raw)
    assert (kinds[blank] == 0).all()
    assert np.abs(times - true)[true > 1002].max() < 1e-3
    assert stage.n_lost == 0
    assert stage.n_segments == 1


def test_what_is_held_back_is_bounded_and_comes_out_at_the_end():
    _, raw = simulate(256, 30, 1e-3)
    raw[-40:] += 0.3
    stage = Dejittered(256)
    data = np.arange(len(raw), dtype=np.float32)[:, None]
    out, held = [], 0
    for at in range(0, len(raw), 7):
        out.append(stage.step(raw[at : at + 7], data[at : at + 7]))
        held = max(held, stage.stage.n_held)
    left = stage.finish()
    out += [left] if left is not None else []
    assert 0 < held <= HOLD_S * 256 + 1
    assert np.concatenate([rows for _, _, rows in out])[:, 0].tolist() == data[:, 0].tolist()
    times = np.concatenate([t for t, _, _ in out])
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize(("actual", "nominal"), [(92.9, 100), (998.4, 1000), (250.55, 250), (256, 250)])
def test_a_rate_that_is_not_nominal_is_learned(actual, nominal):
    true, raw = simulate(actual, 60, 2e-3)
    stage = Dejitter(nominal)
    times, _ = stage.step(raw)
    assert np.abs(times - true)[true > 1005].max() < 1e-3
    assert 1 / stage.period_s == pytest.approx(actual, rel=1e-4)


def test_audio_without_jitter_is_left_as_it_is():
    raw = 50.0 + np.arange(48_000) / 48_000
    times, _ = Dejitter(48_000).step(raw)
    np.testing.assert_allclose(times, raw, atol=1e-9)


RAW = np.concatenate([simulate(128, 6, 5e-3, seed=2)[1], simulate(128, 5, 5e-3, seed=3, t0=1009.0)[1]])
RAW[300:340] -= 0.3
RAW[420:450] += 0.3 - np.arange(30) / 128
RAW[500:503] = np.nan


@given(cuts(len(RAW)))
@settings(max_examples=50, deadline=None)
def test_chunking_does_not_matter(pieces):
    def run(slices):
        stage = Dejitter(128)
        return [*(stage.step(RAW[piece]) for piece in slices), stage.finish()]

    whole = [np.concatenate(part) for part in zip(*run([slice(None)]), strict=True)]
    parts = run(pieces)
    assert np.concatenate([t for t, _ in parts]).tobytes() == whole[0].tobytes()
    assert np.concatenate([k for _, k in parts]).tobytes() == whole[1].tobytes()


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=200))
def test_what_is_kept_always_advances(steps):
    raw = 1000.0 + np.cumsum(np.asarray(steps) * 0.01)
    times, kinds = Dejitter(100).step(raw)
    kept = times[kinds >= 0]
    assert np.isfinite(kept).all()
    assert (np.diff(kept) > 0).all()
