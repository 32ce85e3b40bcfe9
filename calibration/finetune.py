"""A base model and a person's trials in; a model that fits them, and what it is worth, out.

The trials are split in the order of time: the first 70 % of each class calibrate, the last 30 % test and are
read once. Among the calibrating trials three blocks of time take turns as inner validation; the rung of the
ladder, and how far to walk on it, are those of least loss there, and a higher rung must be better than a
lower one by half a standard error of the paired difference (after Breiman 1984; a whole one stayed with the
base too often, on people simulated to find out).

Where later recordings are given to test on, all of the trials calibrate.

Whether the outcome is accepted is decided in :mod:`calibration.verdict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import torch

from bci_stream.model.network import FusionNetwork
from bci_stream.training.calibration_curve import n_known
from bci_stream.training.evaluate import main_pattern
from bci_stream.training.metrics import Floats, Interval, Ints
from bci_stream.training.personal_head import Tempered, fit_tempered
from bci_stream.training.sessions import UNLABELLED, Session
from calibration.errors import CalibrationError, TooFewTrialsError
from calibration.ladder import (
    AS_IT_IS,
    FUSION,
    LAST_BLOCK,
    NORMALISED,
    RUNGS,
    TEMPERED,
    Cancelled,
    StepSettings,
    never,
    normalised,
    walk,
    with_temperature_and_prior,
)
from calibration.verdict import Answers, Verdict, answers_of, judge, log_probs, over_trials

_CANCELLED: Final = "the fine-tune was cancelled; the recording is kept, and nothing was changed"
_N_BLOCKS: Final = 3
_ONLY_WHILE_BETTER: Final = (FUSION, LAST_BLOCK)  # the ladder ends with one that does not better those below
_WORTH_MORE: Final = 0.5  # standard errors by which a higher rung must be better
_FEWEST_KNOWN: Final = 3  # trials of each class, one for each inner block
_FEWEST_BLOCKS: Final = 2  # where later recordings test, and there are few trials to calibrate
_CURVE_SHARES: Final = (0.0, 1 / 3, 2 / 3, 1.0)

Report = Callable[[str, float], None]  #: what is being done, and the share that is done


class Tried(NamedTuple):
    """How a rung did after ``n_steps`` on inner block ``part``: mean loss (nats) of its trials."""

    rung: str
    n_steps: int
    part: int
    loss: float


Watch = Callable[[Tried], None]  #: told of each as it comes, for a live curve


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """``rungs``: those tried, lowest first. ``steps``: of the learned ones."""

    rungs: tuple[str, ...] = RUNGS
    steps: StepSettings = field(default_factory=StepSettings)


class Candidate(NamedTuple):
    """A rung after ``n_steps`` (0 where nothing is learned), and how it did on the inner blocks.

    ``losses``: (n,) negative log likelihood of each calibrating trial by a network not fitted to it, nats.
    ``accuracy``: share of them that were named right.
    """

    rung: str
    n_steps: int
    losses: Floats
    accuracy: float

    @property
    def loss(self) -> float:
        """Mean over the trials."""
        return float(self.losses.mean())


class CurvePoint(NamedTuple):
    """How the chosen rung does on the test trials after the first ``n_known`` calibrating trials."""

    n_known: int
    accuracy: float
    ci: Interval


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """The outcome. ``known``, ``test``: numbers of the trials; ``labels``: of the test trials.

    ``curve``: would more trials help? It is reported and decides nothing. ``later``: whether the test trials
    are of recordings of their own.
    """

    network: FusionNetwork
    base: FusionNetwork
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    verdict: Verdict
    known: tuple[int, ...]
    test: tuple[int, ...]
    labels: Ints
    base_answers: Answers
    answers: Answers
    curve: tuple[CurvePoint, ...]
    later: bool = False


def split_in_time(trials: Sequence[Session], classes: Sequence[str]) -> tuple[list[Session], list[Session]]:
    """The trials that calibrate and those that test, each in the order of time.

    Raises:
        CalibrationError: a class has too few trials, or there is one class only; what is missing is said.
    """
    labels = np.array([trial.label for trial in trials])
    present = _present(labels, classes)
    _check_enough(labels, classes, present)
    known: list[int] = []
    test: list[int] = []
    for k in present:
        rows = np.flatnonzero(labels == k).tolist()
        n = n_known(len(rows))
        known += rows[:n]
        test += rows[n:]
    return [trials[i] for i in sorted(known)], [trials[i] for i in sorted(test)]


def _present(labels: Ints, classes: Sequence[str]) -> list[int]:
    """The classes that there are trials of. Raises CalibrationError for fewer than two."""
    present = [k for k in range(len(classes)) if (labels == k).any()]
    if len(present) < 2:
        found = classes[present[0]] if present else "no trial at all"
        raise CalibrationError(f"a calibration needs trials of two classes at least; there is {found} only")
    return present


def _check_enough(labels: Ints, classes: Sequence[str], present: Sequence[int]) -> None:
    enough = next(m for m in range(1, 100) if n_known(m) >= _FEWEST_KNOWN)
    found = {classes[k]: int((labels == k).sum()) for k in present}
    need = {label: enough - n for label, n in found.items() if n < enough}
    if need:
        words = "; ".join(
            f"{label} has {found[label]} good trials, and {enough} are needed: record {n} more"
            for label, n in need.items()
        )
        raise TooFewTrialsError(words, need)


def _labelled(trials: Sequence[Session]) -> list[Session]:
    return [trial for trial in trials if trial.label != UNLABELLED]


def _check_later(known: Sequence[Session], test: Sequence[Session], classes: Sequence[str]) -> None:
    labels = np.array([trial.label for trial in known], np.int64)
    counts = np.bincount(labels, minlength=len(classes))
    for k in (k for k in _present(labels, classes) if counts[k] < _FEWEST_BLOCKS):
        raise CalibrationError(f"{classes[k]} has {counts[k]} good trial, and {_FEWEST_BLOCKS} are needed")
    if unmet := sorted({trial.label for trial in test if not counts[trial.label]}):
        words = ", ".join(classes[k] for k in unmet)
        raise CalibrationError(f"the later recordings test {words}, and no trial of it calibrates")
    if not test:
        raise CalibrationError("the later recordings hold no good trial to test on")


def calibrate(
    base: FusionNetwork,
    trials: Sequence[Session],
    classes: Sequence[str],
    settings: FinetuneSettings = FinetuneSettings(),
    *,
    later: Sequence[Session] | None = None,
    report: Report = lambda what, share: None,
    watch: Watch = lambda tried: None,
    cancelled: Cancelled = never,
) -> Calibrated:
    """Fit the base to a person's trials, given one session a trial, in the order of time.

    ``later``: trials of further recordings, to test on; None: the last 30 % of the trials test.

    Raises:
        CalibrationError: too few trials, or it was cancelled.
    """
    base = base.eval()
    known, test = _labelled(trials), _labelled(later or ())
    if later is None:
        known, test = split_in_time(known, classes)
    else:
        _check_later(known, test, classes)
    with torch.random.fork_rng(devices=[]):
        candidates = _inner(base, known, settings, (report, watch), cancelled)
        chosen = choose(candidates, settings.rungs)
        report(f"fitting: {chosen.rung}", 0.9)
        network = _fit(base, chosen, known, settings, cancelled)
        curve = _curve(base, network, chosen, known, test, settings, cancelled)
    if cancelled():
        raise CalibrationError(_CANCELLED)
    labels = np.array([trial.label for trial in test], np.int64)
    before, after = answers_of(base, test), answers_of(network, test)
    reference = answers_of(_only_tempered(base, known), test)
    pattern = main_pattern(base.modalities)
    verdict = judge(before, reference, after, labels, pattern, len(classes), chosen.rung)
    report("done", 1.0)
    return Calibrated(
        network,
        base,
        chosen,
        candidates,
        verdict,
        tuple(trial.trial for trial in known),
        tuple(trial.trial for trial in test),
        labels,
        before,
        after,
        curve,
        later is not None,
    )


def _inner(
    base: FusionNetwork,
    known: Sequence[Session],
    settings: FinetuneSettings,
    told: tuple[Report, Watch],
    cancelled: Cancelled,
) -> tuple[Candidate, ...]:
    """Rungs and numbers of steps, judged on blocks of time that they were not fitted to.

    Above the head a rung is tried only while the one below it was of use: they are what costs.
    """
    report, watch = told
    blocks = _blocks(known)
    parts = [
        ([known[i] for i in block], [t for i, t in enumerate(known) if i not in set(block)])
        for block in blocks
    ]
    found: list[Candidate] = []
    for r, rung in enumerate(settings.rungs):
        own: dict[int, list[Floats]] = {}
        for b, (held, rest) in enumerate(parts):
            share = (r + b / len(parts)) / len(settings.rungs)
            report(f"trying: {rung}, part {b + 1} of {len(parts)}", 0.9 * share)
            labels = np.array([trial.label for trial in held])
            for n_steps, network in _stages(base, rung, rest, settings, cancelled):
                losses = _losses(network, held, labels)
                own.setdefault(n_steps, []).append(losses)
                watch(Tried(rung, n_steps, b, float(losses[0].mean())))
        if cancelled():
            raise CalibrationError(_CANCELLED)
        tried = [_candidate(rung, n, np.concatenate(losses, axis=1)) for n, losses in own.items()]
        worth_climbing = not found or min(c.loss for c in tried) < min(c.loss for c in found)
        found += tried
        if rung in _ONLY_WHILE_BETTER and not worth_climbing:
            break
    return tuple(found)


def _candidate(rung: str, n_steps: int, found: Floats) -> Candidate:
    losses, right = found
    return Candidate(rung, n_steps, losses, float(right.mean()))


def _blocks(known: Sequence[Session]) -> list[list[int]]:
    """Three stretches of time with every class in each; two where a class has two trials."""
    labels = np.array([trial.label for trial in known])
    n_blocks = min(_N_BLOCKS, int(np.unique(labels, return_counts=True)[1].min()))
    blocks: list[list[int]] = [[] for _ in range(n_blocks)]
    for k in np.unique(labels):
        for block, part in zip(blocks, np.array_split(np.flatnonzero(labels == k), n_blocks), strict=True):
            block += part.tolist()
    return [sorted(block) for block in blocks]


def _stages(
    base: FusionNetwork,
    rung: str,
    trials: Sequence[Session],
    settings: FinetuneSettings,
    cancelled: Cancelled,
) -> list[tuple[int, FusionNetwork]]:
    if rung == AS_IT_IS:
        return [(0, base)]
    if rung == TEMPERED:
        return [(0, _tempered(base, trials))]
    if rung == NORMALISED:
        return [(0, _tempered(normalised(base, trials), trials))]
    return [(stage.n_steps, stage.network) for stage in walk(base, rung, trials, settings.steps, cancelled)]


def _fit(
    base: FusionNetwork,
    chosen: Candidate,
    known: Sequence[Session],
    settings: FinetuneSettings,
    cancelled: Cancelled,
) -> FusionNetwork:
    steps = replace(settings.steps, checkpoints=(chosen.n_steps,)) if chosen.n_steps else settings.steps
    stages = dict(_stages(base, chosen.rung, known, replace(settings, steps=steps), cancelled))
    return stages.get(chosen.n_steps, base)


def _curve(
    base: FusionNetwork,
    network: FusionNetwork,
    chosen: Candidate,
    known: Sequence[Session],
    test: Sequence[Session],
    settings: FinetuneSettings,
    cancelled: Cancelled,
) -> tuple[CurvePoint, ...]:
    labels = np.array([trial.label for trial in test], np.int64)
    points = []
    for share in _CURVE_SHARES:
        n = round(share * len(known))
        if n == 0:
            one = base
        elif n == len(known):
            one = network
        else:
            one = _fit(base, chosen, known[:n], settings, cancelled)
        right = answers_of(one, test).right(labels, main_pattern(base.modalities))
        points.append(CurvePoint(n, float(right.mean()), over_trials(right)))
    return tuple(points)


def _tempered(network: FusionNetwork, trials: Sequence[Session]) -> FusionNetwork:
    z = log_probs(network, trials)
    fitted: Tempered = fit_tempered(z, np.array([trial.label for trial in trials], np.int64))
    return with_temperature_and_prior(network, fitted.temperature, fitted.bias)


def _only_tempered(network: FusionNetwork, trials: Sequence[Session]) -> FusionNetwork:
    labels = np.array([trial.label for trial in trials], np.int64)
    temperature = fit_tempered(log_probs(network, trials), labels).temperature
    return with_temperature_and_prior(network, temperature, np.zeros(network.n_classes))


def choose(candidates: Sequence[Candidate], rungs: Sequence[str]) -> Candidate:
    """The lowest rung whose best is within half a standard error of the best of all, paired."""
    best = min(candidates, key=lambda one: one.loss)
    for rung in rungs:
        own = [one for one in candidates if one.rung == rung]
        if own and _as_good(mine := min(own, key=lambda one: one.loss), best):
            return mine
    return best


def _as_good(mine: Candidate, best: Candidate) -> bool:
    worse = mine.losses - best.losses
    return float(worse.mean()) <= _WORTH_MORE * float(worse.std(ddof=1) / np.sqrt(len(worse)))


def _losses(network: FusionNetwork, trials: Sequence[Session], labels: Ints) -> Floats:
    """(2, n): negative log likelihood of each trial, and 1 where it is right."""
    z = log_probs(network, trials)
    return np.stack([-z[np.arange(len(labels)), labels], (z.argmax(1) == labels).astype(np.float64)])
