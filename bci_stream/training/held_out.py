"""Networks with the trials that each is tested on: what every evaluation of a trained model starts from.

A result directory has a network for each fold, tested on that fold's own people; a bundle is one network,
tested on everybody in the data it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bci_stream.errors import ConfigError
from bci_stream.model.bundle import load_bundle
from bci_stream.model.contract import TOKEN_S, Contract
from bci_stream.model.network import FusionNetwork
from bci_stream.training.cache import Prepared, prepare_corpus
from bci_stream.training.evaluate import main_pattern, score_sessions
from bci_stream.training.metrics import NAN, Floats, Interval, chance_level, interval, people_draws
from bci_stream.training.results import read_result
from bci_stream.training.run_result import RunResult
from bci_stream.training.saving import read_network
from bci_stream.training.sessions import UNLABELLED, Session
from bci_stream.training.splits import N_FOLDS, Split, TrialId, make_split
from bci_stream.training.trial_scores import TrialScores, join_trials, trial_scores
from bci_stream.training.trials import Corpus

Report = Callable[[str], None]
_LISTENING = "listening"
_FEWEST_PEOPLE = 3  # that can be split into training, validation and test


class Examinee(NamedTuple):
    """One network, and the trials (person, number) that it is tested on."""

    name: str
    network: FusionNetwork
    trials: frozenset[tuple[str, int]]

    def its(self, sessions: Iterable[Session]) -> list[Session]:
        """Those of ``sessions`` that it is tested on."""
        return [session for session in sessions if (session.person, session.trial) in self.trials]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A trained model and its test.

    ``title``: what is evaluated. ``footnote``: data and protocol, for every figure. ``sessions``: of
    everybody, undisturbed. ``split``: for whatever is trained again beside it; None with too few people.
    """

    title: str
    footnote: str
    leaks: bool
    generated: bool
    contract: Contract
    corpus: Corpus
    examinees: tuple[Examinee, ...]
    sessions: tuple[Session, ...]
    split: Split | None
    seed: int = 0

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who is tested, in the corpus's order."""
        tested = {person for one in self.examinees for person, _ in one.trials}
        return tuple(person for person in self.corpus.people if person in tested)

    @property
    def pattern(self) -> str:
        """The pattern of presence in which everything is used."""
        return main_pattern(self.contract.modalities)

    def answers(self, sessions: Sequence[Session] | None = None) -> TrialScores:
        """What the networks say of their test trials, in every pattern; of ``sessions`` instead if given."""
        return answers_of(self.examinees, self.sessions if sessions is None else sessions)

    def chance(self) -> tuple[float, float]:
        """Accuracy of naming the commonest class of the test, and what guessing passes 1 time in 20."""
        tested = [session.label for one in self.examinees for session in one.its(self.sessions)]
        return chance_level(np.array(tested, np.int64), len(self.contract.classes))


def answers_of(
    examinees: Sequence[Examinee],
    sessions: Sequence[Session],
    asked: Mapping[str, tuple[float, ...]] | None = None,
) -> TrialScores:
    """Every network on its own of ``sessions``; ``asked``: patterns of presence, all by default."""
    found = []
    for one in examinees:
        mine = one.its(sessions)
        if mine:
            scores = score_sessions(one.network, mine, asked=asked)
            found.append(trial_scores(scores, float(one.network.temperatures[0])))
    if not found:
        raise ConfigError("there is no trial to test; check --subjects and the data")
    return join_trials(found)


def hold_out_bundle(
    path: Path,
    corpus: Corpus,
    *,
    cache: Path | None = None,
    n_workers: int = 1,
    report: Report = lambda line: None,
) -> HeldOut:
    """A bundle and everybody in ``corpus``; stamped as leaking where these are the data it was trained on.

    Raises:
        BundleError: the bundle is not what it should be.
        ConfigError: the corpus has other classes or lacks a modality.
        CorpusError: the data do not fit the bundle.
    """
    bundle = load_bundle(path)
    contract, said = bundle.contract, bundle.contract.training
    check_corpus(contract, corpus, path)
    prepared = _prepared(corpus, contract, corpus.people, cache, n_workers, report)
    sessions = usable(prepared.sessions)
    leaks = prepared.source_sha256 == said.data_sha256
    how = "LEAKS: the very data it was trained on, no test" if leaks else "data other than it was trained on"
    n_folds = min(N_FOLDS, len(corpus.people))
    enough = n_folds >= _FEWEST_PEOPLE
    return HeldOut(
        title=f"bundle {path.name}",
        footnote=f"{_data_name(corpus)}, {len(sessions)} trials, {how}; bundle {bundle.sha256[:8]}",
        leaks=leaks,
        generated=corpus.generated,
        contract=contract,
        corpus=corpus,
        examinees=(Examinee(path.name, bundle.network, _trials_of(sessions)),),
        sessions=tuple(sessions),
        split=make_split("subject-kfold", corpus.people, n_folds=n_folds) if enough else None,
    )


