"""A corpus's trials through the live pipeline: what training sees is what a live session would make of them.

Each trial is played into a :class:`~bci_stream.engine.pipeline.Pipeline` as two streams that begin together;
the slow stages (Euclidean alignment, running normalisation) go on from trial to trial of one person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch

from bci_stream.engine.hops import HopMaker
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import StreamPlan, plan_for_contract, window_settings
from bci_stream.errors import BundleMismatchError, ConfigError, CorpusError
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Event, FloatArray, StreamSpec
from bci_stream.model.contract import TOKEN_S, Contract
from bci_stream.model.predictor import Hop
from bci_stream.training.features import FrontEnds
from bci_stream.training.sessions import UNLABELLED, Session
from bci_stream.training.trials import Corpus, Trial

VERSION = 4  # of everything here and below that decides a session's numbers
_T0_S = 1000.0
_CHUNK_S = 0.4  # how the samples are cut cannot matter, and few large chunks are quickest
Signals = dict[str, tuple[FloatArray, float]]  # role to (n, C) samples and their rate
_EARLY_S = 2.0  # nothing else is fed before a stream is this far


class Preparer:
    """Turns one person's trials into sessions, in their order.

    Args:
        contract: what the network will expect.
        classes: of the corpus; a session's labels index them.

    Raises:
        ConfigError: a hop of the contract is more than one token.
    """

    def __init__(self, contract: Contract, ch_names: Sequence[str]) -> None:
        if contract.tokens_per_hop != 1:
            raise ConfigError(f"training needs a hop of one token, {TOKEN_S} s, not {contract.hop_s:g} s")
        self._contract, self._ch_names = contract, tuple(ch_names)
        self._fronts = FrontEnds(contract)
        self._makers: dict[bool, HopMaker] = {}  # with EEG, and without
        self._known_plans: dict[tuple[tuple[str, float], ...], dict[str, StreamPlan]] = {}

    def reset(self) -> None:
        """Somebody else."""
        self._fronts.reset()
        for maker in self._makers.values():
            maker.reset()

    def session(self, trial: Trial) -> Session:
        """One trial as the encoders see it.

        Raises:
            CorpusError: the trial has no signal that the contract wants, or none of its classes.
        """
        return self.session_of(trial, self.hops(trial))

    def session_of(self, trial: Trial, hops: Sequence[Hop]) -> Session:
        """As :meth:`session`, of the trial's own hops, made just now."""
        labels = np.full(len(hops), UNLABELLED, np.int64)
        if trial.label not in self._contract.classes:
            known = ", ".join(self._contract.classes)
            raise CorpusError(f"{trial.source}: {trial.label!r} is none of {known}")
        labels[self._first_end(len(hops)) :] = self._contract.classes.index(trial.label)
        segments = np.full(len(hops), trial.number, np.int64)
        return Session(trial.person, self._fronts.parts(hops), labels, segments, trial.condition)

    def _first_end(self, n_tokens: int) -> int:
        """The first token at which a window of this trial is full enough to be answered live."""
        enough = int(np.ceil(self._contract.min_coverage * self._contract.n_tokens))
        return min(enough, n_tokens) - 1

    def hops(self, trial: Trial) -> list[Hop]:
        """The live pipeline's hops of a trial, from its first sample to its last whole hop."""
        signals = _signals(trial, self._contract.modalities)
        if not signals:
            raise CorpusError(f"{trial.source}: trial {trial.number} has none of {self._contract.modalities}")
        n_hops = int(min(len(x) / sfreq for x, sfreq in signals.values()) / TOKEN_S + 1e-6)
        if n_hops < 1:
            raise CorpusError(f"{trial.source}: trial {trial.number} is shorter than {TOKEN_S} s")
        plans = self._plans(trial, signals)
        maker = self._maker(plans)
        maker.reconnect()  # a trial does not go on where the one before it ended
        hops = [Hop()] * n_hops
        for i, hop in _play(plans, maker, signals, self._contract):
            if i < n_hops:
                hops[i] = copied(hop)
        return hops

    def _plans(self, trial: Trial, signals: Signals) -> dict[str, StreamPlan]:
        rates = tuple((role, sfreq) for role, (_, sfreq) in signals.items())
        if rates in self._known_plans:
            return self._known_plans[rates]
        names = {EEG: self._ch_names, AUDIO: ("voice",)}
        specs = {role: StreamSpec(role, names[role], sfreq) for role, sfreq in rates}
        try:
            self._known_plans[rates] = plan_for_contract(specs, self._contract)
        except BundleMismatchError as error:
            raise CorpusError(f"{trial.source}: {error}") from error
        return self._known_plans[rates]

    def _maker(self, plans: dict[str, StreamPlan]) -> HopMaker:
        """One for all trials of a person, so that the alignment goes on."""
        if (EEG in plans) not in self._makers:
            hop_n = {EEG: self._contract.eeg_hop, AUDIO: self._contract.audio_hop}
            self._makers[EEG in plans] = HopMaker(plans, hop_n)
        return self._makers[EEG in plans]


