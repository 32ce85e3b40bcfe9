"""``bci-stream compare-modalities``: EEG alone, voice alone, both, in one protocol on EAV.

Also ``python apps/compare_modalities.py --fusion-mode gated --quick --subjects 1``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.table import Table

from apps.console import err, say, write_line
from apps.corpora import eav_folder, open_corpus
from apps.training_run import RESULTS, MachineOptions, RecipeOptions, SplitOptions, run_and_save
from bci_stream.training.cache import cache_folder
from bci_stream.training.eav_writer import write_eav
from bci_stream.training.generator import GeneratorSettings
from bci_stream.training.run_result import RunResult

_QUICK_EPOCHS = 6
_QUICK_FOLDS = 1


@dataclass(frozen=True, slots=True)
class CompareModalitiesOptions:
    """What ``compare-modalities`` was asked to do. ``quick``: one fold, few epochs."""

    data: str | None = None
    subjects: str | None = None
    quick: bool = False
    recipe: RecipeOptions = field(default_factory=RecipeOptions)
    split: SplitOptions = field(default_factory=SplitOptions)
    machine: MachineOptions = field(default_factory=MachineOptions)
    out: Path | None = None
    restart: bool = False
    as_json: bool = False


def run(options: CompareModalitiesOptions) -> None:
    """Train each, save each, print them side by side."""
    machine = options.machine.prepare()
    data = options.data or _eav_or_generated(options)
    corpus = open_corpus(data, subjects=options.subjects)
    say(corpus.description)
    recipe, split_options = options.recipe, options.split
    if options.quick:
        recipe = replace(recipe, n_epochs=min(recipe.n_epochs, _QUICK_EPOCHS))
        split_options = replace(split_options, run_folds=_QUICK_FOLDS)
    if len(corpus.people) < 3 and split_options.kind == "subject-kfold":
        say(f"{len(corpus.people)} subject(s): within-chronological, the beginning of each session trains")
        split_options = replace(split_options, kind="within-chronological", run_folds=0)
    split = split_options.split(tuple(corpus.people), recipe.seed)
    results: dict[str, RunResult] = {}
    for name, each in _variants(recipe).items():
        made = each.recipe()
        title = f"{corpus.name} {name} seed {made.seed}"
        results[name], _ = run_and_save(
            corpus,
            made,
            split,
            machine,
            None if options.out is None else options.out / name.replace(" ", "-"),
            title=title,
            run_folds=split_options.run_folds,
            restart=options.restart,
            bundle=False,
            config={"data": data, "quick": options.quick},
        )
    _report(results, options)


def _variants(recipe: RecipeOptions) -> dict[str, RecipeOptions]:
    variants = {
        "eeg": replace(recipe, use_eeg=True, use_audio=False),
        "audio": replace(recipe, use_eeg=False, use_audio=True),
        "late": replace(recipe, use_eeg=True, use_audio=True, fusion="late"),
    }
    return variants | {recipe.fusion: replace(recipe, use_eeg=True, use_audio=True)}


def _eav_or_generated(options: CompareModalitiesOptions) -> str:
    """EAV where it usually lies, or a small generated copy of its layout, made once."""
    found = eav_folder()
    if found is not None:
        return str(found)
    asked = options.subjects or ""
    n_people = int(asked) if asked.isdigit() else 8
    settings = GeneratorSettings(seed=options.recipe.seed, n_people=n_people, n_trials=50, trial_s=8.0)
    folder = (options.machine.cache or cache_folder()) / f"generated-eav-{n_people}-seed{settings.seed}"
    say(f"no EAV in data/EAV, EAV or $BCI_STREAM_EAV: {n_people} generated people in its layout, in {folder}")
    if not folder.exists():
        write_eav(folder, settings, report=say)
    return str(folder)


def _report(results: dict[str, RunResult], options: CompareModalitiesOptions) -> None:
    if options.as_json:
        write_line(
            json.dumps({name: result.metrics[result.main_pattern] for name, result in results.items()})
        )
        return
    first = next(iter(results.values()))
    table = Table(title=first.data_name, caption=first.protocol)
    table.add_column("trained on", no_wrap=True)
    for column in ("accuracy", "95 % over people", "balanced", "ECE", "people", "trials"):
        table.add_column(column)
    for name, result in results.items():
        found = result.metrics[result.main_pattern]
        low, high = found["ci95"]["accuracy"]
        interval = "one person" if low is None else f"{low:.1%} to {high:.1%}"
        cells = (
            f"{found['accuracy']:.1%}",
            interval,
            f"{found['balanced_accuracy']:.1%}",
            f"{found['ece']:.3f}",
        )
        table.add_row(name, *cells, str(found["n_people"]), str(found["n"]))
    err.print(table)
    chance = first.metrics[first.main_pattern]["chance"]
    say(f"chance {chance['accuracy']:.1%}, guessing stays under {chance['bound95']:.1%}")
    if first.generated:
        say("generated data: no claim about people")
    say(f"results: {options.out or RESULTS}; differences with statistics: bci-stream compare DIR DIR …")


if __name__ == "__main__":
    from apps.cli import script

    script("compare-modalities")
