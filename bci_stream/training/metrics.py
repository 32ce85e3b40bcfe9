"""How good a classifier is: from probabilities (n, K), true labels (n,) and persons (n,) to figures.

The unit is the trial: :func:`trial_probs` joins a trial's windows, which are far from independent. Chance is
always stated with the bound that guessing passes one time in twenty, and intervals come from a bootstrap over
people, because the next study will have other people.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Key = TypeVar("Key", bound=Hashable)

N_BOOTSTRAP: Final = 10_000
N_BINS: Final = 15
_TINY = 1e-12
NAN: Final = float("nan")


class Interval(NamedTuple):
    """95 %, inclusive; NaN where one person leaves nothing to draw from."""

    low: float
    high: float


class Reliability(NamedTuple):
    """Per bin of confidence: mean confidence, accuracy (both NaN where empty) and how many."""

    confidence: Floats
    accuracy: Floats
    n: Ints


class Coverage(NamedTuple):
    """Accuracy (n,) of the most confident share ``coverage`` (n,) of trials."""

    coverage: Floats
    accuracy: Floats


class TimeCurve(NamedTuple):
    """Accuracy (m,) over the ``n`` (m,) trials with a window that ended by ``t_s`` (m,)."""

    t_s: Floats
    accuracy: Floats
    n: Ints


def trial_probs(log_probs: Floats, trial_ids: Sequence[Key]) -> tuple[Floats, tuple[Key, ...]]:
    """Softmax of the mean log-probability of each trial's windows: (m, K) and the trials as first met.

    Args:
        log_probs: (n, K) of windows, nats.
        trial_ids: (n,) what tells trials apart, such as (person, number).
    """
    place: dict[Key, int] = {}
    rows = np.array([place.setdefault(key, len(place)) for key in trial_ids], dtype=np.int64)
    sums = np.zeros((len(place), log_probs.shape[1]))
    np.add.at(sums, rows, np.maximum(log_probs, np.log(_TINY)))  # a certain no would drown all other windows
    counts = np.bincount(rows, minlength=len(place))[:, None]
    return _softmax(sums / counts), tuple(place)


def _softmax(x: Floats) -> Floats:
    powers: Floats = np.exp(x - x.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def confusion_matrix(labels: Ints, predicted: Ints, n_classes: int) -> Ints:
    """(K, K) counts, a row for each true class."""
    flat = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def accuracy(confusion: Ints) -> float:
    """Share of trials named right."""
    return float(np.trace(confusion) / confusion.sum())


def per_class_recall(confusion: Ints) -> Floats:
    """(K,) share of each true class named right; NaN for a class that never came."""
    counts = confusion.sum(axis=1)
    return np.where(counts > 0, np.diag(confusion) / np.maximum(counts, 1), NAN)


def balanced_accuracy(confusion: Ints) -> float:
    """Mean recall of the classes that came (unweighted average recall, UAR)."""
    return float(np.nanmean(per_class_recall(confusion)))


def macro_f1(confusion: Ints) -> float:
    """Mean F1 of the classes that came or were named."""
    either = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(2 * np.diag(confusion)[either > 0] / either[either > 0]))


def kappa(confusion: Ints) -> float:
    """Cohen's kappa: agreement beyond what the two marginals give; NaN where these leave no room."""
    n = confusion.sum()
    by_chance = float(confusion.sum(axis=0) @ confusion.sum(axis=1)) / float(n) ** 2
    return (accuracy(confusion) - by_chance) / (1 - by_chance) if by_chance < 1 else NAN


def brier(probs: Floats, labels: Ints) -> float:
    """Mean squared distance to the truth, summed over classes: 0 best, 2 worst."""
    truth = np.eye(probs.shape[1])[labels]
    return float(((probs - truth) ** 2).sum(axis=1).mean())


def negative_log_likelihood(probs: Floats, labels: Ints) -> float:
    """Mean over trials, nats."""
    return float(-np.log(np.maximum(probs[np.arange(len(labels)), labels], _TINY)).mean())


def reliability(probs: Floats, labels: Ints, n_bins: int = N_BINS) -> Reliability:
    """Confidence against accuracy in bins of equal width, each open below and closed above."""
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    some = np.maximum(count, 1)
    mean, share = (np.where(count > 0, np.bincount(bins, x, n_bins) / some, NAN) for x in (confidence, right))
    return Reliability(mean, share, count)


def expected_calibration_error(probs: Floats, labels: Ints, n_bins: int = N_BINS) -> float:
    """Mean distance of confidence and accuracy over trials (ECE; Guo 2017, arXiv 1706.04599)."""
    bins = reliability(probs, labels, n_bins)
    return float(np.nansum(np.abs(bins.confidence - bins.accuracy) * bins.n) / len(labels))


def coverage_accuracy(probs: Floats, labels: Ints) -> Coverage:
    """What abstaining buys: accuracy when only the most confident trials are answered."""
    order = np.argsort(-probs.max(axis=1), kind="stable")
    right = (probs.argmax(axis=1) == labels)[order]
    n = np.arange(1, len(labels) + 1)
    return Coverage(n / len(labels), np.cumsum(right) / n)


