"""Compiled inner loops. Importing this module compiles them (then they are cached on disk): import it late.

Every loop runs sample by sample in a fixed order of operations and without fast-math, so that the bits of a
result do not depend on how the samples were cut into chunks. The signatures are spelled out so that nothing
compiles while samples are flowing, and so that a read-only array is taken like any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, njit, types

from bci_stream.dsp.records import CHANNEL_STATE, LIMITS
from bci_stream.messages import Flag

_SAMPLES = types.Array(types.float32, 2, "C", readonly=True)
_MARKS = types.Array(types.uint8, 2, "C", readonly=True)
_MATRIX = types.Array(types.float64, 2, "C", readonly=True)

NAN = int(Flag.NAN)
RAIL = int(Flag.RAIL)
RANGE = int(Flag.RANGE)
FLAT = int(Flag.FLAT)
JUMP = int(Flag.JUMP)
LINE = int(Flag.LINE)

# -- filters ---------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _hold_row(x: Any, held: Any, row: Any) -> None:
    """Take one sample of every channel; a value that is not finite repeats the last one that was."""
    for c in range(x.size):
        v = np.float64(x[c])
        row[c] = held[c] = v if np.isfinite(v) else held[c]


@njit(cache=True, nogil=True)
def _start_row(x: Any, held: Any, waiting: Any, steady: Any, state: Any) -> None:
    """Put channels that see their first finite value into the steady state for that value."""
    for c in range(x.size):
        if waiting[c] and np.isfinite(x[c]):
            waiting[c] = False
            for s in range(state.shape[0]):
                state[s, 0, c] = steady[s, 0] * x[c]
                state[s, 1, c] = steady[s, 1] * x[c]


@njit(cache=True, nogil=True)
def _biquad_row(coefficients: Any, z0: Any, z1: Any, row: Any) -> None:
    """One section on one sample of every channel, in place; the order of operations is scipy's."""
    b0, b1, b2 = coefficients[0], coefficients[1], coefficients[2]
    a1, a2 = coefficients[4], coefficients[5]
    for c in range(row.size):
        x = row[c]
        y = b0 * x + z0[c]
        z0[c] = b1 * x - a1 * y + z1[c]
        z1[c] = b2 * x - a2 * y
        row[c] = y


@njit(
    [
        types.void(
            _SAMPLES,
            _MATRIX,
            _MATRIX,
            types.float64[:, :, ::1],
            types.float64[::1],
            types.boolean[::1],
            types.float32[:, ::1],
        )
    ],
    cache=True,
    nogil=True,
)
def biquad_cascade(x: Any, sos: Any, steady: Any, state: Any, held: Any, waiting: Any, y: Any) -> None:
    """Direct form II transposed, float64 inside; ``state`` (n_sections, 2, n_channels) moves on."""
    row = np.empty(x.shape[1])
    any_waiting = waiting.any()
    for t in range(x.shape[0]):
        if any_waiting:
            _start_row(x[t], held, waiting, steady, state)
            any_waiting = waiting.any()
        _hold_row(x[t], held, row)
        for s in range(sos.shape[0]):
            _biquad_row(sos[s], state[s, 0], state[s, 1], row)
        y[t] = row


# -- spatial mixing --------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _add_weighted(value: Any, weights: Any, total: Any) -> None:
    """Add one channel's part; NaN reaches only the outputs that have a weight for it (0 * NaN is NaN)."""
    if np.isfinite(value):
        for o in range(total.size):
            total[o] += weights[o] * value
    else:
        for o in range(total.size):
            if weights[o] != 0.0:
                total[o] += weights[o] * value


@njit([types.void(_SAMPLES, _MATRIX, types.float32[:, ::1])], cache=True, nogil=True)
def mix_rows(x: Any, weights: Any, y: Any) -> None:
    """``y[t] = weights.T @ x[t]`` with ``weights`` (n_in, n_out), summed over inputs in their order."""
    total = np.empty(y.shape[1])
    for t in range(x.shape[0]):
        total[:] = 0.0
        for i in range(x.shape[1]):
            _add_weighted(np.float64(x[t, i]), weights[i], total)
        y[t] = total


@njit(
    [types.void(_MARKS, types.Array(types.uint8, 2, "C", readonly=True), types.uint8[:, ::1])],
    cache=True,
    nogil=True,
)
def mix_marks(marks: Any, reaches: Any, out: Any) -> None:
    """``out[t, o]``: the marks of every input i with ``reaches[i, o]`` = 255 (0 elsewhere), joined."""
    out[:] = 0
    for t in range(marks.shape[0]):
        for i in range(marks.shape[1]):
            mark = marks[t, i]
            if mark:
                for o in range(out.shape[1]):
                    out[t, o] |= mark & reaches[i, o]


# -- artifact marks --------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _start_channel(s: Any, x: float) -> None:
    """The first finite value is the best guess of everything that is learned."""
    s.started = 1
    s.previous = s.anchor = s.mean = s.fast_mean = s.high = s.low = x


@njit(cache=True, nogil=True)
def _range(s: Any, p: Any, x: float) -> int:
    v = x - s.mean
    s.mean += p.mean_gain * v
    return RANGE if abs(v) > p.range_uv else 0


