"""Controls on made-up sessions whose labels follow what the test says they follow."""

import math

import numpy as np
import pytest

from bci_stream.errors import ConfigError
from bci_stream.training.controls import (
    _Chosen,
    index_weights,
    permuted_within,
    ridge_weights,
    run_controls,
    told,
    trial_features,
)
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings, draw_truth
from bci_stream.training.sessions import Part, Session
from bci_stream.training.splits import TrialId, make_split

CLASSES = ("calm", "anger", "joy")
ONE = np.ones(1, np.float32)


def session(person, number, label, features):
    """One token of EEG features and nothing else: all that a control looks at."""
    part = Part(np.asarray(features, np.float32)[None], ONE, ONE)
    return Session(person, {"eeg": part}, np.array([label]), np.array([number]))


def study(label_of, *, n_people=8, n_trials=24, told_by=0.0, n_features=6, seed=0):
    """``label_of(rng, number)``; ``told_by``: how far apart the classes' features are, in deviations."""
    rng = np.random.default_rng(seed)
    sessions = []
    for i in range(n_people):
        place = 5 * rng.normal(size=n_features)  # a person is somewhere else
        for number in range(n_trials):
            label = label_of(rng, number)
            features = place + rng.normal(size=n_features)
            features[:3] += told_by * (np.arange(3) == label)
            sessions.append(session(f"p{i}", number, label, features))
    return sessions


def at_random(rng, number):
    return int(rng.integers(3))


def controls(sessions, *, kind="subject-kfold", n=200, seed=0):
    people = tuple(dict.fromkeys(one.person for one in sessions))
    split = make_split(kind, people, n_folds=4)
    return run_controls(sessions, split, CLASSES, n_permutations=n, seed=seed)


@pytest.mark.parametrize(
    "label_of",
    [
        lambda rng, number: number % 3,
        lambda rng, number: number // 8,
        lambda rng, number: number // 8 if rng.random() < 0.7 else int(rng.integers(3)),
    ],
    ids=["in turn", "in blocks", "mostly in blocks"],
)
def test_labels_that_follow_the_order_are_found_by_number_alone(label_of):
    found = controls(study(label_of))
    assert found.index_only.accuracy > 0.6
    assert found.index_only.p < 0.01
    assert found.order_tells
    assert "gives labels away" in " ".join(found.lines())


def test_blocks_within_a_person_are_found_too():
    """The rule of the split holds: only the same person's trials are known, and only the end is tested."""
    found = controls(study(lambda rng, number: number // 8), kind="within-chronological")
    assert found.n_trials == 8 * 3 * 2
    assert found.index_only.accuracy > 0.6  # the end of a block is nearer to the next one's beginning
    assert found.order_tells
    assert "order of time" in found.protocol


def test_the_order_of_generated_trials_gives_nothing_away():
    """The generator deals its classes in blocks, differently for every person: whatever the seed."""
    ps = []
    for seed in range(20):
        settings = GeneratorSettings(seed=seed, n_people=8, n_trials=25)
        sessions = [
            session(person, number, int(label), np.zeros(6))
            for i, person in enumerate(GeneratedCorpus(settings).people)
            for number, label in enumerate(draw_truth(settings, i).labels)
        ]
        split = make_split("subject-kfold", GeneratedCorpus(settings).people, n_folds=4)
        ps.append(run_controls(sessions, split, settings.classes, n_permutations=100).index_only.p)
    assert np.mean(np.array(ps) < 0.05) <= 0.2  # expected 0.05 of 20: 1; more than 4 is 1 in 400
    assert 0.2 < np.median(ps) < 0.8


def test_permuted_labels_are_at_chance_and_true_ones_are_not():
    found = controls(study(at_random, told_by=2.0))
    assert found.true_labels.accuracy > 0.6
    assert found.true_labels.p == pytest.approx(1 / 201)
    assert found.permuted.accuracy == pytest.approx(1 / 3, abs=0.05)
    assert found.permuted.ci.low < 1 / 3 < found.permuted.ci.high
    assert found.evaluation_is_sound
    assert not found.order_tells


def test_features_that_say_nothing_are_not_significant():
    ps = [controls(study(at_random, seed=seed), n=100).true_labels.p for seed in range(12)]
    assert np.mean(np.array(ps) < 0.05) <= 0.25
    assert max(ps) > 0.3


def test_an_evaluation_that_trains_on_its_test_is_above_chance_with_permuted_labels():
    sessions = study(at_random, n_people=3)
    labels, persons = np.array([one.label for one in sessions]), [one.person for one in sessions]
    truth = permuted_within(labels, persons, 50, np.random.default_rng(0))
    rows = range(len(sessions))
    weights = ridge_weights(_Chosen(rows, [], rows), trial_features(sessions))
    assert (told(weights, truth, _Chosen(rows, [], rows), 3) == truth).mean() > 0.4


def test_permuting_does_not_see_trials_that_are_there_twice():
    """The limit of this control, so that nobody takes it for more: the labels of twins are permuted apart."""
    plain = study(at_random, n_people=4, n_features=200)
    twins = [session(one.person, one.trial + 100, one.label, one.parts["eeg"].features[0]) for one in plain]
    split = make_split("pooled", ("p0", "p1", "p2", "p3"), n_folds=4, leak_ok=True)
    found = run_controls([*plain, *twins], split, CLASSES, n_permutations=100)
    assert found.true_labels.accuracy > 0.55
    assert found.permuted.accuracy == pytest.approx(1 / 3, abs=0.05)
    assert found.protocol.startswith("LEAKS")


def test_the_commonest_class_of_the_training_is_named():
    skewed = study(lambda rng, number: 1 if rng.random() < 0.6 else int(rng.integers(3)))
    found = controls(skewed)
    labels = np.array([one.label for one in skewed])
    assert found.majority.accuracy == pytest.approx((labels == 1).mean())
    assert math.isnan(found.majority.p)


def test_labels_are_permuted_within_each_person():
    rng = np.random.default_rng(0)
    persons = ["a"] * 6 + ["b"] * 5
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
    out = permuted_within(labels, persons, 50, rng)
    assert out.shape == (11, 50)
    assert np.array_equal(np.sort(out[:6], axis=0), np.tile(labels[:6, None], 50))
    assert (out[6:] == 2).all()
    assert len({tuple(column) for column in out.T}) > 5


def test_the_nearest_numbers_speak_when_none_is_near():
    ids = [TrialId("a", number, "calm") for number in (0, 1, 2, 90, 91, 500)]
    fold = _Chosen([0, 1, 2, 3], [4], [5])
    weights = index_weights(fold, ids)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.argmax() == 4
    truth = np.array([[0], [0], [0], [1], [1], [2]])
    assert told(weights, truth, fold, 3)[0, 0] == 1


def test_features_are_standardised_within_a_person(prepared):
    sessions = list(prepared.sessions[:20])
    x = trial_features(sessions)
    assert np.isfinite(x).all()
    assert len(x) == 20
    for person in {one.person for one in sessions}:
        rows = [i for i, one in enumerate(sessions) if one.person == person]
        np.testing.assert_allclose(x[rows].mean(axis=0), 0, atol=1e-9)


def test_no_permutation_is_refused():
    with pytest.raises(ConfigError, match="0 permutations"):
        controls(study(at_random), n=0)
