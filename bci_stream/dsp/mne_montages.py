"""Where electrodes sit that the 10-05 system does not name (EGI's E1 to E256, BioSemi's A1 to D32, …).

MNE-Python knows many caps; it is asked only when it is installed and our own table knows less than half.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bci_stream.dsp.montage import position

Places = NDArray[np.float64]
_ENOUGH = 0.5


def places_of(names: Sequence[str]) -> Places:
    """Places (C, 3) on the unit sphere (right, front, up), NaN where nobody knows."""
    return _places_of(tuple(names)).copy()


@lru_cache(maxsize=8)
def _places_of(names: tuple[str, ...]) -> Places:
    nowhere = (np.nan,) * 3
    own = np.array([nowhere if (at := position(name)) is None else at for name in names]).reshape(-1, 3)
    known = np.isfinite(own).all(1).sum()
    if not names or known > _ENOUGH * len(names):
        return own
    best = max(_caps(names), key=lambda cap: (cap.n_found, -cap.n_electrodes), default=_Cap(own, 0, 0))
    return best.places if best.n_found > known else own


class _Cap(NamedTuple):
    places: Places
    n_found: int
    n_electrodes: int


def _caps(names: tuple[str, ...]) -> list[_Cap]:
    """The same electrodes as each of MNE's caps has them; none where it is not installed."""
    try:
        from mne.channels import get_builtin_montages, make_standard_montage
    except ImportError:
        return []
    wanted = {name.strip().casefold(): i for i, name in enumerate(names)}
    caps = []
    for cap in get_builtin_montages():
        there = make_standard_montage(cap).get_positions()["ch_pos"]
        found = np.full((len(names), 3), np.nan)
        sphere = _on_sphere(np.array(list(there.values())))
        for name, place in zip(there, sphere, strict=True):
            if (i := wanted.get(name.casefold())) is not None:
                found[i] = place
        caps.append(_Cap(found, int(np.isfinite(found).all(1).sum()), len(there)))
    return caps


def _on_sphere(places: Places) -> Places:
    """Electrodes (n, 3) of a cap as directions from the middle of the sphere that fits them best."""
    if len(places) < 5:
        middle = np.zeros(3)
    else:
        system = np.column_stack([2 * places, np.ones(len(places))])
        middle = np.linalg.lstsq(system, (places**2).sum(1), rcond=None)[0][:3]
    out = places - middle
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))
