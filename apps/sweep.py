"""``bci-stream sweep``: search for a good recipe without looking at the people who test."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from apps.console import say, write_line
from apps.corpora import open_corpus
from apps.training_run import RESULTS, MachineOptions, RecipeOptions, SplitOptions
from bci_stream.errors import ResultError
from bci_stream.training.parallel import Workers
from bci_stream.training.sweep import Sweep, SweepSettings, run_sweep
from bci_stream.training.sweep_report import write_sweep


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What ``sweep`` was asked to do."""

    data: str | None = None
    subjects: str | None = None
    recipe: RecipeOptions = field(default_factory=RecipeOptions)
    split: SplitOptions = field(default_factory=SplitOptions)
    machine: MachineOptions = field(default_factory=MachineOptions)
    settings: SweepSettings = field(default_factory=SweepSettings)
    workers: Workers = field(default_factory=Workers)
    storage: str | None = None
    out: Path | None = None
    as_json: bool = False


def run(options: SweepOptions) -> None:
    """Search, or go on searching; write the best recipe and a table, and say how to train it."""
    base = options.recipe.recipe()
    machine = options.machine.prepare()
    corpus = open_corpus(options.data, subjects=options.subjects)
    say(corpus.description)
    split = options.split.split(tuple(corpus.people), options.recipe.seed)
    out = options.out or RESULTS / f"sweep-{re.sub(r'[^a-z0-9]+', '-', corpus.name.lower()).strip('-')}"
    storage = options.storage or _database(out)
    sweep = run_sweep(
        corpus,
        base,
        split,
        storage,
        options.settings,
        machine=machine,
        workers=options.workers,
        report=say,
    )
    protocol = f"{corpus.name}, {split.kind}, validation people of {options.settings.n_folds} folds"
    recipe = write_sweep(out, sweep, protocol)
    _show(sweep, recipe, options)


def _database(out: Path) -> str:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{out} cannot be written ({error.strerror or error})") from error
    return f"sqlite:///{out.resolve() / 'study.db'}"


def _show(sweep: Sweep, recipe: Path, options: SweepOptions) -> None:
    best = sweep.tried[0]
    if options.as_json:
        write_line(json.dumps({"recipe": str(recipe), "best": asdict(best), "importance": sweep.importance}))
    n_given_up = sum(tried.given_up for tried in sweep.tried)
    say(
        f"best of {len(sweep.tried)} recipes ({n_given_up} given up early): {best.accuracy:.1%} of validation"
    )
    for name, share in sorted(sweep.importance.items(), key=lambda item: -item[1]):
        say(f"  {name}: {share:.0%} of the variance")
    data = f"--data {options.data} " if options.data else ""
    say(f"table: {recipe.parent / 'sweep.md'}")
    say(f"train it: bci-stream train {data}--recipe {recipe}")
