import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as judge

from bci_stream.training import statistics as s

AFFORDABLE = st.lists(st.integers(-30, 30).map(lambda x: x / 100), min_size=2, max_size=10).map(np.array)


def differences(seed, n=42, mean=0.0, sd=0.07):
    return np.random.default_rng(seed).normal(mean, sd, n)


@pytest.mark.parametrize("n", [3, 8, 13])
@pytest.mark.parametrize("seed", range(3))
def test_scipy_agrees_on_exact_sign_flips(n, seed):
    x = differences(seed, n, 0.03)
    found = judge.permutation_test(
        (x,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert s.sign_flip_p(x) == pytest.approx(found.pvalue)


def test_exact_sign_flips_by_hand():
    assert s.sign_flip_p(np.array([1.0, 2.0, 3.0])) == 2 / 8  # all up or all down
    assert s.sign_flip_p(np.array([1.0, 2.0, -3.0])) == 1
    assert s.sign_flip_p(np.zeros(5)) == 1


def test_many_people_are_sampled_close_to_the_exact_p():
    x = differences(5, 16, 0.03)
    signs = 1.0 - 2.0 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    exact = (np.abs(signs @ x) >= abs(x.sum()) - 1e-12).mean()
    assert s.sign_flip_p(x) == pytest.approx(exact, abs=4 * math.sqrt(exact / 10_000))
    assert s.sign_flip_p(x) == s.sign_flip_p(x)
    assert s.sign_flip_p(differences(1, 42, 1.0)) == 1 / 10_001  # never zero: 10,000 draws cannot say less


@pytest.mark.parametrize("seed", range(5))
def test_scipy_agrees_on_wilcoxon(seed):
    x = differences(seed, 42, 0.02)
    assert s.wilcoxon_p(x) == pytest.approx(judge.wilcoxon(x).pvalue)
    assert s.wilcoxon_p(-x) == pytest.approx(s.wilcoxon_p(x))


def test_wilcoxon_leaves_out_those_who_do_not_differ():
    x = differences(0, 30, 0.03)
    assert s.wilcoxon_p(np.concatenate([x, np.zeros(12)])) == s.wilcoxon_p(x)
    assert s.wilcoxon_p(np.zeros(42)) == 1
    grained = np.round(x, 2)  # percent of 100 trials: ties and zeros
    assert 0 < s.wilcoxon_p(grained) < 1


def test_few_people_are_permuted_many_are_ranked():
    assert s.paired(differences(0, 19)).wilcoxon_p is None
    assert s.paired(differences(0, 19)).p == s.paired(differences(0, 19)).permutation_p
    assert s.paired(differences(0, 20)).p == s.wilcoxon_p(differences(0, 20))


@pytest.mark.parametrize(
    ("given_p", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.2], [0.2]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.04, 0.001, 0.04], [0.08, 0.003, 0.08]),
    ],
)
def test_holm_by_hand(given_p, expected):
    assert s.holm(given_p) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_laws_of_holm(p):
    adjusted = s.holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()  # never stricter than Bonferroni
    order = np.argsort(p)
    assert (np.diff(adjusted[order]) >= 0).all()


@given(AFFORDABLE)
def test_laws_of_a_pair(x):
    found, turned = s.paired(x), s.paired(-x)
    assert found.difference == pytest.approx(-turned.difference)
    assert found.rank_biserial == pytest.approx(-turned.rank_biserial)
    assert found.permutation_p == pytest.approx(turned.permutation_p)
    assert 0 < found.permutation_p <= 1
    assert -1 <= found.rank_biserial <= 1
    assert found.ci.low <= found.difference + 1e-12
    assert found.difference <= found.ci.high + 1e-12


def test_effect_sizes_by_hand():
    assert s.rank_biserial(np.array([1.0, 2.0, -3.0, 4.0])) == pytest.approx((1 + 2 - 3 + 4) / 10)
    assert s.rank_biserial(np.array([0.0, 0.0])) == 0
    x = np.array([0.02, 0.04, 0.06])
    assert s.paired(x).cohen_d == pytest.approx(0.04 / 0.02)
    assert math.isnan(s.paired(np.full(4, 0.05)).cohen_d)


@pytest.mark.parametrize(("sd", "expected"), [(6, 2.6), (8, 3.5), (10, 4.3)])
def test_detectable_difference_of_42_people(sd, expected):
    assert s.detectable_difference(sd, 42) == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize(("n", "alpha"), [(5, 0.05), (42, 0.05), (42, 0.05 / 10)])
def test_detectable_difference_is_detected_in_four_of_five_studies(n, alpha):
    shift = s.detectable_difference(1.0, n, alpha)
    x = np.random.default_rng(0).normal(shift, 1, (20_000, n))
    assert (judge.ttest_1samp(x, 0, axis=1).pvalue < alpha).mean() == pytest.approx(0.8, abs=0.012)


def test_one_person_says_nothing():
    found = s.paired(np.array([0.1]))
    assert found.permutation_p == 1
    assert math.isnan(found.detectable)
    assert math.isnan(found.ci.low)


def test_bootstrap_of_the_mean():
    x = differences(3, 42, 0.05)
    low, high = s.bootstrap_mean(x)
    error = x.std() / math.sqrt(42)
    assert (low, high) == pytest.approx((x.mean() - 1.96 * error, x.mean() + 1.96 * error), abs=0.15 * error)
    other = judge.bootstrap((x,), np.mean, method="percentile", n_resamples=10_000, rng=1)
    assert (low, high) == pytest.approx(tuple(other.confidence_interval), abs=0.08 * error)


def test_ranks_and_bars():
    scores = np.array([[0.9, 0.8, 0.7], [0.5, 0.8, 0.6], [0.1, 0.2, 0.3]])
    assert s.average_ranks(scores) == pytest.approx([(1 + 1.5 + 1) / 3, (2 + 1.5 + 2) / 3, 3])
    differs = np.zeros((4, 4), bool)
    differs[0, 3] = differs[3, 0] = True
    ranks = np.array([1.0, 2.0, 3.0, 4.0])
    assert s.indistinct_groups(ranks, differs) == [(0, 1, 2), (1, 2, 3)]
    assert s.indistinct_groups(ranks, ~np.eye(4, dtype=bool)) == []
    assert s.indistinct_groups(ranks[::-1], np.zeros((4, 4), bool)) == [(3, 2, 1, 0)]