@njit(cache=True, nogil=True)
def _jump(s: Any, p: Any, x: float) -> int:
    """A step that stands out from the steps around it; a jump counts among those only up to the limit."""
    if not s.neighbour:
        return 0
    square = (x - s.previous) ** 2
    limit = max(p.jump_uv2, p.jump_ratio2 * s.step_power)
    s.step_power += p.step_gain * (min(square, limit) - s.step_power)
    return JUMP if square > limit else 0


@njit(cache=True, nogil=True)
def _flat(s: Any, p: Any, x: float) -> int:
    """Compared with the value at which the run began, so that a slow drift is not flat."""
    if abs(x - s.anchor) <= max(p.flat_uv, p.flat_relative * abs(s.anchor)):
        s.flat_run += 1
    else:
        s.anchor = x
        s.flat_run = 1
    return FLAT if s.flat_run >= p.flat_samples else 0


@njit(cache=True, nogil=True)
def _rail(s: Any, p: Any, x: float) -> int:
    """At a known rail at once; at an extreme far from the mean, from the third identical value on."""
    s.high = max(x, s.high + p.extreme_gain * (s.mean - s.high))
    s.low = min(x, s.low + p.extreme_gain * (s.mean - s.low))
    if x != s.previous or not s.same_run:
        s.same_run = 1
        s.railed = 0
    else:
        s.same_run += 1
    at_extreme = (x == s.high or x == s.low) and abs(x - s.mean) > p.rail_distance_uv
    if s.same_run >= 3 and at_extreme:
        s.railed = 1
    return RAIL if s.railed or x <= p.rail_low_uv or x >= p.rail_high_uv else 0


@njit(cache=True, nogil=True)
def _value_marks(s: Any, p: Any, x: float) -> int:
    """Every mark of one sample of one channel but LINE."""
    if not np.isfinite(x):
        s.neighbour = 0
        return NAN
    if not s.started:
        _start_channel(s, x)
    mark = _range(s, p, x) | _jump(s, p, x) | _flat(s, p, x) | _rail(s, p, x)
    s.previous = x
    s.neighbour = 1
    return mark


@njit(cache=True, nogil=True)
def _fluctuation(s: Any, p: Any, x: float) -> float:
    """Distance from a fast mean, which is then moved on; 0 for what is not finite."""
    if not np.isfinite(x):
        return 0.0
    v: float = x - s.fast_mean
    s.fast_mean += p.fast_gain * v
    return v


@njit(cache=True, nogil=True)
def _power_row(gain: float, v: Any, power: Any) -> None:
    keep = 1.0 - gain
    for c in range(v.size):
        power[c] = keep * power[c] + gain * v[c] * v[c]


@njit(cache=True, nogil=True)
def _line_row(p: Any, v: Any, turn: Any, re: Any, im: Any, power: Any, marks: Any) -> None:
    """Leaky DFT at one mains frequency against the leaky power of the same samples.

    For a sinusoid of amplitude A the resonance tends to A / 2, so its power is 2 |z|^2.
    """
    keep, gain, share, floor = 1.0 - p.line_gain, p.line_gain, p.line_share, p.line_floor_uv2
    cos, sin = keep * turn[0], keep * turn[1]
    for c in range(v.size):
        real = cos * re[c] - sin * im[c] + gain * v[c]
        imag = sin * re[c] + cos * im[c]
        re[c], im[c] = real, imag
        hum = 2.0 * (real * real + imag * imag)
        marks[c] |= LINE if hum > max(share * power[c], floor) else 0


@njit(
    [
        types.void(
            _SAMPLES,
            from_dtype(LIMITS)[::1],
            _MATRIX,
            from_dtype(CHANNEL_STATE)[::1],
            types.float64[::1],
            types.float64[:, :, ::1],
            types.uint8[:, ::1],
        )
    ],
    cache=True,
    nogil=True,
)
def mark_artifacts(
    x: Any, limits: Any, turns: Any, state: Any, power: Any, resonance: Any, marks: Any
) -> None:
    """All marks in one pass. ``power`` is (n_channels,), ``resonance`` (n_lines, 2, n_channels)."""
    p = limits[0]
    v = np.empty(x.shape[1])
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            marks[t, c] = _value_marks(state[c], p, np.float64(x[t, c]))
            v[c] = _fluctuation(state[c], p, np.float64(x[t, c]))
        _power_row(p.line_gain, v, power)
        for k in range(turns.shape[0]):
            _line_row(p, v, turns[k], resonance[k, 0], resonance[k, 1], power, marks[t])


# -- quality ---------------------------------------------------------------------------------------


@njit(
    [
        types.void(
            _SAMPLES, _MARKS, types.int64[::1], types.float64[::1], types.float64[::1], types.int64[:, ::1]
        )
    ],
    cache=True,
    nogil=True,
)
def add_to_block(x: Any, marks: Any, finite: Any, total: Any, squares: Any, flagged: Any) -> None:
    """Add samples to one block's sums, each (n_channels,) but ``flagged``, which is (n_channels, 8)."""
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            v = np.float64(x[t, c])
            if np.isfinite(v):
                finite[c] += 1
                total[c] += v
                squares[c] += v * v
            mark = marks[t, c]
            if mark:
                for bit in range(8):
                    flagged[c, bit] += (mark >> bit) & 1
