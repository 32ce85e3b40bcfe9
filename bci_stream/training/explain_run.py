"""From a bundle or a result directory, and data, to an explanation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bci_stream.errors import ConfigError
from bci_stream.model.bundle import load_bundle
from bci_stream.model.contract import TOKEN_S, Contract
from bci_stream.training.cache import Prepared, prepare_corpus
from bci_stream.training.explain import Report, Subject, explain
from bci_stream.training.explain_numbers import Explanation
from bci_stream.training.results import read_result
from bci_stream.training.run_result import RunResult
from bci_stream.training.saving import read_network
from bci_stream.training.sessions import UNLABELLED, Session
from bci_stream.training.splits import Split, TrialId
from bci_stream.training.trials import Corpus

_LISTENING = "listening"


def explain_bundle(
    path: Path,
    corpus: Corpus | None,
    *,
    most_trials: int = 20,
    cache: Path | None = None,
    report: Report = lambda line: None,
) -> Explanation:
    """Look inside a bundle; on data that it was trained on, everything is stamped as leaking.

    ``most_trials``: of each person, spread evenly over the session; 0: all.

    Raises:
        BundleError: the bundle is not what it should be.
        CorpusError: the data do not fit the bundle.
    """
    bundle = load_bundle(path)
    contract, title = bundle.contract, f"bundle {path.name}"
    said = contract.training
    if corpus is None:
        footnote = f"weights only; trained on: {said.description or 'unknown data'}"
        return explain([Subject(path.name, bundle.network, ())], contract, title=title, footnote=footnote)
    prepared = _prepared(corpus, contract, corpus.people, cache, report)
    sessions = thinned(_usable(prepared.sessions), most_trials)
    trained_on = prepared.source_sha256 == said.data_sha256
    how = "the data it was trained on: no test" if trained_on else "data other than it was trained on"
    footnote = f"{_data_name(corpus)}, {len(sessions)} trials, {how}; bundle {bundle.sha256[:8]}"
    subject = Subject(path.name, bundle.network, sessions)
    return explain([subject], contract, title=title, footnote=footnote, leaks=trained_on, report=report)


def explain_result(
    path: Path,
    corpus: Corpus | None,
    *,
    most_trials: int = 20,
    cache: Path | None = None,
    report: Report = lambda line: None,
) -> Explanation:
    """Look inside the networks of every fold of a run, each on the test trials of its own fold.

    Raises:
        ResultError: the directory is no result.
        ConfigError: it holds no networks, or ``corpus`` is not what the run was made from.
        CorpusError: a file of the corpus is not what it should be.
    """
    result = read_result(path)
    numbers = [i for i in range(len(result.folds)) if (path / f"fold-{i}").is_dir()]
    if not numbers:
        raise ConfigError(f"{path} holds no fold's network (fold-0/, …); train again to look inside")
    found = [read_network(path / f"fold-{i}") for i in numbers]
    contract, title = found[0][0], f"{result.name} ({len(numbers)} of {len(result.folds)} folds)"
    tests: dict[int, list[Session]] = {i: [] for i in numbers}
    if corpus is not None:
        tests = _test_sessions(path, result, corpus, contract, numbers, cache, report)
    subjects = [
        Subject(f"fold {i + 1}", network, thinned(tests[i], most_trials))
        for i, (_, network) in zip(numbers, found, strict=True)
    ]
    n = sum(len(one.sessions) for one in subjects)
    shown = f"{n} of {len(result.predictions.labels)} test trials" if n else "weights only"
    generated = " (generated)" if result.generated else ""
    footnote = f"{result.data_name}{generated}, {shown}. {result.protocol}"
    return explain(subjects, contract, title=title, footnote=footnote, leaks=result.leaks, report=report)


def _test_sessions(
    path: Path,
    result: RunResult,
    corpus: Corpus,
    contract: Contract,
    numbers: Sequence[int],
    cache: Path | None,
    report: Report,
) -> dict[int, list[Session]]:
    """The test sessions of each fold, drawn by the run's own split."""
    wanted = {person for fold in result.folds for person in (*fold.test, *fold.train)}
    people = [person for person in corpus.people if person in wanted]
    if len(people) < len(wanted):
        absent = sorted(wanted - set(people))
        raise ConfigError(f"{path} was made from other data: here there is no {', '.join(absent[:3])}")
    prepared = _prepared(corpus, contract, people, cache, report)
    if prepared.source_sha256 != result.data_sha256:
        raise ConfigError(
            f"{path} was made from other data than {corpus.name} here (content hashes differ); "
            "give --data the folder that it was trained on"
        )
    usable = [session for session in prepared.sessions if session.label != UNLABELLED]
    ids = [TrialId(s.person, s.trial, contract.classes[s.label]) for s in usable]
    split = Split(result.split, result.leaks, result.protocol, result.seed, result.folds)
    return {i: _usable([usable[k] for k in split.select(i, ids).test]) for i in numbers}


def _prepared(
    corpus: Corpus, contract: Contract, people: Sequence[str], cache: Path | None, report: Report
) -> Prepared:
    single = contract.model_copy(update={"hop_s": TOKEN_S})  # training's hop is one token
    return prepare_corpus(corpus, single, cache, people=people, report=report)


def _usable(sessions: Sequence[Session]) -> list[Session]:
    return [s for s in sessions if s.label != UNLABELLED and s.condition != _LISTENING]


def thinned(sessions: Sequence[Session], most: int) -> list[Session]:
    """At most ``most`` of each person, evenly over the session and as they come; all if 0."""
    of: dict[str, list[int]] = defaultdict(list)
    for i, session in enumerate(sessions):
        of[session.person].append(i)
    kept = []
    for mine in of.values():
        n = len(mine) if most == 0 else min(most, len(mine))
        kept += [mine[int(k)] for k in np.linspace(0, len(mine) - 1, n).round()]
    return [sessions[i] for i in sorted(kept)]


def _data_name(corpus: Corpus) -> str:
    return f"{corpus.name}{' (generated)' if corpus.generated else ''}"
