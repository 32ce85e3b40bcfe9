"""What the training commands share: from options to a recipe, a split and a saved result."""

from __future__ import annotations

import datetime
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from apps.training_view import TrainingView, tensorboard_is_there
from bci_stream.errors import ConfigError, ResultError
from bci_stream.training.augment import MILD
from bci_stream.training.batches import DrawSettings
from bci_stream.training.experiment import Machine, run_experiment
from bci_stream.training.fit import FitSettings
from bci_stream.training.folders import refuse_place
from bci_stream.training.recipe import Recipe, read_recipe
from bci_stream.training.results import is_result, read_result
from bci_stream.training.run_result import RunResult
from bci_stream.training.saving import save_outcome, wants_final
from bci_stream.training.splits import Split, make_split
from bci_stream.training.trials import Corpus

RESULTS = Path("results")
_WORK = ".work"
_SHORTEST_S, _LONGEST_S = 1.0, 20.0  # of a window


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """How to train, as asked for on the command line; ``file``: a recipe that decides all but the seed."""

    use_eeg: bool = True
    use_audio: bool = False
    fusion: str = "concat"
    front: str = "bandpower"
    n_epochs: int = 20
    learning_rate: float = 1e-3
    batch_size: int = 16
    weight_decay: float = 0.3
    dropout: float = 0.3
    mixup: float = 0.4
    window_s: float = 5.0
    patience: int = 6
    seed: int = 0
    file: Path | None = None

    def recipe(self) -> Recipe:
        """The recipe of these options.

        Raises:
            ConfigError: a value makes no sense.
        """
        if self.file is not None:
            return read_recipe(self.file).seeded(self.seed)
        positive = {
            "--num-epochs": self.n_epochs,
            "--batch-size": self.batch_size,
            "--learning-rate": self.learning_rate,
        }
        for name, value in positive.items():
            if not 0 < value < math.inf:
                raise ConfigError(f"{name} {value:g} makes no sense: use more than 0")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"--dropout {self.dropout:g} makes no sense: use 0 to less than 1")
        if not _SHORTEST_S <= self.window_s <= _LONGEST_S or round(self.window_s * 5, 6) % 1:
            raise ConfigError(
                f"--window {self.window_s:g} makes no sense: "
                f"use {_SHORTEST_S:g} to {_LONGEST_S:g} s in steps of 0.2 s"
            )
        names = (("eeg", self.use_eeg), ("audio", self.use_audio))
        modalities = tuple(name for name, used in names if used)
        fitting = FitSettings(
            n_epochs=self.n_epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            mixup=self.mixup,
            patience=self.patience,
            draw=DrawSettings(batch_size=self.batch_size, augmentation=MILD),
        )
        recipe = Recipe(
            modalities=modalities,
            fusion=self.fusion,
            front=self.front,
            window_s=self.window_s,
            dropout=self.dropout,
            fit=fitting,
        )
        return recipe.seeded(self.seed)


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """Where to run: ``device`` "auto" takes a GPU that is there.

    ``threads``: of torch, pinned because they change the last bits. One is seldom slower for networks of this
    size, and much quicker on a computer that does other things too.
    """

    device: str = "cpu"
    threads: int = 1
    workers: int = 0
    cache: Path | None = None

    def prepare(self) -> Machine:
        """Pin the threads and pick the device.

        Raises:
            ConfigError: the device is not there.
        """
        if self.threads < 1:
            raise ConfigError(f"--threads {self.threads} makes no sense: use 1 or more")
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(self.threads)
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device not in ("cpu", "cuda"):
            raise ConfigError(f"--device {device!r} is not known: use auto, cpu or cuda")
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("--device cuda: torch sees no GPU here; use cpu")
        return Machine(device, self.workers or n_cores, self.cache)


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """Which protocol: ``run_folds`` of ``n_folds`` are run, all if 0."""

    kind: str = "subject-kfold"
    n_folds: int = 7
    run_folds: int = 0
    leak_ok: bool = False

    def split(self, people: tuple[str, ...], seed: int) -> Split:
        """The split of these people; fewer folds than asked for where there are fewer people."""
        n_folds = min(self.n_folds, len(people)) if self.kind == "subject-kfold" else self.n_folds
        return make_split(self.kind, people, seed=seed, n_folds=n_folds, leak_ok=self.leak_ok)


def run_and_save(
    corpus: Corpus,
    recipe: Recipe,
    split: Split,
    machine: Machine,
    out: Path | None,
    *,
    title: str,
    run_folds: int = 0,
    restart: bool = False,
    bundle: bool = True,
    config: dict[str, Any] | None = None,
) -> tuple[RunResult, Path]:
    """Run one experiment and save it; a run that was killed goes on, one that is done is read back.

    Raises:
        ResultError: the folder holds something else.
    """
    n_run = run_folds or len(split.folds)
    asked = {"corpus": corpus.name, "split": split.kind, "folds": n_run, "bundle": bundle, **(config or {})}
    mark = recipe.fingerprint(corpus.name, corpus.digest(), str(split.folds), str(sorted(asked.items())))[:8]
    out = out or RESULTS / f"{_slug(title)}-{mark}"
    if is_result(out) and not restart:
        found = read_result(out)
        if dict(found.config).get("fingerprint") == mark:
            return found, out
        raise ResultError(f"{out} holds another result; choose another --out, or --restart to replace it")
    refuse_place(out, is_result if restart else None)
    work = out.parent / _WORK / f"{out.name}-{mark}"
    if restart:
        _remove(work)
    logs = work / "tensorboard" if tensorboard_is_there() else None
    with TrainingView(title, logs) as view:
        outcome = run_experiment(
            corpus,
            recipe,
            split,
            work,
            machine=machine,
            watcher=view,
            n_run=n_run,
            with_final=bundle and wants_final(split.kind, n_run),
        )
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    result = save_outcome(
        out,
        outcome,
        corpus,
        recipe,
        name=title,
        config={**asked, "fingerprint": mark},
        replace=restart,
        created=created,
        logs=logs,
    )
    _remove(work)
    return result, out


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
