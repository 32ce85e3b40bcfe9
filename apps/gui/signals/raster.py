"""Compiled drawing: samples into the columns of an image, without the interpreter's lock.

Importing this module compiles it (then it is cached on disk). An image is (height, width) uint32 of
0xffRRGGBB; column ``c`` of the signal is drawn into column ``c % width``, so scrolling and sweeping draw only
what is new. A column shows the extremes of the polyline through the samples over its stretch of time: with
many samples a pixel nothing is left out, with few the line is connected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from bci_stream.messages import Flag

_GAP = int(Flag.GAP)
_CLIPPED = int(Flag.RAIL | Flag.RANGE)
_FLAT = int(Flag.FLAT)
_HATCH = 6

_F2 = types.Array(types.float32, 2, "C", readonly=True)
_U1 = types.Array(types.uint8, 1, "C", readonly=True)
_U2 = types.Array(types.uint8, 2, "C", readonly=True)
_I1 = types.int64[::1]
_D1 = types.float64[::1]
_C1 = types.uint32[::1]
_IMAGE = types.uint32[:, ::1]


def _there(mask: Any, i: int) -> Any:
    return 0 <= i < mask.size and (mask[i] & _GAP) == 0


_there = njit(cache=True, nogil=True)(_there)


def _edge(data: Any, mask: Any, x: float, shown: Any, low: Any, high: Any) -> None:
    """Let the polyline's value at row position ``x`` count among the extremes."""
    i = int(np.floor(x))
    if not (_there(mask, i) and _there(mask, i + 1)):
        return
    part = np.float32(x - i)
    for lane in range(shown.size):
        c = shown[lane]
        v = data[i, c] + part * (data[i + 1, c] - data[i, c])
        if np.isfinite(v):
            low[lane] = min(low[lane], v)
            high[lane] = max(high[lane], v)


_edge = njit(cache=True, nogil=True)(_edge)


def _inside(
    data: Any, mask: Any, marks: Any, first: int, stop: int, shown: Any, low: Any, high: Any, seen: Any
) -> int:
    """Let every sample of rows [first, stop) count; returns how many of them are gaps."""
    gaps = 0
    for i in range(max(first, 0), min(stop, mask.size)):
        if (mask[i] & _GAP) != 0:
            gaps += 1
            continue
        for lane in range(shown.size):
            c = shown[lane]
            v = data[i, c]
            seen[lane] |= marks[i, c]
            if np.isfinite(v):
                low[lane] = min(low[lane], v)
                high[lane] = max(high[lane], v)
    return gaps


_inside = njit(cache=True, nogil=True)(_inside)


def _hatch(image: Any, x: int, column: int, colour: int) -> None:
    for y in range(image.shape[0]):
        if (y + column) % _HATCH == 0:
            image[y, x] = colour


_hatch = njit(cache=True, nogil=True)(_hatch)


