"""Results with a difference planted in them: does the comparison find it, and find none where there is none?

Nobody is classified here. Right and wrong are drawn so that they are correlated as in reality: people differ
in how well they are read, trials differ in how hard they are for every classifier, and a classifier suits
some people better than others. With the default settings the paired differences of two classifiers have a
standard deviation of about 7 points over people with 100 trials each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bci_stream.training.comparison import Comparison, compare_directories, compare_runs
from bci_stream.training.metrics import Floats, Ints
from bci_stream.training.results import write_result
from bci_stream.training.run_result import Predictions, RunResult, make_result
from bci_stream.training.splits import Split, make_split

BETTER: Final = "planted"
CLASSES: Final = ("neutral", "sadness", "anger", "happiness", "calm")


@dataclass(frozen=True, slots=True)
class Plant:
    """Settings. Accuracies and ``effect`` are shares: 0.05 is 5 points.

    ``effect``: by how much the method "planted" is truly better than every other. ``person_sd``: of people's
    accuracy. ``suits_sd``: of how much more a method suits one person than another. ``shared``: correlation
    between methods of what decides a trial.
    """

    effect: float = 0.05
    n_people: int = 42
    n_trials: int = 100
    methods: tuple[str, ...] = (BETTER, "plain-a", "plain-b")
    accuracy: float = 0.62
    person_sd: float = 0.11
    suits_sd: float = 0.035
    shared: float = 0.5


@dataclass(frozen=True, slots=True)
class PowerCheck:
    """Of ``n`` studies: how many found the planted difference, how many found one that is not there."""

    plant: Plant
    n: int
    found: int
    false: int
    paired_sd: float

    @property
    def passed(self) -> bool:
        """At least 9 of 10 found, and at most 1 of 10 false (of fewer than 10 studies one may be)."""
        return self.found >= 0.9 * self.n and self.false <= max(1, 0.1 * self.n)


def planted_results(plant: Plant, seed: int) -> list[RunResult]:
    """One run of each method on the same generated people."""
    rng = np.random.default_rng(seed)
    people = [f"person{i + 1}" for i in range(plant.n_people)]
    split = make_split("subject-kfold", people, seed=seed, n_folds=min(7, plant.n_people))
    labels = np.array([rng.permutation(np.arange(plant.n_trials) % len(CLASSES)) for _ in people])
    skill = rng.normal(plant.accuracy, plant.person_sd, plant.n_people)
    hardness = rng.normal(size=labels.shape)
    results = []
    for method in plant.methods:
        suits = skill + rng.normal(0, plant.suits_sd, plant.n_people) + plant.effect * (method == BETTER)
        right = _right(rng, np.clip(suits, 0.02, 0.98), hardness, plant.shared)
        results.append(_run(rng, method, seed, split, people, labels, right))
    return results


def _right(rng: np.random.Generator, chances: Floats, hardness: Floats, shared: float) -> np.ndarray:
    """(people, trials): right with each person's chance, and together with what is hard for all methods."""
    from scipy.stats import norm

    own = rng.normal(size=hardness.shape)
    ease = np.sqrt(shared) * hardness + np.sqrt(1 - shared) * own
    found: np.ndarray = ease < norm.ppf(chances)[:, None]
    return found


def _run(
    rng: np.random.Generator,
    method: str,
    seed: int,
    split: Split,
    people: Sequence[str],
    labels: Ints,
    right: np.ndarray,
) -> RunResult:
    n, k = labels.size, len(CLASSES)
    truth = labels.ravel()
    named = np.where(right.ravel(), truth, (truth + rng.integers(1, k, n)) % k)
    confidence = rng.uniform(0.4, 0.95, n)
    probs = np.repeat(((1 - confidence) / (k - 1))[:, None], k, axis=1)
    probs[np.arange(n), named] = confidence
    persons = tuple(np.repeat(people, labels.shape[1]).tolist())
    trials = np.tile(np.arange(labels.shape[1]), len(people))
    return make_result(
        split,
        Predictions(persons, trials, truth, {"both": probs}),
        name=f"{method}-{seed}",
        mode=method,
        modalities=("eeg", "audio"),
        data_name="planted differences",
        data_sha256=f"{seed:064x}",
        generated=True,
        classes=CLASSES,
        seed=seed,
    )


def write_planted(folder: Path, plant: Plant, seed: int) -> list[Path]:
    """Write a result directory of each method into ``folder`` and return them.

    Raises:
        ResultError: something is in the way, or it cannot be written.
    """
    paths = []
    for result in planted_results(plant, seed):
        paths.append(folder / result.name)
        write_result(paths[-1], result)
    return paths


def study(plant: Plant, seed: int, folder: Path | None = None) -> Comparison:
    """Plant and compare; by way of written directories where a folder is given."""
    if folder is not None:
        return compare_directories(write_planted(folder, plant, seed))
    runs = planted_results(plant, seed)
    return compare_runs(runs, [run.name for run in runs])


def finds_planted(comparison: Comparison) -> bool:
    """Whether "planted" was found better than every other method."""
    mine = [pair for pair in comparison.pairs if BETTER in (pair.a, pair.b)]
    return all(pair.verdict == f"{BETTER} is better" for pair in mine)


def power_check(
    plant: Plant = Plant(),
    n: int = 20,
    *,
    folder: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> PowerCheck:
    """Run ``n`` studies with the difference and ``n`` without.

    Args:
        plant: the studies; the effect is taken out for the second half.
        n: seeds 0 to n - 1.
        folder: where the first study of each half goes through result directories; none does if None.
        report: told what each study found.
    """
    found = false = 0
    deviations: list[float] = []
    for seed in range(n):
        with_it = study(plant, seed, folder / "with" if folder and seed == 0 else None)
        without = study(
            replace(plant, effect=0.0), 1000 + seed, folder / "without" if folder and seed == 0 else None
        )
        hit, slip = finds_planted(with_it), any(pair.found for pair in without.pairs)
        found, false = found + hit, false + slip
        deviations.extend(pair.paired.sd for pair in with_it.pairs)
        report(
            f"study {seed + 1}: {'found' if hit else 'missed'}; without: {'false alarm' if slip else 'none'}"
        )
    return PowerCheck(plant, n, found, false, float(np.mean(deviations)))
