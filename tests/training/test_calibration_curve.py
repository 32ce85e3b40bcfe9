"""People who differ from the training in a way the test knows; and one network end to end."""

import numpy as np
import pytest
import torch

from bci_stream.errors import ConfigError
from bci_stream.model.network import build_network
from bci_stream.training.calibration_curve import (
    BASE,
    HEAD,
    KS,
    TEMPERED,
    PersonTrials,
    calibration_curve,
    curve_figure,
    curve_of,
    n_known,
    parts_of,
    person_trials,
)
from bci_stream.training.evaluate import score_sessions
from bci_stream.training.held_out import Examinee, HeldOut
from bci_stream.training.personal_head import Head, fit_head, fit_tempered, log_softmax
from bci_stream.training.splits import make_split
from bci_stream.training.trial_scores import trial_scores

K = 4


def person(name, *, turned=0, bias=None, too_sure=1.0, n_each=20, noise=0.6, seed=0):
    """A class is a place among 4 features; the model reads the places, ``turned`` by so many classes."""
    rng = np.random.default_rng([seed, *name.encode()])
    labels = np.concatenate([rng.permutation(K) for _ in range(n_each)])
    features = 2.0 * np.eye(K)[labels] + noise * rng.normal(size=(len(labels), K))
    logits = np.roll(1.5 * features, turned, axis=1)
    if bias is not None:
        logits = logits + np.asarray(bias)
    return PersonTrials(name, log_softmax(too_sure * logits), features, labels.astype(np.int64))


def people(n=6, **how):
    return [person(f"p{i}", **how) for i in range(n)]


def test_a_head_of_their_own_helps_people_whose_classes_are_turned():
    curve = curve_of(people(turned=1), K)
    assert curve.at(HEAD, 0).accuracy == curve.at(BASE, 0).accuracy < 0.2
    assert curve.at(HEAD, 14).accuracy > 0.85
    assert curve.at(HEAD, 14).gain_ci.low > 0.6
    assert curve.at(HEAD, 4).accuracy > curve.at(HEAD, 1).accuracy
    assert curve.at(TEMPERED, 14).accuracy < 0.4  # no bias or temperature turns classes
    assert "clearly better from" in curve.lines()[-1]


def test_a_prior_helps_people_for_whom_the_model_prefers_a_class():
    curve = curve_of(people(bias=[4.0, 0.0, 0.0, 0.0]), K)
    assert curve.at(TEMPERED, 14).gain_ci.low > 0.03
    assert curve.at(TEMPERED, 14).nll < curve.at(BASE, 14).nll


def test_a_temperature_helps_an_overconfident_model_and_moves_no_accuracy_much():
    curve = curve_of(people(too_sure=6.0, noise=1.5), K)
    assert curve.at(TEMPERED, 8).nll < 0.8 * curve.at(BASE, 8).nll
    assert curve.at(TEMPERED, 8).gain == pytest.approx(0.0, abs=0.08)


def test_where_nothing_is_to_be_learned_the_head_leaves_the_model_alone():
    curve = curve_of(people(), K)
    for k in KS:
        assert curve.at(HEAD, k).gain == pytest.approx(0.0, abs=0.03)
    assert "no clear gain" in curve.lines()[-1]


def test_the_base_is_the_same_for_every_k_and_tested_on_the_same_trials():
    curve = curve_of(people(), K)
    assert curve.ks == KS
    assert len({curve.at(BASE, k).accuracy for k in KS}) == 1
    assert curve.n_test == 6 * 6 * K
    assert curve.at(BASE, 0).gain == 0.0


def test_calibration_is_the_beginning_and_the_test_the_end_of_each_class():
    one = person("a", n_each=20)
    for k in KS:
        known, test = parts_of(one, k)
        assert not set(known) & set(test)
        for label in range(K):
            rows = np.flatnonzero(one.labels == label)
            assert sorted(set(rows) & set(known)) == rows[:k].tolist()
            assert sorted(set(rows) & set(test)) == rows[14:].tolist()
    assert [n_known(n) for n in (0, 1, 2, 8, 20)] == [0, 0, 1, 6, 14]


def test_by_default_k_goes_as_far_as_everybody_has_trials():
    assert curve_of([person("a"), person("b", n_each=8)], K).ks == (0, 1, 2, 4)


