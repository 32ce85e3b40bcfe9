"""Mistakes that others made on EAV. Each has a test called ``test_mistake_…``; here are those of a whole run.

===============================================  ==========================================================
EEG read along the wrong axis                    test_eav, test_affective_music
one EEG shared by all trials of a person         test_eav, test_prepare
electrodes cut silently                          test_eav, test_affective_music, test_xdf_trials
random data on a load error                      test_eav, test_affective_music, test_xdf_trials, test_emodb
labels that default to neutral                   test_eav, test_affective_music, test_xdf_trials, test_emodb
two generators for "the same" split              test_splits
a pooled split called a test                     test_splits
class weights for balanced classes               test_fit
an accuracy printed as a literal                 test_results
the model in use is not the one that was scored  here
features of an encoder that had met the tested   here
===============================================  ==========================================================
"""

import numpy as np
import torch

from bci_stream.model.bundle import load_bundle
from bci_stream.model.network import build_network
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.evaluate import score_sessions
from bci_stream.training.experiment import Machine, run_experiment
from bci_stream.training.features import FrontEnds
from bci_stream.training.prepare import Preparer, prepare_person
from bci_stream.training.saving import BUNDLE, save_outcome
from bci_stream.training.splits import make_split
from bci_stream.training.trial_scores import trial_scores
from tests.training.test_prepare import live_predictions


def test_mistake_the_model_in_use_is_not_the_one_that_was_scored(corpus, make_recipe, cache, tmp_path):
    """The file that is used gives the very probabilities that the figures come from, whole and streamed."""
    recipe = make_recipe(1, aligned=False, normalized=False)  # so that no trial depends on one before it
    split = make_split("subject-kfold", corpus.people, n_folds=3)
    outcome = run_experiment(corpus, recipe, split, tmp_path, machine=Machine(cache=cache), n_run=1)
    scored = save_outcome(tmp_path / "run", outcome, corpus, recipe, name="run", config={}).predictions
    bundle = load_bundle(tmp_path / "run" / BUNDLE)
    person = split.folds[0].test[0]
    sessions = [
        one for one in prepare_corpus(corpus, outcome.contract, cache).sessions if one.person == person
    ]
    windows = score_sessions(bundle.network, sessions)
    again = trial_scores(windows, bundle.contract.temperatures.fused).probs["both"]
    np.testing.assert_array_equal(again, scored.probs["both"][np.array(scored.persons) == person])
    trial = next(corpus.trials(person))
    live = live_predictions(bundle.contract, bundle.network, trial, corpus.ch_names)
    first = (windows["both"].trials == trial.number).numpy()
    offline = zip(windows["both"].ends[first].tolist(), windows["both"].logits[first], strict=True)
    compared = [(live[end].logits, logits) for end, logits in offline if len(live[end].stood_on) == 2]
    assert len(compared) >= 5
    for one, other in compared:
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_mistake_features_cached_from_an_encoder_that_had_met_the_tested(
    corpus, make_recipe, cache, tmp_path
):
    """What is cached of a person depends on nobody else, on no training and on no random start."""
    recipe = make_recipe(1)
    contract = recipe.contract(corpus.classes, corpus.ch_names)
    split = make_split("subject-kfold", corpus.people, n_folds=3)
    tested = split.folds[0].test[0]
    torch.manual_seed(1)
    alone = [session.digest() for session in prepare_person(corpus, tested, contract)]
    run_experiment(corpus, recipe, split, tmp_path, machine=Machine(cache=cache), n_run=1)
    torch.manual_seed(2)
    cached = prepare_corpus(corpus, contract, cache).sessions
    assert [session.digest() for session in cached if session.person == tested] == alone
    assert not list(FrontEnds(contract)._power.parameters())
    learned = dict(build_network(contract).encoders["audio"].named_parameters())
    assert not any(name.startswith(("log_mel", "running")) for name in learned)
    assert Preparer(contract, corpus.ch_names).session(next(corpus.trials(tested))).digest() == alone[0]
