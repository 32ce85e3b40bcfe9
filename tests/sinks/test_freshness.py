"""A label that is over is taken back once, and nothing of it is left to be mistaken for a decision."""

import math
import time
from dataclasses import replace

import pytest
from sink_outcomes import make_prediction, no_decision
from test_sink_base import WAIT_S, Blocked, Collector

from bci_stream.engine.pipeline import validity_s
from bci_stream.messages import Prediction, Window
from bci_stream.sinks.base import SinkRunner
from bci_stream.sinks.freshness import LIVE_S, ON_ITS_WAY_S, Freshness, moment_s
from bci_stream.timeline.windows import WindowSettings


def says_nothing(prediction: Prediction | None) -> bool:
    return (
        prediction is not None
        and prediction.label is None
        and prediction.confidence == 0.0
        and prediction.stood_on == ()
        and all(map(math.isnan, (*prediction.probs, *prediction.logits)))
        and all(math.isnan(value) for head in prediction.heads.values() for value in head)
    )


def test_a_label_is_taken_back_once_when_nothing_newer_came() -> None:
    fresh, said = Freshness(), make_prediction(valid_until=1003.0)
    assert fresh.until_s == math.inf
    assert fresh.admit(said, 1002.1) is said
    assert fresh.until_s == 1003.0
    assert fresh.expire(1002.9) is None
    over = fresh.expire(1003.5)
    assert over is not None
    assert says_nothing(over)
    assert (over.index, over.t_end, over.age_s, over.tags) == (0, 1002.0, 1.5, ("no decision", "stale"))
    assert moment_s(over) == 1003.5
    assert moment_s(said) == said.t_end
    assert fresh.expire(2000.0) is None
    assert fresh.end(2000.0) is None


def test_a_newer_one_and_a_missing_decision_leave_nothing_to_take_back() -> None:
    fresh = Freshness()
    fresh.admit(make_prediction(0, valid_until=1003.0), 1002.1)
    fresh.admit(make_prediction(1, valid_until=1003.2), 1002.3)
    assert fresh.until_s == 1003.2
    nothing = no_decision(2)
    assert fresh.admit(nothing, 1002.5) is nothing
    assert fresh.expire(5000.0) is None


def test_what_is_half_a_second_old_by_the_time_it_is_received_is_not_handed_on_as_live() -> None:
    said = replace(make_prediction(valid_until=1003.0), data_until=1002.0)
    on_time = 1002.0 + LIVE_S - ON_ITS_WAY_S
    assert Freshness().admit(said, on_time - 1e-3) is said
    assert says_nothing(Freshness().admit(said, on_time + 1e-3))


def test_what_comes_too_late_is_no_decision_for_who_acts_on_it_and_whole_for_a_log() -> None:
    said = make_prediction(valid_until=1003.0)
    acting, log = Freshness(), Freshness(is_log=True)
    late = acting.admit(said, 1003.1)
    assert says_nothing(late)
    assert late.tags == ("no decision", "late")
    assert moment_s(late) == said.t_end
    kept = log.admit(said, 1003.1)
    assert (kept.label, kept.probs, kept.tags) == (said.label, said.probs, (*said.tags, "late"))
    assert acting.end(1004.0) is log.end(1004.0) is None


def test_without_a_validity_nothing_is_ever_over_before_the_end() -> None:
    fresh = Freshness()
    fresh.admit(make_prediction(), 1e9)
    assert (fresh.until_s, fresh.expire(1e12)) == (math.inf, None)
    over = fresh.end(1e12)
    assert says_nothing(over)


def test_a_prediction_holds_until_the_clock_would_have_closed_the_next_window() -> None:
    assert validity_s(WindowSettings(5.0, 0.2, 0.3)) == pytest.approx(0.3 + 0.5 + 2 * 0.2)


class Seen(Collector):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[Prediction] = []

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        super().put(prediction, window)
        assert prediction is not None
        self.said.append(prediction)


def wait_for(sink: Seen, n: int) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while len(sink.said) < n:
        assert time.monotonic() < deadline_s, sink.said
        time.sleep(0.005)


def test_a_runner_with_a_clock_tells_its_sink_when_a_label_is_over() -> None:
    sink = Seen()
    runner = SinkRunner(sink, clock=time.monotonic)
    began_s = time.monotonic()
    for index in range(3):
        runner.put(make_prediction(index, valid_until=began_s + 0.5))
    wait_for(sink, 4)
    assert time.monotonic() >= began_s + 0.5
    runner.put(make_prediction(7, valid_until=math.nan))
    wait_for(sink, 5)
    runner.close(WAIT_S)
    assert sink.indices[-2:] == [7, 7]
    assert [says_nothing(said) for said in sink.said[-3:]] == [True, False, True]
    assert [said.tags[-1] for said in sink.said if says_nothing(said)][-1] == "ended"
    assert runner.n_delivered == 4
    assert runner.n_taken_back == 2
    assert runner.error is None


def test_what_waited_too_long_behind_a_slow_sink_is_not_handed_on_as_if_it_were_now() -> None:
    now_s = [1002.0]

    labels: list[str | None] = []

    class Slow(Blocked):
        def put(self, prediction: Prediction | None, window: Window | None) -> None:
            super().put(prediction, window)
            assert prediction is not None
            labels.append(prediction.label)

    sink = Slow()
    runner = SinkRunner(sink, clock=lambda: now_s[0])
    for index in range(3):
        runner.put(make_prediction(index, valid_until=1003.0))
    assert sink.reached.wait(WAIT_S)
    now_s[0] = 1010.0
    sink.let_go.set()
    runner.close(WAIT_S)
    assert labels == ["happiness", None, None]


def test_a_runner_without_a_clock_adds_nothing() -> None:
    sink = Seen()
    runner = SinkRunner(sink)
    runner.put(make_prediction(valid_until=0.0))
    runner.close(WAIT_S)
    assert [said.label for said in sink.said] == ["happiness"]
