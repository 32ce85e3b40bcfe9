"""The predictions of the last minutes, as arrays for a plot. Written by the engine, read from any thread."""

from __future__ import annotations

import numpy as np

from bci_stream.engine.frame import PredictionHistory
from bci_stream.messages import Prediction

_KEPT = 3000  # ten minutes at five a second


class PastPredictions:
    """A ring of predictions of one list of classes.

    ``heads``: names of the heads whose probabilities are kept too. ``hop_s``: for how long each speaks.
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        heads: tuple[str, ...] = (),
        kept: int = _KEPT,
        *,
        hop_s: float = 0.2,
    ) -> None:
        self.classes = classes
        self._hop_s = hop_s
        self._seconds = np.zeros(len(classes) + 1)  # the last one: nothing was named
        self._n_flips = 0
        self._named = -1  # the last class that was named
        n = len(classes)
        self._times = np.zeros(2 * kept)
        self._probs = np.zeros((2 * kept, n), np.float32)
        self._said = np.zeros(2 * kept, np.int16)
        self._gate = np.zeros(2 * kept, np.float32)
        self._by_head = {head: np.zeros((2 * kept, n), np.float32) for head in heads}
        self._kept = kept
        self._n = 0
        self._made: tuple[int, PredictionHistory] | None = None

    def add(self, prediction: Prediction, decision: int) -> None:
        """Take the next one; ``decision``: index of the class that is named, -1 for none."""
        probs = np.asarray(prediction.probs, np.float32) if prediction.label is not None else np.nan
        for at in (self._n % self._kept, self._n % self._kept + self._kept):
            self._times[at], self._said[at], self._gate[at] = prediction.t_end, decision, prediction.gate
            self._probs[at] = probs
            for head, rows in self._by_head.items():
                rows[at] = _softmax(prediction.heads.get(head), len(self.classes))
        self._count(decision)
        self._n += 1

    def arrays(self) -> PredictionHistory:
        """All that is kept, oldest first; the very same object while nothing was added."""
        n = self._n
        if self._made is None or self._made[0] != n:
            # Every row stands twice, a capacity apart, so that the newest ones lie in one piece.
            stop = (n - 1) % self._kept + self._kept + 1 if n else 0
            rows = slice(max(0, stop - min(n, self._kept - 1)), stop)
            self._made = (n, self._copied(rows))
        return self._made[1]

    def _count(self, decision: int) -> None:
        self._seconds[decision] += self._hop_s  # -1: the last one
        if decision >= 0:
            self._n_flips += self._named not in (-1, decision)
            self._named = decision

    def _copied(self, rows: slice) -> PredictionHistory:
        return PredictionHistory(
            self.classes,
            _frozen(self._times[rows]),
            _frozen(self._probs[rows]),
            _frozen(self._said[rows]),
            _frozen(self._gate[rows]),
            {head: _frozen(values[rows]) for head, values in self._by_head.items()},
            _frozen(self._seconds.astype(np.float32)),
            self._n_flips,
        )


def _frozen(view: np.ndarray) -> np.ndarray:
    copy = view.copy()
    copy.flags.writeable = False
    return copy


def _softmax(logits: tuple[float, ...] | None, n: int) -> np.ndarray:
    if logits is None or len(logits) != n:
        return np.full(n, np.nan, np.float32)
    values = np.exp(np.asarray(logits, np.float64) - max(logits))
    return np.asarray(values / values.sum(), np.float32)


def no_past(classes: tuple[str, ...] = ()) -> PredictionHistory:
    """A history in which nothing was said."""
    return PastPredictions(classes, kept=1).arrays()
