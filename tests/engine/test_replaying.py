"""The playback clock by its own time, and a real pipeline played."""

import time

import pytest

from bci_stream.engine.monitor import Monitor, Subject
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.replaying import PlaybackClock, Played, ReplaySession
from bci_stream.errors import RecordingError
from bci_stream.messages import Chunk
from bci_stream.timeline.windows import WindowSettings
from tests.engine.conftest import SFREQ, T0, recorded, specs
from tests.engine.test_monitor import FACTS

SECONDS = 12.0


class Wall:
    def __init__(self):
        self.s = 100.0

    def __call__(self):
        return self.s


def test_a_playback_clock_runs_is_held_and_moved():
    wall = Wall()
    clock = PlaybackClock(50.0, wall)
    wall.s += 2.0
    assert clock.now_s() == pytest.approx(52.0)
    clock.change(speed=4.0)
    wall.s += 1.0
    assert clock.now_s() == pytest.approx(56.0)
    clock.change(paused=True)
    wall.s += 9.0
    assert clock.now_s() == pytest.approx(56.0)
    assert clock.left_s(57.0) > 1000
    clock.change(paused=False)
    clock.move(10.0)
    assert clock.left_s(14.0) == pytest.approx(1.0)


def player(made):
    events = recorded(SECONDS)

    def make(t_s):
        pipeline = Pipeline(plan_without_model(specs()), WindowSettings(1.0, 0.2))
        monitor = Monitor(pipeline, Subject(FACTS), T0)
        made.append((t_s, pipeline))
        kept = [e for e in events if not isinstance(e, Chunk) or e.timestamps[-1] >= t_s - 2.0]
        return Played(pipeline, monitor, iter(kept))

    return ReplaySession(make, T0, SECONDS)


def until(condition, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_recording_plays_to_its_end_and_again():
    made = []
    session = player(made)
    session.set_speed(10.0)
    session.start()
    try:
        until(lambda: session.transport().ended)
        frame = session.frame()
        assert frame.state == "stopped"
        assert frame.now_s == pytest.approx(T0 + SECONDS)
        assert frame.n_windows == pytest.approx(SECONDS / 0.2, abs=2)
        session.toggle_pause()  # at the end: from the beginning
        until(lambda: len(made) == 2 and not session.transport().ended)
        assert made[1][0] == T0
    finally:
        session.stop()


def test_a_seek_shows_the_place_and_what_was_before_it():
    made = []
    session = player(made)
    session.start()
    try:
        session.toggle_pause()
        session.seek(8.0)
        until(lambda: len(made) == 2)
        until(lambda: session.frame().traces["eeg"].stop >= (T0 + 8.0) * SFREQ)
        until(lambda: (f := session.frame()).window is not None and f.window[1] > T0 + 7.9)
        frame = session.frame()
        assert session.transport().position_s == pytest.approx(8.0)
        assert frame.state == "paused"
        assert frame.now_s == pytest.approx(T0 + 8.0)
        assert frame.window[1] <= T0 + 8.0 + 1e-6
        history = frame.traces["eeg"]
        assert history.first <= (T0 + 6.5) * history.sfreq
    finally:
        session.stop()


def test_windows_come_no_sooner_than_their_time():
    session = player([])
    session.start()
    try:
        for _ in range(20):
            frame = session.frame()
            assert frame.window is None or frame.window[1] <= frame.now_s + 1e-6
            time.sleep(0.02)
    finally:
        session.stop()


def test_a_loop_begins_again():
    made = []
    session = player(made)
    session.set_speed(10.0)
    session.toggle_loop()
    session.start()
    try:
        until(lambda: len(made) >= 3)
    finally:
        session.stop()
    assert [t for t, _ in made[:3]] == [T0] * 3


def test_what_cannot_be_played_is_said_at_the_start():
    def make(t_s):
        raise RecordingError("no such thing")

    session = ReplaySession(make, T0, SECONDS)
    with pytest.raises(RecordingError, match="no such thing"):
        session.start()
    session.stop()
