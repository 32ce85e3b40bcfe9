import numpy as np
import pytest
import torch

from apps.choice import DEMO_BUNDLE
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG
from bci_stream.model.bundle import load_bundle
from bci_stream.model.contract import Contract, EegContract
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.sources.simulator import DEMO_MONTAGE, SimulatorSettings
from bci_stream.training.demo import DemoSettings, train_demo
from bci_stream.training.evaluate import fit_temperature, score_sessions
from bci_stream.training.fit import FitSettings
from bci_stream.training.sessions import UNLABELLED
from bci_stream.training.simulated import record_session, simulated_hops

CONTRACT = Contract(eeg=EegContract(channels=DEMO_MONTAGE, highpass_hz=0.5))
PERSON = SimulatorSettings(seed=5, person=77_001, dwell_s=(6.0, 9.0))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def session():
    return record_session(PERSON, CONTRACT, 60.0)


def test_a_session_is_the_same_however_often_it_is_made(session):
    assert record_session(PERSON, CONTRACT, 60.0).digest() == session.digest()


def test_only_windows_inside_one_emotion_are_labelled(session):
    labels = session.labels
    assert (labels[:24] == UNLABELLED).all()
    assert 0.05 < (labels != UNLABELLED).mean() < 0.6


def test_a_whole_training_makes_a_bundle_that_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    settings = DemoSettings(
        n_train=2, n_valid=1, n_test=1, duration_s=45.0, n_workers=1, fit=FitSettings(n_epochs=1, patience=0)
    )
    lines = []
    sha256 = train_demo(tmp_path / "tiny.bci", settings, lines.append)
    bundle = load_bundle(tmp_path / "tiny.bci")
    assert bundle.sha256 == sha256
    assert "no claim about people" in bundle.contract.training.protocol
    assert {"test_accuracy_both", "bayes_accuracy_both"} <= set(bundle.contract.metrics)
    assert any(line.startswith("confusion") for line in lines)


def test_people_in_training_and_validation_must_differ(session):
    from bci_stream.model.network import build_network
    from bci_stream.training.fit import fit

    with pytest.raises(ConfigError, match="must differ"):
        fit(build_network(CONTRACT), [session], [session], FitSettings(n_epochs=1))


def test_temperature_undoes_overconfidence():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=generator)
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(logits * 3, labels) == pytest.approx(3.0, rel=0.1)


def test_the_demo_bundle_names_unseen_simulated_people_well_above_chance(tmp_path, monkeypatch):
    """Through training's path, for people it has not met: with both, with EEG alone, with voice alone."""
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))  # never exported here: rebuilt from its weights
    bundle = load_bundle(DEMO_BUNDLE)
    assert bundle.rebuilt
    right, n = dict.fromkeys(("both", "eeg", "audio"), 0.0), 0
    for person in range(6):
        settings = SimulatorSettings(seed=50 + person, person=88_000 + person, dwell_s=(6.0, 9.0))
        scores = score_sessions(bundle.network, [record_session(settings, bundle.contract, 60.0)])
        n += scores["both"].n
        for name, part in scores.items():
            right[name] += part.accuracy() * part.n
    accuracy = {name: count / n for name, count in right.items()}
    assert accuracy["both"] > 0.6
    assert accuracy["eeg"] > 0.45
    assert accuracy["audio"] > 0.35


def test_streaming_says_what_training_saw(session, tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    bundle = load_bundle(DEMO_BUNDLE)
    recorded = record_session(PERSON, bundle.contract, 30.0)
    whole = score_sessions(bundle.network, [recorded])["both"].logits.numpy()
    predictor, streamed = StreamingPredictor(bundle), []
    labels = recorded.labels
    for number, (_, hop) in enumerate(simulated_hops(PERSON, bundle.contract, 30.0)):
        predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        raw = predictor.predict()
        if number < len(labels) and labels[number] != UNLABELLED and raw.stood_on == (EEG, AUDIO):
            streamed.append(raw.logits)
    assert len(streamed) == len(whole)
    np.testing.assert_allclose(np.stack(streamed), whole, atol=1e-3)
