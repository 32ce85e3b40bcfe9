"""Where an electrode sits, read from its 10-05 name (Oostenveld & Praamstra 2001), seen from above.

The name itself says it: letters tell the row from front to back, the number how far to the side,
odd to the left. Good to a few millimetres on a sphere, which is all that a simulated scalp needs.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError

#: Row letters -> how far to the front, in head radii; the circle through Fpz, T7, Oz and T8 is 1.
# fmt: off
_ROWS: Final = {
    "N": 1.2, "FP": 1.0, "AFP": 0.87, "AF": 0.75, "AFF": 0.62, "F": 0.5, "FFC": 0.37, "FFT": 0.37,
    "FC": 0.25, "FT": 0.25, "FCC": 0.12, "FTT": 0.12, "C": 0.0, "T": 0.0, "CCP": -0.12, "TTP": -0.12,
    "CP": -0.25, "TP": -0.25, "CPP": -0.37, "TPP": -0.37, "P": -0.5, "PPO": -0.62, "PO": -0.75,
    "POO": -0.87, "O": -1.0, "OI": -1.1, "I": -1.2, "A": -0.1, "M": -0.2,
}
# fmt: on
#: The 10-20 names of 1958 that the 10-10 system renamed, and the ear and mastoid references.
_ALIASES: Final = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_REFERENCES: Final = {"A1": "A9", "A2": "A10", "M1": "M9", "M2": "M10"}
_NAME: Final = re.compile(r"([A-Z]+?)(Z|\d{1,2})(H?)")


def electrode_xy(name: str) -> NDArray[np.float64]:
    """(2,): to the right and to the front, in head radii. Raises ConfigError for no 10-05 name."""
    plain = name.strip().upper()
    found = _NAME.fullmatch(_REFERENCES.get(plain, _ALIASES.get(plain, plain)))
    if found is None or found[1] not in _ROWS:
        raise ConfigError(
            f"no electrode of the 10-05 system is called {name!r}; use names such as Fp1, Cz, TP10"
        )
    y = _ROWS[found[1]]
    number = 0 if found[2] == "Z" else int(found[2])
    steps = (number + 1) // 2 - (0.5 if found[3] and number else 0.0)
    side = 1.0 if number % 2 == 0 else -1.0
    widest = np.sqrt(max(1.0 - y * y, 0.1))
    return np.array([side * 0.23 * steps * widest, y])


def topography(
    positions: NDArray[np.float64], centre: tuple[float, float], width: float
) -> NDArray[np.float64]:
    """(n, 2) positions -> (n,) weights: 1 at ``centre``, a Gaussian of SD ``width`` head radii around it."""
    return np.asarray(np.exp(-((positions - centre) ** 2).sum(axis=1) / (2 * width**2)))
