"""Yardsticks: the classical models and the published networks, in the harness of everything else."""

import dataclasses

import numpy as np
import pytest
import torch

from bci_stream.errors import ConfigError
from bci_stream.training.baseline_windows import cut_windows
from bci_stream.training.baselines import (
    BASELINES,
    BaselineSettings,
    run_baseline,
    save_baseline,
)
from bci_stream.training.classical import Classical, band_covariances, log_band_power, mel_statistics
from bci_stream.training.experiment import Machine
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.parallel import Workers
from bci_stream.training.reference_nets import REFERENCE_NETS, build_reference
from bci_stream.training.results import read_result
from bci_stream.training.splits import make_split


@pytest.fixture(scope="module")
def easy():
    """Classes far apart: a model that learns at all is far above the chance of 20 %."""
    return GeneratedCorpus(
        GeneratorSettings(n_people=8, n_trials=20, trial_s=2.0, eeg_separation=6.0, audio_separation=6.0)
    )


@pytest.fixture(scope="module")
def split(easy):
    return make_split("subject-kfold", tuple(easy.people), seed=0, n_folds=4)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_learns_people_that_it_has_not_met(name, easy, split, cache):
    settings = BaselineSettings(window_s=2.0, n_epochs=5)
    trials, _ = run_baseline(name, easy, split, settings, machine=Machine(cache=cache), n_run=1)
    (probs,) = trials.probs.values()
    assert len(probs) == 40
    np.testing.assert_allclose(probs.sum(1), 1.0, atol=1e-9)
    assert (probs.argmax(1) == trials.labels).mean() > 0.45


@pytest.mark.parametrize("name", ["band-power-lda", "mel-logistic"])
def test_folds_side_by_side_are_the_folds_one_by_one(name, easy, split, cache, tmp_path):
    settings, machine = BaselineSettings(window_s=2.0), Machine(cache=cache)
    alone, sha = run_baseline(name, easy, split, settings, machine=machine, n_run=2)
    beside, _ = run_baseline(name, easy, split, settings, machine=machine, n_run=2, workers=Workers(2))
    (a,), (b,) = alone.probs.values(), beside.probs.values()
    np.testing.assert_array_equal(a, b)
    saved = save_baseline(tmp_path / "result", name, easy, split, alone, sha, settings)
    found = read_result(tmp_path / "result")
    assert found.metrics == saved.metrics
    assert found.generated


@pytest.mark.parametrize(
    ("name", "n_parameters"), [("eegnet", 2861), ("shallow", 42845), ("conformer", 173837)]
)
def test_the_networks_have_the_stated_size(name, n_parameters):
    net = build_reference(name, 16, 625, 5)
    assert sum(p.numel() for p in net.parameters()) == n_parameters
    assert net.eval()(torch.randn(3, 16, 625)).shape == (3, 5)


@pytest.mark.parametrize("name", REFERENCE_NETS)
def test_a_window_does_not_depend_on_its_batch(name):
    torch.manual_seed(0)
    net = build_reference(name, 4, 250, 3).eval()
    batch = torch.randn(4, 4, 250)
    with torch.inference_mode():
        torch.testing.assert_close(net(batch)[1], net(batch[1:2])[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: build_reference("resnet", 4, 250, 3), "choose one of eegnet"),
        (lambda: build_reference("eegnet", 4, 40, 3), "too short"),
        (lambda: Classical("forest", np.zeros((4, 2)), np.array([0, 1, 0, 1]), 2), "choose one of"),
        (lambda: Classical("band-power-lda", np.zeros((4, 2)), np.zeros(4, np.int64), 2), "two classes"),
    ],
)
def test_what_makes_no_sense_is_refused(call, said):
    with pytest.raises(ConfigError, match=said):
        call()


def test_an_unknown_baseline_is_refused_by_name(easy, split):
    with pytest.raises(ConfigError, match="band-power-lda"):
        run_baseline("deep-magic", easy, split)


def test_band_power_is_in_the_band_of_a_sine():
    t = np.arange(625) / 125
    eeg = np.stack([np.sin(2 * np.pi * 10 * t), np.sin(2 * np.pi * 20 * t)])[None] * 10
    power = log_band_power(eeg, 125.0).reshape(5, 2)  # delta theta alpha beta gamma
    assert power[:, 0].argmax() == 2
    assert power[:, 1].argmax() == 3
    assert (np.linalg.eigvalsh(band_covariances(eeg, 125.0)) > 0).all()


def test_voice_statistics_look_at_valid_frames_only():
    rng = np.random.default_rng(0)
    mel, valid = rng.normal(size=(2, 50, 64)), np.ones((2, 50))
    valid[:, 30:] = 0
    spoiled = mel.copy()
    spoiled[:, 30:] = 1e6
    np.testing.assert_array_equal(mel_statistics(mel, valid), mel_statistics(spoiled, valid))
    assert not mel_statistics(mel, np.zeros((2, 50))).any()


def test_an_utterance_shorter_than_half_a_window_is_heard(prepared):
    """As training has it; those with a voice in less than half of what they last are not."""
    short = prepared.sessions[:2]  # of 15 tokens
    assert len(cut_windows(short, "audio", 40)) == 2
    part = short[1].parts["audio"]
    there = np.where(np.arange(len(part.there)) < 5, part.there, 0.0)
    silent = dataclasses.replace(short[1], parts={"audio": part._replace(there=there)})
    assert cut_windows([short[0], silent], "audio", 40).rows.tolist() == [0]
