"""What may be said aloud: a prediction made steady, and taken back when it is weak or old.

Probabilities are smoothed over about a second. The class that is shown changes only when another leads by
a margin (hysteresis), and nothing is named while the leader is weak. What was said once is never shown as
current when its window has become old: :meth:`DecisionTrack.current` looks at the clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bci_stream.engine.frame import Decision
from bci_stream.messages import FloatArray, Prediction

NONE = -1


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """When a class is named.

    ``smooth_s``: memory of the smoothing. ``lead``: by how much another class must lead to take over.
    ``enter``, ``leave``: share of the way from chance to certainty at which a class is named, and below
    which it is taken back. ``stale_s``: how long after it was due a prediction is still current.
    """

    smooth_s: float = 1.0
    lead: float = 0.1
    enter: float = 0.2
    leave: float = 0.1
    stale_s: float = 0.5


class DecisionTrack:
    """Follows the predictions of one model. One thread takes them in, any thread asks.

    ``usual_age_s``: how old a window may be by design when it is answered (hop and lateness).
    """

    def __init__(self, usual_age_s: float, rule: DecisionRule | None = None) -> None:
        self.rule = rule or DecisionRule()
        self._limit_s = usual_age_s + self.rule.stale_s
        self._smooth: FloatArray | None = None
        self._t_end = -np.inf
        self._said = NONE
        self._since_s = float("nan")
        self._last: Prediction | None = None
        self._is_old = False

    def take(self, prediction: Prediction) -> int:
        """The class that is named from this prediction on, or -1."""
        self._last = prediction
        probs = np.asarray(prediction.probs, np.float32)
        old_s = prediction.age_s + prediction.t_end - prediction.data_until  # NaN in a replay: never old
        self._is_old = old_s > self.rule.stale_s  # it came with data that were not of now any more
        if prediction.label is None or self._is_old:
            self._smooth = None
            return self._say(NONE, prediction.t_end)
        gap_s = prediction.t_end - self._t_end
        self._t_end = prediction.t_end
        if self._smooth is None or len(self._smooth) != len(probs) or not 0 <= gap_s < self._limit_s + 1:
            self._smooth = probs
        else:
            gain = np.float32(-np.expm1(-gap_s / self.rule.smooth_s))
            self._smooth = self._smooth + gain * (probs - self._smooth)
        return self._say(self._choose(self._smooth), prediction.t_end)

    def current(self, now_s: float, t0_s: float, waiting: str = "no prediction yet") -> Decision:
        """What may be shown as current at local time ``now_s``."""
        last = self._last
        if last is None:
            return Decision("none", None, 0.0, waiting, float("nan"))
        age_s = now_s - last.t_end
        since_s = self._since_s - t0_s
        if age_s > self._limit_s:
            return Decision("stale", None, 0.0, f"the last word is {age_s:.1f} s old", age_s, since_s)
        if last.label is None or self._is_old:
            return Decision("uncertain", None, 0.0, "no signal good enough to decide", age_s, since_s)
        said, smooth = self._said, self._smooth
        if said == NONE or smooth is None:
            words = f"no class stands out (best {last.confidence:.0%})"
            return Decision("uncertain", None, last.confidence, words, age_s, since_s)
        confidence = float(smooth[said])
        return Decision("decided", last.classes[said], confidence, "", age_s, since_s)

    def reset(self) -> None:
        """What comes next is unconnected."""
        self._smooth, self._last, self._said, self._t_end = None, None, NONE, -np.inf

    def _choose(self, smooth: FloatArray) -> int:
        best = int(np.argmax(smooth))
        strength = _above_chance(float(smooth[best]), len(smooth))
        if self._said == NONE or self._said >= len(smooth):
            return best if strength >= self.rule.enter else NONE
        if best != self._said and smooth[best] - smooth[self._said] < self.rule.lead:
            best = self._said
        strength = _above_chance(float(smooth[best]), len(smooth))
        return best if strength >= self.rule.leave else NONE

    def _say(self, which: int, t_end: float) -> int:
        if which != self._said or self._since_s != self._since_s:
            self._said, self._since_s = which, t_end
        return which


def _above_chance(prob: float, n_classes: int) -> float:
    chance = 1.0 / n_classes
    return (prob - chance) / (1.0 - chance)
