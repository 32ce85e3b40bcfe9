"""Somebody else's session beside a person's calibration: said once, on the terminal and in the lines."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from apps import live
from apps.choice import DEMO_BUNDLE, ModelChoice, load_model, prepare
from apps.live_drift import LiveDrift, watch_of
from apps.outputs import OutputChoice, Outputs
from bci_stream.engine.pipeline import Pipeline
from bci_stream.messages import AUDIO, EEG
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events
from bci_stream.training.prepare import copied
from bci_stream.training.simulated import simulated_hops
from calibration.drift import as_bytes, reference_of, trial_features
from calibration.errors import ProfileError
from calibration.profile import NORMAL_FILE, Model, ProfileStore

WHEN = "2026-01-02T03:04:05+00:00"
ANNA = SimulatorSettings(seed=77, person=93_001, dwell_s=(8.0, 12.0))
SOMEBODY = SimulatorSettings(seed=90, person=93_006, dwell_s=(8.0, 12.0))


def calibrated(store, contract, duration_s=300.0):
    """Anna's profile, with what is normal of a calibration of hers."""
    hops = [(w.t_end - T0_S, copied(hop)) for w, hop in simulated_hops(ANNA, contract, duration_s)]
    trials = []
    for segment in Simulator(ANNA).truth(duration_s):
        mine = [hop for t, hop in hops if segment.t_start < t - 0.2 and t <= segment.t_end]
        trials.append(trial_features(mine, contract.classes.index(segment.label)))
    reference = reference_of(trials, 10.0, {"base": np.full(9, 0.5)}, contract.eeg.channels)
    words = {
        "sha256": "a",
        "weights_sha256": "b",
        "base_sha256": "c",
        "rung": "fusion",
        "words": "not better",
    }
    figures = {"base_accuracy": 0.5, "accuracy": 0.5, "gain": 0.0, "p": 0.5, "n_test": 9, "better": False}
    store.add_model(store.create("anna", WHEN), Model(number=1, created=WHEN, **words, **figures))
    store.report_path("anna", 1).mkdir()
    (store.report_path("anna", 1) / NORMAL_FILE).write_bytes(as_bytes(reference))


@pytest.fixture(scope="module")
def prepared():
    choice = ModelChoice(DEMO_BUNDLE)
    return prepare(choice, load_model(choice), Simulator(ANNA).specs)


def test_somebody_else_is_told_of_on_the_terminal_and_in_the_json_lines(prepared, tmp_path, capsys):
    store = ProfileStore(tmp_path / "profiles")
    calibrated(store, prepared.bundle.contract)
    drift = watch_of("anna", prepared, store)
    assert isinstance(drift, LiveDrift)
    pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
    outputs = Outputs(lambda: 0.0)
    outputs.open(OutputChoice(jsonl=tmp_path / "lines.jsonl"), prepared)
    for event in simulated_events(SOMEBODY, duration_s=110.0, chunk_s=0.2):
        for outcome in pipeline.step(event):
            drift.on_outcome(outcome, pipeline)
            live._tell_troubles(None, (outputs, None, drift))
    outputs.close()
    (line,) = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert (line["kind"], line["what"], line["level"]) == ("drift", EEG, "warn")
    said = capsys.readouterr().err
    assert said.count("warning:") == 1
    assert "bci-stream calibrate anna --protocol quick" in " ".join(said.split())


def test_without_a_calibration_there_is_no_watch(prepared, tmp_path):
    store = ProfileStore(tmp_path)
    store.create("anna", WHEN)
    assert watch_of("anna", prepared, store) is None
    assert watch_of(None, prepared, store) is None
    with pytest.raises(ProfileError, match="no profile berta"):
        watch_of("berta", prepared, store)


def test_a_calibration_with_other_electrodes_is_not_compared(prepared, tmp_path):
    store = ProfileStore(tmp_path)
    calibrated(store, prepared.bundle.contract.model_copy(), duration_s=100.0)
    few = prepared.bundle.contract.eeg.model_copy(update={"channels": ("Cz", "Pz")})
    contract = prepared.bundle.contract.model_copy(update={"eeg": few})
    other = SimpleNamespace(bundle=SimpleNamespace(contract=contract), plans={EEG: None, AUDIO: None})
    assert watch_of("anna", other, store) is None
