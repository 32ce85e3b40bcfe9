"""What a trained model still knows when a modality is gone, amid noise, with lost electrodes, out of step.

Noise and lost electrodes are put into the samples, which then go through the live pipeline again (see
:mod:`bci_stream.training.disturbed`). A modality is removed as in a live session whose stream has ended. A
shifted voice goes around within its trial, frame by frame of 10 ms, so that only the alignment is lost.

The unit is the trial; intervals are over people, and so is the cost of each condition, which is paired: the
same people, disturbed and not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG
from bci_stream.model.contract import TOKEN_S
from bci_stream.training.disturbed import ChannelsLostCorpus, Disturbed, NoisyCorpus
from bci_stream.training.evaluate import patterns
from bci_stream.training.held_out import HeldOut, Report, answers_of, share_right, single_token, usable
from bci_stream.training.metrics import Floats, Interval
from bci_stream.training.prepare import prepare_people
from bci_stream.training.sessions import Part, Session
from bci_stream.training.statistics import bootstrap_mean
from bci_stream.training.trial_scores import TrialScores, join_trials

UNDISTURBED: Final = "undisturbed"
_GOOD_SHARE = 0.5  # of a token's frames, as in the encoders
_NAMES = {EEG: "EEG", AUDIO: "voice"}
Key = tuple[str, int]  # a trial: person and number


@dataclass(frozen=True, slots=True)
class RobustnessSettings:
    """Which conditions.

    ``lost``: electrodes lost; 1, 2, 4, … below their number if None. ``n_draws``: how often other electrodes
    are drawn, the answers being averaged. ``shifts_s``: how late the voice is. ``seed``: of noise and draws.
    """

    snrs_db: tuple[float, ...] = (10.0, 5.0, 0.0)
    lost: tuple[int, ...] | None = None
    n_draws: int = 3
    shifts_s: tuple[float, ...] = (-2.0, -1.0, -0.5, -0.2, 0.2, 0.5, 1.0, 2.0)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.n_draws < 1:
            raise ConfigError(f"{self.n_draws} draws of lost electrodes: use 1 or more")


class Condition(NamedTuple):
    """One condition. ``cost``: accuracy lost against undisturbed, mean over people, with its interval.

    ``kind``: "none", "removed", "voice noise", "eeg noise", "channels lost" or "voice shifted". ``amount``:
    dB, electrodes or seconds.
    """

    name: str
    kind: str
    amount: float
    accuracy: float
    ci: Interval
    cost: float
    cost_ci: Interval
    n_draws: int = 1


@dataclass(frozen=True, slots=True)
class Robustness:
    """All conditions, the undisturbed one first. ``chance``: level, and what guessing passes 1 time in 20."""

    conditions: tuple[Condition, ...]
    chance: tuple[float, float]
    n_trials: int
    n_people: int

    def __getitem__(self, name: str) -> Condition:
        """The condition of that name."""
        return next(condition for condition in self.conditions if condition.name == name)

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return {**asdict(self), "conditions": [condition._asdict() for condition in self.conditions]}

    def lines(self) -> list[str]:
        """The main findings, in words."""
        first, *others = self.conditions
        clear = [one for one in others if one.cost_ci.low > 0]
        lines = [f"Undisturbed: {first.accuracy:.1%} of {self.n_trials} trials."]
        if clear:
            named = (f"{one.name} {-100 * one.cost:+.1f} points" for one in clear)
            lines.append(f"Clearly worse (the interval of the cost excludes 0): {', '.join(named)}.")
        if len(others) > len(clear):
            unclear = ", ".join(one.name for one in others if one.cost_ci.low <= 0 or _is_nan(one.cost_ci))
            lines.append(f"No clear cost with {self.n_people} people: {unclear}.")
        guessing = [one.name for one in others if one.accuracy <= self.chance[1]]
        if guessing:
            lines.append(f"No better than guessing ({self.chance[1]:.1%} or less): {', '.join(guessing)}.")
        return lines


class _Task(NamedTuple):
    """A condition before it is scored; ``draws``: makes each draw's answers."""

    name: str
    kind: str
    amount: float
    draws: Sequence[Callable[[], TrialScores]]


