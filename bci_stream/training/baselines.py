"""Yardsticks in the harness of everything else: same sessions, same folds, answers for whole trials.

A baseline hears one modality, prepared by the same live pipeline (filters, Euclidean alignment, running
normalisation of the voice). It is fitted to the fold's training people; the validation people stop the
networks and set a temperature; the test people are answered once. Its result directory is one that
``bci-stream compare`` reads beside those of ``train``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG
from bci_stream.training.baseline_windows import Windows, cut_windows
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.classical import EEG_MODELS, VOICE_MODELS, Classical, eeg_features, mel_statistics
from bci_stream.training.evaluate import fit_temperature
from bci_stream.training.experiment import Machine
from bci_stream.training.fold_sessions import FoldSessions, fold_sessions
from bci_stream.training.metrics import trial_probs
from bci_stream.training.parallel import Workers, people_of_split, run_jobs
from bci_stream.training.recipe import Recipe
from bci_stream.training.reference_fit import ReferenceModel, ReferenceSettings
from bci_stream.training.reference_nets import REFERENCE_NETS, SFREQ_HZ
from bci_stream.training.results import write_result
from bci_stream.training.run_result import Predictions, RunResult, make_result
from bci_stream.training.saving import versions
from bci_stream.training.sessions import Session
from bci_stream.training.splits import Split
from bci_stream.training.trial_scores import TrialScores, join_trials
from bci_stream.training.trials import Corpus

Floats = NDArray[np.float64]
MODALITY: Final[dict[str, str]] = {
    **dict.fromkeys((*EEG_MODELS, *REFERENCE_NETS), EEG),
    **dict.fromkeys(VOICE_MODELS, AUDIO),
}
BASELINES: Final = tuple(MODALITY)
_AT_ONCE = 256  # windows whose features are made together


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """``window_s``: of a window; a trial's are joined. ``n_epochs``: of a reference network, at most."""

    window_s: float = 5.0
    seed: int = 0
    n_epochs: int = 40


@dataclass(frozen=True, slots=True)
class BaselineJob:
    """One fold of one baseline, and everything that decides its answer."""

    name: str
    corpus: Corpus
    split: Split
    number: int
    settings: BaselineSettings
    machine: Machine


class _Model(Protocol):
    def logits(self, windows: Windows) -> Floats: ...


class _ClassicalModel:
    """A classical model of windows: features, then the model."""

    def __init__(self, name: str, train: Windows, n_classes: int) -> None:
        self._name = name
        self._model = Classical(name, self._features(train), train.labels, n_classes)

    def logits(self, windows: Windows) -> Floats:
        return self._model.logits(self._features(windows))

    def _features(self, windows: Windows) -> Floats:
        blocks = []
        for i in range(0, len(windows), _AT_ONCE):
            which = np.arange(i, min(i + _AT_ONCE, len(windows)))
            if windows.modality == AUDIO:
                mel, valid = windows.mel(which)
                blocks.append(mel_statistics(mel.astype(np.float64), valid.astype(np.float64)))
            else:
                blocks.append(eeg_features(self._name, windows.eeg(which).astype(np.float64), SFREQ_HZ))
        return np.concatenate(blocks)


