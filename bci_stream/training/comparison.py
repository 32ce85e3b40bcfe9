"""Compares trained runs on the same people: every pair, paired by subject, corrected for all pairs together.

What cannot be compared is refused (:mod:`bci_stream.training.comparability`). No difference found is not
proof of equality, so what could have been found is always said with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from bci_stream.errors import ConfigError, ResultError
from bci_stream.training.comparability import people_of, refuse_unlike, runs_by_method
from bci_stream.training.metrics import (
    Floats,
    Interval,
    Ints,
    accuracy,
    balanced_accuracy,
    chance_level,
    confusion_matrix,
    kappa,
    macro_f1,
)
from bci_stream.training.results import read_result
from bci_stream.training.run_result import RunResult
from bci_stream.training.statistics import (
    ALPHA,
    Paired,
    average_ranks,
    bootstrap_mean,
    holm,
    indistinct_groups,
    paired,
)

METRICS: Final[Mapping[str, Callable[[Ints], float]]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "kappa": kappa,
}
BOTH: Final = "both"


@dataclass(frozen=True, slots=True)
class Method:
    """One classifier over its seeds.

    ``scores``: (n,) of each subject, the mean over seeds. ``ci``: of their mean. ``rank``: mean rank, 1 best.
    """

    name: str
    pattern: str
    seeds: tuple[int, ...]
    scores: Floats
    ci: Interval
    rank: float

    @property
    def mean(self) -> float:
        """Over subjects."""
        return float(self.scores.mean())


@dataclass(frozen=True, slots=True)
class Pair:
    """``a`` against ``b``: a positive difference favours ``a``. ``holm_p``: corrected for all pairs."""

    a: str
    b: str
    paired: Paired
    holm_p: float

    @property
    def found(self) -> bool:
        """Whether a difference was found."""
        return self.holm_p < ALPHA

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.found:
            return "no difference found"
        return f"{self.a if self.paired.difference > 0 else self.b} is better"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a report says. ``methods`` come best first; ``groups`` index into them."""

    metric: str
    pattern: str
    protocol: str
    split: str
    leaks: bool
    generated: bool
    data_name: str
    people: tuple[str, ...]
    n_trials: int
    chance: tuple[float, float]
    oracle: float | None
    methods: tuple[Method, ...]
    pairs: tuple[Pair, ...]
    groups: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...]

    @property
    def footnote(self) -> str:
        """What stands under every figure and table made from it."""
        people = f"{len(self.people)} people, {self.n_trials} trials"
        made_up = " (generated: no claim about people)" if self.generated else ""
        return f"{self.data_name}{made_up}; {people}; {self.protocol}"

    @property
    def detectable(self) -> float:
        """The least difference that the noisiest pair could have shown, after Bonferroni."""
        return max(pair.paired.detectable for pair in self.pairs)


def compare_directories(
    paths: Sequence[Path], *, pattern: str = BOTH, metric: str = "accuracy"
) -> Comparison:
    """Read result directories and compare them; runs of one mode with several seeds are one method.

    Raises:
        ResultError: a directory cannot be read, or the runs cannot be compared.
        ConfigError: the metric is unknown, or there are fewer than two directories.
    """
    if len(paths) < 2:
        raise ConfigError(f"compare got {len(paths)} result directories; give two or more")
    return compare_runs([read_result(path) for path in paths], list(map(str, paths)), pattern, metric)


def compare_runs(
    runs: Sequence[RunResult], sources: Sequence[str], pattern: str = BOTH, metric: str = "accuracy"
) -> Comparison:
    """Compare runs; ``sources`` name them in an error.

    Raises:
        ResultError: the runs cannot be compared.
        ConfigError: the metric is unknown.
    """
    if metric not in METRICS:
        raise ConfigError(f"metric {metric!r} is not known; choose one of {', '.join(METRICS)}")
    refuse_unlike(runs, sources)
    groups = runs_by_method(runs, sources)
    methods = _methods(groups, pattern, metric)
    pairs = _pairs(methods)
    first = runs[0]
    return Comparison(
        metric=metric,
        pattern=pattern,
        protocol=first.protocol,
        split=first.split,
        leaks=first.leaks,
        generated=first.generated,
        data_name=first.data_name,
        people=people_of(first),
        n_trials=len(first.predictions.labels),
        chance=chance_level(first.predictions.labels, len(first.classes)),
        oracle=first.oracle,
        methods=methods,
        pairs=pairs,
        groups=_bars(methods, pairs),
        notes=_notes(methods),
    )


