"""The dejitter's hot loops, one sample after the other, so that chunking cannot matter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from bci_stream.timeline.stamps import HOLD_S, YOUNG_HOLD_S

# --- float state --------------------------------------------------------------------------------
ANCHOR_S, PERIOD_S, P_PHASE, P_CROSS, P_RATE, VAR_SAMPLE, VAR_BLOCK = 0, 1, 2, 3, 4, 5, 6
LAST_OUT_S, BLOCK_SUM, BLOCK_INDEX_SUM, FAST_MEAN, SUSPECT_SUM, SUSPECT_LEAST = 7, 8, 9, 10, 11, 12
EXPECTED_S, LOST, LOST_HERE, LEAST_NOW, LEAST_BEFORE, LEAST_USUAL, STEP_SHIFT = 13, 14, 15, 16, 17, 18, 19
MAX_STEPS = 8  # STEP_SHIFT and STEP_AT are lists of so many
N_FLOATS = STEP_SHIFT + MAX_STEPS
# --- integer state ------------------------------------------------------------------------------
INDEX, ANCHOR_INDEX, BLOCK_N, BLOCK_TARGET, N_BLOCKS, N_SUSPECT, STARTED, BREAK_DUE = 0, 1, 2, 3, 4, 5, 6, 7
N_SEGMENTS, N_OVERLAP, HELD, N_FLAT, LEAST_N, IS_RIPE, N_STEPS, N_EASED = 8, 9, 10, 11, 12, 13, 14, 15
N_BLANK, STEP_AT = 16, 17
N_INTS = STEP_AT + MAX_STEPS

_NOISE_VAR = (4e-3) ** 2
_PHASE_VAR = (20e-3) ** 2
_MEMORY_S = 60.0
_SURE_S = (0.1, 0.5)  # how long late samples must stay late to be behind a loss, calm and stormy
_SURE_SDS = 25.0  # between the two: so many times the jitter
_BLANK_S = 1.0  # of samples without a time, at most, that are held longer for
_EASED_N = 3  # so many that are less late than those before may be mere wrong stamps
_LEAST_S = 0.5  # the least late sample of so long stands for those that were not held up
_OUTLIER = 2.5**2  # so many times its variance is the most that a residual counts for
_LATE_S = 0.02  # what is less late than this is never suspected
_RIPE_S = 1.0  # when a segment's line is sure enough to count whole lost samples by it


@njit(cache=True, nogil=True)
def _settle_loss(f: Any, k: Any) -> None:
    """Count what was lost before this segment anew, by its line as it is known now."""
    period = f[PERIOD_S]
    first_s = f[ANCHOR_S] - k[ANCHOR_INDEX] * period
    lost = (first_s - f[EXPECTED_S]) / period
    if f[LOST_HERE] != 0.0 and lost > 0.0:
        f[LOST] += lost - f[LOST_HERE]
        f[LOST_HERE] = lost


@njit(cache=True, nogil=True)
def _start_segment(f: Any, k: Any, expected_s: Any, shift_s: Any) -> None:
    """A new gap-free stretch: its first sample is ``shift_s`` later than the line so far expected it.

    What is known of the rate stays. What was lost is counted; a shift back soon after takes it back.
    """
    period = f[PERIOD_S]
    known = k[N_BLOCKS] >= 50
    young = k[INDEX] * period < 2.0
    if k[IS_RIPE] == 0:
        _settle_loss(f, k)
    if shift_s > 0:
        f[LOST_HERE] = shift_s / period
        f[LOST] += f[LOST_HERE]
    elif young and f[LOST_HERE] > 0.0:
        f[LOST] -= min(f[LOST_HERE], -shift_s / period)
        f[LOST_HERE] = 0.0
    else:
        f[LOST_HERE] = 0.0
    f[EXPECTED_S] = expected_s
    f[ANCHOR_S] = expected_s + shift_s
    f[P_PHASE] = _PHASE_VAR
    f[P_CROSS] = 0.0
    if known:
        f[P_RATE] = min(f[P_RATE], (200e-6 * period) ** 2)
    f[BLOCK_SUM] = 0.0
    f[BLOCK_INDEX_SUM] = 0.0
    f[FAST_MEAN] = 0.0
    f[LEAST_NOW] = f[LEAST_BEFORE] = np.inf
    k[LEAST_N] = 0
    k[INDEX] = 0
    k[ANCHOR_INDEX] = 0
    k[BLOCK_N] = 0
    k[BLOCK_TARGET] = 1
    k[N_BLOCKS] = 50 if known else 0
    k[IS_RIPE] = 0
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
def _note_least(f: Any, k: Any, r: Any) -> None:
    """Follow the least residual of the last half to whole second, and what it usually is."""
    f[LEAST_NOW] = min(f[LEAST_NOW], r)
    k[LEAST_N] += 1
    if k[LEAST_N] * f[PERIOD_S] >= _LEAST_S:
        usual = f[LEAST_NOW] - f[LEAST_USUAL]
        f[LEAST_USUAL] += (0.5 if k[N_BLOCKS] < 50 else 0.05) * usual
        f[LEAST_BEFORE] = f[LEAST_NOW]
        f[LEAST_NOW] = np.inf
        k[LEAST_N] = 0


@njit(cache=True, nogil=True)
def _shifted(f: Any, k: Any) -> Any:
    """Has the whole line been off for half a second, by more than the jitter explains?

    Late on the average is not enough: where radio stalls, some samples are on time still.
    """
    spread = np.sqrt(f[VAR_BLOCK] * 0.2 / 1.8)
    shift = f[FAST_MEAN]
    if k[N_BLOCKS] <= 80 or abs(shift) <= max(2e-3, 6.0 * spread):
        return False
    least = min(f[LEAST_NOW], f[LEAST_BEFORE]) - f[LEAST_USUAL]
    return shift < 0 or least > 0.5 * shift


@njit(cache=True, nogil=True)
def _flat_from(f: Any, k: Any, r: Any) -> None:
    """Whether suspects stay late by as much is judged from this one on."""
    f[SUSPECT_SUM] = 0.0
    f[SUSPECT_LEAST] = r
    k[N_FLAT] = 0


@njit(cache=True, nogil=True)
def _note_step(f: Any, k: Any, r: Any) -> None:
    """Held samples before a step to even later ones are remembered apart: the step may be a second loss."""
    if k[N_STEPS] < MAX_STEPS:
        f[STEP_SHIFT + k[N_STEPS]] = f[SUSPECT_SUM] / k[N_FLAT]
        k[STEP_AT + k[N_STEPS]] = k[HELD]
        k[N_STEPS] += 1
    _flat_from(f, k, r)


@njit(cache=True, nogil=True)
def _forget_steps(f: Any, k: Any, r: Any) -> None:
    """Samples have become less late: what was later than this before them was held up."""
    while k[N_STEPS] > 0 and f[STEP_SHIFT + k[N_STEPS] - 1] >= r:
        k[N_STEPS] -= 1
    _flat_from(f, k, r)


@njit(cache=True, nogil=True)
def _suspect(f: Any, k: Any, r: Any, threshold: Any) -> Any:
    """Take in a residual beyond the threshold; returns the shift of the line that it proves, or 0.

    Late samples are behind a loss when they stay late by as much. Samples that were held up come in
    a rush, each less late than the one before, and are on time in the end.
    """
    period = f[PERIOD_S]
    if f[SUSPECT_SUM] * r < 0:
        k[N_SUSPECT] = 0
    if k[N_SUSPECT] == 0:
        k[N_STEPS] = k[N_EASED] = 0
        _flat_from(f, k, r)
    k[N_SUSPECT] += 1
    if k[N_FLAT] > 0 and r > f[SUSPECT_SUM] / k[N_FLAT] + threshold:
        _note_step(f, k, r)
    jitter = np.sqrt(f[VAR_SAMPLE])
    if abs(r) > (max(1.0, 2.0 * threshold) if r > 0 else max(0.25, 2.0 * threshold)):
        return r
    sure_s = min(max(_SURE_SDS * jitter, _SURE_S[0]), _SURE_S[1]) if r > 0 else 0.15
    if r > 0 and k[N_BLOCKS] < 50:  # the jitter is not known yet
        sure_s = _SURE_S[1]
    n_sure = max(4, round(sure_s / period))
    if r > 0 and r < f[SUSPECT_LEAST] - max(5e-3, jitter):
        k[N_EASED] += 1
        if k[N_EASED] <= min(_EASED_N, n_sure // 8):
            return 0.0
        _forget_steps(f, k, r)
    k[N_EASED] = 0
    k[N_FLAT] += 1
    f[SUSPECT_SUM] += r
    if k[N_FLAT] >= n_sure:
        return f[SUSPECT_SUM] / k[N_FLAT]
    return 0.0


@njit(cache=True, nogil=True)
def _learn(f: Any, k: Any, r: Any, block_full: Any) -> None:
    """Take in an ordinary residual."""
    period = f[PERIOD_S]
    usual = min(r * r, _OUTLIER * f[VAR_SAMPLE] + 1e-6)  # one late packet is no jitter yet
    f[VAR_SAMPLE] += min(1.0, period / 2.0) * (usual - f[VAR_SAMPLE])
    f[BLOCK_SUM] += r
    f[BLOCK_INDEX_SUM] += k[INDEX]
    k[BLOCK_N] += 1
    _note_least(f, k, r)


@njit(cache=True, nogil=True)
def _line_s(f: Any, k: Any, index: Any) -> Any:
    """Where the line has the sample with this number of its segment."""
    return f[ANCHOR_S] + (index - k[ANCHOR_INDEX]) * f[PERIOD_S]


@njit(cache=True, nogil=True)
def _emit(f: Any, k: Any, t: Any, times: Any, kinds: Any, at: Any) -> None:
    """Hand out one time, after all before it."""
    last = f[LAST_OUT_S]
    period = f[PERIOD_S]
    if t <= last - max(period, 0.05):
        k[N_OVERLAP] += 1
        kinds[at] = -1
        times[at] = t
        return
    t = max(t, last + 0.25 * period)
    kinds[at] = k[BREAK_DUE]
    k[BREAK_DUE] = 0
    times[at] = t
    f[LAST_OUT_S] = t


@njit(cache=True, nogil=True)
def release(f: Any, k: Any, times: Any, kinds: Any, at: Any, n_newer: Any) -> Any:
    """Hand out all held samples by the line as it is; ``n_newer`` came after them. Returns the next place."""
    first = k[INDEX] - n_newer - k[HELD]
    for i in range(k[HELD]):
        _emit(f, k, _line_s(f, k, first + i), times, kinds, at)
        at += 1
    k[HELD] = k[N_STEPS] = k[N_BLANK] = 0
    return at


@njit(cache=True, nogil=True)
def _hold_s(f: Any, k: Any) -> Any:
    """How long suspects may be held; those that say no time bring nothing nearer to being known."""
    blank_s = min(k[N_BLANK] * f[PERIOD_S], _BLANK_S)
    if k[N_BLOCKS] >= 50:
        return HOLD_S + blank_s
    return (YOUNG_HOLD_S if k[N_STEPS] == 0 else 2.0 * YOUNG_HOLD_S) + blank_s


@njit(cache=True, nogil=True)
def _at_the_limit(f: Any, k: Any) -> Any:
    """Nothing more can be held: in a young stream step upon step without a way back is loss upon loss."""
    if k[N_BLOCKS] >= 50 or k[N_STEPS] == 0 or k[N_FLAT] * f[PERIOD_S] < _SURE_S[0]:
        return 0.0
    return f[SUSPECT_SUM] / k[N_FLAT]


@njit(cache=True, nogil=True)
def _begin_anew(f: Any, k: Any, t: Any, moved: Any, threshold: Any, times: Any, kinds: Any, at: Any) -> Any:
    """Begin a segment ``moved`` later with the held samples and the newest, which the line has at ``t``.

    Held ones before a step begin one of their own. Returns the next place.
    """
    n_held, n_steps, placed, shift = k[HELD], k[N_STEPS], 0, 0.0
    expected_s = t - n_held * f[PERIOD_S]
    for i in range(n_steps):
        own, stop = f[STEP_SHIFT + i], k[STEP_AT + i]
        if stop <= placed or own <= shift or moved - own <= threshold:
            continue
        _start_segment(f, k, expected_s, own - shift)
        k[INDEX] = k[HELD] = stop - placed
        at = release(f, k, times, kinds, at, 0)
        expected_s = _line_s(f, k, stop - placed)
        placed, shift = stop, own
    left = n_held - placed
    _start_segment(f, k, expected_s, moved - shift)
    k[INDEX] = left + 1
    k[HELD] = left
    at = release(f, k, times, kinds, at, 1)
    _emit(f, k, _line_s(f, k, left), times, kinds, at)
    return at + 1


@njit(cache=True, nogil=True)
def dejitter(raw: Any, f: Any, k: Any, block_full: Any, times: Any, kinds: Any) -> Any:
    """Smooth local stamps into ``times``; ``kinds``: 0 ordinary, 1 first of a segment, -1 overlap.

    A stamp that is NaN says nothing, but its sample is in its place. Returns how many were handed out,
    counting those held from before; the newest may be held.
    """
    at = 0
    for i in range(raw.shape[0]):
        y = raw[i]
        if k[STARTED] == 0:
            if y != y:
                times[at], kinds[at] = y, -1
                at += 1
                continue
            k[STARTED] = 1
            _start_segment(f, k, y, 0.0)
        if y != y:
            if k[N_SUSPECT] == 0 or k[HELD] == 0 or k[HELD] * f[PERIOD_S] >= _hold_s(f, k):
                at = release(f, k, times, kinds, at, 0)
                _emit(f, k, _line_s(f, k, k[INDEX]), times, kinds, at)
                at += 1
            else:
                k[HELD] += 1
                k[N_BLANK] += 1
            k[INDEX] += 1
            continue
        t = _line_s(f, k, k[INDEX])
        r = y - t
        threshold = max(max(_LATE_S, 0.8 * f[PERIOD_S]), 6.0 * np.sqrt(f[VAR_SAMPLE]))
        if abs(r) <= threshold:
            k[N_SUSPECT] = 0
            at = release(f, k, times, kinds, at, 0)
            _learn(f, k, r, block_full)
            k[INDEX] += 1
            if k[BLOCK_N] >= k[BLOCK_TARGET]:
                _update_line(f, k, block_full)
                if _shifted(f, k):
                    _start_segment(f, k, f[ANCHOR_S], f[FAST_MEAN])
                    k[INDEX] = 0
                    _emit(f, k, f[ANCHOR_S] - f[PERIOD_S], times, kinds, at)
                    at += 1
                    continue
                if k[IS_RIPE] == 0 and k[INDEX] * f[PERIOD_S] >= _RIPE_S:
                    _settle_loss(f, k)
                    f[LOST] = np.round(f[LOST])
                    k[IS_RIPE] = 1
            _emit(f, k, t, times, kinds, at)
            at += 1
            continue
        moved = _suspect(f, k, r, threshold)
        if moved == 0.0:
            if k[HELD] * f[PERIOD_S] < _hold_s(f, k) and (k[HELD] > 0 or k[N_SUSPECT] == 1):
                k[HELD] += 1
                k[INDEX] += 1
                continue
            moved = _at_the_limit(f, k)
        if moved == 0.0:
            at = release(f, k, times, kinds, at, 0)
            k[INDEX] += 1
            _emit(f, k, t, times, kinds, at)
            at += 1
            continue
        k[N_SUSPECT] = 0
        at = _begin_anew(f, k, t, moved, threshold, times, kinds, at)
    return at
