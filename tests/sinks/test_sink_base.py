import threading

import numpy as np
import pytest
from sink_outcomes import make_prediction, make_window

from bci_stream.errors import ConfigError, StreamError
from bci_stream.messages import Prediction, Window
from bci_stream.sinks.base import SinkRunner, without_samples

WAIT_S = 20.0


class Collector:
    def __init__(self) -> None:
        self.indices: list[int] = []
        self.windows: list[Window | None] = []
        self.closed = threading.Event()

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        assert prediction is not None
        self.indices.append(prediction.index)
        self.windows.append(window)

    def close(self) -> None:
        self.closed.set()


class Blocked(Collector):
    """Stands still in its first ``put`` until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.let_go = threading.Event(), threading.Event()

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        self.reached.set()
        assert self.let_go.wait(WAIT_S)
        super().put(prediction, window)


class Failing(Collector):
    def __init__(self, error: Exception, on_close: bool = False) -> None:
        super().__init__()
        self.error, self.on_close = error, on_close

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        if not self.on_close:
            raise self.error

    def close(self) -> None:
        super().close()
        if self.on_close:
            raise self.error


def test_everything_arrives_in_order_and_close_flushes() -> None:
    sink = Collector()
    runner = SinkRunner(sink, capacity=1000)
    for index in range(500):
        runner.put(make_prediction(index))
    runner.close(WAIT_S)
    assert sink.indices == list(range(500))
    assert sink.closed.is_set()
    assert (runner.n_delivered, runner.n_dropped, runner.error, runner.ended) == (500, 0, None, True)


def test_a_stuck_sink_never_blocks_put_and_loses_the_oldest() -> None:
    sink = Blocked()
    runner = SinkRunner(sink, capacity=4)
    runner.put(make_prediction(0))
    assert sink.reached.wait(WAIT_S)
    for index in range(1, 101):  # would never return if put waited: the sink is let go below
        runner.put(make_prediction(index))
    assert runner.n_dropped == 96
    sink.let_go.set()
    runner.close(WAIT_S)
    assert sink.indices == [0, 97, 98, 99, 100]
    assert runner.n_delivered == 5


def test_close_gives_a_stuck_sink_up_and_says_so() -> None:
    sink = Blocked()
    runner = SinkRunner(sink)
    for index in range(3):
        runner.put(make_prediction(index))
    assert sink.reached.wait(WAIT_S)
    runner.close(timeout_s=0.01)
    assert runner.error == "Blocked did not finish within 0.01 s; 2 queued predictions were dropped"
    assert runner.n_dropped == 2
    sink.let_go.set()
    assert sink.closed.wait(WAIT_S)
    assert sink.indices == [0]


@pytest.mark.parametrize("error", [OSError("disk\nfull"), StreamError("disk full")])
def test_an_error_ends_this_sink_alone_and_is_kept_in_one_line(error: Exception) -> None:
    sink = Failing(error)
    runner = SinkRunner(sink)
    runner.put(make_prediction(0))
    assert sink.closed.wait(WAIT_S)
    runner.put(make_prediction(1))
    runner.close(WAIT_S)
    assert runner.error == "Failing ended: disk full"
    assert runner.ended
    assert (runner.n_delivered, runner.n_dropped) == (0, 1)


def test_an_error_in_close_is_kept_too() -> None:
    runner = SinkRunner(Failing(OSError(), on_close=True))
    runner.close(WAIT_S)
    runner.close(WAIT_S)
    assert runner.error == "Failing ended: OSError"


def test_put_after_close_is_dropped_and_counted() -> None:
    sink = Collector()
    runner = SinkRunner(sink)
    runner.close(WAIT_S)
    runner.put(make_prediction(0))
    assert (sink.indices, runner.n_dropped) == ([], 1)


def test_a_queued_window_outlives_the_ring_it_was_a_view_of() -> None:
    sink = Blocked()
    runner = SinkRunner(sink)
    window = make_window()
    before = without_samples(window).streams["eeg"]
    runner.put(make_prediction(0), window)
    assert sink.reached.wait(WAIT_S)
    window.streams["eeg"].mask[:] = 255
    window.streams["eeg"].marks[:] = 255
    sink.let_go.set()
    runner.close(WAIT_S)
    assert sink.windows[0] is not None
    part = sink.windows[0].streams["eeg"]
    np.testing.assert_array_equal(part.mask, before.mask)
    np.testing.assert_array_equal(part.marks, before.marks)
    assert part.data.shape == (0, 3)
    assert part.gaps == window.streams["eeg"].gaps


def test_a_queue_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="capacity of 0"):
        SinkRunner(Collector(), capacity=0)
