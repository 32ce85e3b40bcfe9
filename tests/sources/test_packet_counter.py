import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bci_stream.sources.packet_counter import PacketCounter
from tests.laws import cuts

SFREQ = 250.0


def counted(numbers, modulus, pieces=(slice(None),)):
    """What a counter says of samples that come as soon as they were taken."""
    numbers = np.asarray(numbers)
    counter = PacketCounter()
    for piece in pieces:
        if len(taken_s := numbers[piece] / SFREQ):
            counter.step(numbers[piece] % modulus, taken_s, SFREQ, taken_s[-1])
    return counter


@pytest.mark.parametrize("modulus", [128, 129, 256, 65_536, 2**24])
def test_lost_samples_are_counted_to_the_sample_over_many_turns(modulus):
    rng = np.random.default_rng(modulus)
    kept = rng.random(200_000) > 0.02
    kept[:3000] = kept[-1] = True
    kept[50_000:50_700] = False
    kept[100_000 : 100_000 + 257] = False
    numbers = np.flatnonzero(kept)
    assert counted(numbers, modulus).n_lost == (~kept).sum()


def test_a_column_that_is_no_counter_counts_nothing():
    rng = np.random.default_rng(0)
    counter = PacketCounter()
    counter.step(rng.normal(size=5000), np.arange(5000) / SFREQ, SFREQ, 20.0)
    assert counter.n_lost == 0
    assert not counter.is_sure


def test_values_and_stamps_that_are_no_numbers_are_passed_over():
    numbers = np.arange(5000.0)
    values, stamps = numbers % 256, numbers / SFREQ
    values[2000] = np.nan
    stamps[3000] = np.inf
    counter = PacketCounter()
    counter.step(values, stamps, SFREQ, 20.0)
    assert counter.n_lost == 2  # two samples that nobody can use


@pytest.mark.parametrize("n_turns", [1, 3])
def test_a_loss_of_whole_turns_is_told_by_stamps_and_silence_and_a_jump_of_the_clock_is_none(n_turns):
    numbers, lost = np.arange(8000), 256 * n_turns
    stamps, pieces = numbers / SFREQ, np.split(numbers, 160)
    stamps[4000:] += lost / SFREQ
    for silent_s, n_lost in ((lost / SFREQ, lost), (0.0, 0)):
        counter = PacketCounter()
        for piece in pieces:
            arrival_s = piece[-1] / SFREQ + silent_s * (piece[0] >= 4000)
            counter.step(piece % 256, stamps[piece], SFREQ, arrival_s)
        assert counter.n_lost == n_lost


@example(pieces=[slice(0, 6000)], lost=256)
@given(pieces=cuts(6000), lost=st.integers(1, 600))
def test_chunking_does_not_matter(pieces, lost):
    numbers = np.r_[0:4000, 4000 + lost : 6000 + lost]
    assert counted(numbers, 256, pieces).n_lost == lost
