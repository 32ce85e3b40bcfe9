"""Electrodes made from other electrodes by spherical splines.

After Perrin, Pernier, Bertrand and Echallier (1989), Spherical splines for scalp potential and current
density mapping, Electroencephalography and Clinical Neurophysiology 72:184-187,
doi 10.1016/0013-4694(89)90180-6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bci_stream.dsp.montage import canonical, known, position
from bci_stream.dsp.spatial import Matrix
from bci_stream.errors import ConfigError

MIN_ELECTRODES = 4
_STIFFNESS = 4  # m of the paper
_N_TERMS = 50  # the series has converged to float64 long before
_REGULARISATION = 1e-5


def interpolation_matrix(from_names: Sequence[str], to_names: Sequence[str]) -> Matrix:
    """Weights (n_to, n_from) that make ``to_names`` from ``from_names``.

    An electrode that is present is passed through exactly. Every other one is the spherical spline
    through the present electrodes whose place is known; channels of unknown place get no weight.

    Raises:
        ConfigError: fewer than 4 present electrodes have a known place, one name stands twice, or a
            wanted electrode is neither present nor of known place.
    """
    present = {canonical(name): i for i, name in enumerate(from_names)}
    _refuse_twins(from_names, to_names)
    matrix = np.zeros((len(to_names), len(from_names)))
    absent = [row for row, name in enumerate(to_names) if canonical(name) not in present]
    for row, name in enumerate(to_names):
        if row not in absent:
            matrix[row, present[canonical(name)]] = 1.0
    if absent:
        sources = [i for i, name in enumerate(from_names) if known(name)]
        _refuse_too_little(from_names, sources, [to_names[row] for row in absent])
        weights = spline_weights(
            _places([from_names[i] for i in sources]), _places([to_names[row] for row in absent])
        )
        matrix[np.ix_(absent, sources)] = weights
    return matrix


def _refuse_twins(from_names: Sequence[str], to_names: Sequence[str]) -> None:
    wanted = {canonical(name) for name in to_names}
    count = Counter(canonical(name) for name in from_names if known(name) or canonical(name) in wanted)
    twins = [name for name in from_names if count[canonical(name)] > 1]
    if twins:
        raise ConfigError(
            f"interpolation: {', '.join(twins)} name one electrode more than once; rename or pick channels"
        )


def _refuse_too_little(from_names: Sequence[str], sources: Sequence[int], absent: Sequence[str]) -> None:
    nowhere = [name for name in absent if not known(name)]
    if nowhere:
        raise ConfigError(
            f"interpolation: {', '.join(nowhere)} cannot be made, the 10-05 system has no such electrode;"
            f" the stream has {', '.join(from_names)}"
        )
    if len(sources) < MIN_ELECTRODES:
        usable = ", ".join(from_names[i] for i in sources) or "none"
        raise ConfigError(
            f"interpolation: {', '.join(absent)} need at least {MIN_ELECTRODES} electrodes of known place;"
            f" of {', '.join(from_names) or 'no channels'} known are {usable}; name the channels in order"
        )


def _places(names: Sequence[str]) -> NDArray[np.float64]:
    """Positions (n, 3) of electrodes that are known."""
    return np.array([where for name in names if (where := position(name)) is not None])


def spline_weights(
    from_places: NDArray[np.float64],
    to_places: NDArray[np.float64],
    g: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> Matrix:
    """Weights (n_to, n_from): the paper's equation 1 with its equation 2 solved for the coefficients.

    ``g``: the paper's equation 3; :func:`tabled_g` where many places are wanted and speed counts.
    """
    n, g = len(from_places), g or _g
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = g(from_places @ from_places.T) + _REGULARISATION * np.eye(n)
    system[n, n] = 0.0
    spline = np.hstack([g(to_places @ from_places.T), np.ones((len(to_places), 1))])
    return np.asarray(spline @ np.linalg.inv(system)[:, :n])


def tabled_g(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's equation 3 from a table, to 1e-7 of its largest value; a hundred times quicker."""
    cosines, values = _table()
    return np.interp(cosine, cosines, values)


@cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cosines = np.linspace(-1.0, 1.0, 8001)
    return cosines, _g(cosines)


def _g(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's equation 3: a weighted sum of Legendre polynomials of the cosine between two places."""
    n = np.arange(1, _N_TERMS + 1)
    factors = (2 * n + 1) / (n * (n + 1.0)) ** _STIFFNESS / (4 * np.pi)
    return np.asarray(
        np.polynomial.legendre.legval(np.clip(cosine, -1.0, 1.0), np.concatenate([[0.0], factors]))
    )
