"""``bci-stream train``: one recipe on one corpus, compared fairly on people it has not met.

Also ``python apps/train.py --use-audio --fusion-mode concat --num-epochs 20``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from apps.console import say, write_line
from apps.corpora import open_corpus
from apps.training_run import MachineOptions, RecipeOptions, SplitOptions, run_and_save
from apps.training_view import show_result
from bci_stream.training.run_result import RunResult
from bci_stream.training.saving import BUNDLE


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What ``train`` was asked to do."""

    data: str | None = None
    subjects: str | None = None
    listening: bool = False
    recipe: RecipeOptions = field(default_factory=RecipeOptions)
    split: SplitOptions = field(default_factory=SplitOptions)
    machine: MachineOptions = field(default_factory=MachineOptions)
    out: Path | None = None
    restart: bool = False
    bundle: bool = True
    as_json: bool = False


def run(options: TrainOptions) -> None:
    """Train, score, save, and say where it is."""
    recipe = options.recipe.recipe()
    machine = options.machine.prepare()
    corpus = open_corpus(options.data, listening=options.listening, subjects=options.subjects)
    say(corpus.description)
    split = options.split.split(tuple(corpus.people), options.recipe.seed)
    what = recipe.fusion if len(recipe.modalities) > 1 else f"{recipe.modalities[0]} alone"
    result, out = run_and_save(
        corpus,
        recipe,
        split,
        machine,
        options.out,
        title=f"{corpus.name} {what} seed {recipe.seed}",
        run_folds=options.split.run_folds,
        restart=options.restart,
        bundle=options.bundle,
        config={"data": options.data, "listening": options.listening},
    )
    report(result, out, options.as_json)


def report(result: RunResult, out: Path, as_json: bool) -> None:
    """Figures to a person or a program, and what to do next."""
    if as_json:
        write_line(json.dumps({"out": str(out), "metrics": result.metrics, "oracle": result.oracle}))
    else:
        show_result(result)
    say(f"result: {out}")
    if (out / BUNDLE).exists():
        say(f"try it: bci-stream replay RECORDING.xdf --bundle {out / BUNDLE}")


if __name__ == "__main__":
    from apps.cli import script

    script("train")
