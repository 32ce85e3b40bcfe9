"""A trial is bad for a reason that can be told."""

import numpy as np
import pytest

from bci_stream.messages import AUDIO, EEG, Flag, StreamWindow, Window
from calibration.judge import TrialJudge

HOP_S = 0.2


def window(t_end, *, gap=False, bad_channels=0, level=0.1, n_channels=8, speech=True):
    n_eeg, n_audio = 250, 16_000
    rng = np.random.default_rng(round(t_end * 10))
    marks = np.zeros((n_eeg, n_channels), np.uint8)
    marks[:, :bad_channels] = Flag.RAIL
    mask = np.full(n_eeg, Flag.GAP if gap else 0, np.uint8)
    loud = level if not speech or round(t_end / HOP_S) % 3 else level / 100
    voice = (loud * rng.standard_normal((n_audio, 1))).astype(np.float32)
    eeg = StreamWindow(
        EEG, 250.0, t_end - 1, t_end, np.zeros((n_eeg, n_channels), np.float32), mask, marks, 1.0, ()
    )
    zeros = np.zeros((n_audio, 1), np.uint8)
    audio = StreamWindow(AUDIO, 16_000.0, t_end - 1, t_end, voice, zeros[:, 0], zeros, 1.0, ())
    return Window(0, t_end - 1, t_end, {EEG: eeg, AUDIO: audio}, False)


def judged(*, speech=True, **how):
    judge = TrialJudge(100.0, HOP_S, speech=speech)
    judge.t_end = 110.0
    for i in range(-5, 60):
        judge.take(window(100.0 + HOP_S * i, **how))
    assert judge.complete
    return judge.reason()


def test_a_good_trial_has_no_reason():
    assert judged() is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"gap": True}, "100% of the EEG missing"),
        ({"bad_channels": 4}, "4 of 8 electrodes bad"),
        ({"level": 1e-5}, "hardly any speech"),
        ({"level": 0.003, "speech": False}, None),
    ],
)
def test_a_bad_trial_says_why(how, said):
    asked = how.pop("speech", True)
    assert judged(speech=asked, **how) == said


def test_steady_noise_is_no_speech():
    judge = TrialJudge(100.0, HOP_S, speech=True)
    judge.t_end = 110.0
    for i in range(60):
        judge.take(window(100.0 + HOP_S * i, level=0.01, speech=False))
    assert judge.reason() == "hardly any speech"


def test_a_few_bad_electrodes_are_no_reason():
    assert judged(bad_channels=2) is None


def test_what_lies_outside_the_trial_is_left_aside():
    judge = TrialJudge(100.0, HOP_S, speech=True)
    judge.t_end = 104.0
    for i in range(60):
        t_end = 98.0 + HOP_S * i
        judge.take(window(t_end, gap=not 100.1 < t_end < 104.1))
    assert judge.reason() is None


def test_no_window_at_all_is_said():
    judge = TrialJudge(100.0, HOP_S, speech=True)
    assert judge.reason() == "no signal"
    assert not judge.complete
