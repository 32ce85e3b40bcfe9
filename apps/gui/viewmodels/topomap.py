"""A number for each electrode as a picture of the head: computed once on a coarse grid. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.dsp.montage import from_above, seen_from_above
from bci_stream.dsp.splines import MIN_ELECTRODES, spline_weights, tabled_g

GRID: Final = 41  #: pixels across; the screen makes it smooth
_HEAD = 1.1  # radius of the outline; 1 is the line Fpz, T7, Oz, T8
_MARGIN = 0.08
_TRUST_NEAR, _TRUST_FAR = 0.12, 0.35  # radii of the head from an electrode

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeadMap:
    """Values on a head seen from above, nose up.

    ``names``, ``points`` (n, 2), ``values`` (n,): electrodes whose place is known; x to the right ear, y to
    the nose, in units of the outline's radius. ``image``: (GRID, GRID), the nose's row first, from -1 to 1
    across; empty when too few places are known. ``low``, ``high``: the scale, as far down as up.
    ``left_out``: how many electrodes have no place or no value.
    """

    names: tuple[str, ...]
    points: Floats
    values: Floats
    image: Floats
    low: float
    high: float
    left_out: int

    def strongest(self, n: int = 3) -> tuple[str, ...]:
        """Names of the largest values, the largest first."""
        return tuple(self.names[i] for i in np.argsort(-self.values, kind="stable")[:n])


def head_map(names: tuple[str, ...], values: NDArray[np.float32], places: NDArray[np.float32]) -> HeadMap:
    """The picture; ``values`` (C,), ``places`` (C, 3) on the unit sphere, NaN where nobody knows."""
    numbers = np.asarray(values, np.float64)
    there = np.isfinite(numbers) & np.isfinite(places).all(1) if len(places) == len(numbers) else None
    if there is None or not there.any():
        none = np.zeros((0, 2))
        return HeadMap((), none, none[:, 0], np.zeros((0, 0)), -1.0, 1.0, len(numbers))
    points, matrix = _geometry(np.ascontiguousarray(places[there], np.float64).tobytes())
    shown = numbers[there]
    edge = float(np.abs(shown).max()) or 1.0
    return HeadMap(
        tuple(name for name, ok in zip(names, there, strict=True) if ok),
        points,
        shown,
        _image(matrix, shown),
        -edge,
        edge,
        int((~there).sum()),
    )


def _image(matrix: Floats, values: Floats) -> Floats:
    """The field between the electrodes, no higher or lower than they are."""
    if not matrix.size:
        return np.zeros((0, 0))
    return np.clip(matrix @ values, values.min(), values.max()).reshape(GRID, GRID)


@lru_cache(maxsize=8)
def _geometry(packed: bytes) -> tuple[Floats, Floats]:
    """Points (n, 2) and the matrix (GRID * GRID, n) of the field, empty for too few electrodes."""
    places = np.frombuffer(packed, np.float64).reshape(-1, 3)
    seen = np.array([seen_from_above(place) for place in places])
    radius = max(_HEAD, float(np.hypot(*seen.T).max()) + _MARGIN)
    points = seen / radius
    if len(np.unique(points.round(3), axis=0)) < MIN_ELECTRODES:
        return points, np.zeros((0, 0))
    line = np.linspace(-1, 1, GRID)
    x, y = np.meshgrid(line, line[::-1])
    grid = np.column_stack([x.ravel(), y.ravel()])
    grid /= np.maximum(1.0, np.hypot(grid[:, 0], grid[:, 1]))[:, None]  # the corners are not seen
    return points, _tamed(spline_weights(places, from_above(grid * radius), tabled_g), grid, points)


def _tamed(matrix: Floats, grid: Floats, points: Floats) -> Floats:
    """The field; far from every electrode, where a spline only guesses, the mean of the nearest ones."""
    away = np.hypot(grid[:, None, 0] - points[None, :, 0], grid[:, None, 1] - points[None, :, 1])  # (G, n)
    near = 1.0 / np.maximum(away, 1e-3) ** 4
    near /= near.sum(1, keepdims=True)
    nearest = away.min(1, keepdims=True)
    guess = np.clip((nearest - _TRUST_NEAR) / (_TRUST_FAR - _TRUST_NEAR), 0.0, 1.0)
    return np.asarray((1.0 - guess) * matrix + guess * near)
