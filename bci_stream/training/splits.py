"""Who is trained on, who decides when to stop, who is tested: every split of a corpus, in one place.

``loso`` and ``subject-kfold`` test people whom nothing of the training has met. ``within-chronological`` is
EAV's own protocol (Lee 2024, doi 10.1038/s41597-024-03838-4): per person and class the first 14 of 20 trials
train, the last 6 test. ``pooled`` draws trials at random; on EAV that flatters the same model by 13 points,
so it must be asked for by name and everything made from it says LEAKS.

One generator, seeded once, decides a split; the same seed and people give the same split in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from bci_stream.errors import ConfigError

LOSO: Final = "loso"
SUBJECT_KFOLD: Final = "subject-kfold"
WITHIN: Final = "within-chronological"
POOLED: Final = "pooled"
SPLITS: Final = (LOSO, SUBJECT_KFOLD, WITHIN, POOLED)
LEAK_FLAG: Final = "--i-know-this-leaks"
N_FOLDS: Final = 7
_PEOPLE_PER_VALIDATION = 8  # 5 of 42
_FEWEST_TRIALS = 3  # of a class of a person: one each to train, to validate and to test


class TrialId(NamedTuple):
    """A trial as a split sees it. ``number``: its place in the person's session, in the order of time."""

    person: str
    number: int
    label: str


class Selection(NamedTuple):
    """Indices into the trials that were given, ascending."""

    train: list[int]
    valid: list[int]
    test: list[int]


@dataclass(frozen=True, slots=True)
class Fold:
    """People of each part; a person is in one part only where whole people are split."""

    test: tuple[str, ...]
    valid: tuple[str, ...]
    train: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """All folds of one protocol.

    ``leaks``: people and neighbouring trials of the test are in the training. ``protocol``: the sentence that
    stands under every figure and table made from it.
    """

    kind: str
    leaks: bool
    protocol: str
    seed: int
    folds: tuple[Fold, ...]

    def __post_init__(self) -> None:
        """People are split whole where the protocol says so."""
        if self.kind in (LOSO, SUBJECT_KFOLD):
            for fold in self.folds:
                _refuse_overlap(self.kind, "people", fold.train, fold.valid, fold.test)

    def select(self, fold: int, trials: Sequence[TrialId]) -> Selection:
        """Which of ``trials`` train, validate and test in that fold; trials may come in any order.

        Raises:
            ConfigError: a trial's person is in no part of the fold, a trial is given twice, a part would be
                empty, or a class of a person has too few trials.
        """
        parts = self.folds[fold]
        if self.kind == WITHIN:
            chosen = _chronological(parts, trials)
        elif self.kind == POOLED:
            chosen = _drawn(self.seed, fold, len(self.folds), trials)
        else:
            chosen = _by_person(parts, trials)
        _check(self.kind, fold, chosen, trials)
        return chosen


def make_split(
    kind: str, people: Sequence[str], *, seed: int = 0, n_folds: int = N_FOLDS, leak_ok: bool = False
) -> Split:
    """The split called ``kind`` of these people.

    Raises:
        ConfigError: the kind is unknown, there are too few people, or it leaks and ``leak_ok`` is false.
    """
    if len(set(people)) != len(people):
        raise ConfigError("a split got the same person twice; give every person once")
    people = sorted(people)
    if kind == LOSO:
        return loso(people, seed=seed)
    if kind == SUBJECT_KFOLD:
        return subject_kfold(people, seed=seed, n_folds=n_folds)
    if kind == WITHIN:
        return within_chronological(people)
    if kind == POOLED:
        return pooled(people, seed=seed, n_folds=n_folds, leak_ok=leak_ok)
    raise ConfigError(f"split {kind!r} is not known; choose one of {', '.join(SPLITS)}")


def loso(people: Sequence[str], *, seed: int = 0) -> Split:
    """Leave one subject out: as many folds as people."""
    folds = _subject_folds(people, len(people), seed, LOSO)
    protocol = f"leave-one-subject-out ({len(people)} people): test people never seen"
    return Split(LOSO, False, protocol, seed, folds)


def subject_kfold(people: Sequence[str], *, seed: int = 0, n_folds: int = N_FOLDS) -> Split:
    """People in ``n_folds`` groups of nearly equal size, each tested once."""
    if n_folds < 2:
        raise ConfigError(f"{SUBJECT_KFOLD} with {n_folds} folds: use 2 or more")
    if len(people) < n_folds:
        raise ConfigError(
            f"{SUBJECT_KFOLD} with {n_folds} folds needs at least {n_folds} people and there are "
            f"{len(people)}; use fewer folds or more people"
        )
    folds = _subject_folds(people, n_folds, seed, SUBJECT_KFOLD)
    return Split(SUBJECT_KFOLD, False, f"{n_folds}-fold over subjects: test people never seen", seed, folds)


def within_chronological(people: Sequence[str]) -> Split:
    """A fold per person: trained on the beginning of that person's session, tested on its end."""
    if not people:
        raise ConfigError(f"{WITHIN} needs at least one person and there is none")
    protocol = (
        "within subject, in order of time: the first 70 % of each class's trials train, the last 30 % test; "
        "test people were seen"
    )
    return Split(WITHIN, False, protocol, 0, tuple(Fold((p,), (p,), (p,)) for p in people))