def robustness(
    held: HeldOut,
    settings: RobustnessSettings = RobustnessSettings(),
    *,
    n_workers: int = 1,
    report: Report = lambda line: None,
) -> Robustness:
    """Score every condition that the model's modalities and the data's signals allow.

    Raises:
        ConfigError: more electrodes are to be lost than there are.
    """
    base = held.answers()
    plain = _right(base, held.pattern)
    persons, right = _as_arrays(plain)
    accuracy, ci = share_right(right, persons)
    found = [Condition(UNDISTURBED, "none", 0.0, accuracy, ci, 0.0, Interval(0.0, 0.0))]
    tasks = list(_tasks(held, base, settings, n_workers))
    for i, task in enumerate(tasks):
        report(f"robustness {i + 1} of {len(tasks)}: {task.name}")
        found.append(_condition(task, plain, held.pattern))
    return Robustness(tuple(found), held.chance(), len(right), len(set(persons)))


def _condition(task: _Task, plain: Mapping[Key, float], pattern: str) -> Condition:
    """Its figures: answers are averaged over draws trial by trial, then compared person by person."""
    draws = [_right(draw(), pattern) for draw in task.draws]
    right = {key: float(np.mean([draw[key] for draw in draws])) for key in plain}
    persons, values = _as_arrays(right)
    accuracy, ci = share_right(values, persons)
    costs = _by_person({key: plain[key] - right[key] for key in plain})
    cost_ci = bootstrap_mean(costs)
    return Condition(
        task.name, task.kind, task.amount, accuracy, ci, float(costs.mean()), cost_ci, len(draws)
    )


def _tasks(held: HeldOut, base: TrialScores, settings: RobustnessSettings, n_workers: int) -> Iterator[_Task]:
    names = held.contract.modalities
    has_eeg, has_voice = (_recorded(held, modality) for modality in (EEG, AUDIO))
    if len(names) > 1:
        yield from _removals(base, names)
    for modality in (name for name, there in ((AUDIO, has_voice), (EEG, has_eeg)) if there):
        for snr_db in settings.snrs_db:
            noisy = NoisyCorpus(held.corpus, modality, snr_db, seed=settings.seed)
            name = f"{_NAMES[modality]} noise {snr_db:g} dB"
            yield _Task(
                name,
                f"{_NAMES[modality].lower()} noise",
                snr_db,
                [partial(_replayed, held, noisy, n_workers)],
            )
    if has_eeg:
        for n_lost in _lost(settings, len(held.corpus.ch_names)):
            seeds = [settings.seed + i for i in range(settings.n_draws)]
            corpora = (ChannelsLostCorpus(held.corpus, n_lost, seed=seed) for seed in seeds)
            label = f"{n_lost} of {len(held.corpus.ch_names)} electrodes lost"
            draws = [partial(_replayed, held, corpus, n_workers) for corpus in corpora]
            yield _Task(label, "channels lost", n_lost, draws)
    if has_eeg and has_voice:
        for shift_s in settings.shifts_s:
            label = f"voice {abs(shift_s):g} s {'late' if shift_s > 0 else 'early'}"
            yield _Task(label, "voice shifted", shift_s, [partial(_shifted, held, shift_s)])


def _removals(base: TrialScores, names: Sequence[str]) -> Iterator[_Task]:
    """The patterns that have been scored already: each modality without the others."""
    for gone in names:
        (left,) = (name for name in names if name != gone)
        given = replace(base, probs={"both": base.probs[left]})
        yield _Task(f"{_NAMES[gone]} removed", "removed", 0.0, [partial(_given, given)])


def _given(answers: TrialScores) -> TrialScores:
    return answers


def _shifted(held: HeldOut, shift_s: float) -> TrialScores:
    of: dict[str, list[Session]] = defaultdict(list)
    for session in held.sessions:
        of[session.person].append(session)
    people = ([shifted_session(session, shift_s) for session in of[person]] for person in held.people)
    return _answers(held, people)