def chance_level(labels: Ints, n_classes: int) -> tuple[float, float]:
    """Accuracy of always naming the commonest class, and what guessing at that rate reaches 1 time in 20.

    The bound is binomial, so it holds for independent trials: 28 % of 100 and 21 % of 4200 in five classes.
    """
    from scipy.stats import binom

    n = len(labels)
    level = float(np.bincount(labels, minlength=n_classes).max() / n)
    return level, float(min(1.0, (binom.ppf(0.95, n, level) + 1) / n))


def person_accuracy(predicted: Ints, labels: Ints, persons: Sequence[str]) -> dict[str, float]:
    """Accuracy of each person, in the order of their names."""
    names, rows = np.unique(np.asarray(persons), return_inverse=True)
    right = np.bincount(rows, predicted == labels) / np.bincount(rows)
    return {str(name): float(value) for name, value in zip(names, right, strict=True)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Smallest, quartiles and greatest."""
    found = np.quantile(np.asarray(values, dtype=float), [0, 0.25, 0.5, 0.75, 1])
    return dict(zip(("min", "q25", "median", "q75", "max"), map(float, found), strict=True))


def bootstrap_people(
    predicted: Ints,
    labels: Ints,
    persons: Sequence[str],
    n_classes: int,
    *,
    seed: int = 0,
    n: int = N_BOOTSTRAP,
) -> dict[str, Interval]:
    """95 % percentile intervals of accuracy and balanced accuracy: people are drawn with replacement."""
    names, rows = np.unique(np.asarray(persons), return_inverse=True)
    if len(names) < 2:
        return {"accuracy": Interval(NAN, NAN), "balanced_accuracy": Interval(NAN, NAN)}
    cells = rows * n_classes + labels
    shape = (len(names), n_classes)
    count = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    right = np.bincount(cells, predicted == labels, shape[0] * shape[1]).reshape(shape)
    draws = people_draws(len(names), seed, n)
    came, named = draws @ count, draws @ right  # (n, K)
    recall = np.where(came > 0, named / np.maximum(came, 1), NAN)
    return {
        "accuracy": interval(named.sum(axis=1) / came.sum(axis=1)),
        "balanced_accuracy": interval(np.nanmean(recall, axis=1)),
    }


@lru_cache(maxsize=4)
def people_draws(n_people: int, seed: int, n: int = N_BOOTSTRAP) -> Ints:
    """(n, people) how often each is drawn when as many as there are are drawn with replacement; read only."""
    draws: Ints = np.random.default_rng(seed).multinomial(n_people, np.full(n_people, 1 / n_people), size=n)
    draws.setflags(write=False)
    return draws


def interval(values: Floats) -> Interval:
    """The middle 95 % of draws."""
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))


def accuracy_vs_time(
    log_probs: Floats,
    labels: Ints,
    trial_ids: Sequence[Hashable],
    ends_s: Floats,
    grid_s: Floats | None = None,
) -> TimeCurve:
    """What a live session would say of each trial ``t`` seconds after its start, from the windows so far.

    Args:
        log_probs: (n, K) of windows, nats.
        labels: (n,) of the windows' trials.
        trial_ids: (n,) what tells trials apart.
        ends_s: (n,) when the window ended, seconds since the trial's start.
        grid_s: (m,) instants; every end by default.
    """
    grid = np.unique(ends_s) if grid_s is None else np.asarray(grid_s, dtype=float)
    scores, counts = np.full(len(grid), NAN), np.zeros(len(grid), dtype=np.int64)
    for i, t in enumerate(grid):
        past = np.flatnonzero(ends_s <= t + 1e-9).tolist()
        if not past:
            continue
        keys = [(trial_ids[j], int(labels[j])) for j in past]
        probs, trials = trial_probs(log_probs[past], keys)
        scores[i] = np.mean(probs.argmax(axis=1) == [label for _, label in trials])
        counts[i] = len(trials)
    return TimeCurve(grid, scores, counts)


def describe(probs: Floats, labels: Ints, persons: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Every figure of one set of predictions, as plain numbers for a file. ``seed``: of the bootstrap."""
    n_classes, predicted = probs.shape[1], probs.argmax(axis=1)
    table = confusion_matrix(labels, predicted, n_classes)
    level, bound = chance_level(labels, n_classes)
    each = person_accuracy(predicted, labels, persons)
    intervals = bootstrap_people(predicted, labels, persons, n_classes, seed=seed)
    return {
        "n": len(labels),
        "n_people": len(each),
        "accuracy": accuracy(table),
        "balanced_accuracy": balanced_accuracy(table),
        "macro_f1": macro_f1(table),
        "kappa": kappa(table),
        "per_class_recall": per_class_recall(table).tolist(),
        "confusion": table.tolist(),
        "person_accuracy": spread(list(each.values())),
        "chance": {"accuracy": level, "bound95": bound},
        "ci95": {name: list(found) for name, found in intervals.items()},
        "ece": expected_calibration_error(probs, labels),
        "brier": brier(probs, labels),
        "nll": negative_log_likelihood(probs, labels),
    }
