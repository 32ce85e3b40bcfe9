"""Folds and seeds of a recipe side by side: local processes, or an existing Ray cluster, through joblib.

A job knows everything that decides its answer and nothing of the others, so neither the number of jobs nor
where they ran changes a bit of it. Prepared sessions are not sent: each process maps them from the cache.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import torch

from bci_stream.errors import ConfigError
from bci_stream.model.allocator import keep_freed_memory
from bci_stream.model.network import build_network
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.evaluate import main_pattern
from bci_stream.training.experiment import Machine
from bci_stream.training.fit import Progress, fit
from bci_stream.training.fold_sessions import fold_sessions
from bci_stream.training.recipe import Recipe
from bci_stream.training.splits import POOLED, WITHIN, Split
from bci_stream.training.trials import Corpus

LOCAL: Final = "local"
RAY: Final = "ray"
BACKENDS: Final = (LOCAL, RAY)
Job = TypeVar("Job")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Workers:
    """``jobs`` at once; ``backend``: "local" processes, or "ray"."""

    jobs: int = 1
    backend: str = LOCAL

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises:
            ConfigError: an unknown backend, or no job at all.
        """
        if self.backend not in BACKENDS:
            raise ConfigError(f"--backend {self.backend!r} is not known: use {' or '.join(BACKENDS)}")
        if self.jobs < 1:
            raise ConfigError(f"--jobs {self.jobs} makes no sense: use 1 or more")


@dataclass(frozen=True, slots=True)
class FoldJob:
    """One fit: fold ``number`` of ``split``, with the recipe's own seed."""

    corpus: Corpus
    recipe: Recipe
    split: Split
    number: int
    machine: Machine


@dataclass(frozen=True, slots=True)
class FoldAnswer:
    """What the inner validation says of one fit; of the test people nothing was computed.

    ``accuracy``: of windows of the validation people, everything present, at the best epoch. ``loss``: nats.
    """

    number: int
    seed: int
    accuracy: float
    loss: float
    best_epoch: int
    n_epochs: int


def run_fold(job: FoldJob, progress: Progress = lambda epoch: None) -> FoldAnswer:
    """Fit one fold and ask its validation people.

    Raises:
        ConfigError: the split does not fit the corpus.
        CorpusError: a file of the corpus is not what it should be.
    """
    contract = job.recipe.contract(job.corpus.classes, job.corpus.ch_names)
    people = [person for person in job.corpus.people if person in people_of_split(job.split)]
    prepared = prepare_corpus(job.corpus, contract, job.machine.cache, people=people)
    chosen = fold_sessions(job.split, job.number, prepared.sessions, contract.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.recipe.seed)
        network = build_network(contract)
    fitted = fit(
        network,
        chosen.train,
        chosen.valid,
        job.recipe.fit,
        progress=progress,
        device=torch.device(job.machine.device),
        same_people=job.split.kind in (WITHIN, POOLED),
    )
    main = main_pattern(contract.modalities)
    return FoldAnswer(
        job.number, job.recipe.seed, fitted.accuracy[main], fitted.loss, fitted.epoch, len(fitted.history)
    )


def run_folds(
    corpus: Corpus,
    recipe: Recipe,
    split: Split,
    numbers: Sequence[int],
    seeds: Sequence[int],
    *,
    machine: Machine = Machine(),
    workers: Workers = Workers(),
) -> list[FoldAnswer]:
    """Every fold of ``numbers`` with every seed, seed by seed; prepare the corpus before."""
    machine = replace(machine, n_workers=1)
    jobs = [
        FoldJob(corpus, recipe.seeded(seed), split, number, machine)
        for seed, number in itertools.product(seeds, numbers)
    ]
    return run_jobs(run_fold, jobs, workers)


def people_of_split(split: Split) -> set[str]:
    """Everybody in any fold, in any part."""
    return {person for fold in split.folds for part in (fold.test, fold.valid, fold.train) for person in part}


def run_jobs(function: Callable[[Job], Answer], jobs: Sequence[Job], workers: Workers) -> list[Answer]:
    """``function`` of each job, in their order; as many at once as ``workers`` says.

    Every process keeps to the number of torch threads of this one, because it changes the last bits.

    Raises:
        ConfigError: joblib or Ray is absent, or no Ray cluster can be reached.
    """
    if workers.backend == LOCAL and (workers.jobs == 1 or len(jobs) < 2):
        return [function(job) for job in jobs]
    joblib = _joblib()
    call = functools.partial(_on_threads, torch.get_num_threads(), function)
    with _backend(joblib, workers):
        answers: list[Answer] = joblib.Parallel(n_jobs=workers.jobs)(
            joblib.delayed(call)(job) for job in jobs
        )
    return answers


def _on_threads(n_threads: int, function: Callable[[Job], Answer], job: Job) -> Answer:
    torch.set_num_threads(n_threads)
    keep_freed_memory()
    return function(job)


def _joblib() -> Any:
    try:
        import joblib
    except ImportError as error:
        raise ConfigError("parallel jobs need joblib: pip install 'bci-stream[train]'") from error
    return joblib


@contextmanager
def _backend(joblib: Any, workers: Workers) -> Iterator[None]:
    if workers.backend == LOCAL:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=torch.get_num_threads()):
            yield
        return
    with ray_cluster() as n_cpus, joblib.parallel_config(backend="ray"):
        if workers.jobs > n_cpus:
            raise ConfigError(
                f"--jobs {workers.jobs}: the Ray cluster has {n_cpus} CPUs; use as many or less"
            )
        yield


@contextmanager
def ray_cluster() -> Iterator[int]:
    """Ray as it is already running here or at ``$RAY_ADDRESS``, and its CPUs; nothing is ever started.

    A connection that was there before stays; one that is made here is closed.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster.
    """
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ConfigError("--backend ray needs Ray: pip install 'bci-stream[ray]'") from error
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address="auto", log_to_driver=False)
        except ConnectionError as error:
            raise ConfigError(
                "--backend ray: no Ray cluster is running here; start one with `ray start --head`, "
                "set RAY_ADDRESS, or use --backend local"
            ) from error
    try:
        registered: Any = register_ray  # they carry no annotations
        resources: Any = ray.cluster_resources
        registered()
        yield int(resources().get("CPU", 0))
    finally:
        if ours:
            ray.shutdown()