def _methods(groups: Mapping[str, Sequence[RunResult]], pattern: str, metric: str) -> tuple[Method, ...]:
    found = []
    for name, runs in groups.items():
        used = _pattern_of(runs[0], pattern)
        scores = np.mean([_scores(run, _pattern_of(run, pattern), metric) for run in runs], axis=0)
        found.append((name, used, tuple(sorted(run.seed for run in runs)), scores))
    ranks = average_ranks(np.array([scores for *_, scores in found]))
    methods = [
        Method(*row, ci=bootstrap_mean(row[-1]), rank=float(rank))
        for row, rank in zip(found, ranks, strict=True)
    ]
    return tuple(sorted(methods, key=lambda method: -method.mean))


def _pattern_of(run: RunResult, pattern: str) -> str:
    """ "both" of a run with one modality is that modality."""
    asked = run.main_pattern if pattern == BOTH else pattern
    if asked not in run.predictions.probs:
        raise ResultError(
            f"run {run.name} has no predictions of pattern {pattern!r}; it has "
            f"{', '.join(run.predictions.probs)}"
        )
    return asked


def _scores(run: RunResult, pattern: str, metric: str) -> Floats:
    """(n,) of each subject, by name."""
    said, score = run.predictions, METRICS[metric]
    persons, predicted = np.array(said.persons), said.probs[pattern].argmax(axis=1)
    tables = (
        confusion_matrix(said.labels[mine], predicted[mine], len(run.classes))
        for mine in (persons == person for person in people_of(run))
    )
    scores = np.array([score(table) for table in tables])
    if not np.isfinite(scores).all():
        raise ResultError(
            f"{metric} of run {run.name} is undefined for somebody with one class; use accuracy"
        )
    return scores


def _pairs(methods: Sequence[Method]) -> tuple[Pair, ...]:
    couples = list(combinations(methods, 2))
    found = [paired(a.scores - b.scores, alpha=ALPHA / len(couples)) for a, b in couples]
    corrected = holm([each.p for each in found])
    return tuple(
        Pair(a.name, b.name, each, float(p))
        for (a, b), each, p in zip(couples, found, corrected, strict=True)
    )


def _bars(methods: Sequence[Method], pairs: Sequence[Pair]) -> tuple[tuple[int, ...], ...]:
    place = {method.name: i for i, method in enumerate(methods)}
    differs = np.zeros((len(methods), len(methods)), dtype=bool)
    for pair in pairs:
        i, j = place[pair.a], place[pair.b]
        differs[i, j] = differs[j, i] = pair.found
    return tuple(indistinct_groups(np.array([method.rank for method in methods]), differs))


def _notes(methods: Sequence[Method]) -> tuple[str, ...]:
    """What a reader should know of these runs before believing the table."""
    notes = []
    seeds = {method.name: method.seeds for method in methods}
    if len(set(seeds.values())) > 1:
        listed = "; ".join(f"{name}: {', '.join(map(str, mine))}" for name, mine in seeds.items())
        notes.append(f"The methods were run with different seeds ({listed}).")
    if min(map(len, seeds.values())) < 3:
        notes.append("Fewer than three seeds: part of a difference may be the luck of one training.")
    n, n_pairs = len(methods[0].scores), len(methods) * (len(methods) - 1) // 2
    least = n_pairs * 2.0 / 2.0**n
    if least >= ALPHA:
        notes.append(f"With {n} people no p can be below {min(least, 1):.2f}: no difference could be found.")
    return tuple(notes)
