"""A search over recipes with Optuna: bounded, resumable, and blind to the people who test.

A recipe is worth the mean accuracy, on windows of the *validation* people of some folds and seeds, of the
networks that it makes. The test people of those folds are never answered here, so that a run of the best
recipe with ``train`` is still honest about them. The study lives in a database and knows what it was made
for; one that was interrupted goes on, several computers can share one, and other data are refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import torch

from bci_stream.errors import ConfigError, ResultError
from bci_stream.messages import AUDIO, EEG
from bci_stream.model.eeg_fronts import EEG_FRONTS
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.evaluate import main_pattern
from bci_stream.training.experiment import Machine
from bci_stream.training.fit import Epoch, Progress
from bci_stream.training.parallel import FoldAnswer, FoldJob, Workers, people_of_split, run_fold, run_jobs
from bci_stream.training.recipe import Recipe, recipe_from_dict
from bci_stream.training.splits import Split
from bci_stream.training.trials import Corpus

_MADE_FOR: Final = "made_for"
_RECIPE: Final = "recipe"
_FEWEST_FOR_IMPORTANCE: Final = 4
WINDOWS_PER_STRETCH: Final = (4, 8, 16)  # how densely windows follow one another in training


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """``n_trials``: recipes in the study when it is done, those of earlier starts included.

    ``n_folds``: of the split, the first; ``seeds``: of each fold. ``seed``: of the search.

    Raises:
        ConfigError: a number is below 1.
    """

    n_trials: int = 20
    n_folds: int = 2
    seeds: tuple[int, ...] = (0,)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a search of nothing."""
        for name, value in (("--trials", self.n_trials), ("--look-at", self.n_folds)):
            if value < 1:
                raise ConfigError(f"{name} {value} makes no sense: use 1 or more")


