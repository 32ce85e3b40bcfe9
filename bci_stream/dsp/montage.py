"""Electrode positions of the 10-20, 10-10 and 10-05 systems on a unit sphere, by construction.

After Oostenveld and Praamstra (2001), The five percent electrode system for high-resolution EEG and ERP
measurements, Clinical Neurophysiology 112:713-719, doi 10.1016/S1388-2457(00)00527-7. The head is a sphere
on which a tenth of the way from nasion to inion is 22.5 degrees: Fpz, T7, Oz and T8 lie on the equator.

Each row of electrodes from left to right is a circle through three points: its two ends on the equator and
its middle on the line from nasion to inion. x points to the right ear, y to the nose, z up.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Position = NDArray[np.float64]  #: (3,) on the unit sphere: right, front, up

# Rows from front to back, 5 % of the head apart: (stem on the midline, of numbers 1 to 6, of 7 to 10).
_ROWS = (
    ("Fp", "Fp", "Fp"),
    ("AFp", "AFp", "AFp"),
    ("AF", "AF", "AF"),
    ("AFF", "AFF", "AFF"),
    ("F", "F", "F"),
    ("FFC", "FFC", "FFT"),
    ("FC", "FC", "FT"),
    ("FCC", "FCC", "FTT"),
    ("C", "C", "T"),
    ("CCP", "CCP", "TTP"),
    ("CP", "CP", "TP"),
    ("CPP", "CPP", "TPP"),
    ("P", "P", "P"),
    ("PPO", "PPO", "PPO"),
    ("PO", "PO", "PO"),
    ("POO", "POO", "POO"),
    ("O", "O", "O"),
)
_STEP_RAD = np.pi / 2 / 8  # one row on the midline: 90 degrees hold 8 rows
_BELOW_RAD = np.pi / 8  # a tenth of the head below the equator
_EAR_RAD = 1.5 * _BELOW_RAD

_OLD_NAMES = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8"}


def position(name: str) -> Position | None:
    """Where the electrode sits: (3,) float64 on the unit sphere (right, front, up), None if unknown.

    Case does not matter. T3, T4, T5, T6 are the old names of T7, T8, P7, P8. The ear lobes A1, A2
    and the mastoids M1, M2, no part of the system, sit a little below T9, T10, TP9, TP10.
    """
    found = _positions().get(canonical(name))
    return None if found is None else found.copy()


def known(name: str) -> bool:
    """Whether :func:`position` knows the electrode."""
    return canonical(name) in _positions()


def canonical(name: str) -> str:
    """One spelling, in lower case, for all the names of one electrode."""
    folded = name.strip().casefold()
    return _OLD_NAMES.get(folded, folded)


def seen_from_above(place: Position) -> Position:
    """(2,) right and front, nose up: the angle from the vertex becomes the radius, 1 on the equator."""
    angle = np.arccos(np.clip(place[2], -1, 1))
    flat = np.hypot(place[0], place[1])
    return np.asarray(place[:2] / flat * angle / (np.pi / 2) if flat > 1e-9 else np.zeros(2))


def from_above(points: Position) -> Position:
    """(n, 3) on the sphere of points (n, 2) of :func:`seen_from_above`."""
    radius = np.hypot(points[:, 0], points[:, 1])
    angle = radius * np.pi / 2
    flat = np.sin(angle) / np.where(radius > 1e-9, radius, 1.0)
    return np.column_stack([points[:, 0] * flat, points[:, 1] * flat, np.cos(angle)])


@cache
def _positions() -> dict[str, Position]:
    """Every electrode by its lower-case name."""
    found = _below_the_rows()
    for row, (middle, inner, outer) in enumerate(_ROWS):
        found[f"{middle}z".casefold()] = _midline(row)
        for number, side in ((0, -1), (1, 1)):  # odd numbers left, even right
            found |= {
                f"{inner if n < 7 else outer}{n + number}{half}".casefold(): where
                for n, half, where in _half_row(row, side)
            }
    return found


def _below_the_rows() -> dict[str, Position]:
    """The rims under Fp and O, nasion, inion, ear lobes and mastoids."""
    found = {"nz": _on_sphere(0.0, -_BELOW_RAD)}
    for side, number in ((-1, 1), (1, 2)):
        for half, share in (("h", 1 / 20), ("", 1 / 10)):
            behind = side * np.pi * (1 - share)
            found[f"n{number}{half}"] = _on_sphere(side * np.pi * share, -_BELOW_RAD)
            found[f"oi{number}{half}"] = _on_sphere(behind, -_BELOW_RAD / 2)
            found[f"i{number}{half}"] = _on_sphere(behind, -_BELOW_RAD)
        found[f"a{number}"] = _on_sphere(side * np.pi / 2, -_EAR_RAD)
        found[f"m{number}"] = _on_sphere(side * np.pi * 12 / 20, -_EAR_RAD)
    return found | {"oiz": _on_sphere(np.pi, -_BELOW_RAD / 2), "iz": _on_sphere(np.pi, -_BELOW_RAD)}


def _half_row(row: int, side: int) -> list[tuple[int, str, Position]]:
    """One side of a row as (odd number, "" or "h", position), from the midline down."""
    if row in (0, len(_ROWS) - 1):  # Fp and O lie on the equator itself: Fp1 a tenth, Fp1h half of that
        middle = 0.0 if row == 0 else np.pi
        step = side * np.pi / 10 * (1 if row == 0 else -1)
        return [(1, "h", _on_sphere(middle + step / 2, 0.0)), (1, "", _on_sphere(middle + step, 0.0))]
    # Along the equator a step is a twentieth of the half circle, and Fp1 is already two steps from Fpz.
    azimuth = side * np.pi * (row + 2) / 20
    end, middle_point = _on_sphere(azimuth, 0.0), _midline(row)
    numbers = [(n, half) for n in (1, 3, 5, 7) for half in ("h", "")]
    inner = [(n, half, _along(middle_point, end, (i + 1) / 8)) for i, (n, half) in enumerate(numbers)]
    below = [(9, "h", _on_sphere(azimuth, -_BELOW_RAD / 2)), (9, "", _on_sphere(azimuth, -_BELOW_RAD))]
    return inner + below


def _midline(row: int) -> Position:
    angle = _STEP_RAD * (8 - row)  # from the vertex, positive to the front
    return np.array([0.0, np.sin(angle), np.cos(angle)])


def _on_sphere(azimuth_rad: float, elevation_rad: float) -> Position:
    """Azimuth from the nose towards the right ear, elevation above the equator."""
    level = np.cos(elevation_rad)
    return np.array([level * np.sin(azimuth_rad), level * np.cos(azimuth_rad), np.sin(elevation_rad)])


def _along(middle: Position, end: Position, share: float) -> Position:
    """Part of the way from the middle of a row to its end, on the circle through both ends and the middle."""
    other_end = end * np.array([-1.0, 1.0, 1.0])
    normal = np.cross(end - middle, other_end - middle)
    normal /= np.linalg.norm(normal)
    centre = normal * (normal @ middle)
    u, w = middle - centre, end - centre
    radius = np.linalg.norm(u)
    whole = np.arccos(np.clip(u @ w / radius**2, -1.0, 1.0))
    across = (w - u * np.cos(whole)) / np.sin(whole)
    angle = share * whole
    return np.asarray(centre + np.cos(angle) * u + np.sin(angle) * across)
