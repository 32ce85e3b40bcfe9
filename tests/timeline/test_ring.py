import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.timeline.ring import Ring


@given(st.lists(st.integers(0, 37), max_size=30), st.integers(-500, 500))
def test_any_view_holds_what_was_written(sizes, start):
    ring = Ring(16, 2, np.float64, start)
    written = np.arange(sum(sizes) * 2, dtype=float).reshape(-1, 2) + 1
    at = 0
    for n in sizes:
        ring.append(written[at : at + n])
        at += n
        assert ring.end == start + at
        first = max(ring.end - 16, start)
        np.testing.assert_array_equal(ring.view(first, ring.end), written[first - start : at])


def test_views_are_contiguous_read_only_and_no_copies():
    ring = Ring(8, 3)
    ring.append(np.ones((11, 3), np.float32))
    view = ring.view(5, 11)
    assert view.flags.c_contiguous
    assert view.base is not None
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 0


def test_rows_that_are_gone_or_to_come_are_refused():
    ring = Ring(8, 1)
    ring.append(np.ones((20, 1), np.float32))
    with pytest.raises(IndexError, match="outside"):
        ring.view(11, 15)
    with pytest.raises(IndexError, match="outside"):
        ring.view(15, 21)


def test_a_huge_fill_takes_no_memory():
    ring = Ring(8, 1)
    ring.append(np.ones((4, 1), np.float32))
    ring.fill(10**12, 7)
    assert ring.end == 10**12 + 4
    assert (ring.view(ring.end - 8, ring.end) == 7).all()
