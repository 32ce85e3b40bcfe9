"""Compiled loops of the sources; imported where one is first needed, since numba takes its time."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def _walk(
    content: NDArray[np.uint8],
    n: int,
    row: int,
    interval_s: float,
    last_stamp: float,
    stamps: NDArray[np.float64],
    values: NDArray[np.uint8],
) -> tuple[int, int]:
    """Decode up to ``n`` XDF samples whose flags decide where the next one begins.

    ``stamps``: (n,) and ``values``: (n, row) are filled. Returns how many samples are whole, and how
    many bytes they took.
    """
    scratch = np.empty(1, dtype=np.float64)
    scratch_bytes = scratch.view(np.uint8)
    position = 0
    for k in range(n):
        if position >= content.size:
            return k, position
        flag = content[position]
        begin = position + 1 + flag
        if (flag != 0 and flag != 8) or begin + row > content.size:
            return k, position
        if flag == 8:
            for i in range(8):
                scratch_bytes[i] = content[position + 1 + i]
            last_stamp = scratch[0]
        else:
            last_stamp = last_stamp + interval_s
        stamps[k] = last_stamp
        for i in range(row):
            values[k, i] = content[begin + i]
        position = begin + row
    return n, position


walk_samples = njit(cache=True, nogil=True)(_walk)
