"""Training is fed what a live session makes of the same samples."""

import dataclasses

import numpy as np
import pytest
import torch

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.errors import ConfigError, CorpusError
from bci_stream.messages import Chunk, ClockOffset, StreamSpec
from bci_stream.model.bundle import Bundle, make_program
from bci_stream.model.network import build_network
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.training.batches import collate
from bci_stream.training.evaluate import encode_parts, fuse_windows
from bci_stream.training.prepare import Preparer, prepare_people, prepare_person
from bci_stream.training.sessions import UNLABELLED
from bci_stream.training.trials import Trial


def live_predictions(contract, network, trial, ch_names, chunk_s=0.13):
    """The logits of every window of a trial that arrives as two streams in small chunks."""
    specs = {"eeg": StreamSpec("eeg", ch_names, trial.eeg_sfreq)}
    specs["audio"] = StreamSpec("audio", ("voice",), trial.audio_sfreq)
    bundle = Bundle(contract, network, make_program(network), "", None, rebuilt=True)
    plans = plan_for_contract(specs, contract)
    pipeline = Pipeline(plans, window_settings(contract, 5.0), StreamingPredictor(bundle))
    found = []
    for role in specs:
        found += pipeline.feed(ClockOffset(role, 1000.0, 0.0))
    signals = {"eeg": (trial.eeg, trial.eeg_sfreq), "audio": (trial.audio[:, None], trial.audio_sfreq)}
    for k in range(int(np.ceil(len(trial.eeg) / trial.eeg_sfreq / chunk_s)) + 1):
        for role, (x, sfreq) in signals.items():
            start, stop = (min(round(i * chunk_s * sfreq), len(x)) for i in (k, k + 1))
            times = 1000.0 + np.arange(start, stop) / sfreq
            found += pipeline.feed(Chunk(role, times, x[start:stop]))
    return {round((p.t_end - 1000.0) / 0.2) - 1: p for p in found + pipeline.finish()}


@pytest.mark.parametrize("front", ["bandpower", "learned"])
@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_a_trial_gives_the_logits_of_a_live_session(corpus, make_recipe, front, fusion):
    contract = make_recipe(front=front, fusion=fusion).contract(corpus.classes, corpus.ch_names)
    torch.manual_seed(0)
    network = build_network(contract).eval()
    trial = next(corpus.trials(corpus.people[0]))
    live = live_predictions(contract, network, trial, corpus.ch_names)
    session = Preparer(contract, corpus.ch_names).session(trial)
    ends = torch.arange(session.n_tokens)
    presence = torch.ones(len(ends), 2)
    with torch.inference_mode():
        tokens = encode_parts(network, collate([session], [(0, session.n_tokens)]))
        offline = fuse_windows(network, tokens, torch.zeros_like(ends), ends, presence)
    compared = 0
    for end, prediction in live.items():
        if len(prediction.stood_on) == 2 and end < session.n_tokens:
            np.testing.assert_allclose(prediction.logits, offline.logits[end], atol=2e-4)
            compared += 1
    assert compared >= 5


def test_hops_are_the_live_pipelines_bit_for_bit(corpus, make_recipe):
    """However the trial is cut: the preparer's own chunks are others than here."""
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    trial = next(corpus.trials(corpus.people[0]))
    hops = Preparer(contract, corpus.ch_names).hops(trial)
    again = Preparer(contract, corpus.ch_names)
    import bci_stream.training.prepare as module

    whole, module._CHUNK_S = module._CHUNK_S, 0.07
    try:
        other = again.hops(trial)
    finally:
        module._CHUNK_S = whole
    for one, two in zip(hops, other, strict=True):
        for field in dataclasses.fields(one):
            assert np.array_equal(getattr(one, field.name), getattr(two, field.name)), field.name


def test_slow_stages_go_on_from_trial_to_trial_and_not_to_somebody_else(corpus, make_recipe):
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    first, second = list(corpus.trials(corpus.people[0]))[:2]
    preparer = Preparer(contract, corpus.ch_names)
    fresh = preparer.session(second).digest()
    preparer.reset()
    preparer.session(first)
    assert preparer.session(second).digest() != fresh
    preparer.reset()
    assert preparer.session(second).digest() == fresh


def test_windows_are_labelled_once_they_would_be_answered_live(corpus, make_recipe):
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    session = prepare_person(corpus, corpus.people[0], contract)[0]
    labelled = np.flatnonzero(session.labels != UNLABELLED)
    assert labelled[0] == 7  # 8 of 15 tokens
    assert labelled[-1] == session.n_tokens - 1 == 14


def test_processes_change_no_bit(corpus, make_recipe):
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    people = corpus.people[:2]
    alone = [s.digest() for group in prepare_people(corpus, people, contract) for s in group]
    shared = [s.digest() for group in prepare_people(corpus, people, contract, 2) for s in group]
    assert alone == shared


def test_eeg_only_trial_has_nothing_of_the_voice(corpus, make_recipe):
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    trial = dataclasses.replace(next(corpus.trials(corpus.people[0])), audio=None, condition="listening")
    session = Preparer(contract, corpus.ch_names).session(trial)
    assert not session.parts["audio"].there.any()
    assert not session.parts["audio"].features.any()
    assert session.parts["eeg"].there[5:].all()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"label": "bliss"}, "'bliss' is none of"),
        ({"eeg": None, "audio": None}, "has none of"),
        ({"audio": np.zeros(100, np.float32)}, "shorter than 0.2 s"),
        ({"eeg_sfreq": 60.0}, "60 Hz"),
    ],
)
def test_a_trial_that_cannot_be_used_is_named(corpus, make_recipe, changes, complaint):
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    trial = dataclasses.replace(next(corpus.trials(corpus.people[0])), source="here.mat", **changes)
    with pytest.raises(CorpusError, match=r"^here\.mat") as caught:
        Preparer(contract, corpus.ch_names).session(trial)
    assert complaint in str(caught.value)


def test_longer_hops_are_refused(corpus, make_recipe):
    contract = make_recipe().contract(corpus.classes, corpus.ch_names).model_copy(update={"hop_s": 0.4})
    with pytest.raises(ConfigError, match="hop of one token"):
        Preparer(contract, corpus.ch_names)


def test_a_trial_that_is_not_one_persons_own_eeg_would_show():
    """EAV, a mistake made before: one EEG shared by all trials. Different EEG gives different sessions."""
    rng = np.random.default_rng(0)
    from bci_stream.training.recipe import Recipe

    contract = Recipe(modalities=("eeg",), window_s=2.0).contract(("a", "b"), ("Fz", "Cz"))
    trials = [
        Trial("p", i, "a", eeg=rng.standard_normal((500, 2)).astype(np.float32), eeg_sfreq=250.0, source="x")
        for i in range(2)
    ]
    preparer = Preparer(contract, ("Fz", "Cz"))
    one, two = (preparer.session(trial).parts["eeg"].features for trial in trials)
    assert not np.allclose(one, two)
