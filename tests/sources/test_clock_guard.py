import numpy as np
import pytest

from bci_stream.messages import EEG, Chunk, ClockOffset, Marker
from bci_stream.sources.clock_guard import HOLD_S, ClockGuard

RATE = 100.0


def chunk(stamps, arrival_s):
    stamps = np.asarray(stamps, float)
    return Chunk(EEG, stamps, stamps.astype(np.float32)[:, None], arrival_s)


def stamps_of(events):
    return [s for e in events if isinstance(e, Chunk) for s in e.timestamps.tolist()]


@pytest.fixture
def guard():
    """On a clock that shows 50 s less than the local one, after a second of samples."""
    guard = ClockGuard()
    guard.step([ClockOffset(EEG, 950.0, 50.0), chunk(949.0 + np.arange(100) / RATE, 1000.0)])
    return guard


def test_samples_from_a_clock_put_forward_wait_for_the_offset_that_explains_them(guard):
    stamps = [950.0, 950.01, 960.02, 960.03]
    assert stamps_of(guard.step([chunk(stamps, 1000.1)])) == [950.0, 950.01]
    assert guard.waits
    assert guard.step([chunk([960.04], 1000.2)]) == []
    out = guard.step([ClockOffset(EEG, 961.0, 40.0)])
    assert isinstance(out[0], ClockOffset)
    assert stamps_of(out) == [960.02, 960.03, 960.04]
    assert stamps_of(guard.step([chunk([960.05], 1000.3)])) == [960.05]


def test_a_gap_is_handed_on_at_once(guard):
    assert stamps_of(guard.step([chunk([960.0, 960.01], 1010.05)])) == [960.0, 960.01]
    assert not guard.waits


def test_stray_stamps_do_not_stop_the_samples_after_them(guard):
    assert stamps_of(guard.step([chunk([950.0, 1e15, 950.02], 1000.1)])) == [950.0, 1e15, 950.02]
    assert stamps_of(guard.step([chunk([950.03, np.nan, 1e15], 1000.2)])) == pytest.approx(
        [950.03, np.nan], nan_ok=True
    )
    assert stamps_of(guard.step([chunk([950.06], 1000.3)])) == [1e15, 950.06]


def test_a_clock_that_jumps_and_jumps_back_unmeasured_costs_no_place(guard):
    assert guard.step([chunk([962.0, 962.01, 962.02, 962.03], 1000.1)]) == []
    out = stamps_of(guard.step([chunk([950.04, 950.05], 1000.2)]))
    assert np.isnan(out[:4]).all()
    assert out[4:] == [950.04, 950.05]
    assert not guard.waits


def test_what_came_after_a_loss_under_a_clock_that_jumped_and_came_back_is_missing(guard):
    guard.step([chunk([962.0, 962.01, 962.02], 1000.1), chunk([962.53, 962.54], 1000.6)])
    out = stamps_of(guard.step([chunk([950.56, 950.57], 1000.7)]))
    assert np.isnan(out[:3]).all()
    assert out[3:] == [950.56, 950.57]


def test_an_offset_that_explains_nothing_lets_nothing_go(guard):
    assert guard.step([chunk([962.0, 962.01, 962.02, 962.03], 1000.1)]) == []
    unchanged = ClockOffset(EEG, 950.2, 50.0)
    assert guard.step([unchanged]) == [unchanged]
    assert guard.waits
    assert stamps_of(guard.step([ClockOffset(EEG, 962.3, 38.0)])) == [962.0, 962.01, 962.02, 962.03]


def test_a_player_that_stamps_two_seconds_ahead_is_not_held(guard):
    for k in range(5):
        stamps = 950.0 + 2 * k + np.arange(200) / RATE
        assert len(stamps_of(guard.step([chunk(stamps, 1000.0 + 2 * k)]))) == 200


def test_what_nobody_explains_is_let_go(guard):
    n = round((HOLD_S + 1) * 10)
    out = [s for k in range(n) for s in stamps_of(guard.step([chunk([970.0 + k / 10], 1000.1 + k / 10)]))]
    assert len(out) >= n - 1
    assert out == sorted(out)


def test_markers_and_empty_chunks_pass(guard):
    marker = Marker(EEG, 990.0, "x")
    empty = Chunk(EEG, np.empty(0), np.empty((0, 1), np.float32), 1000.0)
    assert guard.step([marker, empty]) == [marker, empty]
