"""What a calibrated model is worth beside its base, on trials that neither was fitted to.

It is accepted only when it is better on them: likelier by a paired one-sided sign-flip test than the base
model *with its temperature fitted to the very same trials*, and not right less often. So a model that only
became more or less sure of itself is no gain, and neither is one fitted to shuffled labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from bci_stream.model.network import FusionNetwork
from bci_stream.training.evaluate import main_pattern, patterns, score_sessions
from bci_stream.training.metrics import Floats, Interval, Ints, chance_level, interval
from bci_stream.training.sessions import Session
from bci_stream.training.statistics import sign_flip_p
from bci_stream.training.trial_scores import trial_scores
from calibration.ladder import AS_IT_IS

ALPHA: Final = 0.05
_N_DRAWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model says of the ``n`` test trials: probabilities (n, K) by pattern of presence."""

    probs: Mapping[str, Floats]

    def right(self, labels: Ints, pattern: str) -> Floats:
        """(n,) 1 where the trial was named right."""
        return np.asarray(self.probs[pattern].argmax(1) == labels, np.float64)

    def losses(self, labels: Ints, pattern: str) -> Floats:
        """(n,) negative log likelihood, nats."""
        mine = self.probs[pattern][np.arange(len(labels)), labels]
        return -np.log(np.maximum(mine, 1e-12))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Base against calibrated on the test trials.

    ``accuracy``, ``base_accuracy``: with intervals over trials. ``gain``: of accuracy, paired. ``p``: of a
    one-sided sign-flip test of the likelihood against ``reference_nll``, that of the base with its
    temperature fitted to the calibrating trials. ``chance``: level, and what guessing passes 1 time in 20.
    ``better``: whether the calibrated model may become the person's own; ``words`` says why or why not.
    """

    n_test: int
    base_accuracy: float
    base_ci: Interval
    accuracy: float
    ci: Interval
    gain: float
    gain_ci: Interval
    p: float
    base_nll: float
    reference_nll: float
    nll: float
    chance: tuple[float, float]
    better: bool
    words: str


def answers_of(network: FusionNetwork, trials: Sequence[Session]) -> Answers:
    """What a network says of trials, in their order, in every pattern of presence."""
    return Answers(_probs(network, trials))


def confidences(network: FusionNetwork, trials: Sequence[Session]) -> Floats:
    """(n,) mean confidence of each trial's windows, as live would show it, with everything present."""
    main = main_pattern(network.modalities)
    scores = score_sessions(network, trials, asked={main: patterns(network.modalities)[main]})[main]
    sure = torch.softmax(scores.logits.double() / network.temperatures[0], 1).amax(1).numpy()
    numbers, place = np.unique(scores.trials.numpy(), return_inverse=True)
    sums = np.zeros(len(numbers))
    np.add.at(sums, place, sure)
    return sums / np.bincount(place)


def log_probs(network: FusionNetwork, trials: Sequence[Session]) -> Floats:
    """(n, K) of trials, in their order, with everything present."""
    main = main_pattern(network.modalities)
    probs = _probs(network, trials, {main: patterns(network.modalities)[main]})[main]
    return np.log(np.maximum(probs, 1e-12))


def _probs(
    network: FusionNetwork,
    trials: Sequence[Session],
    asked: Mapping[str, tuple[float, ...]] | None = None,
) -> dict[str, Floats]:
    """(n, K) by pattern of presence, all of them by default; in the order of the trials."""
    scores = score_sessions(network, trials, asked=asked)
    joined = trial_scores(scores, float(network.temperatures[0]))
    place = {key: i for i, key in enumerate(zip(joined.persons, joined.trials.tolist(), strict=True))}
    order = [place[(trial.person, trial.trial)] for trial in trials]
    return {name: probs[order] for name, probs in joined.probs.items()}


def judge(
    before: Answers,
    reference: Answers,
    after: Answers,
    labels: Ints,
    pattern: str,
    n_classes: int,
    rung: str,
) -> Verdict:
    """Whether the calibrated model is better on the test trials, and by how much."""
    base, mine = before.right(labels, pattern), after.right(labels, pattern)
    gain = mine - base
    base_nll, reference_nll, nll = (
        float(a.losses(labels, pattern).mean()) for a in (before, reference, after)
    )
    p = _p_of_gain(reference.losses(labels, pattern) - after.losses(labels, pattern))
    likelier = nll < min(base_nll, reference_nll)
    better = rung != AS_IT_IS and likelier and p < ALPHA and bool(gain.mean() >= 0)
    return Verdict(
        n_test=len(labels),
        base_accuracy=float(base.mean()),
        base_ci=over_trials(base),
        accuracy=float(mine.mean()),
        ci=over_trials(mine),
        gain=float(gain.mean()),
        gain_ci=over_trials(gain),
        p=p,
        base_nll=base_nll,
        reference_nll=reference_nll,
        nll=nll,
        chance=chance_level(labels, n_classes),
        better=better,
        words=_worded(better, rung, float(gain.mean()), p, likelier),
    )


def _p_of_gain(gained: Floats) -> float:
    """One-sided: how often a gain as large comes about when it could as well be a loss."""
    both = sign_flip_p(gained)
    return both / 2 if gained.mean() > 0 else 1.0 - both / 2


def over_trials(values: Floats) -> Interval:
    """95 % bootstrap interval of the mean over trials."""
    draws = np.random.default_rng(0).integers(0, len(values), (_N_DRAWS, len(values)))
    return interval(values[draws].mean(axis=1))


def _worded(better: bool, rung: str, gain: float, p: float, likelier: bool) -> str:
    if better:
        return f"better: {100 * gain:+.0f} points on trials it has not met (p = {p:.3f}), by fitting: {rung}"
    if rung == AS_IT_IS:
        return "not better: nothing that was tried beat the base model on trials held out of the fit"
    if gain < 0:
        return f"not better: {100 * gain:+.0f} points on the test trials; the base model stays"
    if not likelier:
        return "not better: it fits the test trials no better than the base model, which stays"
    return f"not better: {100 * gain:+.0f} points could be luck (p = {p:.2f}); the base model stays"
