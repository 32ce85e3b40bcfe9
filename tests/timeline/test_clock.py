import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.timeline.clock import ClockTrack
from tests.laws import cuts


def admitted(track, stamps):
    pieces = track.admit(np.asarray(stamps, float), np.asarray(stamps, np.float32)[:, None])
    return np.concatenate([t for t, _ in pieces]) if pieces else np.empty(0)


def released(pieces):
    return np.concatenate([t for t, _ in pieces]) if pieces else np.empty(0)


def test_samples_wait_for_the_first_offset():
    track = ClockTrack()
    assert len(admitted(track, [10.0, 10.1])) == 0
    np.testing.assert_allclose(released(track.add_pair(9.0, 5.0)), [15.0, 15.1])
    np.testing.assert_allclose(admitted(track, [10.2]), [15.2])


@pytest.mark.parametrize("drift_ppm", [-200.0, -60.0, 0.0, 60.0, 200.0])
def test_drift_is_followed_for_an_hour(drift_ppm):
    rng = np.random.default_rng(1)
    track, worst, total = ClockTrack(), 0.0, []
    for second in range(0, 3600, 5):
        local = 1000.0 + second
        remote = (local - 1000.0) * (1 + drift_ppm * 1e-6) + 77.0
        track.add_pair(remote, local - remote + rng.normal(0, 20e-6))
        true_local = local + np.arange(0, 5, 0.25)
        stamps = (true_local - 1000.0) * (1 + drift_ppm * 1e-6) + 77.0
        error = np.abs(admitted(track, stamps) - true_local)
        total.append(error.mean())
        worst = max(worst, error.max())
    assert np.mean(total) < 0.1e-3
    assert worst < 1.5e-3  # until the second pair nothing is known of the drift
    assert track.drift_ppm == pytest.approx(-drift_ppm, abs=3)


def test_an_outlier_among_the_offsets_does_not_bend_the_line():
    track = ClockTrack()
    for i in range(20):
        track.add_pair(5.0 * i, 3.0 + (0.05 if i == 15 else 0.0))
    np.testing.assert_allclose(admitted(track, [98.0]), [101.0], atol=2e-4)


def test_a_clock_reset_is_held_until_the_new_offset_confirms_it():
    track = ClockTrack()
    track.add_pair(653150.0, -652340.0)
    admitted(track, [653150.5, 653151.0])
    assert len(admitted(track, [259.0, 259.1])) == 0
    np.testing.assert_allclose(released(track.add_pair(259.2, 1121.0)), [1380.0, 1380.1])
    assert track.n_resets == 1
    np.testing.assert_allclose(admitted(track, [259.2]), [1380.2])


def test_one_absurd_stamp_costs_only_itself():
    track = ClockTrack()
    track.add_pair(0.0, 0.0)
    out = admitted(track, [1.0, 1.1, np.nan, 1e15, 1.2, -np.inf, -4e9, 1.3])
    np.testing.assert_allclose(out, [1.0, 1.1, 1.2, 1.3])
    assert track.n_bad_stamps == 4


def test_a_long_absence_is_believed_after_a_while_without_offsets():
    track = ClockTrack()
    track.add_pair(0.0, 0.0)
    admitted(track, [1.0])
    late = np.arange(100.0, 110.0, 0.1)
    out = admitted(track, late)
    np.testing.assert_allclose(out, late)


@pytest.mark.parametrize("jump_s", [10.0, -10.0, -600.0])
@pytest.mark.parametrize("n_in_flight", [0, 1, 5])
def test_an_offset_that_overtakes_samples_from_before_the_reset_misplaces_none(jump_s, n_in_flight):
    """The clock is measured just after it jumped, while samples from before are still on their way."""
    track = ClockTrack()
    track.add_pair(1000.0, 55.0)
    placed = [admitted(track, 1000.0 + np.arange(0, 2.0, 0.1))]
    track.add_pair(1002.0 + n_in_flight * 0.1 + jump_s, 55.0 - jump_s)
    placed.append(admitted(track, 1002.0 + np.arange(n_in_flight) * 0.1))
    placed.append(admitted(track, 1002.0 + np.arange(n_in_flight, 60) * 0.1 + jump_s))
    np.testing.assert_allclose(np.concatenate(placed), 1055.0 + np.arange(80) * 0.1)
    assert track.n_resets == 1


