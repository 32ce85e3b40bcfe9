"""How much a few labelled trials of a new person help: accuracy against K, the trials per class given first.

The K trials of each class are the first of the session, as they would be in a calibration; tested is always
the last 30 % of each class, 6 of 20, whatever K. Alignment and running normalisation go on through the whole
session, causally, as they do live; with K = 0 they are all that is adapted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch

from bci_stream.errors import ConfigError
from bci_stream.model.network import FusionNetwork
from bci_stream.training.batches import collate
from bci_stream.training.evaluate import encode_parts, gather_windows
from bci_stream.training.held_out import HeldOut, Report, share_right
from bci_stream.training.metrics import Floats, Interval, Ints, chance_level, trial_probs
from bci_stream.training.personal_head import fit_head, fit_tempered
from bci_stream.training.sessions import UNLABELLED, Session
from bci_stream.training.splits import POOLED, WITHIN
from bci_stream.training.statistics import bootstrap_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KS: Final = (0, 1, 2, 4, 8, 14)
BASE: Final = "as trained"
TEMPERED: Final = "temperature and prior"
HEAD: Final = "classifier head"
VARIANTS: Final = (BASE, TEMPERED, HEAD)
_SESSIONS_AT_ONCE = 8


class PersonTrials(NamedTuple):
    """A person's trials in the order of time.

    ``z``: (n, K) log probabilities. ``features``: (n, F). ``labels``: (n,).
    """

    person: str
    z: Floats
    features: Floats
    labels: Ints


class Point(NamedTuple):
    """``gain``: accuracy beyond that of the model as trained, mean over people, with its interval.

    ``nll``: mean negative log likelihood of the test trials, nats.
    """

    variant: str
    k: int
    accuracy: float
    ci: Interval
    gain: float
    gain_ci: Interval
    nll: float


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """All points. ``chance``: level, and what guessing passes 1 time in 20; ``n_test``: trials."""

    points: tuple[Point, ...]
    chance: tuple[float, float]
    n_people: int
    n_test: int

    def at(self, variant: str, k: int) -> Point:
        """The point of that variant and K."""
        return next(point for point in self.points if (point.variant, point.k) == (variant, k))

    @property
    def ks(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted({point.k for point in self.points}))

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return {**asdict(self), "points": [point._asdict() for point in self.points]}

    def lines(self) -> list[str]:
        """What was found, in words."""
        base, most = self.at(BASE, self.ks[0]), self.ks[-1]
        lines = [
            f"As trained: {base.accuracy:.1%} of the last {self.n_test} trials of {self.n_people} people, "
            f"chance {self.chance[0]:.1%}."
        ]
        for variant in (TEMPERED, HEAD):
            helps = [k for k in self.ks if self.at(variant, k).gain_ci.low > 0]
            point = self.at(variant, most)
            end = f"{100 * point.gain:+.1f} points with {most} trials per class"
            verdict = f"clearly better from {helps[0]} on" if helps else "no clear gain"
            lines.append(f"{variant.capitalize()}: {end}, {verdict}.")
        return lines


def calibration_curve(
    held: HeldOut, ks: Sequence[int] | None = None, *, report: Report = lambda line: None
) -> CalibrationCurve:
    """Accuracy for each of ``ks`` and variant; by default those of :data:`KS` that everybody has trials for.

    Raises:
        ConfigError: a K is more than somebody has trials of a class, or the networks were trained on the
            very people.
    """
    if held.split is not None and held.split.kind in (WITHIN, POOLED):
        raise ConfigError(
            f"a calibration curve is for people who are new, and {held.split.kind} trains on those it tests; "
            "train with --split subject-kfold or loso"
        )
    people = []
    for one in held.examinees:
        report(f"calibration curve: encoding the test people of {one.name}")
        people += person_trials(one.network, one.its(held.sessions))
    return curve_of(people, len(held.contract.classes), ks)


def curve_of(
    people: Sequence[PersonTrials], n_classes: int, ks: Sequence[int] | None = None
) -> CalibrationCurve:
    """The curve of these people's trials."""
    if not people:
        raise ConfigError("a calibration curve needs one person at least; check --subjects")
    chosen = check_ks(ks, people, n_classes)
    tests = [parts_of(one, 0)[1] for one in people]
    truth = [one.labels[test] for one, test in zip(people, tests, strict=True)]
    persons = [one.person for one, test in zip(people, tests, strict=True) for _ in test]
    plain = np.array([_share(one.z[test], y) for one, test, y in zip(people, tests, truth, strict=True)])
    points = []
    for k in chosen:
        answers = [_answers(one, k) for one in people]
        for variant in VARIANTS:
            said = [mine[variant] for mine in answers]
            each = np.array([_share(log_probs, y) for log_probs, y in zip(said, truth, strict=True)])
            together, labels = np.concatenate(said), np.concatenate(truth)
            right = (together.argmax(axis=1) == labels).astype(np.float64)
            nll = float(-together[np.arange(len(labels)), labels].mean())
            gain, gain_ci = float((each - plain).mean()), bootstrap_mean(each - plain)
            points.append(Point(variant, k, *share_right(right, persons), gain, gain_ci, nll))
    chance = chance_level(np.concatenate(truth), n_classes)
    return CalibrationCurve(tuple(points), chance, len(people), len(persons))


def _share(log_probs: Floats, labels: Ints) -> float:
    return float(np.mean(log_probs.argmax(axis=1) == labels))


