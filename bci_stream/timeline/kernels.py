"""Hot loops of the timeline, one sample after the other, so that chunking cannot matter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# --- dejitter: float state ----------------------------------------------------------------------
ANCHOR_S, PERIOD_S, P_PHASE, P_CROSS, P_RATE, VAR_SAMPLE, VAR_BLOCK = 0, 1, 2, 3, 4, 5, 6
LAST_OUT_S, BLOCK_SUM, BLOCK_INDEX_SUM, FAST_MEAN, SUSPECT_SUM = 7, 8, 9, 10, 11
N_FLOATS = 12
# --- dejitter: integer state --------------------------------------------------------------------
INDEX, ANCHOR_INDEX, BLOCK_N, BLOCK_TARGET, N_BLOCKS, N_SUSPECT, STARTED, BREAK_DUE = 0, 1, 2, 3, 4, 5, 6, 7
N_SEGMENTS, N_LOST, N_OVERLAP = 8, 9, 10
N_INTS = 11

_NOISE_VAR = (4e-3) ** 2
_PHASE_VAR = (20e-3) ** 2
_MEMORY_S = 60.0


@njit(cache=True, nogil=True)
def _start_segment(f: Any, k: Any, t_s: Any) -> None:
    """A new gap-free stretch whose first sample is at about ``t_s``; what is known of the rate stays."""
    period = f[PERIOD_S]
    known = k[N_BLOCKS] >= 50
    f[ANCHOR_S] = t_s
    f[P_PHASE] = _PHASE_VAR
    f[P_CROSS] = 0.0
    if known:
        f[P_RATE] = min(f[P_RATE], (200e-6 * period) ** 2)
    f[BLOCK_SUM] = 0.0
    f[BLOCK_INDEX_SUM] = 0.0
    f[FAST_MEAN] = 0.0
    f[SUSPECT_SUM] = 0.0
    k[INDEX] = 0
    k[ANCHOR_INDEX] = 0
    k[BLOCK_N] = 0
    k[BLOCK_TARGET] = 1
    k[N_BLOCKS] = 50 if known else 0
    k[N_SUSPECT] = 0
    k[BREAK_DUE] = 1
    k[N_SEGMENTS] += 1


@njit(cache=True, nogil=True)
def _update_line(f: Any, k: Any, block_full: Any) -> None:
    """One Kalman step on (phase, period) with the mean residual of the block; returns its innovation."""
    n = k[BLOCK_N]
    innovation = f[BLOCK_SUM] / n
    limit = 4.0 * np.sqrt(f[VAR_BLOCK]) + 1e-3
    if k[N_BLOCKS] > 20:
        innovation = min(max(innovation, -limit), limit)
    d = f[BLOCK_INDEX_SUM] / n - k[ANCHOR_INDEX]
    p00, p01, p11 = f[P_PHASE], f[P_CROSS], f[P_RATE]
    if n == block_full:
        grow = np.exp(n * f[PERIOD_S] / _MEMORY_S)
        p00, p01, p11 = p00 * grow, p01 * grow, p11 * grow
    a0 = p00 + d * p01
    a1 = p01 + d * p11
    s = a0 + d * a1 + _NOISE_VAR * block_full / n
    g0, g1 = a0 / s, a1 / s
    f[ANCHOR_S] += g0 * innovation
    f[PERIOD_S] += g1 * innovation
    p00, p01, p11 = p00 - g0 * a0, p01 - g0 * a1, p11 - g1 * a1
    step = float(k[INDEX] - k[ANCHOR_INDEX])
    f[ANCHOR_S] += step * f[PERIOD_S]
    f[P_PHASE] = p00 + 2 * step * p01 + step * step * p11
    f[P_CROSS] = p01 + step * p11
    f[P_RATE] = p11
    k[ANCHOR_INDEX] = k[INDEX]
    k[N_BLOCKS] += 1
    k[BLOCK_TARGET] = min(block_full, max(1, 2 * n) if k[N_BLOCKS] > 1 else 1)
    if n == block_full:
        f[VAR_BLOCK] += 0.02 * (innovation * innovation - f[VAR_BLOCK])
        f[FAST_MEAN] += 0.2 * (innovation - f[FAST_MEAN])
    k[BLOCK_N] = 0
    f[BLOCK_SUM] = 0.0
    f[BLOCK_INDEX_SUM] = 0.0


@njit(cache=True, nogil=True)
def _shifted(f: Any, k: Any) -> Any:
    """Has the whole line been off for half a second, by more than the jitter explains?"""
    spread = np.sqrt(f[VAR_BLOCK] * 0.2 / 1.8)
    return k[N_BLOCKS] > 80 and abs(f[FAST_MEAN]) > max(2e-3, 6.0 * spread)


@njit(cache=True, nogil=True)
def dejitter(raw: Any, f: Any, k: Any, block_full: Any, times: Any, kinds: Any) -> None:
    """Smooth local stamps, in place of ``times``; ``kinds``: 0 ordinary, 1 first of a segment, -1 overlap."""
    for i in range(raw.shape[0]):
        y = raw[i]
        if k[STARTED] == 0:
            k[STARTED] = 1
            _start_segment(f, k, y)
        period = f[PERIOD_S]
        t = f[ANCHOR_S] + (k[INDEX] - k[ANCHOR_INDEX]) * period
        r = y - t
        threshold = max(max(0.04, 0.8 * period), 6.0 * np.sqrt(f[VAR_SAMPLE]))
        big = max(0.25, 2.0 * threshold)
        moved = 0.0
        if abs(r) > big:
            moved = r
        elif abs(r) > threshold:
            if f[SUSPECT_SUM] * r < 0:
                k[N_SUSPECT] = 0
                f[SUSPECT_SUM] = 0.0
            k[N_SUSPECT] += 1
            f[SUSPECT_SUM] += r
            if k[N_SUSPECT] >= max(4, round(0.15 / period)):
                moved = f[SUSPECT_SUM] / k[N_SUSPECT]
        else:
            k[N_SUSPECT] = 0
            f[SUSPECT_SUM] = 0.0
            f[VAR_SAMPLE] += min(1.0, period / 2.0) * (r * r - f[VAR_SAMPLE])
            f[BLOCK_SUM] += r
            f[BLOCK_INDEX_SUM] += k[INDEX]
            k[BLOCK_N] += 1
        if moved != 0.0:
            if moved > 0:
                k[N_LOST] += max(1, round(moved / period))
            _start_segment(f, k, t + moved)
            t = t + moved
            f[BLOCK_SUM] = y - t
            k[BLOCK_N] = 1
        k[INDEX] += 1
        if k[BLOCK_N] >= k[BLOCK_TARGET]:
            _update_line(f, k, block_full)
            if _shifted(f, k):
                shift = f[FAST_MEAN]
                if shift > 0:
                    k[N_LOST] += round(shift / f[PERIOD_S])
                _start_segment(f, k, f[ANCHOR_S] + shift)
        last = f[LAST_OUT_S]
        if t <= last - max(period, 0.05):
            k[N_OVERLAP] += 1
            kinds[i] = -1
            times[i] = t
            continue
        t = max(t, last + 0.25 * period)
        kinds[i] = k[BREAK_DUE]
        k[BREAK_DUE] = 0
        times[i] = t
        f[LAST_OUT_S] = t


# --- grid -----------------------------------------------------------------------------------------
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
