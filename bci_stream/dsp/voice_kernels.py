"""The hot loop of the voice activity detector, one sample after the other, so that chunking cannot matter."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

# --- settings -------------------------------------------------------------------------------------
SNR_DB, VOICING, QUIETEST_DB, SMOOTHING = 0, 1, 2, 3
# --- float state ----------------------------------------------------------------------------------
SUM, SMOOTH_DB, SUB_MIN_DB, FLOOR_DB = 0, 1, 2, 3
N_FLOATS = 4
# --- integer state --------------------------------------------------------------------------------
POSITION, BAD, PHASE, RING_AT, RECENT, HANG, SUB_N, MIN_AT = 0, 1, 2, 3, 4, 5, 6, 7
N_INTS = 8
# --- sizes ----------------------------------------------------------------------------------------
FRAME, DECIMATION, SPAN, SHORTEST, LONGEST, HANG_FRAMES, SUB_FRAMES = 0, 1, 2, 3, 4, 5, 6
N_SIZES = 7

_TINY = 1e-12


@njit(cache=True, nogil=True)
def _through(sections: Any, memory: Any, value: Any) -> Any:
    """One sample through second-order sections, transposed direct form II."""
    for s in range(sections.shape[0]):
        out = sections[s, 0] * value + memory[s, 0]
        memory[s, 0] = sections[s, 1] * value - sections[s, 4] * out + memory[s, 1]
        memory[s, 1] = sections[s, 2] * value - sections[s, 5] * out
        value = out
    return value


@njit(cache=True, nogil=True)
def _voicing(past: Any, span: Any, shortest: Any, longest: Any) -> Any:
    """The greatest normalised autocorrelation of the last ``span`` samples, over the lags of a pitch."""
    start = past.shape[0] - span
    own = _TINY
    other = _TINY
    for i in range(span):
        own += past[start + i] * past[start + i]
        other += past[start - shortest + i] * past[start - shortest + i]
    best = 0.0
    for lag in range(shortest, longest + 1):
        cross = 0.0
        for i in range(span):
            cross += past[start + i] * past[start - lag + i]
        best = max(best, cross / math.sqrt(own * max(other, _TINY)))
        if lag < longest:  # the window of the next lag begins one sample earlier
            first, last = past[start - lag - 1], past[start - lag - 1 + span]
            other += first * first - last * last
    return best


@njit(cache=True, nogil=True)
def _end_frame(limits: Any, sizes: Any, f: Any, k: Any, ring: Any, minima: Any) -> None:
    """Judge a whole frame: its energy against the floor, and its voicing; move the floor on."""
    voiced = 0
    if k[BAD] == 0:
        energy_db = 10.0 * math.log10(f[SUM] / sizes[FRAME] + _TINY)
        f[SMOOTH_DB] += limits[SMOOTHING] * (energy_db - f[SMOOTH_DB])
        f[SUB_MIN_DB] = min(f[SUB_MIN_DB], f[SMOOTH_DB])
        loud = energy_db > f[FLOOR_DB] + limits[SNR_DB] and energy_db > limits[QUIETEST_DB]
        if loud:
            n_past = sizes[SPAN] + sizes[LONGEST]  # the ring is written twice, so the past is in one piece
            past = ring[k[RING_AT] + 1 : k[RING_AT] + 1 + n_past]
            pitch = _voicing(past, sizes[SPAN], sizes[SHORTEST], sizes[LONGEST])
            voiced = 1 if pitch > limits[VOICING] else 0
        k[SUB_N] += 1
        if k[SUB_N] == sizes[SUB_FRAMES]:
            minima[k[MIN_AT]] = f[SUB_MIN_DB]
            k[MIN_AT] = (k[MIN_AT] + 1) % minima.shape[0]
            k[SUB_N] = 0
            f[SUB_MIN_DB] = f[SMOOTH_DB]
        f[FLOOR_DB] = f[SUB_MIN_DB]
        for i in range(minima.shape[0]):
            f[FLOOR_DB] = min(f[FLOOR_DB], minima[i])
    k[RECENT] = ((k[RECENT] << 1) | voiced) & 31
    n_recent = 0
    for bit in range(5):
        n_recent += (k[RECENT] >> bit) & 1
    k[HANG] = sizes[HANG_FRAMES] if n_recent >= 3 else max(0, k[HANG] - 1)
    f[SUM] = 0.0
    k[POSITION] = 0
    k[BAD] = 0


@njit(cache=True, nogil=True)
def detect(
    x: Any,
    valid: Any,
    limits: Any,
    sizes: Any,
    highpass: Any,
    lowpass: Any,
    high_memory: Any,
    low_memory: Any,
    f: Any,
    k: Any,
    ring: Any,
    minima: Any,
    out: Any,
) -> None:
    """``out`` (n,): 1 where somebody speaks, by what is known before each sample."""
    for i in range(x.shape[0]):
        out[i] = 1 if k[HANG] > 0 else 0
        value = float(x[i])
        if valid[i] == 0 or not math.isfinite(value):
            value = 0.0
            k[BAD] = 1
        high = _through(highpass, high_memory, value)
        f[SUM] += high * high
        low = _through(lowpass, low_memory, high)
        k[PHASE] += 1
        if k[PHASE] == sizes[DECIMATION]:
            k[PHASE] = 0
            half = ring.shape[0] // 2
            k[RING_AT] = (k[RING_AT] + 1) % half
            ring[k[RING_AT]] = low
            ring[k[RING_AT] + half] = low
        k[POSITION] += 1
        if k[POSITION] == sizes[FRAME]:
            _end_frame(limits, sizes, f, k, ring, minima)
