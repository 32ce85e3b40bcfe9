"""One recipe on one corpus under one protocol: prepare, split, fit every fold, score people not trained on.

What takes time is kept as it comes, so that a killed run goes on where it was: prepared sessions in the
cache, each fold's state after every epoch (a finished fold's state is its last, and scoring it is quick).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from bci_stream.errors import ConfigError
from bci_stream.model.contract import Contract
from bci_stream.model.network import FusionNetwork, build_network
from bci_stream.training.cache import Prepared, prepare_corpus
from bci_stream.training.checkpoint import FileCheckpoint
from bci_stream.training.evaluate import main_pattern, score_sessions, set_temperatures
from bci_stream.training.fit import Epoch, fit
from bci_stream.training.fold_sessions import fold_sessions, spoken
from bci_stream.training.metrics import TimeCurve
from bci_stream.training.recipe import Recipe
from bci_stream.training.sessions import UNLABELLED, Session
from bci_stream.training.splits import POOLED, WITHIN, Fold, Split, n_validation
from bci_stream.training.trial_scores import (
    TrialScores,
    join_trials,
    time_curve,
    trial_scores,
)
from bci_stream.training.trials import Corpus


class Watcher(Protocol):
    """Who is told how it goes."""

    def note(self, line: str) -> None:
        """Something worth a line."""
        ...

    def fold(self, number: int, n_folds: int, fold: Fold) -> None:
        """A fold begins."""
        ...

    def epoch(self, fold: str, epoch: Epoch) -> None:
        """An epoch ended (or was found done when the run was taken up again)."""
        ...


class Silent:
    """Tells nobody."""

    def note(self, line: str) -> None:
        """Nothing."""

    def fold(self, number: int, n_folds: int, fold: Fold) -> None:
        """Nothing."""

    def epoch(self, fold: str, epoch: Epoch) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it runs; nothing here changes a result but ``device`` and the number of torch threads."""

    device: str = "cpu"
    n_workers: int = 1
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold: its answers, its network at its best with temperatures set, and how the training went.

    ``trials``: None where nobody was tested.
    ``by_time``: accuracy of the trials against the seconds since they began.
    """

    name: str
    people: Fold
    trials: TrialScores | None
    network: FusionNetwork
    history: tuple[Epoch, ...]
    best_epoch: int
    by_time: TimeCurve | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All folds that were run."""

    contract: Contract
    split: Split
    data_sha256: str
    folds: tuple[FoldResult, ...]
    final: FoldResult | None = None

    @property
    def trials(self) -> TrialScores:
        """Every test trial, once."""
        return join_trials([fold.trials for fold in self.folds if fold.trials is not None])

    @property
    def pattern(self) -> str:
        """The pattern of presence in which everything is used."""
        return main_pattern(self.contract.modalities)


def run_experiment(
    corpus: Corpus,
    recipe: Recipe,
    split: Split,
    folder: Path,
    *,
    machine: Machine = Machine(),
    watcher: Watcher | None = None,
    n_run: int | None = None,
    with_final: bool = False,
) -> Outcome:
    """Run the first ``n_run`` folds (all if None) of ``split``; ``folder`` keeps what is done.

    ``with_final``: then fit once more, to everybody but those who decide when to stop; that network is for
    use, and the folds say how good it can be expected to be.

    Raises:
        ConfigError: the corpus lacks a modality of the recipe, or the split does not fit it.
        CorpusError: a file of the corpus is not what it should be.
        ResultError: ``folder`` holds another run's state, or cannot be written.
    """
    watcher = watcher or Silent()
    if "eeg" in recipe.modalities and not corpus.ch_names:
        raise ConfigError(f"{corpus.name} has no EEG; train the voice alone with --no-eeg")
    people = tuple(dict.fromkeys(person for fold in split.folds for person in (*fold.test, *fold.train)))
    people = tuple(person for person in corpus.people if person in people)
    contract = recipe.contract(corpus.classes, corpus.ch_names)
    prepared = prepare_corpus(
        corpus, contract, machine.cache, people=people, n_workers=machine.n_workers, report=watcher.note
    )
    numbers = range(len(split.folds) if n_run is None else min(n_run, len(split.folds)))
    runner = _Runner(contract, recipe, split, prepared, folder, machine, watcher)
    folds = tuple(runner.fold(number) for number in numbers)
    final = runner.final() if with_final else None
    return Outcome(contract, split, prepared.source_sha256, folds, final)


class _Runner:
    """Runs the folds of one experiment."""

    def __init__(
        self,
        contract: Contract,
        recipe: Recipe,
        split: Split,
        prepared: Prepared,
        folder: Path,
        machine: Machine,
        watcher: Watcher,
    ) -> None:
        self._contract, self._recipe, self._split = contract, recipe, split
        self._prepared, self._folder, self._watcher = prepared, folder, watcher
        self._device = torch.device(machine.device)

    def fold(self, number: int) -> FoldResult:
        people = self._split.folds[number]
        self._watcher.fold(number, len(self._split.folds), people)
        chosen = fold_sessions(self._split, number, self._prepared.sessions, self._contract.classes)
        return self._fit(f"fold-{number}", people, *chosen)

    def final(self) -> FoldResult:
        """Everybody trains but a few, who decide when to stop and the temperatures."""
        everybody = sorted({session.person for session in self._prepared.sessions})
        order = np.random.default_rng([self._split.seed, len(everybody)]).permutation(len(everybody))
        n_valid = n_validation(len(everybody))
        valid = tuple(sorted(everybody[i] for i in order[:n_valid]))
        people = Fold((), valid, tuple(person for person in everybody if person not in valid))
        if not people.train:
            raise ConfigError("a network for use needs two people at least: one to train on, one to validate")
        self._watcher.fold(len(self._split.folds), len(self._split.folds), people)
        labelled = [session for session in self._prepared.sessions if session.label != UNLABELLED]
        train = [session for session in labelled if session.person in people.train]
        return self._fit("final", people, train, spoken([s for s in labelled if s.person in valid]), [])

    def _fit(
        self,
        name: str,
        people: Fold,
        train: Sequence[Session],
        valid: Sequence[Session],
        test: Sequence[Session],
    ) -> FoldResult:
        self._folder.mkdir(parents=True, exist_ok=True)
        fingerprint = self._recipe.fingerprint(
            self._prepared.sha256, self._split.kind, str(people), name, torch.__version__
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._recipe.seed)
            network = build_network(self._contract)
        fitted = fit(
            network,
            train,
            valid,
            self._recipe.fit,
            progress=lambda epoch: self._watcher.epoch(name, epoch),
            checkpoint=FileCheckpoint(self._folder / f"{name}.checkpoint", fingerprint),
            device=self._device,
            same_people=self._split.kind in (WITHIN, POOLED),
        )
        set_temperatures(fitted.network, valid)
        trials, by_time = self._answers(fitted.network, test)
        return FoldResult(name, people, trials, fitted.network, fitted.history, fitted.epoch, by_time)

    def _answers(
        self, network: FusionNetwork, test: Sequence[Session]
    ) -> tuple[TrialScores | None, TimeCurve | None]:
        if not test:
            return None, None
        scores = score_sessions(network, test)
        main = main_pattern(self._contract.modalities)
        return trial_scores(scores, float(network.temperatures[0])), time_curve(scores[main])
