import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.timeline.stamps import Dejitter
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


@given(cuts(len(RAW)))
@settings(max_examples=50)
def test_chunking_does_not_matter(pieces):
    whole = Dejitter(128).step(RAW)
    stage = Dejitter(128)
    parts = [stage.step(RAW[piece]) for piece in pieces]
    assert np.concatenate([t for t, _ in parts]).tobytes() == whole[0].tobytes()
    assert np.concatenate([k for _, k in parts]).tobytes() == whole[1].tobytes()


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=200))
def test_what_is_kept_always_advances(steps):
    raw = 1000.0 + np.cumsum(np.asarray(steps) * 0.01)
    times, kinds = Dejitter(100).step(raw)
    kept = times[kinds >= 0]
    assert np.isfinite(kept).all()
    assert (np.diff(kept) > 0).all()
