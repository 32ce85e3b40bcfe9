import threading
import time

import pytest

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.session import Session
from bci_stream.engine.supervision import HANG_FATAL_S, MAX_RESTARTS, Judge, SleepWatch, Supervisor
from bci_stream.errors import StreamError
from bci_stream.heartbeat import Heart, Pulse
from bci_stream.sinks.base import SinkRunner
from bci_stream.timeline.windows import WindowSettings
from benchmarks.reliability import workers
from tests.engine.conftest import specs

KNOWN = {"restartable": True, "vital": False, "advice": "do this"}


def wait_until(condition, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


def pulse(state="alive", busy_s=0.0, why=""):
    return Pulse("w", state, busy_s, 0.7, why)


@pytest.mark.parametrize("state", ["new", "alive", "ended"])
def test_a_worker_that_rests_or_has_ended_as_it_should_is_well(state):
    assert Judge().judge(pulse(state), **KNOWN) is None


def test_a_hang_is_said_with_what_to_do():
    verdict = Judge().judge(pulse(busy_s=0.9), **KNOWN)
    assert (verdict.deed, verdict.words) == ("none", "w hangs since 0.9 s: do this")


def test_a_dead_worker_is_begun_anew_three_times_then_given_up_once():
    judge = Judge()
    deeds = [judge.judge(pulse("dead", why="X: y"), **KNOWN).deed for _ in range(6)]
    assert deeds == ["restart"] * MAX_RESTARTS + ["give up", "none", "none"]


@pytest.mark.parametrize("sick", [pulse("dead"), pulse(busy_s=HANG_FATAL_S + 1)])
def test_without_a_vital_worker_the_session_stops_once(sick):
    judge = Judge()
    deeds = [judge.judge(sick, restartable=False, vital=True, advice="").deed for _ in range(2)]
    assert deeds == ["stop", "none"]


def test_a_sleep_is_seen_and_slow_clocks_are_none():
    watch = SleepWatch()
    assert [watch.look(t, t + 1000.0 + t * 1e-4) for t in range(60)] == [0.0] * 60
    assert watch.look(60.0, 60.0 + 1000.0 + 3600.0) == pytest.approx(3600.0, abs=0.1)
    assert watch.look(61.0, 61.0 + 1000.0 + 3600.0) == 0.0


def test_after_a_sleep_the_sources_are_renewed():
    boot, slept, said = [50.0], [], []
    supervisor = Supervisor(
        list,
        say=lambda *line: said.append(line),
        stop=said.append,
        slept=slept.append,
        clocks=(lambda: 10.0, lambda: boot[0]),
    )
    supervisor.look()
    boot[0] += 7.0
    supervisor.look()
    assert slept == [7.0]
    assert "slept for 7 s" in said[0][2]


class DyingSink:
    """Dies of what nobody foresaw, a number of times."""

    def __init__(self, n_deaths):
        self.n_deaths, self.taken, self.closed = n_deaths, [], False

    def put(self, prediction, window):
        if self.n_deaths > 0:
            self.n_deaths -= 1
            raise ZeroDivisionError("nobody foresaw this")
        self.taken.append(prediction)

    def close(self):
        self.closed = True


@pytest.mark.parametrize("n_deaths", [2, 9])
def test_an_output_that_dies_is_begun_anew_three_times(n_deaths):
    sink, said = DyingSink(n_deaths), []
    runner = SinkRunner(sink)
    supervisor = Supervisor(lambda: [runner.heart], say=lambda *line: said.append(line), stop=said.append)
    supervisor.start()
    try:
        if n_deaths == 2:
            wait_until(lambda: runner.put(None) or sink.taken)
            wait_until(lambda: not supervisor.troubles)
            assert runner.error is None
        else:
            wait_until(lambda: runner.put(None) or runner.error is not None)
            assert sink.closed
            assert runner.ended
            assert any("3 of 3" in words for _, _, words in said)
            assert "ZeroDivisionError: nobody foresaw this" in runner.error
    finally:
        supervisor.close()
        runner.close()


class DeadSource:
    def read(self, missing_s, timeout_s=0.1):
        raise ZeroDivisionError("nobody foresaw this")

    def close(self):
        pass


class FrozenSource:
    def __init__(self):
        self.thaw = threading.Event()

    def read(self, missing_s, timeout_s=0.1):
        self.thaw.wait(60)
        return []

    def close(self):
        self.thaw.set()


def session_of(source):
    return Session(source, Pipeline(plan_without_model(specs()), WindowSettings()), [], time.monotonic)


def test_a_dead_engine_is_a_failed_session_and_the_supervisor_says_why():
    session, said = session_of(DeadSource()), []
    supervisor = Supervisor(
        lambda: [session.heart],
        say=lambda *line: said.append(line[2]),
        stop=lambda words: session.fail(StreamError(words)),
    )
    session.start()
    wait_until(lambda: session.state == "failed")
    supervisor.look()
    assert isinstance(session.error, ZeroDivisionError)
    assert "engine died (ZeroDivisionError: nobody foresaw this)" in said[0]
    session.stop()


def test_an_engine_that_hangs_for_good_ends_the_session():
    source, clock = FrozenSource(), [time.monotonic()]
    session = session_of(source)
    session.heart = Heart("engine", "start anew", vital=True, clock=lambda: clock[0])
    supervisor = Supervisor(
        lambda: [session.heart], say=lambda *_: None, stop=lambda words: session.fail(StreamError(words))
    )
    session.start()
    wait_until(lambda: session.heart.pulse().state == "alive")
    clock[0] += 0.9
    supervisor.look()
    assert "engine hangs since 0.9 s" in supervisor.troubles[0]
    assert session.error is None
    clock[0] += HANG_FATAL_S
    supervisor.look()
    assert session.state == "failed"
    source.thaw.set()
    session.stop()


def test_a_fault_in_each_worker_is_red_within_a_second():
    row = workers.measure(True)
    assert row.met, row.line
