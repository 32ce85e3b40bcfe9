"""What a figure must be better than: the commonest class, a trial's place in the session, permuted labels.

All three go by the very split of the model that they stand beside.

* *Majority*: names the commonest class of the training.
* *Index only*: sees nothing but the trial's number. Where it beats chance the order of trials gives labels
  away, and so could a model, by whatever drifts in a session.
* *Permuted labels*: labels are permuted within each person, in training and test, and a small classifier of a
  trial's mean features is trained and tested anew each time. Whatever it reaches beyond chance comes from
  the evaluation, not from the person. Where the true labels fall among the permuted ones gives p.

The classifier is regularised least squares on class indicators: one matrix product for all permutations. The
control by index, too, learns and is tested anew for each: with people in folds, A's answers come from B's
labels and B's from A's, so luck counts twice, and permuting the test alone would take it for a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO
from bci_stream.training.held_out import share_right, trial_ids
from bci_stream.training.metrics import Floats, Interval, Ints, chance_level
from bci_stream.training.sessions import Session
from bci_stream.training.splits import Split, TrialId

Report = Callable[[str], None]
N_PERMUTATIONS: Final = 1000
WIDTHS: Final = (0.3, 3.0, 30.0)  #: trials around a place that speak for it
RIDGE: Final = 100.0  #: of standardised features
_SIGNIFICANT = 0.05
_TINY = 1e-12


class Control(NamedTuple):
    """How one control fared on the test trials. ``p``: of guessing being so good; NaN where not asked."""

    name: str
    accuracy: float
    ci: Interval
    p: float = float("nan")


@dataclass(frozen=True, slots=True)
class Controls:
    """All controls. ``chance``: level, and what guessing passes 1 time in 20.

    ``true_labels``: the small classifier with labels as they are. ``permuted``: mean over permutations, and
    the middle 95 % of them. ``n_trials``: tested.
    """

    majority: Control
    index_only: Control
    true_labels: Control
    permuted: Control
    chance: tuple[float, float]
    n_trials: int
    n_people: int
    n_permutations: int
    protocol: str = field(default="")

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        names = ("majority", "index_only", "true_labels", "permuted")
        return {**asdict(self), **{name: getattr(self, name)._asdict() for name in names}}

    @property
    def order_tells(self) -> bool:
        """Whether the order of trials gives labels away."""
        return self.index_only.p < _SIGNIFICANT and self.index_only.accuracy > self.chance[0]

    @property
    def evaluation_is_sound(self) -> bool:
        """Whether permuted labels stay at chance: their middle 95 % is not all above the commonest class."""
        return self.permuted.ci.low <= self.chance[0]

    def lines(self) -> list[str]:
        """What was found, in words."""
        level, bound = self.chance
        index, true, permuted = self.index_only, self.true_labels, self.permuted
        order = (
            "the order of trials gives labels away: figures of any model here may owe to it"
            if self.order_tells
            else "the order of trials gives nothing away that this control can see"
        )
        sound = (
            "as guessing would"
            if self.evaluation_is_sound
            else "above guessing: something in the evaluation tells labels"
        )
        return [
            f"Chance {level:.1%} ({self.n_trials} trials of {self.n_people} people; guessing stays under "
            f"{bound:.1%}); the commonest class of the training reaches {self.majority.accuracy:.1%}.",
            f"From the trial's number alone: {index.accuracy:.1%}, p = {index.p:.3g}; {order}.",
            f"Permuted labels ({self.n_permutations} times): {permuted.accuracy:.1%}, middle 95 % "
            f"{permuted.ci.low:.1%} to {permuted.ci.high:.1%}, {sound}.",
            f"The same small classifier with the true labels: {true.accuracy:.1%}, p = {true.p:.3g}.",
        ]


def run_controls(
    sessions: Sequence[Session],
    split: Split,
    classes: Sequence[str],
    *,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
    report: Report = lambda line: None,
) -> Controls:
    """All controls on labelled sessions, one for each trial.

    Raises:
        ConfigError: there is no permutation, or the split does not fit the sessions.
    """
    if n_permutations < 1:
        raise ConfigError(f"{n_permutations} permutations: use 1 or more, such as {N_PERMUTATIONS}")
    ids = trial_ids(sessions, classes)
    labels = np.array([session.label for session in sessions], np.int64)
    folds = [_Chosen(*split.select(i, ids)) for i in range(len(split.folds))]
    report(f"controls: {n_permutations} permutations of the labels, {len(folds)} folds")
    rng = np.random.default_rng([seed, len(ids)])
    permuted = permuted_within(labels, [one.person for one in ids], n_permutations, rng)  # (n, P)
    tested = np.concatenate([fold.test for fold in folds])
    persons = [ids[i].person for i in tested]
    truth = np.column_stack([labels, permuted])  # column 0 is as it was

    named = np.concatenate([majority_answers(fold, labels, len(classes)) for fold in folds])
    by_index = np.concatenate([told(index_weights(fold, ids), truth, fold, len(classes)) for fold in folds])
    x = trial_features(sessions)
    learned = np.concatenate([told(ridge_weights(fold, x), truth, fold, len(classes)) for fold in folds])
    shares, index_shares = ((answers == truth[tested]).mean(axis=0) for answers in (learned, by_index))
    middle = np.quantile(shares[1:], [0.025, 0.975])
    return Controls(
        majority=_control("majority", named == labels[tested], persons),
        index_only=_control("index only", by_index[:, 0] == labels[tested], persons, _p(index_shares)),
        true_labels=_control("true labels", learned[:, 0] == labels[tested], persons, _p(shares)),
        permuted=Control("permuted labels", float(shares[1:].mean()), Interval(*map(float, middle))),
        chance=chance_level(labels[tested], len(classes)),
        n_trials=len(tested),
        n_people=len(set(persons)),
        n_permutations=n_permutations,
        protocol=split.protocol,
    )


class _Chosen(NamedTuple):
    """Rows of a fold; validation belongs to the training here, because nothing is stopped early."""

    train_only: Sequence[int]
    valid: Sequence[int]
    test: Sequence[int]

    @property
    def train(self) -> Ints:
        return np.array(sorted([*self.train_only, *self.valid]), np.int64)


def _control(name: str, right: np.ndarray, persons: Sequence[str], p: float = float("nan")) -> Control:
    accuracy, ci = share_right(right.astype(np.float64), persons)
    return Control(name, accuracy, ci, p)


def _p(shares: Floats) -> float:
    """Share of draws that are as good as what was seen, the first; that one counts as a draw."""
    return float(np.mean(shares >= shares[0] - _TINY))


def permuted_within(labels: Ints, persons: Sequence[str], n: int, rng: np.random.Generator) -> Ints:
    """(trials, n) labels, permuted among each person's trials."""
    out = np.repeat(labels[:, None], n, axis=1)
    names = np.asarray(persons)
    for person in dict.fromkeys(persons):
        rows = np.flatnonzero(names == person)
        out[rows] = rng.permuted(out[rows], axis=0)
    return out


