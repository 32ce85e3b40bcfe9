import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as judge

from bci_stream.training import metrics as m

K = 5


def predictions(seed, n=200, n_people=8, n_classes=K, sharpness=1.0):
    """Probabilities that know something of the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    scores = rng.normal(size=(n, n_classes)) + 1.2 * np.eye(n_classes)[labels]
    powers = np.exp(sharpness * scores)
    persons = [f"p{i}" for i in rng.integers(0, n_people, n)]
    return powers / powers.sum(1, keepdims=True), labels, persons


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 3, 7, 300])  # few: classes that never come
def test_scikit_learn_agrees(seed, n):
    probs, labels, _ = predictions(seed, n)
    predicted = probs.argmax(1)
    table = m.confusion_matrix(labels, predicted, K)
    every = list(range(K))
    assert (table == judge.confusion_matrix(labels, predicted, labels=every)).all()
    assert m.accuracy(table) == pytest.approx(judge.accuracy_score(labels, predicted))
    came = np.unique(labels)
    recall = judge.recall_score(labels, predicted, labels=came, average=None)
    assert m.per_class_recall(table)[came] == pytest.approx(recall)
    assert m.balanced_accuracy(table) == pytest.approx(recall.mean())
    assert m.macro_f1(table) == pytest.approx(judge.f1_score(labels, predicted, average="macro"))
    assert m.brier(probs, labels) == pytest.approx(((probs - np.eye(K)[labels]) ** 2).sum(1).mean())
    assert m.negative_log_likelihood(probs, labels) == pytest.approx(
        judge.log_loss(labels, probs, labels=every)
    )
    if n == 300:
        assert m.kappa(table) == pytest.approx(judge.cohen_kappa_score(labels, predicted))
        assert m.balanced_accuracy(table) == pytest.approx(judge.balanced_accuracy_score(labels, predicted))


def test_brier_of_two_classes_is_twice_the_usual():
    probs, labels, _ = predictions(0, n_classes=2)
    assert m.brier(probs, labels) == pytest.approx(2 * judge.brier_score_loss(labels, probs[:, 1]))


def test_a_class_that_never_came_has_no_recall():
    recall = m.per_class_recall(np.array([[3, 1], [0, 0]]))
    assert recall[0] == 0.75
    assert math.isnan(recall[1])
    assert m.balanced_accuracy(np.array([[3, 1], [0, 0]])) == 0.75


def test_kappa_of_one_class_only_is_undefined():
    assert math.isnan(m.kappa(np.array([[4, 0], [0, 0]])))


def test_calibration_error_by_hand():
    """Four trials at 0.8 with half right, one at 1.0 and right: (4 * 0.3 + 0) / 5."""
    probs = np.array([[0.8, 0.2]] * 4 + [[1.0, 0.0]])
    labels = np.array([0, 0, 1, 1, 0])
    assert m.expected_calibration_error(probs, labels) == pytest.approx(0.24)
    bins = m.reliability(probs, labels)
    assert bins.n.tolist() == [0] * 11 + [4] + [0, 0, 1]  # 0.8 = 12/15 closes the twelfth bin
    assert bins.accuracy[11] == 0.5
    assert np.isnan(bins.confidence[0])


def test_overconfidence_is_seen():
    calibrated, labels, _ = predictions(1, 4000, sharpness=1.2)
    shouting, _, _ = predictions(1, 4000, sharpness=5.0)
    assert m.expected_calibration_error(calibrated, labels) < 0.05
    assert m.expected_calibration_error(shouting, labels) > 0.2


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_laws_of_calibration_and_coverage(seed, n):
    probs, labels, _ = predictions(seed, n)
    bins = m.reliability(probs, labels)
    assert bins.n.sum() == n
    right = probs.argmax(1) == labels
    assert np.nansum(bins.accuracy * bins.n) == pytest.approx(right.sum())
    curve = m.coverage_accuracy(probs, labels)
    assert curve.coverage[-1] == 1
    assert curve.accuracy[-1] == pytest.approx(right.mean())
    assert curve.accuracy[0] == right[probs.max(1).argmax()]


def test_chance_is_stated_with_its_bound():
    assert m.chance_level(np.repeat(np.arange(5), 20), 5) == pytest.approx((0.2, 0.28))
    level, bound = m.chance_level(np.repeat(np.arange(5), 840), 5)
    assert (level, round(bound, 3)) == (0.2, 0.21)
    assert m.chance_level(np.array([0, 0, 0, 1]), 2)[0] == 0.75  # naming the commonest class is no skill


def test_guessing_passes_the_bound_one_time_in_twenty():
    labels = np.repeat(np.arange(5), 20)
    _, bound = m.chance_level(labels, 5)
    guesses = np.random.default_rng(0).integers(0, 5, (20_000, 100))
    passed = ((guesses == labels).mean(1) >= bound - 1e-9).mean()
    assert 0.02 < passed <= 0.05


def test_a_trial_is_the_mean_log_probability_of_its_windows():
    windows = np.log([[0.8, 0.2], [0.2, 0.8], [0.9, 0.1], [0.6, 0.4]])
    probs, trials = m.trial_probs(windows, [("b", 1), ("a", 0), ("b", 1), ("a", 0)])
    assert trials == (("b", 1), ("a", 0))
    odds = probs[:, 0] / probs[:, 1]
    assert odds == pytest.approx([np.sqrt(4 * 9), np.sqrt(0.25 * 1.5)])


def test_one_window_of_certainty_does_not_make_nan():
    with np.errstate(divide="ignore"):
        windows = np.log([[1.0, 0.0], [0.1, 0.9]])
    probs, _ = m.trial_probs(windows, ["t", "t"])
    assert np.isfinite(probs).all()
    assert probs.sum() == pytest.approx(1)


def test_accuracy_against_time():
    """Wrong at 5 s, outvoted at 10 s; the second trial begins to answer at 10 s only."""
    windows = np.log([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
    curve = m.accuracy_vs_time(windows, np.array([0, 0, 1]), ["x", "x", "y"], np.array([5.0, 10.0, 10.0]))
    assert curve.t_s.tolist() == [5, 10]
    assert curve.accuracy.tolist() == [0, 1]
    assert curve.n.tolist() == [1, 2]
    early = m.accuracy_vs_time(
        windows, np.array([0, 0, 1]), ["x", "x", "y"], np.full(3, 5.0), np.array([1.0])
    )
    assert np.isnan(early.accuracy[0])


def test_people_are_drawn_not_trials():
    """Half the people are all right, half all wrong: 4000 trials are worth 8 people."""
    persons = [f"p{i}" for i in range(8) for _ in range(500)]
    labels = np.tile(np.arange(K), 800)
    predicted = np.where(np.arange(4000) < 2000, labels, (labels + 1) % K)
    found = m.bootstrap_people(predicted, labels, persons, K)
    assert found["accuracy"].low <= 0.25
    assert found["accuracy"].high >= 0.75
    assert found["accuracy"] == pytest.approx(
        found["balanced_accuracy"]
    )  # every person has every class alike
    assert m.bootstrap_people(predicted, labels, persons, K) == found


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(4)
    hits = 0
    for i in range(200):
        skill = np.clip(rng.normal(0.6, 0.1, 30), 0, 1)
        right = rng.random((30, 50)) < skill[:, None]
        labels = np.zeros(1500, dtype=np.int64)
        persons = np.repeat([f"p{j}" for j in range(30)], 50)
        found = m.bootstrap_people(1 - right.ravel().astype(np.int64), labels, persons, 2, seed=i, n=500)
        hits += found["accuracy"].low <= 0.6 <= found["accuracy"].high
    assert 180 <= hits <= 199


def test_one_person_has_no_interval():
    probs, labels, _ = predictions(0, 50)
    found = m.describe(probs, labels, ["only"] * 50)
    assert math.isnan(found["ci95"]["accuracy"][0])


def test_describe_says_it_all():
    probs, labels, persons = predictions(2)
    found = m.describe(probs, labels, persons)
    each = [np.mean((probs.argmax(1) == labels)[np.array(persons) == p]) for p in sorted(set(persons))]
    assert found["person_accuracy"]["min"] == min(each)
    assert found["person_accuracy"]["median"] == pytest.approx(np.median(each))
    assert m.person_accuracy(probs.argmax(1), labels, persons) == dict(
        zip(sorted(set(persons)), each, strict=True)
    )
    assert (found["n"], found["n_people"]) == (200, 8)
    low, high = found["ci95"]["accuracy"]
    assert low < found["accuracy"] < high
