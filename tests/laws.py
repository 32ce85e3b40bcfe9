"""What every stage obeys: how a stream was cut, and in which order it came, cannot matter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


@st.composite
def cuts(draw: st.DrawFn, n: int, max_cuts: int = 12) -> list[slice]:
    """A way to cut ``n`` samples into consecutive chunks, some of them empty."""
    points = sorted(draw(st.lists(st.integers(0, n), max_size=max_cuts)))
    edges = [0, *points, n]
    return [slice(a, b) for a, b in pairwise(edges)]


def assert_same_bits(left: Sequence[NDArray[Any]], right: Sequence[NDArray[Any]]) -> None:
    """Two runs gave the same arrays, bit for bit (NaN equals NaN)."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The chunks of a run as one array."""
    return np.concatenate(list(parts))
