"""Valence and arousal: where the classes lie on the circumplex, and where the probabilities pull. No Qt.

Places after Russell (1980), A circumplex model of affect, Journal of Personality and Social Psychology
39:1161-1178, doi 10.1037/h0077714, figure 4, read to a tenth. Classes whose place is not known are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.engine.frame import Frame

TRAIL_S: Final = 10.0
_MOST_TRAIL = 60

#: (valence, arousal), both from -1 to 1.
PLACES: Final = {
    "neutral": (0.0, 0.0),
    "happiness": (0.8, 0.5),
    "excitement": (0.6, 0.8),
    "surprise": (0.2, 0.9),
    "pleasure": (0.8, 0.2),
    "relaxation": (0.7, -0.5),
    "calm": (0.6, -0.3),
    "sleepiness": (0.3, -0.7),
    "tiredness": (0.0, -0.6),
    "boredom": (-0.7, -0.6),
    "sadness": (-0.6, -0.3),
    "misery": (-0.7, -0.1),
    "annoyance": (-0.5, 0.4),
    "frustration": (-0.6, 0.5),
    "anger": (-0.5, 0.6),
    "fear": (-0.3, 0.6),
}
_OTHER_NAMES = {
    "happy": "happiness",
    "joy": "happiness",
    "excited": "excitement",
    "surprised": "surprise",
    "astonished": "surprise",
    "pleased": "pleasure",
    "relaxed": "relaxation",
    "calmness": "calm",
    "sleepy": "sleepiness",
    "tired": "tiredness",
    "bored": "boredom",
    "sad": "sadness",
    "miserable": "misery",
    "annoyed": "annoyance",
    "frustrated": "frustration",
    "angry": "anger",
    "afraid": "fear",
    "fearful": "fear",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A class on the circumplex; ``prob`` is NaN when nothing is current."""

    name: str
    which: int
    valence: float
    arousal: float
    prob: float


@dataclass(frozen=True, slots=True, eq=False)
class Circumplex:
    """``point``: (valence, arousal) now, None when nothing is current. ``trail``: (n, 2), oldest first.
    ``unplaced``: probability of classes that have no place, NaN when nothing is current.
    """

    places: tuple[Place, ...]
    point: tuple[float, float] | None
    trail: NDArray[np.float64]
    unplaced: float
    left_out: tuple[str, ...]


def place_of(name: str) -> tuple[float, float] | None:
    """Where a class lies, if anybody knows."""
    folded = name.strip().casefold()
    return PLACES.get(_OTHER_NAMES.get(folded, folded))


def circumplex(frame: Frame) -> Circumplex:
    """The circumplex of a frame."""
    history = frame.history
    found = [(k, place_of(name)) for k, name in enumerate(history.classes)]
    known = [(k, where) for k, where in found if where is not None]
    which, spots = [k for k, _ in known], np.array([where for _, where in known]).reshape(-1, 2)
    current = frame.decision.state in ("decided", "uncertain")
    probs = history.probs[-1] if current and len(history.probs) else np.full(len(found), np.nan)
    since = int(np.searchsorted(history.t_end, frame.now_s - TRAIL_S))
    rows = history.probs[since:][-_MOST_TRAIL:] if current else history.probs[:0]
    trail = _weighed(rows[:, which].astype(np.float64), spots)
    good = np.asarray(np.isfinite(trail).all(axis=1))
    point = (float(trail[-1, 0]), float(trail[-1, 1])) if len(trail) and good[-1] else None
    places = tuple(
        Place(history.classes[k], k, float(at[0]), float(at[1]), float(probs[k]))
        for k, at in zip(which, spots, strict=True)
    )
    unplaced = float(1.0 - probs[which].sum()) if known else 1.0
    left_out = tuple(name for name in history.classes if place_of(name) is None)
    return Circumplex(places, point, trail[good], unplaced, left_out)


def _weighed(probs: NDArray[np.float64], spots: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, P), (P, 2) -> (n, 2): the mean place by probability; NaN where no class with a place has any."""
    total = probs.sum(1, keepdims=True)
    return np.asarray(probs @ spots / np.where(total > 1e-6, total, np.nan))