def _answers(person: PersonTrials, k: int) -> dict[str, Floats]:
    """Log probabilities of the person's test trials by each variant, calibrated on K trials per class."""
    known, test = parts_of(person, k)
    z, x, y = person.z[known], person.features[known], person.labels[known]
    return {
        BASE: person.z[test],
        TEMPERED: fit_tempered(z, y).log_probs(person.z[test]),
        HEAD: fit_head(z, x, y).log_probs(person.z[test], person.features[test]),
    }


def parts_of(person: PersonTrials, k: int) -> tuple[Ints, Ints]:
    """Rows of the first ``k`` trials of each class, and of the last 30 % of each, in the order of time."""
    known: list[int] = []
    test: list[int] = []
    for label in np.unique(person.labels):
        rows = np.flatnonzero(person.labels == label).tolist()
        known += rows[:k]
        test += rows[n_known(len(rows)) :]
    return np.array(sorted(known), np.int64), np.array(sorted(test), np.int64)


def n_known(n: int) -> int:
    """Trials of ``n`` that may calibrate, 70 %, so that one is left to test at least: 14 of 20."""
    return max(0, min((7 * n + 5) // 10, n - 1))


def check_ks(ks: Sequence[int] | None, people: Sequence[PersonTrials], n_classes: int) -> tuple[int, ...]:
    """The Ks, ascending; those of :data:`KS` that there are trials for if None.

    Raises:
        ConfigError: one is negative, or more than somebody has of a class.
    """
    most, who, label = min(
        (n_known(int((one.labels == label).sum())), one.person, label)
        for one in people
        for label in range(n_classes)
    )
    if ks is None:
        return tuple(k for k in KS if k <= most)
    chosen = tuple(sorted(set(ks)))
    if not chosen or chosen[0] < 0:
        raise ConfigError(f"K = {', '.join(map(str, chosen)) or 'nothing'} makes no sense: use 0 or more")
    if chosen[-1] > most:
        raise ConfigError(
            f"K = {chosen[-1]} trials per class asked for, and {who} has {most} of class {label} before its "
            f"test trials; use K of {most} or less"
        )
    return chosen


def person_trials(network: FusionNetwork, sessions: Sequence[Session]) -> list[PersonTrials]:
    """Each person's trials as the network sees them, in the order of time."""
    keys: list[tuple[str, int]] = []
    labels: dict[tuple[str, int], int] = {}
    log_probs, features = [], []
    for start in range(0, len(sessions), _SESSIONS_AT_ONCE):
        group = sessions[start : start + _SESSIONS_AT_ONCE]
        z, x = _window_answers(network, group)
        log_probs.append(z)
        features.append(x)
        for session in group:
            at = np.flatnonzero(session.labels != UNLABELLED)
            mine = [(session.person, int(number)) for number in session.segments[at]]
            keys += mine
            labels |= dict(zip(mine, session.labels[at].tolist(), strict=True))
    if not keys:
        return []
    probs, trials = trial_probs(np.concatenate(log_probs), keys)
    return _by_person(np.log(probs), _means(np.concatenate(features), keys), trials, labels)


@torch.inference_mode()
def _window_answers(network: FusionNetwork, group: Sequence[Session]) -> tuple[Floats, Floats]:
    """Log probabilities (M, K) and scaled pooled vectors of every modality (M, F) of the labelled windows."""
    network.eval()
    tokens = encode_parts(network, collate(group, [(0, session.n_tokens) for session in group]))
    where = [np.flatnonzero(session.labels != UNLABELLED) for session in group]
    rows = torch.from_numpy(np.repeat(np.arange(len(group)), [len(ends) for ends in where]))
    windows, there = gather_windows(network.n_tokens, tokens, rows, torch.from_numpy(np.concatenate(where)))
    presence = torch.ones(len(rows), len(network.modalities))
    output = network.fuse(windows, there, presence)
    pooled = []
    for i, encoder in enumerate(network.encoders.values()):
        pool: Callable[..., torch.Tensor] = encoder.pool  # type: ignore[assignment]
        clean = torch.where(there[i][:, :, None] > 0.5, windows[i], 0.0)
        pooled.append(pool(clean, there[i]) * network.fusion.scale(i))
    log_probs = torch.log_softmax(output.logits.double() / network.temperatures[0], dim=1)
    return log_probs.numpy(), torch.cat(pooled, dim=1).double().numpy()


def _means(values: Floats, keys: Sequence[tuple[str, int]]) -> Floats:
    """(m, F) over the windows of each trial, as first met."""
    place: dict[tuple[str, int], int] = {}
    rows = np.array([place.setdefault(key, len(place)) for key in keys])
    sums = np.zeros((len(place), values.shape[1]))
    np.add.at(sums, rows, values)
    means: Floats = sums / np.bincount(rows)[:, None]
    return means


def _by_person(
    z: Floats, features: Floats, trials: Sequence[tuple[str, int]], labels: dict[tuple[str, int], int]
) -> list[PersonTrials]:
    found = []
    for person in dict.fromkeys(person for person, _ in trials):
        rows = sorted((i for i, key in enumerate(trials) if key[0] == person), key=lambda i: trials[i][1])
        y = np.array([labels[trials[i]] for i in rows], np.int64)
        found.append(PersonTrials(person, z[rows], features[rows], y))
    return found


def curve_figure(curve: CalibrationCurve, *, footnote: str, leaks: bool = False) -> Figure:
    """Accuracy against K, a line for each variant."""
    from bci_stream.training import plots

    lines = {}
    for variant in VARIANTS:
        points = [curve.at(variant, k) for k in curve.ks]
        low, high = ([point.ci[i] for point in points] for i in (0, 1))
        lines[variant] = plots.Curve(curve.ks, [point.accuracy for point in points], low, high)
    return plots.calibration_curve_figure(lines, curve.chance[0], footnote=footnote, leaks=leaks)
