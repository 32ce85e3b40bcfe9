import threading
import time

import numpy as np
import pytest

from bci_stream.engine.history import History, capacity_of
from bci_stream.messages import Flag

NAMES = ("a", "b")


def pushed(history, first_s, n, sfreq=100.0, after_gap=False, value=None):
    times = first_s + np.arange(n) / sfreq
    rows = np.round(times * sfreq)
    data = np.stack([rows, -rows], axis=1).astype(np.float32) if value is None else value
    breaks = np.zeros(n, bool)
    breaks[0] = after_gap
    history.push(times, data, np.zeros((n, 2), np.uint8), breaks)


def test_a_sample_stands_on_its_instant():
    history = History("eeg", NAMES, 100.0, 1000)
    pushed(history, 5.0, 120)
    assert (history.first, history.stop) == (500, 620)
    data, mask, marks = history.rows(510, 600)
    np.testing.assert_array_equal(data[:, 0], np.arange(510, 600))
    np.testing.assert_array_equal(data[:, 1], -np.arange(510, 600))
    assert not mask.any()
    assert not marks.any()


def test_what_was_not_delivered_is_a_gap():
    history = History("eeg", NAMES, 100.0, 1000)
    pushed(history, 5.0, 100)
    pushed(history, 7.0, 100, after_gap=True)
    _, mask, _ = history.rows(500, 800)
    assert not mask[:100].any()
    assert (mask[100:200] == Flag.GAP).all()
    assert not mask[200:].any()


@pytest.mark.parametrize("ppm", [-20_000, -200, 200, 20_000])
def test_a_device_off_its_rate_leaves_no_hole(ppm):
    history = History("eeg", NAMES, 100.0, 5000)
    times = 5.0 + np.arange(2000) / (100.0 * (1 + ppm * 1e-6))
    for at in range(0, 2000, 37):
        part = times[at : at + 37]
        data = np.stack([part, part], axis=1).astype(np.float32)
        history.push(part, data, np.zeros((len(part), 2), np.uint8), np.zeros(len(part), bool))
    data, mask, _ = history.rows(history.first, history.stop)
    assert not mask.any()
    instants = np.arange(history.first, history.stop) / 100.0
    assert np.abs(data[:, 0] - instants).max() < 0.0151


def test_memory_is_bounded_and_old_rows_are_refused():
    history = History("eeg", NAMES, 100.0, 1000)
    for k in range(40):
        pushed(history, 5.0 + k, 100)
    assert history.n_bytes == 1000 * 11
    data, _, _ = history.rows(history.first, history.stop)
    np.testing.assert_array_equal(data[:, 0], np.arange(history.first, history.stop))
    with pytest.raises(IndexError, match="outside"):
        history.rows(history.first - 1, history.stop)
    with pytest.raises(IndexError):
        history.rows(history.first, history.stop + 1)


def test_a_leap_of_hours_costs_no_more_than_the_capacity():
    history = History("eeg", NAMES, 100.0, 1000)
    pushed(history, 5.0, 100)
    pushed(history, 5.0 + 36_000, 100, after_gap=True)
    _, mask, _ = history.rows(history.first, history.stop)
    assert (mask[:-100] == Flag.GAP).all()
    assert not mask[-100:].any()


def test_capacity_is_time_or_bytes_whichever_is_less():
    assert capacity_of(8, 250.0, 300.0) == 75_000
    assert capacity_of(256, 16_384.0, 300.0, 64 << 20) * (5 * 256 + 1) <= 64 << 20


def test_what_a_reader_gets_was_never_half_overwritten():
    """A writer runs as fast as it can; every row that is read is whole and its own."""
    history = History("eeg", NAMES, 1000.0, 4000)
    stop = threading.Event()

    def write():
        k = 0
        while not stop.is_set():
            pushed(history, k * 0.1, 100, 1000.0)
            k += 1

    thread = threading.Thread(target=write)
    thread.start()
    n_read, deadline = 0, time.monotonic() + 20
    try:
        while n_read < 200 and time.monotonic() < deadline:
            first, last = history.first, history.stop
            try:
                data, mask, _ = history.rows(first, last)
            except IndexError:
                continue
            n_read += 1
            np.testing.assert_array_equal(data[:, 0], np.arange(first, last))
            assert not mask.any()
    finally:
        stop.set()
        thread.join()
    assert n_read == 200