def prepare_person(corpus: Corpus, person: str, contract: Contract) -> list[Session]:
    """All sessions of one person, on one thread of torch: its hops are too small for more."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        preparer = Preparer(contract, corpus.ch_names)
        return [preparer.session(trial) for trial in corpus.trials(person)]
    finally:
        torch.set_num_threads(n_threads)


def prepare_people(
    corpus: Corpus, people: Sequence[str], contract: Contract, n_workers: int = 1
) -> Iterator[list[Session]]:
    """:func:`prepare_person` for each, in order, on ``n_workers`` processes; the number changes no bit."""
    prepare = partial(_prepare_one, corpus, contract)
    if n_workers <= 1 or len(people) < 2:
        yield from map(prepare, people)
        return
    with ProcessPoolExecutor(n_workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield from pool.map(prepare, people)


def _prepare_one(corpus: Corpus, contract: Contract, person: str) -> list[Session]:
    return prepare_person(corpus, person, contract)


def _signals(trial: Trial, modalities: Sequence[str]) -> Signals:
    found: Signals = {}
    if trial.eeg is not None and EEG in modalities:
        found[EEG] = trial.eeg, trial.eeg_sfreq
    if trial.audio is not None and AUDIO in modalities:
        found[AUDIO] = trial.audio[:, None], trial.audio_sfreq
    return found


def _play(
    plans: dict[str, StreamPlan], maker: HopMaker, signals: Signals, contract: Contract
) -> Iterator[tuple[int, Hop]]:
    """Hops of the signals with their numbers from 0; views, valid until the next is drawn."""
    pipeline = Pipeline(plans, window_settings(contract, lateness_s=_EARLY_S))
    for event in _events(signals):
        for outcome in pipeline.step(event):
            yield round((outcome.window.t_end - _T0_S) / TOKEN_S) - 1, maker.newest(outcome.window)
    for outcome in pipeline.end():
        yield round((outcome.window.t_end - _T0_S) / TOKEN_S) - 1, maker.newest(outcome.window)


def _events(signals: Signals) -> Iterator[Event]:
    duration_s = max(len(x) / sfreq for x, sfreq in signals.values())
    for role in signals:
        yield ClockOffset(role, _T0_S, 0.0)
    for k in range(int(np.ceil(duration_s / _CHUNK_S))):
        for role, (x, sfreq) in signals.items():
            start, stop = (min(round(i * _CHUNK_S * sfreq), len(x)) for i in (k, k + 1))
            if stop > start:
                times = _T0_S + np.arange(start, stop) / sfreq
                yield Chunk(role, times, np.ascontiguousarray(x[start:stop], np.float32))


def copied(hop: Hop) -> Hop:
    """The same hop in memory of its own."""
    arrays = (hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
    return Hop(*(None if array is None else np.array(array, np.float32) for array in arrays))
