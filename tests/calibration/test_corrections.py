"""What a person says of a stretch is kept beside the recording, and the next calibration goes by it."""

import json
import shutil

import pytest
from simulated_calibration import BRIEF
from test_outcome import WHEN, run

from bci_stream.messages import AUDIO, EEG, Marker, StreamInfo
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, own_stream
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import simulated_events
from calibration.corrections import correct, load_corrections, review
from calibration.errors import CalibrationError, ProfileError
from calibration.outcome import calibrate_person
from calibration.profile import ProfileStore
from calibration.trials import read_trials

CLASSES = ("neutral", "sadness", "anger", "happiness", "calm")


def record_live(path, said, duration_s=40.0, roles=(EEG, AUDIO)):
    """A live session, in which ``said`` was typed at those seconds; no trial is marked."""
    settings = SimulatorSettings(seed=6, person=3)
    specs = Simulator(settings).specs
    infos = {
        EEG: StreamInfo("a", "Amp", "EEG", 16, 250.0, "float32", "amp-1"),
        AUDIO: StreamInfo("b", "Mic", "Audio", 1, 16_000.0, "float32", "mic-1"),
    }
    ours = own_stream("bci-stream-keyboard", "Markers", ("marker",), "", dtype="string")
    recorder = XdfRecorder(path, [*(as_bound(infos[role], specs[role]) for role in roles), ours])
    for event in simulated_events(settings, duration_s=duration_s, chunk_s=0.5):
        if not isinstance(event, Marker) and event.stream in roles:
            recorder.event(event)
    for t_s, label in said:
        recorder.texts(ours.key, [1000.0 + t_s], [(label,)])
    recorder.close()
    assert recorder.error is None
    return path


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    said = [(20.0, "wrong:calm"), (24.0, "wrong:anger"), (36.0, "wrong:calm:5"), (37.0, "hello")]
    return record_live(tmp_path_factory.mktemp("live") / "live.xdf", said)


@pytest.fixture
def store(tmp_path):
    found = ProfileStore(tmp_path / "profiles")
    found.create("anna", WHEN)
    return found


def test_what_was_said_live_is_a_stretch_of_its_own(live, base):
    spans = review(live, {})
    assert [span.label for span in spans] == ["calm", "anger", "calm"]
    lengths = [span.end - span.begin for span in spans]
    assert lengths == pytest.approx([10.0, 4.0, 5.0], abs=1e-6)  # none reaches into the one before
    found = read_trials([live], "anna", base.contract)
    assert [CLASSES[session.label] for session in found.sessions] == ["calm", "anger", "calm"]
    assert found.left_out == ()


def test_a_session_that_was_recorded_without_the_voice_serves_too(base, tmp_path):
    path = record_live(tmp_path / "eeg.xdf", [(15.0, "wrong:calm")], 20.0, (EEG,))
    (session,) = read_trials([path], "anna", base.contract).sessions
    assert session.parts[EEG].there.mean() > 0.9
    assert not session.parts[AUDIO].there.any()
    voice = record_live(tmp_path / "voice.xdf", [(15.0, "wrong:calm")], 20.0, (AUDIO,))
    with pytest.raises(CalibrationError, match="has no EEG"):
        read_trials([voice], "anna", base.contract)


def test_a_correction_is_kept_and_counts(live, base, store):
    correct(store, "anna", live, 1, "sadness", classes=CLASSES, created=WHEN)
    correct(store, "anna", live, 2, None, classes=CLASSES, created=WHEN)
    said = load_corrections(store, "anna")
    assert said.of(live) == {1: "sadness", 2: None}
    found = read_trials([live], "anna", base.contract, said.of)
    assert [CLASSES[session.label] for session in found.sessions] == ["calm", "sadness"]
    assert [span.note for span in review(live, said.of(live))] == [
        "said live",
        "was anger",
        "left out by review",
    ]
    correct(store, "anna", live, 2, "calm", classes=CLASSES, created=WHEN)
    assert load_corrections(store, "anna").of(live)[2] == "calm"  # the newest counts
    assert (store.path("anna") / "corrections.json").stat().st_mode & 0o077 == 0


def test_a_trial_that_was_taken_back_can_be_taken_up_again(recording, base):
    before = review(recording, {})
    assert (before[2].label, before[2].note) == (None, "noisy")
    n = len(read_trials([recording], "anna", base.contract).sessions)
    again = read_trials([recording], "anna", base.contract, lambda path: {2: "calm"})
    assert len(again.sessions) == n + 1
    assert CLASSES[again.sessions[2].label] == "calm"


def test_a_profile_goes_on_with_what_was_corrected(recording, live, base, store):
    first = calibrate_person(store, "anna", base, [recording], created=WHEN, settings=BRIEF)
    correct(store, "anna", live, 1, "sadness", classes=CLASSES, created=WHEN)
    second = calibrate_person(store, "anna", base, [recording, live], created=WHEN, settings=BRIEF)
    n = [len(one.calibrated.known) + len(one.calibrated.test) for one in (first, second)]
    assert n[1] == n[0] + 3
    assert second.model.number == 2


@pytest.mark.parametrize(
    ("number", "label", "words"),
    [(9, "calm", "trials 0 to 2, and no 9"), (1, "joy", "'joy' is none of neutral")],
)
def test_what_cannot_be_corrected_is_one_line(number, label, words, live, store):
    with pytest.raises(CalibrationError, match=words):
        correct(store, "anna", live, number, label, classes=CLASSES, created=WHEN)
    assert load_corrections(store, "anna").corrections == ()


def test_a_damaged_file_of_corrections_is_one_line(store):
    (store.path("anna") / "corrections.json").write_text("{")
    with pytest.raises(ProfileError, match="correct again"):
        load_corrections(store, "anna")


def test_review_and_correct_on_the_command_line(live, store, tmp_path):
    profiles = ("--profiles", store.folder)
    done = run("profile", "correct", "anna", live, 1, "happiness", *profiles, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--refit" in done.stderr
    listed = run("profile", "review", "anna", "--recording", live, "--json", *profiles, folder=tmp_path)
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["trial"], row["label"], row["note"]) for row in rows] == [
        (0, "calm", "said live"),
        (1, "happiness", "was anger"),
        (2, "calm", "said live"),
    ]
    both = run("profile", "correct", "anna", live, 1, "calm", "--drop", *profiles, folder=tmp_path)
    assert both.returncode == 2
    assert "one of the two" in both.stderr
    exported = store.export("anna", tmp_path / "anna.zip")
    other = ProfileStore(tmp_path / "other")
    other.import_from(exported)
    assert load_corrections(other, "anna") == load_corrections(store, "anna")
    store.forget("anna")
    assert not (store.folder / "anna").exists()


def test_refit_takes_the_recordings_of_the_profile(recording, store, tmp_path):
    empty = run("calibrate", "anna", "--refit", "--profiles", store.folder, folder=tmp_path)
    assert empty.returncode == 2
    assert "no recording to fit to" in empty.stderr
    shutil.copy(recording, store.path("anna") / "recordings")
    done = run(
        "calibrate", "anna", "--refit", "--up-to", "temperature", "--profiles", store.folder, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert len(store.load("anna").models) == 1
