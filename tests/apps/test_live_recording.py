"""``live --record``: a session over a real liblsl, its headset killed, is its recording bit for bit."""

import numpy as np
import pylsl
import pytest

from apps.choice import ModelChoice
from apps.live import run_live
from apps.live_recording import RecordingChoice
from apps.replay import run as replay
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG
from bci_stream.sinks.xdf_file import note_of
from tests.apps.live_session import Director, live_options, person, replay_options

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")


class Kept:
    """Everything of every outcome that must not differ, copied out of the rings."""

    def __init__(self):
        self.said = {}

    def __call__(self, outcome):
        window, prediction = outcome.window, outcome.prediction
        parts = {
            role: (p.data.tobytes(), p.mask.tobytes(), p.marks.tobytes(), p.coverage, p.gaps)
            for role, p in window.streams.items()
        }
        said = None
        if prediction is not None:
            said = (prediction.logits, prediction.probs, prediction.label, prediction.heads, prediction.tags)
        self.said[window.index] = (window.t_start, window.t_end, window.deadline, parts, repr(said))


@pytest.mark.parametrize(
    ("n_least", "away_s"),
    [(60, 1.0), pytest.param(540, 4.0, marks=[pytest.mark.slow, pytest.mark.timeout(400)])],
)
def test_a_live_session_with_a_killed_headset_replays_bit_for_bit(lsl_isolation, tmp_path, n_least, away_s):
    prefix, kept, again = f"Own{n_least}", Kept(), Kept()
    path = tmp_path / "session.xdf"
    with person(prefix + "V", lsl_isolation, seed=1) as voice, person(prefix, lsl_isolation) as headset:
        voice.wait_ready()
        headset.wait_ready()

        def play(director):
            director.wait_until(lambda: len(kept.said) >= n_least / 3)
            headset.kill()
            killed_s = pylsl.local_clock()
            director.wait_until(lambda: pylsl.local_clock() > killed_s + away_s)
            with person(prefix, lsl_isolation) as returned:
                returned.wait_ready()
                director.wait_until(lambda: len(kept.said) >= n_least)

        with Director(play) as director:
            finished = run_live(live_options(prefix, RecordingChoice(path, audio=True)), kept)
    assert director.error is None
    assert finished.session.error is None
    assert not note_of(path).exists()
    assert finished.pipeline.health()[EEG].n_gaps >= 1
    assert "1 reconnects" in dict(finished.rows)[EEG]
    replay(replay_options(path), again)
    assert len(kept.said) >= n_least
    differing = [index for index, outcome in kept.said.items() if again.said.get(index) != outcome]
    skipped = [index for index in differing if kept.said[index][-1] == "None"]  # newest first: not fused live
    assert [i for i in skipped if again.said[i][:-1] != kept.said[i][:-1]] == []
    assert len(skipped) == finished.snapshot.n_skipped
    assert sorted(set(differing) - set(skipped)) == []
    found = {stream["info"]["name"][0]: stream for stream in pyxdf.load_xdf(path)[0]}
    assert len(found["bci-stream-quality"]["time_series"]) == len(kept.said)
    assert len(found["bci-stream-decisions"]["time_series"]) == finished.snapshot.n_predictions
    assert found["bci-stream-engine"]["info"]["desc"][0]["session"][0]["roles"] == ["eeg,audio"]


def test_without_a_model_and_without_the_voice_a_session_replays_by_its_own_settings(
    lsl_isolation, tmp_path, capsys
):
    """Window and hop are the session's; that the voice is missing is said."""
    kept, again = Kept(), Kept()
    model = ModelChoice(wanted=False, window_s=1.0, hop_s=0.1)
    with (
        person("NoM", lsl_isolation, ch_names=("Fz", "Cz")) as headset,
        person("NoMV", lsl_isolation) as voice,
    ):
        headset.wait_ready()
        voice.wait_ready()
        recording = RecordingChoice(tmp_path, subject="P1", session="2")
        with Director(lambda director: director.wait_until(lambda: len(kept.said) >= 30)) as director:
            finished = run_live(live_options("NoM", recording, model=model), kept)
    assert director.error is None
    path = tmp_path / "sub-P1" / "ses-2" / "eeg" / "sub-P1_ses-2_task-live_run-001_eeg.xdf"
    assert finished.recording.row()[1].startswith(f"{path}: 0:")
    assert AUDIO not in {stream["info"]["type"][0].lower() for stream in pyxdf.load_xdf(path)[0]}
    replay(replay_options(path, wanted=False), again)
    assert "the session heard audio, which is not replayed" in capsys.readouterr().err
    both = [index for index in kept.said if index in again.said]
    assert len(both) >= 25
    for index in both:
        assert kept.said[index][:2] == again.said[index][:2]
        live_eeg, replayed_eeg = kept.said[index][3][EEG], again.said[index][3][EEG]
        if not live_eeg[4]:  # where nothing was waited for in vain
            assert live_eeg == replayed_eeg
    lengths = {len(np.frombuffer(said[3][EEG][1], np.uint8)) for said in again.said.values()}
    assert lengths == {250}


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (RecordingChoice(audio=True), "add --record"),
        (RecordingChoice(subject="P1"), "add --record"),
        (RecordingChoice("x", subject="a/b"), "letters and digits"),
        (RecordingChoice("x", subject="P1", task="two words"), "letters and digits"),
        (RecordingChoice("x", run=1000), "run 1000"),
        (RecordingChoice("taken.xdf"), "never overwritten"),
        (RecordingChoice("x.edf"), "an .xdf file"),
        (RecordingChoice("y.xdf", subject="P1"), "a file's name already"),
        (RecordingChoice("taken.xdf/x.xdf"), "no folder"),
        (RecordingChoice("taken.xdf/deeper/still"), "no folder"),
    ],
)
def test_what_cannot_be_recorded_is_one_line_before_anything_starts(tmp_path, choice, words):
    from dataclasses import replace

    (tmp_path / "taken.xdf").write_bytes(b"mine")
    if choice.where is not None:
        choice = replace(choice, where=tmp_path / choice.where)
    with pytest.raises(ConfigError, match=words) as caught:
        choice.destination()
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["taken.xdf"]
