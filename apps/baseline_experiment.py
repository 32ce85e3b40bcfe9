"""``bci-stream baseline-experiment``: does it learn at all? Generated people, beside the best possible.

Also ``python apps/baseline_experiment.py --use-audio --fusion-mode gated``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from apps.console import err, say, write_line
from apps.training_run import MachineOptions, RecipeOptions
from apps.training_view import TrainingView
from bci_stream.training.experiment import Outcome, run_experiment
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.metrics import describe
from bci_stream.training.splits import subject_kfold

_FOLDS = 4  # of which one is run


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """What ``baseline-experiment`` was asked to do; ``n_people`` and ``n_trials`` are generated."""

    recipe: RecipeOptions = field(default_factory=lambda: RecipeOptions(n_epochs=8))
    machine: MachineOptions = field(default_factory=MachineOptions)
    n_people: int = 16
    n_trials: int = 30
    trial_s: float = 4.0
    as_json: bool = False


def run(options: BaselineOptions) -> None:
    """Generate, train on three quarters of the people, test on the rest, print beside the oracle."""
    recipe = replace(options.recipe, window_s=min(options.recipe.window_s, options.trial_s)).recipe()
    machine = options.machine.prepare()
    settings = GeneratorSettings(
        seed=recipe.seed, n_people=options.n_people, n_trials=options.n_trials, trial_s=options.trial_s
    )
    corpus = GeneratedCorpus(settings)
    split = subject_kfold(tuple(corpus.people), seed=recipe.seed, n_folds=min(_FOLDS, options.n_people))
    with TemporaryDirectory() as folder, TrainingView(f"generated people, {recipe.fusion}") as view:
        outcome = run_experiment(corpus, recipe, split, Path(folder), machine=machine, watcher=view, n_run=1)
    figures = _figures(outcome, corpus)
    if options.as_json:
        write_line(json.dumps({"fusion": recipe.fusion, "figures": figures}))
    else:
        _show(recipe.fusion, outcome, figures)


def _figures(outcome: Outcome, corpus: GeneratedCorpus) -> dict[str, dict[str, float]]:
    trials = outcome.trials
    figures = {}
    for pattern, probs in trials.probs.items():
        found = describe(probs, trials.labels, trials.persons)
        figures[pattern] = {
            "accuracy": float(found["accuracy"]),
            "balanced_accuracy": float(found["balanced_accuracy"]),
            "nll": float(found["nll"]),
            "oracle": float(corpus.oracle[pattern]),  # type: ignore[index]
            "trials": float(found["n"]),
        }
    return figures


def _show(fusion: str, outcome: Outcome, figures: dict[str, dict[str, float]]) -> None:
    people = outcome.folds[0].people
    table = Table(
        title=f"generated people, fusion {fusion}",
        caption=f"one fold: {len(people.train)} people to train, {len(people.valid)} to validate, "
        f"{len(people.test)} never seen to test; whole trials",
    )
    for column in ("given", "accuracy", "best possible", "loss (nats)", "trials"):
        table.add_column(column)
    for pattern, found in figures.items():
        table.add_row(
            pattern,
            f"{found['accuracy']:.1%}",
            f"{found['oracle']:.1%}",
            f"{found['nll']:.3f}",
            f"{found['trials']:.0f}",
        )
    err.print(table)
    say("generated data: no claim about people")


if __name__ == "__main__":
    from apps.cli import script

    script("baseline-experiment")