@pytest.mark.parametrize(
    ("ks", "complaint"),
    [
        ((0, 15), r"K = 15 trials per class asked for, and p0 has 14 of class 0"),
        ((-1,), "makes no sense"),
        ((), "makes no sense"),
    ],
)
def test_a_k_that_cannot_be_is_refused_with_both_numbers(ks, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        curve_of(people(2), K, ks)
    assert "\n" not in str(caught.value)


def test_nobody_is_refused():
    with pytest.raises(ConfigError, match="one person at least"):
        curve_of([], K)


def test_one_person_has_a_curve_without_an_interval():
    curve = curve_of([person("a", turned=1)], K, (0, 8))
    assert np.isnan(curve.at(HEAD, 8).ci.low)
    assert curve.at(HEAD, 8).accuracy > 0.6
    assert curve_figure(curve, footnote="made up").axes


def test_no_trials_change_nothing():
    one = person("a")
    nothing = np.empty((0, K)), np.empty((0, K)), np.empty(0, np.int64)
    z = log_softmax(one.z)
    np.testing.assert_allclose(fit_tempered(nothing[0], nothing[2]).log_probs(one.z), z)
    np.testing.assert_allclose(fit_head(*nothing).log_probs(one.z, one.features), z)


def test_a_constant_feature_and_a_single_trial_do_no_harm():
    one = person("a")
    flat = np.ones_like(one.features)
    head = fit_head(one.z[:8], flat[:8], one.labels[:8])
    assert head.strength == np.inf
    assert fit_head(one.z[:1], one.features[:1], one.labels[:1]).strength == np.inf


def test_the_head_is_the_minimum_of_its_loss():
    """Checked in all features, not in the few coordinates that it is found in."""
    one = person("a", turned=1, n_each=3)
    head = fit_head(one.z, one.features, one.labels, strengths=(0.5,))
    assert isinstance(head, Head)
    rows, onehot = head.scaled(one.features), np.eye(K)[one.labels]
    error = np.exp(head.log_probs(one.z, one.features)) - onehot
    np.testing.assert_allclose(rows.T @ error + 0.5 * head.weights, 0, atol=2e-3)


def held_out(corpus, contract, sessions, network, kind="subject-kfold"):
    trials = frozenset((one.person, one.trial) for one in sessions)
    return HeldOut(
        title="a network",
        footnote="generated",
        leaks=False,
        generated=True,
        contract=contract,
        corpus=corpus,
        examinees=(Examinee("network", network, trials),),
        sessions=tuple(sessions),
        split=make_split(kind, corpus.people, n_folds=3),
    )


@pytest.fixture
def untrained(corpus, make_recipe):
    torch.manual_seed(0)
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    return contract, build_network(contract).eval()


def test_a_network_is_asked_as_everywhere_else(untrained, prepared):
    """Its trials' probabilities are those of the ordinary evaluation, its features the pooled vectors."""
    _, network = untrained
    network.temperatures[0] = 1.7
    sessions = list(prepared.sessions[:20])
    wanted = trial_scores(score_sessions(network, sessions), 1.7)
    found = person_trials(network, sessions)
    assert [one.person for one in found] == ["subject1", "subject2"]
    np.testing.assert_allclose(
        np.exp(np.concatenate([one.z for one in found])), wanted.probs["both"], atol=1e-5
    )
    assert np.array_equal(np.concatenate([one.labels for one in found]), wanted.labels)
    assert found[0].features.shape == (10, 256)
    assert found[0].features.std(axis=0).max() > 0


def test_even_an_untrained_network_learns_from_enough_trials_of_a_person(untrained, prepared, corpus):
    contract, network = untrained
    curve = calibration_curve(held_out(corpus, contract, prepared.sessions, network), (0, 1))
    assert curve.n_people == 6
    assert curve.n_test == 6 * 5  # of two trials of each class one is left
    assert curve.at(HEAD, 0).accuracy == curve.at(BASE, 0).accuracy
    assert curve.as_dict()["n_people"] == 6


def test_people_who_were_trained_on_have_no_such_curve(untrained, prepared, corpus):
    contract, network = untrained
    held = held_out(corpus, contract, prepared.sessions, network, kind="within-chronological")
    with pytest.raises(ConfigError, match="for people who are new"):
        calibration_curve(held)
