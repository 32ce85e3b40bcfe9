import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.sources.packet_counter import PacketCounter
from tests.laws import cuts

SFREQ = 250.0


def counted(numbers, modulus, pieces=(slice(None),)):
    numbers = np.asarray(numbers)
    counter = PacketCounter()
    for piece in pieces:
        counter.step(numbers[piece] % modulus, numbers[piece] / SFREQ, SFREQ)
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
    counter.step(rng.normal(size=5000), np.arange(5000) / SFREQ, SFREQ)
    assert counter.n_lost == 0
    assert not counter.is_sure


def test_values_and_stamps_that_are_no_numbers_are_passed_over():
    numbers = np.arange(5000.0)
    values, stamps = numbers % 256, numbers / SFREQ
    values[2000] = np.nan
    stamps[3000] = np.inf
    counter = PacketCounter()
    counter.step(values, stamps, SFREQ)
    assert counter.n_lost == 2  # two samples that nobody can use


@given(pieces=cuts(6000), lost=st.integers(1, 400))
def test_chunking_does_not_matter(pieces, lost):
    numbers = np.r_[0:4000, 4000 + lost : 6000 + lost]
    assert counted(numbers, 256, pieces).n_lost == lost
