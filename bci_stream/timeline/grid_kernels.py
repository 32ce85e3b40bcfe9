"""The grid's hot loops, one sample after the other, so that chunking cannot matter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OUT_FULL, OUT_WAITING, OUT_GAP = 0, 1, 2


# Reassociation lets the compiler use wide registers. The number of taps is fixed for a stream, so the
# order of the sum is too, and chunking still cannot matter.
@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot_pair(table: Any, phase: Any, x: Any, first: Any) -> tuple[float, float]:
    """Inner products of two neighbouring phases with the same samples of a single channel."""
    a = 0.0
    b = 0.0
    for j in range(table.shape[1]):
        v = x[first + j]
        a += table[phase, j] * v
        b += table[phase + 1, j] * v
    return a, b


@njit(cache=True, nogil=True)
def _weigh(table: Any, phase: Any, blend: Any, x: Any, first: Any, lo: Any, hi: Any, total: Any) -> None:
    """``total`` (C,) = windowed-sinc interpolation; taps outside [lo, hi] repeat the edge."""
    n_channels = total.shape[0]
    total[:] = 0.0
    for j in range(table.shape[1]):
        w = table[phase, j] + blend * (table[phase + 1, j] - table[phase, j])
        row = min(max(first + j, lo), hi)
        for c in range(n_channels):
            total[c] += w * x[row, c]


@njit(cache=True, nogil=True)
def _next_break(breaks: Any, start: Any, stop: Any) -> Any:
    for i in range(start, stop):
        if breaks[i]:
            return i
    return stop


@njit(cache=True, nogil=True)
def resample(
    t: Any,
    x: Any,
    marks: Any,
    breaks: Any,
    n: Any,
    table: Any,
    sfreq: Any,
    period: Any,
    settle_s: Any,
    cursor: Any,
    seg_start: Any,
    carry: Any,
    out_x: Any,
    out_mask: Any,
    out_marks: Any,
) -> tuple[int, int, int]:
    """Fill grid rows from ``cursor`` = [j, grid index, segment's first row] on.

    ``carry`` (C,): marks of samples that fell between two grid instants, handed to the next one.

    ``t`` (m,), ``x`` (m, C), ``marks`` (m, C), ``breaks`` (m,): only the first ``n`` rows are there.
    Returns (rows written, why it stopped, grid index where a gap ends).
    """
    reach = table.shape[1] // 2
    n_phases = table.shape[0] - 1
    n_channels = x.shape[1]
    flat = x.reshape(x.size)
    total = np.zeros(n_channels)
    written = 0
    j, g, lo = cursor[0], cursor[1], cursor[2]
    status, gap_end = OUT_WAITING, g
    coming = _next_break(breaks, j + 1, n)
    while j + 1 < n:
        if coming <= j:
            coming = _next_break(breaks, j + 1, n)
        edge = coming == j + 1
        hi = coming - 1
        if coming == n and j + reach > hi:
            break  # the taps to come are not there yet
        start_s, stop_s = t[j], t[j + 1]
        per_period = n_phases / (stop_s - start_s)
        stuck = False
        while g / sfreq < stop_s:
            if written == out_x.shape[0]:
                status = OUT_FULL
                stuck = True
                break
            tg = g / sfreq
            if edge:
                if tg < start_s + 0.5 * period:
                    source = j
                elif tg >= stop_s - 0.5 * period:
                    source = j + 1
                else:
                    gap_end = int(np.ceil((stop_s - 0.5 * period) * sfreq))
                    status = OUT_GAP
                    stuck = True
                    break
                for c in range(n_channels):
                    out_x[written, c] = x[source, c]
            else:
                position = min(max((tg - start_s) * per_period, 0.0), float(n_phases))
                phase = min(int(position), n_phases - 1)
                first = j - reach + 1
                if n_channels == 1 and first >= lo and j + reach <= hi:
                    a, b = _dot_pair(table, phase, flat, first)
                    out_x[written, 0] = a + (position - phase) * (b - a)
                else:
                    _weigh(table, phase, position - phase, x, first, lo, hi, total)
                    for c in range(n_channels):
                        out_x[written, c] = total[c]
            out_mask[written] = 2 if tg - seg_start[0] < settle_s else 0
            for c in range(n_channels):
                out_marks[written, c] = carry[c] | marks[j, c] | marks[j + 1, c]
                carry[c] = 0
            written += 1
            g += 1
        if stuck:
            break
        for c in range(n_channels):
            carry[c] |= marks[j, c]
        j += 1
        if edge:
            lo = j
            seg_start[0] = t[j]
    cursor[0], cursor[1], cursor[2] = j, g, lo
    return written, status, gap_end
