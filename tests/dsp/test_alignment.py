import numpy as np
import pytest
from scipy.linalg import inv, sqrtm

from bci_stream.dsp.alignment import OUTPUT_UV, EuclideanAlignment

SFREQ, HOP = 125.0, 25


def person(seconds, n_channels=6, seed=0, gain_uv=20.0, spread=0.3):
    """Stationary EEG of somebody with a mixing of their own: (n, C) float32."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(n_channels) + spread * rng.standard_normal((n_channels, n_channels))
    return (gain_uv * rng.standard_normal((round(seconds * SFREQ), n_channels)) @ mixing.T).astype(np.float32)


def aligned(x, alignment=None, valid=None):
    alignment = alignment or EuclideanAlignment(x.shape[1], SFREQ)
    valid = np.ones(len(x), np.float32) if valid is None else valid
    hops = range(0, len(x), HOP)
    return np.concatenate([alignment.step(x[i : i + HOP], valid[i : i + HOP]) for i in hops])


@pytest.mark.parametrize("gain_uv", [2.0, 20.0, 200.0])
def test_after_four_minutes_everybody_looks_alike(gain_uv):
    y = aligned(person(240.0, gain_uv=gain_uv))[-round(60 * SFREQ) :]
    covariance = y.T.astype(np.float64) @ y / len(y)
    np.testing.assert_allclose(covariance, OUTPUT_UV**2 * np.eye(6), atol=0.15 * OUTPUT_UV**2)


@pytest.mark.parametrize("seed", range(3))
def test_whitening_is_the_textbook_formula_shrunk_by_what_ten_seconds_weigh(seed):
    """He and Wu 2020, eq. 9, of t R + (1 - t) mean power, t = 60 s / (60 s + 10 s)."""
    x, alignment = person(60.0, seed=seed), EuclideanAlignment(6, SFREQ)
    aligned(x, alignment)
    seen = x[: -4 * HOP].astype(np.float64)  # the whitening moves with every fifth hop
    covariance = seen.T @ seen / len(seen)
    t = len(seen) / (len(seen) + 10 * SFREQ)
    shrunk = t * covariance + (1 - t) * np.trace(covariance) / 6 * np.eye(6)
    wanted = OUTPUT_UV * x @ np.real(inv(sqrtm(shrunk)))
    np.testing.assert_allclose(alignment.apply(x), wanted, rtol=1e-3, atol=1e-3)


def test_after_a_minute_a_usual_head_is_nearly_white():
    y = aligned(person(90.0, spread=0.15))[-round(30 * SFREQ) :]
    covariance = y.T.astype(np.float64) @ y / len(y)
    np.testing.assert_allclose(covariance, OUTPUT_UV**2 * np.eye(6), atol=0.15 * OUTPUT_UV**2)


def test_the_first_second_is_not_blown_up():
    y = aligned(person(1.0))
    assert 0.3 * OUTPUT_UV < y.std() < 3 * OUTPUT_UV


def test_causal_what_comes_later_changes_nothing():
    x = person(4.0)
    other = x.copy()
    other[250:] *= 7
    assert np.array_equal(aligned(x)[:250], aligned(other)[:250])


def test_same_hops_give_the_same_bits_and_a_reset_is_a_new_person():
    x, alignment = person(3.0), EuclideanAlignment(6, SFREQ)
    first = aligned(x, alignment)
    assert not np.array_equal(first, aligned(x, alignment))
    alignment.reset()
    assert np.array_equal(first, aligned(x, alignment))


def test_applying_learns_nothing():
    alignment = EuclideanAlignment(6, SFREQ)
    aligned(person(3.0), alignment)
    loud = 50 * person(3.0, seed=1)
    first = alignment.apply(loud)
    assert np.array_equal(first, alignment.apply(loud))


def test_an_average_reference_leaves_one_direction_empty_and_nothing_explodes():
    x = person(60.0)
    x = x - x.mean(axis=1, keepdims=True)
    y = aligned(x)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 20 * OUTPUT_UV
    assert y[-2000:].std() == pytest.approx(OUTPUT_UV * np.sqrt(5 / 6), rel=0.15)


def test_a_dead_electrode_does_not_explode():
    x = person(30.0)
    x[:, 2] = 0.0
    y = aligned(x)
    assert np.isfinite(y).all()
    assert np.abs(y[:, 2]).max() < OUTPUT_UV


def test_what_is_not_valid_is_not_learned():
    x, valid = person(10.0), np.ones(1250, np.float32)
    spoiled = x.copy()
    valid[500:700] = 0.0
    spoiled[500:700] = np.nan
    one, other = aligned(x, valid=valid), aligned(spoiled, valid=valid)
    assert np.array_equal(one[700:], other[700:])
    assert np.isfinite(other).all()


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_not_learned_even_where_it_was_called_valid(junk):
    x = person(10.0)
    spoiled = x.copy()
    spoiled[500:510, 3] = junk
    valid = np.ones(1250, np.float32)
    valid[500:510] = 0.0
    found = aligned(spoiled)
    assert np.isfinite(found).all()
    assert np.array_equal(found[525:], aligned(x, valid=valid)[525:])


def test_before_the_first_good_sample_nothing_is_changed():
    x = person(0.4)
    assert np.array_equal(aligned(x, valid=np.zeros(50, np.float32)), x)


def test_it_forgets_slowly():
    """An electrode that was put back differently is followed within some minutes."""
    alignment = EuclideanAlignment(6, SFREQ)
    aligned(person(300.0), alignment)
    y = aligned(person(900.0, seed=3), alignment)[-round(30 * SFREQ) :]
    covariance = y.T.astype(np.float64) @ y / len(y)
    assert np.abs(np.diag(covariance) / OUTPUT_UV**2 - 1).max() < 0.35
