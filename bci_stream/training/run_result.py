"""A finished run as a value: what was trained on what, split how, and what it said of every test trial.

Figures are always computed from the predictions; no accuracy is ever a number typed by hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bci_stream.errors import ResultError
from bci_stream.training.metrics import Floats, Ints, describe, person_accuracy
from bci_stream.training.splits import Fold, Split, TrialId


@dataclass(frozen=True, slots=True)
class Predictions:
    """What was said of ``n`` test trials.

    ``persons``: (n,) who. ``trials``: (n,) place in the person's session. ``labels``: (n,) index of the true
    class. ``probs``: (n, K) by pattern of presence.
    """

    persons: tuple[str, ...]
    trials: Ints
    labels: Ints
    probs: Mapping[str, Floats]

    def __post_init__(self) -> None:
        """Refuse what no figure can be computed from.

        Raises:
            ResultError: lengths differ, a trial is there twice, or probabilities are none.
        """
        n = len(self.persons)
        if n == 0 or len(self.trials) != n or len(self.labels) != n or not self.probs:
            raise ResultError(f"predictions of {n} persons, {len(self.trials)} trials: give one of each")
        if len(set(zip(self.persons, self.trials.tolist(), strict=True))) != n:
            raise ResultError(
                "a trial is predicted twice; join its windows first, and test it in one fold only"
            )
        for pattern, probs in self.probs.items():
            _check_probs(pattern, probs, self.labels)

    def trial_ids(self, classes: Sequence[str]) -> list[TrialId]:
        """The trials with the names of their classes."""
        rows = zip(self.persons, self.trials.tolist(), self.labels.tolist(), strict=True)
        return [TrialId(person, number, classes[label]) for person, number, label in rows]


def _check_probs(pattern: str, probs: Floats, labels: Ints) -> None:
    if probs.ndim != 2 or len(probs) != len(labels) or labels.min() < 0 or labels.max() >= probs.shape[1]:
        raise ResultError(f"probabilities of pattern {pattern} are {probs.shape}, of {len(labels)} trials")
    if not (np.isfinite(probs).all() and probs.min() >= 0 and np.allclose(probs.sum(axis=1), 1, atol=1e-3)):
        raise ResultError(f"pattern {pattern} holds what is no probability; rows must be >= 0 and sum to 1")


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run; see :func:`make_result`."""

    name: str
    mode: str
    modalities: tuple[str, ...]
    split: str
    protocol: str
    leaks: bool
    generated: bool
    data_name: str
    data_sha256: str
    classes: tuple[str, ...]
    seed: int
    folds: tuple[Fold, ...]
    metrics: Mapping[str, Mapping[str, Any]]
    per_person: Mapping[str, Mapping[str, float]]
    predictions: Predictions
    oracle: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def main_pattern(self) -> str:
        """The pattern in which everything is used."""
        return "both" if len(self.modalities) > 1 else self.modalities[0]


def make_result(
    split: Split,
    predictions: Predictions,
    *,
    name: str,
    mode: str,
    modalities: Sequence[str],
    data_name: str,
    data_sha256: str,
    generated: bool,
    classes: Sequence[str],
    seed: int,
    oracle: float | None = None,
    versions: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> RunResult:
    """Compute every figure of a run from its predictions.

    Raises:
        ResultError: predictions have another number of classes.
    """
    for pattern, probs in predictions.probs.items():
        if probs.shape[1] != len(classes):
            raise ResultError(f"pattern {pattern} has {probs.shape[1]} classes, the run {len(classes)}")
    return RunResult(
        name=name,
        mode=mode,
        modalities=tuple(modalities),
        split=split.kind,
        protocol=split.protocol,
        leaks=split.leaks,
        generated=generated,
        data_name=data_name,
        data_sha256=data_sha256,
        classes=tuple(classes),
        seed=seed,
        folds=split.folds,
        metrics={
            pattern: _without_nan(describe(probs, predictions.labels, predictions.persons))
            for pattern, probs in predictions.probs.items()
        },
        per_person=accuracy_of_people(predictions),
        predictions=predictions,
        oracle=oracle,
        versions=dict(versions or {}),
        config=_without_nan(dict(config or {})),
    )


def accuracy_of_people(predictions: Predictions) -> dict[str, dict[str, float]]:
    """Accuracy of each person, by pattern."""
    labels, persons = predictions.labels, predictions.persons
    return {
        pattern: person_accuracy(probs.argmax(axis=1), labels, persons)
        for pattern, probs in predictions.probs.items()
    }


def _without_nan(value: Any) -> Any:
    """NaN is no JSON: null in its place."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