def _traces(
    data: Any,
    mask: Any,
    marks: Any,
    start: float,
    rows_per_column: float,
    image: Any,
    column: int,
    n_columns: int,
    shown: Any,
    centre: Any,
    gain: float,
    offset: Any,
    reach: float,
    thick: int,
    colours: Any,
    special: Any,
) -> None:
    """Draw columns ``column`` to ``column + n_columns`` of traces.

    ``start``: row position, in ``data``, of the first column's left edge. ``shown`` (L,): channel of each
    lane; ``centre`` (L,) px, ``offset`` (L,) in the signal's unit; ``gain``: px per unit. ``reach``: px that
    a trace may leave its lane's centre. ``colours`` (L,). ``special``: background, gap, clipped, flat.
    """
    height, width = image.shape
    n_lanes = shown.size
    low, high = np.empty(n_lanes, np.float32), np.empty(n_lanes, np.float32)
    seen = np.empty(n_lanes, np.uint8)
    for k in range(n_columns):
        x = (column + k) % width
        left = start + k * rows_per_column
        right = left + rows_per_column
        low[:] = np.inf
        high[:] = -np.inf
        seen[:] = 0
        for y in range(height):
            image[y, x] = special[0]
        first, stop = int(np.ceil(left)), int(np.ceil(right))
        gaps = _inside(data, mask, marks, first, stop, shown, low, high, seen)
        _edge(data, mask, left, shown, low, high)
        _edge(data, mask, right, shown, low, high)
        nearest = int(np.floor(left))
        between = first == stop and 0 <= nearest < mask.size and (mask[nearest] & _GAP) != 0
        if gaps > 0 or between:
            _hatch(image, x, column + k, special[1])
        for lane in range(n_lanes):
            if low[lane] > high[lane]:
                continue
            up, down = (high[lane] - offset[lane]) * gain, (low[lane] - offset[lane]) * gain
            if down > reach or up < -reach:
                continue  # wholly beyond: it comes back where it crosses the limit
            y0 = centre[lane] - min(up, reach)
            y1 = centre[lane] - max(down, -reach)
            top = max(0, int(np.floor(y0 + 0.5)))
            bottom = min(height - 1, int(np.floor(y1 + 0.5)) + thick - 1)
            colour = colours[lane]
            if (seen[lane] & _CLIPPED) != 0:
                colour = special[2]
            elif (seen[lane] & _FLAT) != 0:
                colour = special[3]
            for y in range(top, bottom + 1):
                image[y, x] = colour


draw_traces = njit(
    [
        types.void(
            _F2,
            _U1,
            _U2,
            types.float64,
            types.float64,
            _IMAGE,
            types.int64,
            types.int64,
            _I1,
            _D1,
            types.float64,
            _D1,
            types.float64,
            types.int64,
            _C1,
            _C1,
        )
    ],
    cache=True,
    nogil=True,
)(_traces)


def _heat(
    data: Any,
    mask: Any,
    start: float,
    rows_per_column: float,
    image: Any,
    column: int,
    n_columns: int,
    low: float,
    high: float,
    palette: Any,
    special: Any,
) -> None:
    """Draw columns of a map: channel 0 at the bottom, values from ``low`` to ``high`` by ``palette``."""
    height, width = image.shape
    n_channels, n_colours = data.shape[1], palette.size
    mean = np.empty(n_channels)
    for k in range(n_columns):
        x = (column + k) % width
        left = start + k * rows_per_column
        first = int(np.floor(left))
        stop = max(first + 1, int(np.ceil(left + rows_per_column)))
        mean[:] = 0.0
        n, gaps = 0, 0
        for i in range(max(first, 0), min(stop, mask.size)):
            if (mask[i] & _GAP) != 0:
                gaps += 1
                continue
            n += 1
            for c in range(n_channels):
                mean[c] += data[i, c]
        for y in range(height):
            if n == 0:
                image[y, x] = special[0]
                continue
            c = min(n_channels - 1, (height - 1 - y) * n_channels // height)
            share = (mean[c] / n - low) / (high - low)
            image[y, x] = palette[min(max(int(share * (n_colours - 1) + 0.5), 0), n_colours - 1)]
        if n == 0 and gaps > 0:
            _hatch(image, x, column + k, special[1])


draw_heat = njit(
    [
        types.void(
            _F2,
            _U1,
            types.float64,
            types.float64,
            _IMAGE,
            types.int64,
            types.int64,
            types.float64,
            types.float64,
            _C1,
            _C1,
        )
    ],
    cache=True,
    nogil=True,
)(_heat)


def _blank(image: Any, column: int, n_columns: int, colour: int, hatch: int) -> None:
    """Fill columns; ``hatch``: a colour to mark them as a gap with, 0 for none."""
    height, width = image.shape
    for k in range(n_columns):
        x = (column + k) % width
        for y in range(height):
            image[y, x] = colour
        if hatch:
            _hatch(image, x, column + k, hatch)


blank = njit(
    [types.void(_IMAGE, types.int64, types.int64, types.uint32, types.uint32)], cache=True, nogil=True
)(_blank)
