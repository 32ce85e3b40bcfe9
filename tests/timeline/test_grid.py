import numpy as np
import pytest
from hypothesis import given, settings

from bci_stream.messages import Flag
from bci_stream.timeline.grid import GridTrack
from tests.laws import assert_same_bits, cuts


def pushed(track, times, x, breaks=None, marks=None):
    marks = np.zeros(x.shape, np.uint8) if marks is None else marks
    breaks = np.zeros(len(times), np.uint8) if breaks is None else breaks
    track.push(times, x, marks, breaks)


def everything(track):
    return track.view(track.end - int(4 * track.sfreq), track.end)


def tone(times, hz):
    return np.sin(2 * np.pi * hz * times).astype(np.float32)[:, None]


@pytest.mark.parametrize(
    ("stream_sfreq", "sfreq", "crossings", "antialias"),
    [
        (250, 125, 4, False),
        (256, 125, 4, False),
        (44_096.25, 16_000, 12, True),
        (16_000, 16_000, 12, True),
        (128, 128, 4, True),
    ],
)
def test_a_tone_comes_out_at_its_own_time(stream_sfreq, sfreq, crossings, antialias):
    hz = 10.0 if sfreq < 1000 else 440.0
    times = 700.0123 + np.arange(int(6 * stream_sfreq)) / stream_sfreq
    track = GridTrack(stream_sfreq, sfreq, 1, int(5 * sfreq), zero_crossings=crossings, antialias=antialias)
    pushed(track, times, tone(times, hz))
    track.advance(10**12)
    values, mask, _ = everything(track)
    grid = np.arange(track.end - len(values), track.end) / sfreq
    assert not mask.any()
    np.testing.assert_allclose(values[:, 0], np.sin(2 * np.pi * hz * grid), atol=2e-3)


def test_what_would_alias_is_taken_away():
    times = np.arange(96_000) / 48_000
    track = GridTrack(48_000, 16_000, 1, 40_000, zero_crossings=12)
    pushed(track, times, tone(times, 11_000.0))
    track.advance(10**12)
    values, _, _ = track.view(8_000, 24_000)
    assert np.abs(values).max() < 0.01


def test_a_gap_is_marked_where_it_is_and_holds_zeros():
    times = np.concatenate([np.arange(0, 2, 0.01), np.arange(3, 5, 0.01)])
    breaks = np.zeros(len(times), np.uint8)
    breaks[200] = 1
    track = GridTrack(100, 100, 1, 2000, zero_crossings=4, settle_s=0.5)
    pushed(track, times, np.ones((len(times), 1), np.float32), breaks)
    track.finish()
    track.advance(10**9)
    values, mask, _ = track.view(0, track.end)
    gap = np.flatnonzero(mask & Flag.GAP)
    assert gap[0] == pytest.approx(200, abs=1)
    assert gap[-1] == pytest.approx(299, abs=1)
    assert (values[gap] == 0).all()
    settling = np.flatnonzero(mask & Flag.SETTLING)
    assert set(range(302, 348)) <= set(settling.tolist())
    assert track.end == pytest.approx(500, abs=1)


@given(cuts(900))
@settings(max_examples=30)
def test_the_list_of_gaps_says_what_the_mask_says(pieces):
    track = GridTrack(250, 125, 3, 2000, zero_crossings=4, settle_s=0.1)
    for piece in pieces:
        pushed(track, TIMES[piece], VALUES[piece], BREAKS[piece], MARKS[piece])
        track.advance(10**9)
    if not track.started:
        return
    track.seal(track.end + 30)
    for first, stop in ((track.end - 1200, track.end), (track.end - 300, track.end - 7)):
        _, mask, _ = track.view(first, stop)
        listed = np.zeros(len(mask), bool)
        for a, b in track.gaps(first, stop):
            listed[a - first : b - first] = True
        np.testing.assert_array_equal(listed, (mask & Flag.GAP) != 0)
        assert track.n_bad(first, stop) == np.count_nonzero(mask)


def test_marks_of_samples_between_two_instants_are_not_lost():
    times = np.arange(0, 2, 0.001)
    marks = np.zeros((len(times), 2), np.uint8)
    marks[1003, 1] = Flag.JUMP
    track = GridTrack(1000, 50, 2, 500, zero_crossings=4, antialias=False)
    pushed(track, times, np.zeros((len(times), 2), np.float32), marks=marks)
    track.advance(10**9)
    _, _, out = track.view(0, track.end)
    assert np.flatnonzero(out[:, 1]).tolist() == [51]
    assert not out[:, 0].any()


def test_what_was_closed_stays_closed():
    track = GridTrack(100, 100, 1, 1000, zero_crossings=4)
    x = np.ones((100, 1), np.float32)
    pushed(track, np.arange(100) / 100, x)
    track.advance(10**9)
    track.seal(200)
    assert track.end == 200
    pushed(track, 1 + np.arange(200) / 100, np.ones((200, 1), np.float32))
    track.advance(10**9)
    _, mask, _ = track.view(0, track.end)
    assert (mask[100:200] == Flag.GAP).all()
    assert not mask[200:].any()
    assert track.n_late == 100


def test_a_gap_of_years_takes_no_time_and_no_memory():
    track = GridTrack(16_000, 16_000, 1, 16_000, zero_crossings=12)
    times = np.concatenate([np.arange(16_000) / 16_000, 1e9 + np.arange(16_000) / 16_000])
    breaks = np.zeros(32_000, np.uint8)
    breaks[16_000] = 1
    pushed(track, times, np.ones((32_000, 1), np.float32), breaks)
    track.advance(10**15)
    assert track.end == pytest.approx((1e9 + 1) * 16_000, abs=20)


N = 900
RNG = np.random.default_rng(5)
TIMES = 3.0 + np.cumsum(RNG.uniform(0.003, 0.005, N))
TIMES[400:] += 1.7
VALUES = RNG.normal(size=(N, 3)).astype(np.float32)
MARKS = (RNG.random((N, 3)) < 0.05).astype(np.uint8) * np.uint8(Flag.JUMP)
BREAKS = np.zeros(N, np.uint8)
BREAKS[400] = 1


@given(cuts(N))
@settings(max_examples=50)
def test_chunking_does_not_matter_and_inputs_are_not_touched(pieces):
    def run(slices):
        track = GridTrack(250, 125, 3, 2000, zero_crossings=4, settle_s=0.1)
        for piece in slices:
            pushed(track, TIMES[piece], VALUES[piece], BREAKS[piece], MARKS[piece])
            track.advance(10**9)
        track.finish()
        track.advance(10**9)
        return track.view(376, track.end)

    before = (TIMES.copy(), VALUES.copy(), MARKS.copy(), BREAKS.copy())
    assert_same_bits(run([slice(None)]), run(pieces))
    assert_same_bits(before, (TIMES, VALUES, MARKS, BREAKS))