def _replayed(held: HeldOut, corpus: Disturbed, n_workers: int) -> TrialScores:
    """Answers on disturbed samples, kept nowhere: a large corpus many times over would fill the disk."""
    enough = {
        (session.person, session.trial): _tokens(session) * held.contract.min_coverage
        for session in held.sessions
    }
    replayed = prepare_people(corpus, held.people, single_token(held.contract), n_workers)
    people = (
        [as_live(session, enough[session.person, session.trial]) for session in usable(sessions)]
        for sessions in replayed
    )
    return _answers(held, people)


def as_live(session: Session, enough: Floats) -> Session:
    """Without the modalities that have fewer good tokens left than ``enough`` (M,): live they are not used.

    A flat electrode is known as flat after a second, and every trial begins anew: without this rule the
    first tokens of each trial would speak for a modality that a live session has long left out.
    """
    few = _tokens(session) < enough
    parts = {
        name: part._replace(there=np.zeros_like(part.there)) if gone else part
        for (name, part), gone in zip(session.parts.items(), few, strict=True)
    }
    return replace(session, parts=parts)


def _tokens(session: Session) -> Floats:
    """(M,) good tokens of each modality."""
    return np.array([part.there.sum() for part in session.parts.values()], np.float64)


def _answers(held: HeldOut, people: Iterable[Sequence[Session]]) -> TrialScores:
    """Person by person, so that one person's sessions are in memory at a time."""
    everything = {held.pattern: patterns(held.contract.modalities)[held.pattern]}
    return join_trials([answers_of(held.examinees, usable(mine), everything) for mine in people])


def _recorded(held: HeldOut, modality: str) -> bool:
    """Whether the model uses it and the data have it."""
    if modality not in held.contract.modalities:
        return False
    return any(bool(session.parts[modality].there.any()) for session in held.sessions)


def _lost(settings: RobustnessSettings, n_channels: int) -> tuple[int, ...]:
    if settings.lost is not None:
        return settings.lost
    return tuple(2**i for i in range(int(math.log2(max(1, n_channels - 1))) + 1)) if n_channels > 1 else ()


def shifted_session(session: Session, shift_s: float) -> Session:
    """The same with the voice ``shift_s`` late (early if below 0), going around within the session.

    To the nearest frame of 10 ms. Running normalisation is that of the voice where it was.
    """
    if AUDIO not in session.parts:
        return session
    features, valid, _ = session.parts[AUDIO]
    n, per_token, n_mels = features.shape
    n_frames = round(shift_s / TOKEN_S * per_token)
    frames = np.roll(np.reshape(features, (n * per_token, n_mels)), n_frames, axis=0)
    good = np.roll(np.reshape(valid, n * per_token), n_frames).reshape(n, per_token)
    there = (good.mean(axis=1) >= _GOOD_SHARE).astype(np.float32)
    moved = Part(frames.reshape(n, per_token, n_mels), good, there)
    return replace(session, parts={**session.parts, AUDIO: moved})


def _right(scores: TrialScores, pattern: str) -> dict[Key, float]:
    """1 or 0 by trial."""
    right = scores.probs[pattern].argmax(axis=1) == scores.labels
    keys = zip(scores.persons, scores.trials.tolist(), strict=True)
    return dict(zip(keys, right.astype(float).tolist(), strict=True))


def _as_arrays(right: Mapping[Key, float]) -> tuple[list[str], Floats]:
    return [person for person, _ in right], np.array(list(right.values()))


def _by_person(values: Mapping[Key, float]) -> Floats:
    """Mean of each person, in the order of appearance."""
    of: dict[str, list[float]] = defaultdict(list)
    for (person, _), value in values.items():
        of[person].append(value)
    return np.array([np.mean(mine) for mine in of.values()])


def _is_nan(interval: Interval) -> bool:
    return math.isnan(interval.low)