def pooled(people: Sequence[str], *, seed: int = 0, n_folds: int = N_FOLDS, leak_ok: bool = False) -> Split:
    """Trials of everybody drawn at random into folds. It leaks; see the module's first lines."""
    if not leak_ok:
        raise ConfigError(
            f"split {POOLED!r} trains on the people it tests and on neighbouring trials, so its figures say "
            f"nothing of new people; use {SUBJECT_KFOLD}, or add {LEAK_FLAG}"
        )
    if n_folds < 3:
        raise ConfigError(f"{POOLED} with {n_folds} folds: use 3 or more")
    everybody = tuple(people)
    protocol = f"LEAKS: {n_folds}-fold over trials drawn at random; test people were seen"
    return Split(POOLED, True, protocol, seed, (Fold(everybody, everybody, everybody),) * n_folds)


def n_validation(n_people: int) -> int:
    """People of the inner validation: 5 of 42, in proportion with fewer, at least 1."""
    return max(1, n_people // _PEOPLE_PER_VALIDATION)


def _subject_folds(people: Sequence[str], n_folds: int, seed: int, kind: str) -> tuple[Fold, ...]:
    """One permutation decides it all: blocks of it are tested, the people after a block validate."""
    if len(people) < 3:
        raise ConfigError(
            f"{kind} needs 3 people or more (to train, to validate, to test) and there are {len(people)}; "
            f"use {WITHIN} or more people"
        )
    order = [people[i] for i in np.random.default_rng(seed).permutation(len(people))]
    edges = [len(order) * i // n_folds for i in range(n_folds + 1)]
    folds = []
    for begin, end in pairwise(edges):
        others = order[end:] + order[:begin]
        n_valid = min(n_validation(len(people)), len(others) - 1)
        if n_valid < 1:
            raise ConfigError(
                f"{kind} with {n_folds} folds leaves {len(others)} of {len(people)} people to train and to "
                "validate; use more folds"
            )
        parts = (order[begin:end], others[:n_valid], others[n_valid:])
        folds.append(Fold(*(tuple(sorted(part)) for part in parts)))
    return tuple(folds)


def _by_person(fold: Fold, trials: Sequence[TrialId]) -> Selection:
    chosen = Selection([], [], [])
    part_of = dict.fromkeys(fold.train, chosen.train)
    part_of |= dict.fromkeys(fold.valid, chosen.valid)
    part_of |= dict.fromkeys(fold.test, chosen.test)
    for i, trial in enumerate(trials):
        if trial.person not in part_of:
            raise ConfigError(f"{trial.person} is in no part of this split; split the people you train on")
        part_of[trial.person].append(i)
    return chosen


def _chronological(fold: Fold, trials: Sequence[TrialId]) -> Selection:
    """Only the fold's person; of each class 70 % train and validate (the later of these), the rest tests."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, trial in enumerate(trials):
        if trial.person in fold.test:
            groups[trial.person, trial.label].append(i)
    chosen = Selection([], [], [])
    for (person, label), found in groups.items():
        if len(found) < _FEWEST_TRIALS:
            raise ConfigError(
                f"{person} has {len(found)} trials of {label}; {WITHIN} needs {_FEWEST_TRIALS} or more"
            )
        ordered = sorted(found, key=lambda i: trials[i].number)
        n_known = min((7 * len(ordered) + 5) // 10, len(ordered) - 1)
        n_train = n_known - max(1, n_known // 5)
        chosen.train.extend(ordered[:n_train])
        chosen.valid.extend(ordered[n_train:n_known])
        chosen.test.extend(ordered[n_known:])
    return Selection(*(sorted(part) for part in chosen))


def _drawn(seed: int, fold: int, n_folds: int, trials: Sequence[TrialId]) -> Selection:
    """Trials in an order that does not depend on how they came, dealt out to the folds."""
    ordered = sorted(range(len(trials)), key=lambda i: trials[i])
    shuffled = np.random.default_rng(seed).permutation(len(trials))
    dealt = {ordered[at]: place % n_folds for place, at in enumerate(shuffled)}
    chosen = Selection([], [], [])
    for i, group in sorted(dealt.items()):
        part = {fold: chosen.test, (fold + 1) % n_folds: chosen.valid}.get(group, chosen.train)
        part.append(i)
    return chosen


def _check(kind: str, fold: int, chosen: Selection, trials: Sequence[TrialId]) -> None:
    pairs = [[(trials[i].person, trials[i].number) for i in part] for part in chosen]
    _refuse_overlap(kind, "trials", *pairs)
    for name, part in zip(chosen._fields, chosen, strict=True):
        if not part:
            raise ConfigError(f"fold {fold + 1} of {kind} has no trial to {name}; check the people's trials")


def _refuse_overlap(kind: str, what: str, *parts: Sequence[object]) -> None:
    """Every person or trial once, in one part only."""
    together = [item for part in parts for item in part]
    if len(set(together)) != len(together):
        twice = next(item for item in together if together.count(item) > 1)
        raise ConfigError(f"{what} of a fold of {kind} overlap: {twice} is there twice; give each once")
