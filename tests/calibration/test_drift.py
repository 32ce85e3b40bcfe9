"""The watch is silent for the person themselves and speaks for a shifted cap or somebody else."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from bci_stream.engine.hops import HopMaker
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.messages import AUDIO, EEG, Latency, Prediction
from bci_stream.model.predictor import Hop
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events
from bci_stream.sources.simulator_truth import Person
from bci_stream.training.prepare import copied
from bci_stream.training.simulated import simulated_hops
from calibration.drift import (
    DriftWatch,
    as_bytes,
    from_bytes,
    hop_features,
    reference_of,
    trial_features,
)
from calibration.errors import ProfileError

ANNA = 93_001


def session_of(person, seed, duration_s=110.0):
    settings = SimulatorSettings(seed=seed, person=person, dwell_s=(8.0, 12.0))
    return settings, duration_s


@pytest.fixture(scope="module")
def contract(base):
    return base.contract


def hops_of(settings, duration_s, contract):
    return [(w.t_end, copied(hop)) for w, hop in simulated_hops(settings, contract, duration_s)]


@pytest.fixture(scope="module")
def reference(contract):
    settings, duration_s = session_of(ANNA, 77, 300.0)
    hops, trials = hops_of(settings, duration_s, contract), []
    for segment in Simulator(settings).truth(duration_s):
        start, stop = segment.t_start + T0_S, segment.t_end + T0_S
        mine = [hop for t_end, hop in hops if start < t_end - 0.2 and t_end <= stop]
        trials.append(trial_features(mine, contract.classes.index(segment.label)))
    found = reference_of(
        trials, 10.0, {"base": np.full(12, 0.8) + np.linspace(-0.1, 0.1, 12)}, contract.eeg.channels
    )
    return from_bytes(as_bytes(found))


def watched(reference, hops):
    watch = DriftWatch(reference, "base", (EEG, AUDIO))
    return [said for t_end, hop in hops for said in watch.step(hop, None, t_end)]


@pytest.mark.parametrize("seed", [90, 91, 92])
def test_nothing_is_said_of_the_persons_own_further_sessions(seed, reference, contract):
    assert watched(reference, hops_of(*session_of(ANNA, seed), contract)) == []


def test_somebody_else_is_told_of_in_plain_words(reference, contract):
    said = watched(reference, hops_of(*session_of(ANNA + 5, 90), contract))
    assert said[0].level == "warn"
    assert "unlike that of the calibration" in said[0].words
    assert "recalibrate" in said[0].words
    assert len(said) == len({drift.what for drift in said})  # once each


def test_a_cap_that_sits_elsewhere_is_told_of(reference, contract, monkeypatch):
    draw = Person.draw
    shifted = lambda number: replace(draw(number), shift=draw(number).shift + np.array([0.3, 0.0]))  # noqa: E731
    monkeypatch.setattr(Person, "draw", shifted)
    said = watched(reference, hops_of(*session_of(ANNA, 90), contract))
    assert [drift.what for drift in said] == [EEG]
    assert "how the headset sits" in said[0].words


def test_swapped_electrodes_are_told_of_and_then_it_is_well_again(reference, contract):
    hops = hops_of(*session_of(ANNA, 91, 110.0), contract)
    order = list(range(16))
    order[2], order[12] = order[12], order[2]  # F3 and T7
    swapped = [(t_end, replace(hop, eeg=hop.eeg[:, order])) for t_end, hop in hops]
    said = watched(reference, swapped + [(t_end + 110.0, hop) for t_end, hop in hops])
    assert [(drift.what, drift.level) for drift in said] == [(EEG, "warn"), (EEG, "good")]
    assert "T7" in said[0].words or "F3" in said[0].words


def test_chunking_changes_nothing_that_is_said(reference, contract):
    settings, duration_s = session_of(ANNA + 5, 90)
    plans = plan_for_contract(Simulator(settings).specs, contract)
    found = []
    for chunk_s in (0.11, 0.5):
        pipeline = Pipeline(plans, window_settings(contract))
        maker = HopMaker(plans, {EEG: contract.eeg_hop, AUDIO: contract.audio_hop})
        watch = DriftWatch(reference, "base", (EEG, AUDIO))
        said = []
        for event in simulated_events(settings, duration_s=duration_s, chunk_s=chunk_s):
            for outcome in pipeline.step(event):
                said += watch.step(maker.newest(outcome.window), None, outcome.window.t_end)
        found.append(said)
    assert found[0] == found[1]
    assert found[0]


def prediction(confidence, stood_on=(EEG, AUDIO)):
    return Prediction(
        index=0,
        t_start=0.0,
        t_end=5.0,
        classes=("a", "b"),
        logits=(0.0, 0.0),
        probs=(confidence, 1 - confidence),
        label="a",
        confidence=confidence,
        stood_on=stood_on,
        coverage={},
        heads={},
        interpolated=0.0,
        gate=0.5,
        bundle_sha256="",
        latency=Latency(0.0),
    )


def test_less_confidence_than_on_the_test_trials_is_told_of(reference):
    def said(*predictions):
        watch = DriftWatch(reference, "base", (EEG, AUDIO))
        return [one for p in predictions for one in watch.step(Hop(), p, 0.0)]

    assert said(*[prediction(0.78)] * 600) == []
    (drift,) = said(*[prediction(0.5)] * 600)
    assert drift.what == "confidence"
    assert "50%, and 80% then" in drift.words
    assert said(*[prediction(0.5, (EEG,))] * 600) == []  # a modality that is away is another matter


def test_a_hop_that_is_not_whole_says_nothing(contract):
    eeg, audio = np.ones((25, 16), np.float32), np.ones(3200, np.float32)
    gap = np.ones(25, np.float32)
    gap[3] = 0.0
    assert hop_features(Hop(eeg, gap, audio, None))[EEG].shape == (0, 64)
    assert hop_features(Hop(eeg, np.ones(25), 1e-5 * audio, None))[AUDIO].shape == (0, 16)  # silence
    assert hop_features(Hop(np.vstack([eeg, eeg]), None, audio, None))[EEG].shape == (2, 64)


def test_an_archive_that_unpacks_to_very_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("eeg.means.npy", b"\0" * 65 * 2**20)
    with pytest.raises(ProfileError, match="too much"):
        from_bytes((tmp_path / "x.npz").read_bytes())


def test_few_trials_do_not_say_what_is_normal():
    few = [trial_features([Hop(np.ones((25, 16), np.float32))], 0)] * 5
    assert reference_of(few, 5.0, {}) is None


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_damaged_file_is_one_line(cut, reference):
    data = as_bytes(reference)
    with pytest.raises(ProfileError, match="calibrate again"):
        from_bytes(data[:cut])
