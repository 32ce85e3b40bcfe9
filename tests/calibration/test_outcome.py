"""From a real recording to a profile: the same weights whichever way, and nothing half written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from simulated_calibration import BRIEF, BUNDLE, record

from bci_stream.model.bundle import export_bundle, load_bundle
from calibration.drift import from_bytes
from calibration.errors import CalibrationError, ProfileError
from calibration.finetune import FinetuneSettings
from calibration.ladder import HEAD, rungs_up_to, with_temperature_and_prior
from calibration.outcome import _supersedes, calibrate_person, weights_sha256
from calibration.profile import ProfileStore
from calibration.resume import markers_of
from calibration.trials import read_trials

PROGRAM = Path(sys.executable).with_name("bci-stream")
WHEN = "2026-01-02T03:04:05+00:00"


def test_trials_are_those_of_the_markers_but_what_was_taken_back(recording, trials):
    begun = [label for label in markers_of(recording) if label.startswith("trial:")]
    labels = [label.removeprefix("trial:") for i, label in enumerate(begun) if i != 2]
    classes = load_bundle(BUNDLE).contract.classes
    assert [classes[session.label] for session in trials.sessions] == labels
    assert [session.trial for session in trials.sessions] == list(range(len(labels)))
    assert trials.left_out == (f"{recording}, trial 3: taken back (noisy)",)


def test_the_same_recording_gives_the_same_weights(recording, base, tmp_path):
    found = []
    for name in ("one", "two"):
        store = ProfileStore(tmp_path / name)
        found.append(calibrate_person(store, "anna", base, [recording], created=WHEN, settings=BRIEF))
    one, two = found
    assert one.model.weights_sha256 == two.model.weights_sha256
    data, model, number = ProfileStore(tmp_path / "one").normal("anna")
    assert (model, number) == ("calibrated" if one.model.better else "base", 1)
    normal = from_bytes(data)
    assert set(normal.parts) == {"eeg", "audio"}
    assert set(normal.confidence) == {"base", "calibrated"}
    bundle = load_bundle(tmp_path / "one" / "anna" / "models" / "0001.bci")
    assert bundle.sha256 == one.model.sha256
    assert bundle.contract.lineage == base.sha256
    assert bundle.contract.eeg == base.contract.eeg
    report = json.loads((one.report / "report.json").read_text())
    assert report["verdict"]["accuracy"] == one.model.accuracy
    said = np.array(report["calibrated"]["both"]).argmax(1) == np.array(report["labels"])
    assert said.mean() == one.model.accuracy
    assert "Split by trial in the order of time" in (one.report / "report.html").read_text()
    assert (one.profile.active == 1) is one.model.better


def test_a_second_calibration_is_a_second_model(recording, base, tmp_path):
    store = ProfileStore(tmp_path)
    for number in (1, 2):
        outcome = calibrate_person(store, "anna", base, [recording], created=WHEN, settings=BRIEF)
        assert outcome.model.number == number
    assert len(store.load("anna").models) == 2


def test_a_later_recording_tests_what_the_first_calibrated(recording, base, tmp_path):
    later = record(tmp_path / "later.xdf", duration_s=40.0)
    store = ProfileStore(tmp_path / "p")
    outcome = calibrate_person(
        store,
        "anna",
        base,
        [recording],
        created=WHEN,
        later=[later],
        settings=FinetuneSettings(BRIEF.rungs[:2]),
    )
    report = json.loads((outcome.report / "report.json").read_text())
    assert outcome.model.n_test == len(read_trials([later], "anna", base.contract).sessions)
    assert len(report["known"]) == len(read_trials([recording], "anna", base.contract).sessions)
    assert "of the later ones test" in report["protocol"]


def test_a_model_replaces_an_active_one_only_if_it_is_likelier(recording, base, trials, tmp_path):
    store = ProfileStore(tmp_path)
    head = FinetuneSettings((HEAD,))
    outcome = calibrate_person(store, "anna", base, [recording], created=WHEN, settings=head)
    found, tested = outcome.calibrated, set(outcome.calibrated.test)
    test = [session for session in trials.sessions if session.trial in tested]
    profile = store.activate("anna", 1)
    assert not _supersedes(store, profile, base, found, test)  # it is the very same
    store.bundle_path("anna", 1).unlink()
    unsure = with_temperature_and_prior(base.network, 20.0, np.zeros(5))
    export_bundle(unsure, base.contract, store.bundle_path("anna", 1))
    assert _supersedes(store, profile, base, found, test)
    store.bundle_path("anna", 1).unlink()
    assert _supersedes(store, profile, base, found, test)
    better = outcome.model.model_copy(update={"number": 2, "better": True})
    assert store.add_model(profile, better, supersedes=False).active == 1


def test_another_montage_is_refused_by_name(recording, base, tmp_path):
    store = ProfileStore(tmp_path)
    store.create("anna", WHEN, "", ("Cz", "Pz"))
    with pytest.raises(ProfileError, match="use another name"):
        calibrate_person(store, "anna", base, [recording], created=WHEN, settings=BRIEF)
    assert store.load("anna").models == ()


def test_recordings_that_do_not_serve_are_one_line(base, tmp_path):
    with pytest.raises(CalibrationError, match="no recording"):
        read_trials([], "anna", base.contract)
    (tmp_path / "x.xdf").write_bytes(b"nothing")
    with pytest.raises(CalibrationError, match=r"x\.xdf"):
        read_trials([tmp_path / "x.xdf"], "anna", base.contract)


def run(*words, folder):
    return subprocess.run(
        [PROGRAM, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize(
    "rung", ["head", pytest.param("everything", marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_the_command_and_the_api_give_the_same_profile(rung, recording, base, tmp_path):
    words = ("calibrate", "anna", "--from", recording, "--up-to", rung)
    done = run(*words, "--profiles", tmp_path / "p", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    store = ProfileStore(tmp_path / "q")
    settings = FinetuneSettings(rungs_up_to(rung))
    outcome = calibrate_person(store, "anna", base, [recording], created=WHEN, settings=settings)
    theirs = load_bundle(tmp_path / "p" / "anna" / "models" / "0001.bci")
    assert weights_sha256(theirs.network) == outcome.model.weights_sha256
    said = json.loads(done.stdout)
    assert (said["rung"], said["weights_sha256"]) == (outcome.model.rung, outcome.model.weights_sha256)


def test_profiles_on_the_command_line(tmp_path, recording, base):
    store = ProfileStore(tmp_path)
    calibrate_person(store, "anna", base, [recording], created=WHEN, settings=BRIEF)
    listed = run("profile", "list", "--profiles", tmp_path, "--json", folder=tmp_path)
    assert json.loads(listed.stdout)["name"] == "anna"
    shown = run("profile", "show", "anna", "--profiles", tmp_path, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert run("profile", "activate", "anna", "1", "--profiles", tmp_path, folder=tmp_path).returncode == 0
    assert store.load("anna").active == 1
    back = run("profile", "rollback", "anna", "--profiles", tmp_path, folder=tmp_path)
    assert back.returncode == 0, back.stderr
    assert store.load("anna").active is None
    wrong = run("profile", "activate", "anna", "9", "--profiles", tmp_path, folder=tmp_path)
    assert wrong.returncode == 2
    assert "no model 9" in wrong.stderr
    gone = run("profile", "forget", "anna", "--yes", "--profiles", tmp_path, folder=tmp_path)
    assert gone.returncode == 0, gone.stderr
    assert store.names() == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("calibrate", "../x"), "cannot be"),
        (("calibrate", "anna", "--protocol", "dance"), "no protocol dance"),
        (("calibrate", "anna", "--recording", "absent.xdf"), "absent.xdf"),
        (("calibrate", "anna"), "agree"),
        (("calibrate", "anna", "--test", "later.xdf"), "--from"),
        (("calibrate", "anna", "--from", "absent.xdf", "--up-to", "roof"), "no rung roof"),
        (("profile", "show", "nobody"), "no profile nobody"),
    ],
)
def test_bad_words_are_one_line(words, said, tmp_path):
    done = run(*words, "--profiles", tmp_path / "p", folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_another_person_is_another_recording(tmp_path):
    path = record(tmp_path / "b.xdf", person=4, duration_s=20.0)
    assert [label for label in markers_of(path) if label.startswith("void")]
