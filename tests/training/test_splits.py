import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.errors import ConfigError
from bci_stream.training.splits import (
    LOSO,
    POOLED,
    SPLITS,
    SUBJECT_KFOLD,
    WITHIN,
    Fold,
    Split,
    TrialId,
    make_split,
    n_validation,
)

CLASSES = ("neutral", "sadness", "anger", "happiness", "calm")
EAV_PEOPLE = [f"subject{i}" for i in range(1, 43)]


def session(person, n_per_class=20, seed=0):
    """One person's trials, classes mixed in time."""
    labels = np.random.default_rng(seed).permutation(np.repeat(CLASSES, n_per_class))
    return [TrialId(person, i, str(label)) for i, label in enumerate(labels)]


def everybody(people, n_per_class=20):
    return [trial for i, person in enumerate(people) for trial in session(person, n_per_class, i)]


def split_of(kind, people=EAV_PEOPLE, **options):
    return make_split(kind, people, leak_ok=kind == POOLED, **options)


@pytest.mark.parametrize("kind", SPLITS)
def test_parts_are_disjoint_and_every_trial_is_tested_at_most_once(kind):
    trials = everybody(EAV_PEOPLE)
    split = split_of(kind, seed=3)
    tested = []
    for i in range(len(split.folds)):
        parts = split.select(i, trials)
        assert all(parts)
        assert len(set().union(*map(set, parts))) == sum(map(len, parts))
        tested += parts.test
    assert len(set(tested)) == len(tested)
    assert len(tested) == (42 * 30 if kind == WITHIN else len(trials))


@pytest.mark.parametrize(("kind", "n_folds", "n_test"), [(LOSO, 42, 1), (SUBJECT_KFOLD, 7, 6)])
def test_people_of_eav(kind, n_folds, n_test):
    split = split_of(kind)
    assert len(split.folds) == n_folds
    assert not split.leaks
    assert "never seen" in split.protocol
    assert sorted(person for fold in split.folds for person in fold.test) == sorted(EAV_PEOPLE)
    for fold in split.folds:
        assert (len(fold.test), len(fold.valid)) == (n_test, 5)
        assert sorted(fold.test + fold.valid + fold.train) == sorted(EAV_PEOPLE)


def test_everybody_validates_about_as_often():
    counts = [sum(p in fold.valid for fold in split_of(LOSO, seed=5).folds) for p in EAV_PEOPLE]
    assert set(counts) == {5}


def test_mistake_two_generators_for_the_same_split():
    """69 % of the test was in the training: loader and trainer each drew 'the same' split."""
    trials = everybody(EAV_PEOPLE[:9], 5)
    for kind in SPLITS:
        first = split_of(kind, EAV_PEOPLE[:9], seed=11)
        second = split_of(kind, EAV_PEOPLE[:9][::-1], seed=11)  # made elsewhere, people in another order
        shuffled = [trials[i] for i in np.random.default_rng(1).permutation(len(trials))]
        assert first == second
        for i in range(len(first.folds)):
            train = {trials[j][:2] for j in first.select(i, trials).train}
            test = {shuffled[j][:2] for j in second.select(i, shuffled).test}
            assert test == {trials[j][:2] for j in first.select(i, trials).test}
            assert not train & test


def test_mistake_a_pooled_split_called_a_test():
    with pytest.raises(ConfigError, match="--i-know-this-leaks"):
        make_split(POOLED, EAV_PEOPLE)
    split = split_of(POOLED)
    assert split.leaks
    assert split.protocol.startswith("LEAKS")
    trials = everybody(EAV_PEOPLE)
    parts = split.select(0, trials)
    assert {trials[i].person for i in parts.test} <= {trials[i].person for i in parts.train}  # what leaks


def test_mistake_windows_of_one_trial_on_both_sides():
    """A split deals in trials: the same trial given twice, as its windows would be, is refused."""
    trials = session("subject1") + session("subject1")[:1]
    for kind in (WITHIN, POOLED):
        with pytest.raises(ConfigError, match="subject1"):
            split_of(kind, ["subject1"]).select(0, trials)


def test_mistake_one_person_in_training_and_test():
    with pytest.raises(ConfigError, match="anna"):
        Split(LOSO, False, "", 0, (Fold(("anna",), ("ben",), ("anna", "carl")),))


def test_within_is_the_official_protocol_of_eav():
    """Per class the first 14 of 20 trials are known, the last 6 tested, by time and not by file order."""
    trials = session("subject1")[::-1]
    parts = split_of(WITHIN, ["subject1"]).select(0, trials)
    for label in CLASSES:
        numbers = [[trials[i].number for i in part if trials[i].label == label] for part in parts]
        train, valid, test = numbers
        assert (len(train) + len(valid), len(test)) == (14, 6)
        assert max(train) < min(valid) <= max(valid) < min(test)


def test_within_ignores_everybody_else():
    trials = everybody(["a", "b"], 5)
    parts = split_of(WITHIN, ["a", "b"]).select(1, trials)
    assert {trials[i].person for part in parts for i in part} == {"b"}


def test_seeds_decide():
    for kind in (LOSO, SUBJECT_KFOLD):
        assert split_of(kind, seed=1) == split_of(kind, seed=1)
        assert split_of(kind, seed=1) != split_of(kind, seed=2)
    trials = everybody(EAV_PEOPLE[:3])
    assert split_of(POOLED, seed=1).select(0, trials) != split_of(POOLED, seed=2).select(0, trials)


@given(st.integers(3, 60), st.integers(2, 12), st.integers(0, 1000))
def test_any_number_of_people(n_people, n_folds, seed):
    people = [f"p{i}" for i in range(n_people)]
    try:
        split = make_split(SUBJECT_KFOLD, people, seed=seed, n_folds=n_folds)
    except ConfigError:
        assert n_people < n_folds or n_people - -(-n_people // n_folds) < 2
        return
    assert sorted(p for fold in split.folds for p in fold.test) == sorted(people)
    for fold in split.folds:
        assert len(fold.valid) == min(n_validation(n_people), n_people - len(fold.test) - 1) >= 1
        assert fold.train


@pytest.mark.parametrize(
    ("kind", "people", "options", "words"),
    [
        (SUBJECT_KFOLD, ["a", "b", "c", "d"], {}, "7 folds needs at least 7 people and there are 4"),
        (SUBJECT_KFOLD, ["a", "b", "c", "d"], {"n_folds": 1}, "use 2 or more"),
        (LOSO, ["a", "b"], {}, "3 people or more"),
        (SUBJECT_KFOLD, ["a", "b", "c"], {"n_folds": 2}, "use more folds"),
        (WITHIN, [], {}, "at least one person"),
        (LOSO, ["a", "a", "b"], {}, "twice"),
        ("random", ["a", "b"], {}, "subject-kfold"),
        (POOLED, ["a"], {"leak_ok": True, "n_folds": 2}, "3 or more"),
    ],
)
def test_too_few_people_is_one_clear_line(kind, people, options, words):
    with pytest.raises(ConfigError, match=words) as caught:
        make_split(kind, people, **options)
    assert "\n" not in str(caught.value)


def test_trials_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="stranger"):
        split_of(LOSO).select(0, [TrialId("stranger", 0, "calm")])
    with pytest.raises(ConfigError, match="a has 2 trials of calm"):
        split_of(WITHIN, ["a"]).select(0, [TrialId("a", i, "calm") for i in range(2)])
    with pytest.raises(ConfigError, match="no trial to"):
        split_of(LOSO, ["a", "b", "c"]).select(0, session("a"))