@pytest.mark.parametrize("keep_bad", [False, True])
def test_samples_of_a_clock_that_was_reset_twice_unmeasured_are_not_put_in_the_future(keep_bad):
    track = ClockTrack(keep_bad=keep_bad)
    track.add_pair(100.0, 50.0)
    admitted(track, 100.0 + np.arange(10) / 10)
    assert not len(admitted(track, 98.0 + np.arange(5) / 10))  # put back by 3 s, and not measured before …
    came = released(track.add_pair(95.6, 56.0))  # … it is put back again
    assert np.isnan(came).all()
    assert (len(came), track.n_bad_stamps, track.n_resets) == (5 * keep_bad, 5, 1)
    np.testing.assert_allclose(admitted(track, [95.7, 95.8, 95.9]), [151.7, 151.8, 151.9])


def test_samples_with_impossible_stamps_keep_their_place():
    track = ClockTrack(keep_bad=True)
    track.add_pair(0.0, 5.0)
    out = admitted(track, [1.0, np.nan, 1.2, 1e15, 1.4, -4e9, np.nan, 1.7])
    np.testing.assert_allclose(out, [6.0, np.nan, 6.2, np.nan, 6.4, np.nan, np.nan, 6.7])
    assert track.n_bad_stamps == 4


@pytest.mark.parametrize("gap_s", [1.5, 9.0, 29.0])
def test_a_plain_gap_is_believed_at_the_third_sample(gap_s):
    track = ClockTrack()
    track.add_pair(0.0, 0.0)
    admitted(track, [1.0])
    assert len(admitted(track, [1.0 + gap_s])) == 0
    assert len(admitted(track, [1.01 + gap_s])) == 0
    np.testing.assert_allclose(admitted(track, [1.02 + gap_s]), 1.0 + gap_s + np.array([0, 0.01, 0.02]))
    assert track.n_bad_stamps == 0


def test_one_stamp_a_few_seconds_ahead_costs_only_itself():
    track = ClockTrack()
    track.add_pair(0.0, 0.0)
    np.testing.assert_allclose(admitted(track, [1.0, 6.0, 1.1, 1.2]), [1.0, 1.1, 1.2])


def test_rare_events_need_no_second_look():
    track = ClockTrack(step_s=np.inf)
    track.add_pair(0.0, 1.0)
    np.testing.assert_allclose(admitted(track, [1.0, 500.0]), [2.0, 501.0])


def test_a_gap_after_which_the_offset_came_first_is_not_held():
    track = ClockTrack()
    track.add_pair(0.0, 0.0)
    admitted(track, [1.0])
    track.add_pair(100.0, 0.0)
    np.testing.assert_allclose(admitted(track, [100.1]), [100.1])


def test_offsets_that_are_no_numbers_are_ignored():
    track = ClockTrack()
    track.add_pair(0.0, 2.0)
    assert track.add_pair(np.inf, 1.0) == []
    assert track.add_pair(1.0, np.nan) == []
    np.testing.assert_allclose(admitted(track, [5.0]), [7.0])


STAMPS = np.concatenate(
    [
        np.arange(100, 108, 0.05),
        np.arange(130, 133, 0.05),
        [1e9],
        np.arange(133, 135, 0.05),
        np.arange(3, 6, 0.05),
    ]
)


STAMPS[[5, 40, 41, 180, 181]] = np.nan


@pytest.mark.parametrize("keep_bad", [False, True])
@given(pieces=cuts(len(STAMPS)))
def test_chunking_does_not_matter(pieces, keep_bad):
    def run(slices):
        track = ClockTrack(keep_bad=keep_bad)
        out = [released(track.add_pair(99.0, 1.0))]
        out += [admitted(track, STAMPS[piece]) for piece in slices]
        out.append(released(track.add_pair(6.0, 135.0)))
        return np.concatenate(out), track.n_bad_stamps, track.n_resets

    whole, parts = run([slice(None)]), run(pieces)
    assert whole[0].tobytes() == parts[0].tobytes()
    assert whole[1:] == parts[1:]


@given(st.floats(0, 0.9))
def test_an_offset_may_come_up_to_its_settling_time_late(delay_s):
    """Whether the pair arrives before or after the next samples, they are placed alike."""
    stamps = 105.0 + np.arange(0, 2, 0.1)
    early, late = ClockTrack(), ClockTrack()
    for track in (early, late):
        track.add_pair(100.0, 1.0)
    split = int(np.searchsorted(stamps, 105.0 + delay_s))
    early.add_pair(105.0, 1.001)
    first = admitted(early, stamps)
    second = admitted(late, stamps[:split])
    late.add_pair(105.0, 1.001)
    second = np.concatenate([second, admitted(late, stamps[split:])])
    assert first.tobytes() == second.tobytes()