def majority_answers(fold: _Chosen, labels: Ints, n_classes: int) -> Ints:
    """The commonest class of the training, for every test trial."""
    commonest = int(np.bincount(labels[fold.train], minlength=n_classes).argmax())
    return np.full(len(fold.test), commonest, np.int64)


def index_weights(fold: _Chosen, ids: Sequence[TrialId]) -> Floats:
    """(test, train) how much each training trial says of a test trial, by their numbers alone.

    The mean over :data:`WIDTHS`: the same place in other people's sessions, its neighbourhood, and the trend.
    """
    numbers = np.array([one.number for one in ids], np.float64)
    distance = np.abs(numbers[list(fold.test)][:, None] - numbers[fold.train][None, :])
    nearest = distance.min(axis=1, keepdims=True)  # counts, however far it is
    votes = [np.exp(-0.5 * (distance**2 - nearest**2) / width**2) for width in WIDTHS]
    return np.asarray(sum(vote / vote.sum(axis=1, keepdims=True) for vote in votes) / len(WIDTHS))


def trial_features(sessions: Sequence[Session]) -> Floats:
    """(n, F) means over each trial, standardised within each person without looking at labels.

    Of the EEG: mean band powers, or the log power of each electrode with the learned front end. Of the
    voice: mean and standard deviation of every mel band.
    """
    rows = np.stack([np.concatenate(_means(session)) for session in sessions])
    persons = np.array([session.person for session in sessions])
    for person in dict.fromkeys(persons.tolist()):
        mine = persons == person
        rows[mine] -= rows[mine].mean(axis=0)
        rows[mine] /= np.maximum(rows[mine].std(axis=0), 1e-6)
    return rows


def _means(session: Session) -> list[Floats]:
    found = []
    for name, part in session.parts.items():
        good = np.asarray(part.valid) > 0.5
        values = np.asarray(part.features, np.float64)[good]  # (m, F), of tokens, samples or frames
        if not len(values):
            values = np.zeros((1, part.features.shape[-1]))
        samples = name != AUDIO and part.features.ndim == 3  # of the learned front end: their power tells
        found.append(np.log(values.var(axis=0) + 1e-3) if samples else values.mean(axis=0))
        if name == AUDIO:
            found.append(values.std(axis=0))
    return found


def ridge_weights(fold: _Chosen, x: Floats) -> Floats:
    """(test, train) the same by features (n, F): regularised least squares, in its dual form."""
    mean = x[fold.train].mean(axis=0)
    known, asked = x[fold.train] - mean, x[list(fold.test)] - mean
    gram = known @ known.T + RIDGE * np.eye(len(known))
    weights: Floats = np.linalg.solve(gram, known @ asked.T).T
    return weights


def told(weights: Floats, truth: Ints, fold: _Chosen, n_classes: int) -> Ints:
    """(test, P) the class that the training trials speak for, for each column of labels (n, P) of its own."""
    scores = np.empty((n_classes, len(weights), truth.shape[1]))
    for k in range(n_classes):
        indicator = (truth[fold.train] == k).astype(np.float64)
        share = indicator.mean(axis=0)
        scores[k] = share + weights @ (indicator - share)
    answers: Ints = scores.argmax(axis=0)
    return answers
