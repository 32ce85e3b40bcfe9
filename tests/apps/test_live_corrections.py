"""Over real LSL and a real pseudo-terminal: a line says an answer was wrong, and the recording has it."""

import os
import sys

import pytest

from apps.live import run_live
from apps.live_recording import RecordingChoice
from calibration.corrections import review
from tests.apps.live_session import Director, live_options, person

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")


def test_a_number_typed_is_a_labelled_stretch_of_the_recording(lsl_isolation, tmp_path, monkeypatch):
    master, slave = pty.openpty()
    terminal = os.fdopen(slave)
    monkeypatch.setattr(sys, "stdin", terminal)
    path, said = tmp_path / "session.xdf", []
    with person("KeyV", lsl_isolation, seed=1) as voice, person("Key", lsl_isolation) as headset:
        voice.wait_ready()
        headset.wait_ready()

        def play(director):
            director.wait_until(lambda: len(said) >= 20)
            os.write(master, b"x\n5\n")  # the fifth emotion is calm; x is none
            n = len(said)
            director.wait_until(lambda: len(said) >= n + 20)

        with Director(play) as director:
            finished = run_live(live_options("Key", RecordingChoice(path, audio=True)), said.append)
    assert director.error is None
    assert finished.session.error is None
    (span,) = review(path, {})
    assert span.label == "calm"
    assert span.end - span.begin == pytest.approx(10.0, abs=1e-3)
    terminal.close()
    os.close(master)
