import threading
import time

import numpy as np
import pytest

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.session import Session, replay
from bci_stream.errors import StreamLostError
from bci_stream.messages import EEG, Chunk
from bci_stream.timeline.windows import WindowSettings
from tests.engine.conftest import recorded, specs


def pipeline():
    return Pipeline(plan_without_model(specs()), WindowSettings(1.0, 0.2, 0.3))


class ListedSource:
    """Hands out a recording event by event, then nothing, or fails."""

    def __init__(self, events, failure=None):
        self.events, self.failure = list(events), failure
        self.closed = threading.Event()
        self.asked = []

    def read(self, missing_s, timeout_s=0.1):
        self.asked.append(dict(missing_s))
        if self.events:
            return [self.events.pop(0)]
        if self.failure is not None:
            raise self.failure
        time.sleep(0.001)
        return []

    def close(self):
        self.closed.set()


class Kept:
    def __init__(self):
        self.windows = []

    def put(self, prediction, window):
        self.windows.append(window.t_end)


def wait_until(condition, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.005)


def test_a_session_hands_every_window_to_the_sinks_and_stops_cleanly():
    source, sink = ListedSource(recorded(3.0)), Kept()
    session = Session(source, pipeline(), [sink], lambda: 1000.0)
    session.start()
    wait_until(lambda: len(sink.windows) >= 14 and session.snapshot().health[EEG].n_samples == 750)
    session.stop()
    assert not session.running
    assert source.closed.is_set()
    assert session.snapshot().state == "stopped"
    assert sink.windows == sorted(set(sink.windows))
    assert session.snapshot().health[EEG].n_samples == 750


def test_the_source_is_told_what_is_missing():
    source = ListedSource(recorded(1.0))
    session = Session(source, pipeline(), [], lambda: 1000.0)
    session.start()
    wait_until(lambda: not source.events)
    session.stop()
    assert all(0.0 <= seconds <= 0.5 for asked in source.asked for seconds in asked.values())


@pytest.mark.parametrize("failure", [StreamLostError("gone"), ZeroDivisionError("a fault of ours")])
def test_a_failing_source_ends_the_session_and_is_reported(failure):
    session = Session(ListedSource([], failure), pipeline(), [], lambda: 0.0)
    session.start()
    wait_until(lambda: not session.running)
    session.stop()
    assert session.error is failure
    assert session.snapshot().state == "failed"


def test_replay_at_any_speed_gives_the_same_windows():
    class Wall:
        now = 0.0

        def sleep(self, seconds):
            self.now += seconds

    wall = Wall()
    fast = [(o.window.t_end, o.window.streams[EEG].data.tobytes()) for o in replay(recorded(3.0), pipeline())]
    paced = replay(recorded(3.0), pipeline(), speed=2.0, sleep=wall.sleep, clock=lambda: wall.now)
    slow = [(o.window.t_end, o.window.streams[EEG].data.tobytes()) for o in paced]
    assert fast == slow
    assert wall.now == pytest.approx((slow[-1][0] - slow[0][0]) / 2.0)


def test_replay_settles_what_is_left_at_the_end():
    events = recorded(2.05)
    ends = [o.window.t_end for o in replay(events, pipeline())]
    newest = max(float(e.timestamps[-1]) for e in events if isinstance(e, Chunk) and len(e.timestamps))
    assert ends[-1] == pytest.approx(np.round(newest / 0.2) * 0.2)


def test_a_rehearsal_changes_nothing(bundle):
    """The model's work may be done in advance for warmth; the answers are the same bits."""
    from bci_stream.engine.plan import plan_for_contract, window_settings
    from bci_stream.model.predictor import StreamingPredictor

    said = []
    for rehearse in (False, True):
        plans = plan_for_contract(specs(), bundle.contract)
        runs = Pipeline(plans, window_settings(bundle.contract), StreamingPredictor(bundle))
        logits = []
        for event in recorded(4.0):
            if rehearse:
                runs.rehearse()
            logits += [p.logits for p in runs.feed(event)]
        said.append(logits)
    assert said[0] == said[1]
