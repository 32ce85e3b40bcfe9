"""From windows to trials: a trial is what is counted, because its windows are far from independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bci_stream.model.contract import TOKEN_S
from bci_stream.training.evaluate import Scores
from bci_stream.training.metrics import TimeCurve, accuracy_vs_time, trial_probs

FloatMatrix = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrialScores:
    """What was said of ``n`` trials.

    ``persons``, ``trials``, ``labels``: (n,). ``probs``: (n, K) by pattern of presence, the softmax of the
    mean log probability of the trial's windows. ``raw``: the same before temperature.
    """

    persons: tuple[str, ...]
    trials: IntArray
    labels: IntArray
    probs: Mapping[str, FloatMatrix]
    raw: Mapping[str, FloatMatrix]

    def accuracy(self, pattern: str) -> float:
        """Share of trials that were named right."""
        return float(np.mean(self.probs[pattern].argmax(1) == self.labels))


def trial_scores(scores: Mapping[str, Scores], temperature: float = 1.0) -> TrialScores:
    """Join the windows of each trial; ``temperature`` divides the fused logits."""
    first = next(iter(scores.values()))
    keys = list(zip(first.persons, first.trials.tolist(), strict=True))
    label_of = dict(zip(keys, first.labels.tolist(), strict=True))
    probs, raw = {}, {}
    for name, part in scores.items():
        probs[name], trials = trial_probs(_log_probs(part.logits / temperature), keys)
        raw[name], _ = trial_probs(_log_probs(part.logits), keys)
    return TrialScores(
        tuple(person for person, _ in trials),
        np.array([number for _, number in trials], np.int64),
        np.array([label_of[key] for key in trials], np.int64),
        probs,
        raw,
    )


def _log_probs(logits: torch.Tensor) -> FloatMatrix:
    return torch.log_softmax(logits.double(), 1).numpy()


def join_trials(parts: Sequence[TrialScores]) -> TrialScores:
    """The trials of several folds, one after the other."""
    return TrialScores(
        tuple(person for part in parts for person in part.persons),
        np.concatenate([part.trials for part in parts]),
        np.concatenate([part.labels for part in parts]),
        {name: np.concatenate([part.probs[name] for part in parts]) for name in parts[0].probs},
        {name: np.concatenate([part.raw[name] for part in parts]) for name in parts[0].raw},
    )


def time_curve(scores: Scores) -> TimeCurve:
    """Accuracy of the trials by the windows that had ended so many seconds after the trial began."""
    ends_s = (scores.ends.numpy() + 1) * TOKEN_S
    longest = float(ends_s.max())
    grid_s = np.arange(1.0, longest + 1e-6) if longest >= 2.0 else np.array([longest])
    keys = list(zip(scores.persons, scores.trials.tolist(), strict=True))
    return accuracy_vs_time(_log_probs(scores.logits), scores.labels.numpy(), keys, ends_s, grid_s)