def hold_out_result(
    path: Path,
    corpus: Corpus,
    *,
    cache: Path | None = None,
    n_workers: int = 1,
    report: Report = lambda line: None,
) -> HeldOut:
    """The networks of every fold of a run, each with its own test trials.

    Raises:
        ResultError: the directory is no result.
        ConfigError: it holds no networks, or ``corpus`` is not what the run was made from.
        CorpusError: a file of the corpus is not what it should be.
    """
    result = read_result(path)
    numbers = [i for i in range(len(result.folds)) if (path / f"fold-{i}").is_dir()]
    if not numbers:
        raise ConfigError(f"{path} holds no fold's network (fold-0/, …); train again to evaluate it")
    found = [read_network(path / f"fold-{i}") for i in numbers]
    contract = found[0][0]
    check_corpus(contract, corpus, path)
    prepared = _prepared(corpus, contract, _people(path, result, corpus), cache, n_workers, report)
    if prepared.source_sha256 != result.data_sha256:
        raise ConfigError(
            f"{path} was made from other data than {corpus.name} here (content hashes differ); "
            "give --data the folder that it was trained on"
        )
    split = Split(result.split, result.leaks, result.protocol, result.seed, result.folds)
    labelled = [session for session in prepared.sessions if session.label != UNLABELLED]
    ids = trial_ids(labelled, contract.classes)
    tests = [usable([labelled[k] for k in split.select(i, ids).test]) for i in numbers]
    n = sum(map(len, tests))
    return HeldOut(
        title=f"{result.name} ({len(numbers)} of {len(result.folds)} folds)",
        footnote=f"{_data_name(corpus)}, {n} test trials. {result.protocol}",
        leaks=result.leaks,
        generated=corpus.generated,
        contract=contract,
        corpus=corpus,
        examinees=tuple(
            Examinee(f"fold {i + 1}", network, _trials_of(test))
            for i, (_, network), test in zip(numbers, found, tests, strict=True)
        ),
        sessions=tuple(usable(prepared.sessions)),
        split=split,
        seed=result.seed,
    )


def check_corpus(contract: Contract, corpus: Corpus, path: Path) -> None:
    """Refuse data that the model cannot be asked about.

    Raises:
        ConfigError: other classes, or no EEG where the model needs it.
    """
    unknown = [name for name in corpus.classes if name not in contract.classes]
    if unknown:
        raise ConfigError(
            f"{path} knows {', '.join(contract.classes)}, and {corpus.name} has {', '.join(unknown)}; "
            "give --data with the same classes"
        )
    if contract.modalities == ("eeg",) and not corpus.ch_names:
        raise ConfigError(f"{path} reads EEG and {corpus.name} has none; give --data with EEG")


def usable(sessions: Iterable[Session]) -> list[Session]:
    """What is tested: labelled, and not a listening trial."""
    return [s for s in sessions if s.label != UNLABELLED and s.condition != _LISTENING]


def trial_ids(sessions: Sequence[Session], classes: Sequence[str]) -> list[TrialId]:
    """As a split sees them."""
    return [TrialId(s.person, s.trial, classes[s.label]) for s in sessions]


def single_token(contract: Contract) -> Contract:
    """The contract with training's hop, one token; it changes no answer of the network."""
    return contract.model_copy(update={"hop_s": TOKEN_S})


def share_right(right: Floats, persons: Sequence[str], *, seed: int = 0) -> tuple[float, Interval]:
    """Mean of ``right`` (n,) over trials, with its 95 % interval: people are drawn with replacement."""
    names, rows = np.unique(np.asarray(persons), return_inverse=True)
    if len(names) < 2:
        return float(np.mean(right)), Interval(NAN, NAN)
    draws = people_draws(len(names), seed)
    sums, counts = np.bincount(rows, right), np.bincount(rows)
    return float(np.mean(right)), interval((draws @ sums) / (draws @ counts))


def _people(path: Path, result: RunResult, corpus: Corpus) -> list[str]:
    wanted = {person for fold in result.folds for person in (*fold.test, *fold.train)}
    people = [person for person in corpus.people if person in wanted]
    if len(people) < len(wanted):
        absent = sorted(wanted - set(people))
        raise ConfigError(f"{path} was made from other data: here there is no {', '.join(absent[:3])}")
    return people


def _prepared(
    corpus: Corpus,
    contract: Contract,
    people: Sequence[str],
    cache: Path | None,
    n_workers: int,
    report: Report,
) -> Prepared:
    asked = single_token(contract)
    return prepare_corpus(corpus, asked, cache, people=people, n_workers=n_workers, report=report)


def _trials_of(sessions: Sequence[Session]) -> frozenset[tuple[str, int]]:
    return frozenset((session.person, session.trial) for session in sessions)


def _data_name(corpus: Corpus) -> str:
    return f"{corpus.name}{' (generated)' if corpus.generated else ''}"