@dataclass(frozen=True, slots=True)
class Tried:
    """One recipe: what was varied, and the validation accuracy, of the last report if it was given up."""

    number: int
    accuracy: float
    given_up: bool
    varied: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a study holds, the best first; ``importance``: share of the variance, empty with few recipes."""

    best: Recipe
    tried: tuple[Tried, ...]
    importance: dict[str, float] = field(default_factory=dict)


def suggested(trial: Any, base: Recipe) -> Recipe:
    """``base`` with what an Optuna ``trial`` (or anything with its ``suggest_`` methods) says instead."""
    draw = replace(
        base.fit.draw, ends_per_stretch=trial.suggest_categorical("windows_per_stretch", WINDOWS_PER_STRETCH)
    )
    fit = replace(
        base.fit,
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
        mixup=trial.suggest_float("mixup", 0.0, 2.0),
        draw=draw,
    )
    recipe = replace(base, dropout=trial.suggest_float("dropout", 0.1, 0.6), fit=fit)
    if EEG in base.modalities:
        recipe = replace(recipe, front=trial.suggest_categorical("front", EEG_FRONTS))
    if AUDIO in base.modalities:
        recipe = replace(recipe, audio_dropout=trial.suggest_float("audio_dropout", 0.0, 0.6))
    if len(base.modalities) > 1:
        recipe = replace(recipe, fusion=trial.suggest_categorical("fusion", FUSION_MODES))
    return recipe


def run_sweep(
    corpus: Corpus,
    base: Recipe,
    split: Split,
    storage: str,
    settings: SweepSettings = SweepSettings(),
    *,
    machine: Machine = Machine(),
    workers: Workers = Workers(),
    report: Callable[[str], None] = lambda line: None,
) -> Sweep:
    """Search until the study at ``storage`` (any URL that Optuna takes) holds ``settings.n_trials`` recipes.

    A recipe that does worse than the median of those before it is given up: after an epoch of the first
    fold, where folds run one by one in this process, and after each round of folds.

    Raises:
        ConfigError: a library is absent, the storage cannot be opened, or the corpus lacks a modality.
        ResultError: the study there was made for other data, folds or settings.
        CorpusError: a file of the corpus is not what it should be.
    """
    if EEG in base.modalities and not corpus.ch_names:
        raise ConfigError(f"{corpus.name} has no EEG; search for the voice alone with --no-eeg")
    optuna = _optuna()
    study = _opened(optuna, storage, _made_for(corpus, base, split, settings))
    _prepare(corpus, base, split, machine, report)
    searcher = _Searcher(optuna, corpus, base, split, settings, replace(machine, n_workers=1), workers)
    while (n_done := len(_done(optuna, study))) < settings.n_trials:
        tried = searcher.try_one(study)
        what = "given up" if tried.given_up else f"{tried.accuracy:.1%}"
        report(f"recipe {n_done + 1} of {settings.n_trials}: {what}  {_line(tried.varied)}")
    return _outcome(optuna, study)


class _Searcher:
    """Asks the study for a recipe and tells it what the validation people say."""

    def __init__(
        self,
        optuna: Any,
        corpus: Corpus,
        base: Recipe,
        split: Split,
        settings: SweepSettings,
        machine: Machine,
        workers: Workers,
    ) -> None:
        self._optuna, self._corpus, self._base, self._split = optuna, corpus, base, split
        self._settings, self._machine, self._workers = settings, machine, workers

    def try_one(self, study: Any) -> Tried:
        # A sampler of its own for each recipe: a search that is taken up again does not repeat its draws.
        study.sampler = self._optuna.samplers.TPESampler(seed=self._settings.seed + len(study.trials))
        trial = study.ask()
        recipe = suggested(trial, self._base)
        trial.set_user_attr(_RECIPE, recipe.as_dict())
        try:
            study.tell(trial, self._accuracy(trial, recipe))
        except self._optuna.TrialPruned:
            study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)
        return _tried(self._optuna, study.trials[trial.number])

    def _accuracy(self, trial: Any, recipe: Recipe) -> float:
        """Mean over folds and seeds; raises TrialPruned."""
        numbers = range(min(self._settings.n_folds, len(self._split.folds)))
        jobs = [
            FoldJob(self._corpus, recipe.seeded(seed), self._split, number, self._machine)
            for seed, number in itertools.product(self._settings.seeds, numbers)
        ]
        answers: list[FoldAnswer] = []
        if self._workers == Workers():
            answers.append(run_fold(jobs[0], self._by_epoch(trial, recipe)))
        while len(answers) < len(jobs):
            these = jobs[len(answers) : len(answers) + self._workers.jobs]
            answers += run_jobs(run_fold, these, self._workers)
            self._report(trial, _mean(answers), recipe.fit.n_epochs + len(answers))
        return _mean(answers)

    def _by_epoch(self, trial: Any, recipe: Recipe) -> Progress:
        main, best = main_pattern(recipe.modalities), 0.0

        def told(epoch: Epoch) -> None:
            nonlocal best
            best = max(best, epoch.accuracy[main])
            self._report(trial, best, epoch.number)

        return told

    def _report(self, trial: Any, accuracy: float, step: int) -> None:
        trial.report(accuracy, step)
        if trial.should_prune():
            raise self._optuna.TrialPruned


def _mean(answers: Sequence[FoldAnswer]) -> float:
    return sum(answer.accuracy for answer in answers) / len(answers)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("sweep needs Optuna: pip install 'bci-stream[train]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _made_for(corpus: Corpus, base: Recipe, split: Split, settings: SweepSettings) -> str:
    more = (str(split.folds), str(settings.n_folds), str(settings.seeds), torch.__version__)
    return base.fingerprint(corpus.name, corpus.digest(), *more)


def _opened(optuna: Any, storage: str, made_for: str) -> Any:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
        study = optuna.create_study(
            storage=storage, study_name="bci-stream", direction="maximize", pruner=pruner, load_if_exists=True
        )
    except (SQLAlchemyError, ImportError, ValueError, optuna.exceptions.OptunaError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--storage {storage}: no study can be kept there ({reason})") from error
    found = study.user_attrs.get(_MADE_FOR)
    if found is None and not study.trials:
        study.set_user_attr(_MADE_FOR, made_for)
    elif found != made_for:
        raise ResultError(
            f"{storage} holds a search for other data, folds or settings; choose another --out or --storage"
        )
    return study


def _prepare(
    corpus: Corpus, base: Recipe, split: Split, machine: Machine, report: Callable[[str], None]
) -> None:
    """Everything that any recipe of the search reads, by all workers; the folds find it in the cache."""
    people = [person for person in corpus.people if person in people_of_split(split)]
    for front in EEG_FRONTS if EEG in base.modalities else (base.front,):
        contract = replace(base, front=front).contract(corpus.classes, corpus.ch_names)
        prepare_corpus(
            corpus, contract, machine.cache, people=people, n_workers=machine.n_workers, report=report
        )


def _done(optuna: Any, study: Any) -> list[Any]:
    states = optuna.trial.TrialState
    found: list[Any] = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
    return found


def _tried(optuna: Any, trial: Any) -> Tried:
    given_up = trial.state == optuna.trial.TrialState.PRUNED
    return Tried(trial.number, float(trial.value), given_up, dict(trial.params))


def _outcome(optuna: Any, study: Any) -> Sweep:
    tried = sorted(
        (_tried(optuna, trial) for trial in _done(optuna, study)), key=lambda t: (t.given_up, -t.accuracy)
    )
    best = recipe_from_dict(study.best_trial.user_attrs[_RECIPE])
    return Sweep(best, tuple(tried), _importance(optuna, study, tried))


def _importance(optuna: Any, study: Any, tried: Sequence[Tried]) -> dict[str, float]:
    accuracies = [t.accuracy for t in tried if not t.given_up]
    if len(accuracies) < _FEWEST_FOR_IMPORTANCE or len(set(accuracies)) < 2:
        return {}
    try:
        return dict(
            optuna.importance.get_param_importances(
                study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
            )
        )
    except RuntimeError:  # the forest found no variance at all
        return {}


def _line(varied: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in varied.items()
    )