def run_baseline(
    name: str,
    corpus: Corpus,
    split: Split,
    settings: BaselineSettings = BaselineSettings(),
    *,
    machine: Machine = Machine(),
    workers: Workers = Workers(),
    n_run: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[TrialScores, str]:
    """Answers of every test trial of the first ``n_run`` folds (all if None), and the data's sha256.

    Raises:
        ConfigError: the name is unknown, a library is not installed, or the corpus lacks the modality.
        CorpusError: a file of the corpus is not what it should be.
    """
    recipe = baseline_recipe(name, settings)
    if EEG in recipe.modalities and not corpus.ch_names:
        raise ConfigError(f"{name} needs EEG and {corpus.name} has none; use {' or '.join(VOICE_MODELS)}")
    contract = recipe.contract(corpus.classes, corpus.ch_names)
    people = [person for person in corpus.people if person in people_of_split(split)]
    prepared = prepare_corpus(
        corpus, contract, machine.cache, people=people, n_workers=machine.n_workers, report=report
    )
    here = Machine(machine.device, 1, machine.cache)
    jobs = [
        BaselineJob(name, corpus, split, number, settings, here)
        for number in range(len(split.folds) if n_run is None else min(n_run, len(split.folds)))
    ]
    return join_trials(run_jobs(run_baseline_fold, jobs, workers)), prepared.source_sha256


def baseline_recipe(name: str, settings: BaselineSettings) -> Recipe:
    """How the sessions of a baseline are prepared: raw windows of EEG, or log-mel frames.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in MODALITY:
        raise ConfigError(f"baseline {name!r} is not known; choose one of {', '.join(BASELINES)}")
    recipe = Recipe(modalities=(MODALITY[name],), front="learned", window_s=settings.window_s)
    return recipe.seeded(settings.seed)


def run_baseline_fold(job: BaselineJob) -> TrialScores:
    """Fit one fold and answer its test trials."""
    contract = baseline_recipe(job.name, job.settings).contract(job.corpus.classes, job.corpus.ch_names)
    people = [person for person in job.corpus.people if person in people_of_split(job.split)]
    prepared = prepare_corpus(job.corpus, contract, job.machine.cache, people=people)
    chosen = fold_sessions(job.split, job.number, prepared.sessions, contract.classes)
    windows = [cut_windows(part, MODALITY[job.name], contract.n_tokens) for part in chosen]
    return _answers(job, chosen, *windows, n_classes=len(contract.classes))


def _answers(
    job: BaselineJob,
    chosen: FoldSessions,
    train: Windows,
    valid: Windows,
    test: Windows,
    *,
    n_classes: int,
) -> TrialScores:
    if not len(train):
        raise ConfigError(f"{job.name}: no training trial of fold {job.number + 1} has {MODALITY[job.name]}")
    model = _fitted(job, train, valid, n_classes)
    temperature = 1.0
    if len(valid):
        told = torch.from_numpy(model.logits(valid))
        temperature = fit_temperature(told, torch.from_numpy(valid.labels))
    logits = model.logits(test) if len(test) else np.zeros((0, n_classes))
    return _trial_scores(chosen.test, test, logits, temperature)


def _fitted(job: BaselineJob, train: Windows, valid: Windows, n_classes: int) -> _Model:
    if job.name not in REFERENCE_NETS:
        return _ClassicalModel(job.name, train, n_classes)
    settings = ReferenceSettings(n_epochs=job.settings.n_epochs, seed=job.settings.seed)
    return ReferenceModel(job.name, train, valid, n_classes, settings, job.machine.device)


def _trial_scores(
    sessions: Sequence[Session], windows: Windows, logits: Floats, temperature: float
) -> TrialScores:
    """Every session is answered, with equal probabilities where no window of it could be heard."""
    keys = [(session.person, session.trial) for session in sessions]
    modality, n_classes = windows.modality, logits.shape[1]
    probs, raw = (np.full((len(keys), n_classes), 1.0 / n_classes) for _ in range(2))
    place = {key: i for i, key in enumerate(keys)}
    for out, divided in ((probs, logits / temperature), (raw, logits)):
        if len(windows):
            found, heard = trial_probs(_log_softmax(divided), windows.keys)
            out[[place[key] for key in heard]] = found
    return TrialScores(
        tuple(person for person, _ in keys),
        np.array([number for _, number in keys], np.int64),
        np.array([session.label for session in sessions], np.int64),
        {modality: probs},
        {modality: raw},
    )


def _log_softmax(logits: Floats) -> Floats:
    return torch.log_softmax(torch.from_numpy(logits), 1).numpy()


def save_baseline(
    path: Path,
    name: str,
    corpus: Corpus,
    split: Split,
    trials: TrialScores,
    data_sha256: str,
    settings: BaselineSettings,
    *,
    config: dict[str, Any] | None = None,
    replace: bool = False,
) -> RunResult:
    """Write a result directory that ``bci-stream compare`` reads.

    Raises:
        ResultError: something else is there, or it cannot be written.
    """
    oracle = getattr(corpus, "oracle", None) or {}
    result = make_result(
        split,
        Predictions(trials.persons, trials.trials, trials.labels, trials.probs),
        name=f"{corpus.name} {name} seed {settings.seed}",
        mode=name,
        modalities=(MODALITY[name],),
        data_name=corpus.name,
        data_sha256=data_sha256,
        generated=corpus.generated,
        classes=corpus.classes,
        seed=settings.seed,
        oracle=oracle.get(MODALITY[name]),
        versions=versions(),
        config={
            "baseline": name,
            "window_s": settings.window_s,
            "n_epochs": settings.n_epochs,
            **(config or {}),
        },
    )
    write_result(path, result, replace=replace)
    return result
