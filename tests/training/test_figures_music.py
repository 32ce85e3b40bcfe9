import numpy as np
import pytest

from bci_stream.training.sessions import Part, Session
from scripts.figures_music import Row, day_of, evaluate, folds, lda, permutation_p, person_of, table

N_TOKENS = 30


def made_up(strength, seed=0):
    """Two people, two days each, six trials a day of three classes; ``strength`` of the class in the EEG."""
    rng = np.random.default_rng(seed)
    ones, sessions = np.ones(N_TOKENS, np.float32), []
    for day in ("P01 S01", "P01 S02", "P02 S01", "P02 S02"):
        for number, label in enumerate(rng.permutation([0, 0, 1, 1, 2, 2])):
            features = rng.normal(size=(N_TOKENS, 10)) + rng.normal(size=10)  # a trial has a level of its own
            features[:, label] += strength
            part = Part(features.astype(np.float32), ones, ones)
            labels, segments = np.full(N_TOKENS, label), np.full(N_TOKENS, number)
            sessions.append(Session(day, {"eeg": part}, labels, segments))
    return sessions


@pytest.mark.parametrize("protocol", ["cross-session", "cross-subject"])
def test_every_trial_is_tested_once_and_never_by_who_or_when_it_was_trained_on(protocol):
    sessions = made_up(0.0)
    tested = []
    for train, test in folds(protocol, sessions):
        tested += [id(session) for session in test]
        if protocol == "cross-subject":
            assert {person_of(s) for s in train}.isdisjoint({person_of(s) for s in test})
        else:
            assert {day_of(s) for s in train}.isdisjoint({day_of(s) for s in test})
            assert {person_of(s) for s in train} == {person_of(s) for s in test}
    assert sorted(tested) == sorted(map(id, sessions))


@pytest.mark.parametrize("protocol", ["cross-session", "cross-subject"])
def test_what_is_there_is_found_and_what_is_not_is_not(protocol):
    there = evaluate(protocol, "LDA", lda(3), made_up(6.0), 3, range(1))
    assert there.n == 24
    assert there.accuracy > 0.8
    assert there.p < 0.01
    nothing = [evaluate(protocol, "LDA", lda(3), made_up(0.0, seed), 3, range(1)) for seed in range(4)]
    assert np.mean([row.accuracy for row in nothing]) < 0.5
    assert max(row.p for row in nothing) > 0.05


def test_permutation_keeps_each_days_classes():
    truth, days = np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"])
    assert permutation_p(truth[None], truth, days, 1.0) == 1.0  # a day has one class: nothing to shuffle
    mixed = np.array([0, 1, 0, 1] * 3)
    p = permutation_p(mixed[None], mixed, np.repeat(["a", "b", "c"], 4), 1.0)
    assert p == pytest.approx((1 / 6) ** 3, abs=0.003)


def test_the_table_says_what_was_not_found():
    rows = [Row("cross-session", "LDA", 24, 0.46, 0.25, 0.67, 0.13, 0.54)]
    assert "| 46 % [25, 67] | 0.13 | not above chance |" in table(rows, "protocol")
