import pytest

from bci_stream.errors import ConfigError
from bci_stream.timeline.windows import WindowSchedule, WindowSettings, samples_per


def test_a_window_waits_for_every_stream():
    schedule = WindowSchedule(WindowSettings(1.0, 0.2, 0.3))
    schedule.start(10.05)
    assert schedule.next_index == 51
    assert schedule.due({"eeg": 51, "audio": 50}, 10.3) is None
    assert schedule.due({"eeg": 51, "audio": 51}, 10.3) == (51, False)


def test_lateness_closes_a_window():
    schedule = WindowSchedule(WindowSettings(1.0, 0.2, 0.3))
    schedule.start(10.05)
    assert schedule.due({"eeg": 52, "audio": 50}, 10.49) is None
    assert schedule.due({"eeg": 52, "audio": 50}, 10.5) == (51, True)


def test_nothing_is_due_before_a_stream_delivers():
    schedule = WindowSchedule(WindowSettings())
    assert schedule.due({"eeg": 10**9}, 1e9) is None
    assert schedule.due({}, 1e9) is None


def test_a_stream_that_begins_earlier_moves_the_start_back():
    schedule = WindowSchedule(WindowSettings(1.0, 0.2))
    schedule.start(10.0)
    schedule.start(9.0)
    assert schedule.next_index == 46


def test_ends_are_exact_after_years():
    schedule = WindowSchedule(WindowSettings(5.0, 0.2))
    assert schedule.end_s(5 * 10**9 + 1) == 10**9 + 0.2


@pytest.mark.parametrize(("window_s", "hop_s"), [(0.1, 0.2), (1.0, 0.0), (1.0, -1.0), (1.0, float("nan"))])
def test_lengths_that_make_no_sense_are_refused(window_s, hop_s):
    with pytest.raises(ConfigError, match="hop"):
        WindowSettings(window_s, hop_s)


def test_a_hop_that_the_grid_does_not_divide_is_refused():
    assert samples_per(0.2, 125, "a hop") == 25
    with pytest.raises(ConfigError, match="not a whole number"):
        samples_per(0.2, 128, "a hop")
