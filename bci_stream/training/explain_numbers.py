"""The figures of an inspection, with intervals: what each thing is worth, the gate, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from bci_stream.training.explain_lags import lags_s
from bci_stream.training.inspection import Inspection
from bci_stream.training.metrics import (
    Floats,
    Ints,
    brier,
    expected_calibration_error,
    interval,
    negative_log_likelihood,
    people_draws,
)
from bci_stream.training.statistics import bootstrap_mean

FEW_PEOPLE: Final = 6  #: from here on intervals are over people
_N_DRAWS = 2000


class Effect(NamedTuple):
    """A mean over people with its 95 % bootstrap interval; see :func:`effect`."""

    value: float
    low: float
    high: float


class Lags(NamedTuple):
    """Attention by lag. ``seconds``: (L,), below 0 the voice came first. Shares (L,) sum to 1."""

    seconds: Floats
    by_class: Mapping[str, Floats]
    by_head: Mapping[str, Floats]
    even: Floats


class Calibration(NamedTuple):
    """Expected calibration error, negative log likelihood (nats) and Brier score, before and after."""

    ece: tuple[float, float]
    nll: tuple[float, float]
    brier: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Weights:
    """What one network's weights say. ``scales``: (D,) by name. ``temperatures``: fused, then each head."""

    name: str
    scales: Mapping[str, Floats]
    temperatures: Mapping[str, float]
    spatial: Mapping[str, float]
    gate_fixed: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that a report shows. Without test data only ``weights`` is filled.

    ``subject``: what was looked at. ``footnote``: data and protocol. ``drops``: nats of the true class lost,
    by kind and pattern, then name. ``modalities``: nats and share of accuracy lost without each one.
    ``gate``: weight of each modality, by class and by person. ``absent``: a line for each part that this
    network does not have.
    """

    subject: str
    footnote: str
    leaks: bool
    classes: tuple[str, ...]
    modalities_used: tuple[str, ...]
    weights: tuple[Weights, ...]
    absent: tuple[str, ...] = ()
    n_trials: int = 0
    n_people: int = 0
    accuracy: Mapping[str, Effect] = field(default_factory=dict)
    drops: Mapping[tuple[str, str], Mapping[str, Effect]] = field(default_factory=dict)
    modalities: Mapping[str, tuple[Effect, Effect]] = field(default_factory=dict)
    gate_by_class: Mapping[str, Mapping[str, Effect]] = field(default_factory=dict)
    gate_by_person: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lags: Lags | None = None
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    inspection: Inspection | None = None

    @property
    def unit(self) -> str:
        """Over what the intervals are."""
        few = "one person" if self.n_people == 1 else f"these {self.n_people} people"
        return "people" if self.n_people >= FEW_PEOPLE else f"trials of {few}"

    def as_dict(self) -> dict[str, Any]:
        """For a file; NaN is null."""
        found = {
            name: getattr(self, name)
            for name in self.__slots__
            if name not in ("inspection", "drops", "weights", "lags", "calibration")
        }
        found["weights"] = [asdict(one) for one in self.weights]
        found["drops"] = {f"{kind}, {pattern}": by_name for (kind, pattern), by_name in self.drops.items()}
        found["lags"] = self.lags._asdict() if self.lags is not None else None
        found["calibration"] = {name: one._asdict() for name, one in self.calibration.items()}
        plain: dict[str, Any] = _plain(found)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Effect):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def effect(values: Floats, persons: Sequence[str], *, seed: int = 0) -> Effect:
    """Mean over people of the mean over their trials (n,); NaN trials are left out.

    With fewer than :data:`FEW_PEOPLE` the interval is over their trials, people as they are: two or three
    people cannot tell how much people differ.
    """
    names = np.asarray(persons)
    good = np.isfinite(values)
    of = [values[good & (names == who)] for who in dict.fromkeys(names[good].tolist())]
    if not of:
        return Effect(np.nan, np.nan, np.nan)
    means = np.array([mine.mean() for mine in of])
    if len(means) >= FEW_PEOPLE:
        return Effect(float(means.mean()), *bootstrap_mean(means, seed=seed))
    draws = [people_draws(len(mine), seed + i, _N_DRAWS) @ mine / len(mine) for i, mine in enumerate(of)]
    return Effect(float(means.mean()), *interval(np.mean(draws, axis=0)))


def right(log_probs: Floats, labels: Ints) -> Floats:
    """(n,) 1 where the likeliest class is the true one."""
    return np.asarray(log_probs.argmax(1) == labels, np.float64)


def drops_of(found: Inspection) -> dict[tuple[str, str], dict[str, Effect]]:
    """By kind and pattern, the costliest first."""
    groups: dict[tuple[str, str], dict[str, Effect]] = {}
    for (kind, name, pattern), values in found.drops.items():
        groups.setdefault((kind, pattern), {})[name] = effect(values, found.persons)
    return {
        key: dict(sorted(by_name.items(), key=lambda item: -item[1].value)) for key, by_name in groups.items()
    }


def modality_drops(
    found: Inspection, main: str, modalities: Sequence[str]
) -> dict[str, tuple[Effect, Effect]]:
    """Nats and share of accuracy that are lost without each modality; empty where there is only one."""
    if len(modalities) != 2:
        return {}
    rows, drops = np.arange(len(found.labels)), {}
    for name, other in (tuple(modalities), tuple(reversed(modalities))):
        whole, rest = found.log_probs[main], found.log_probs[other]
        nats = whole[rows, found.labels] - rest[rows, found.labels]
        accuracy = right(whole, found.labels) - right(rest, found.labels)
        drops[name] = effect(nats, found.persons), effect(accuracy, found.persons)
    return drops


def gate_by_class(
    found: Inspection, classes: Sequence[str], modalities: Sequence[str]
) -> dict[str, dict[str, Effect]]:
    """Weight of each modality in the trials of each class; empty where the fusion has no gate."""
    if len(modalities) < 2 or not np.isfinite(found.gate).any():
        return {}
    table = {}
    for k in sorted(set(found.labels.tolist())):
        rows = np.flatnonzero(found.labels == k)
        persons = [found.persons[i] for i in rows]
        table[classes[k]] = {name: effect(found.gate[rows, i], persons) for i, name in enumerate(modalities)}
    return table


def gate_by_person(found: Inspection, modalities: Sequence[str]) -> dict[str, dict[str, float]]:
    """Weight of each modality for each person; empty where the fusion has no gate."""
    if len(modalities) < 2 or not np.isfinite(found.gate).any():
        return {}
    names = np.asarray(found.persons)
    return {
        who: {name: float(np.nanmean(found.gate[names == who, i])) for i, name in enumerate(modalities)}
        for who in dict.fromkeys(found.persons)
    }


def lags_of(found: Inspection, classes: Sequence[str]) -> Lags | None:
    """Attention by lag for each class (mean over heads) and each head (mean over trials)."""
    if found.lags is None or found.even is None:
        return None
    some = found.even.sum(1) > 0.5  # trials in which both modalities were there
    shares, even, labels = found.lags[some], found.even[some], found.labels[some]
    if not len(labels):
        return None
    by_class = {classes[k]: _share(shares[labels == k].mean((0, 1))) for k in sorted(set(labels.tolist()))}
    by_head = {f"head {h + 1}": _share(shares[:, h].mean(0)) for h in range(shares.shape[1])}
    return Lags(lags_s(shares.shape[2]), by_class, by_head, _share(even.mean(0)))


def _share(values: Floats) -> Floats:
    return np.asarray(values / values.sum())


def calibration_of(found: Inspection) -> dict[str, Calibration]:
    """Of the fused answer by pattern, and of each head, over trials."""
    pairs = {name: (found.raw[name], after) for name, after in found.log_probs.items()}
    pairs |= {f"head {name}": (found.raw_heads[name], after) for name, after in found.heads.items()}
    return {name: _calibration(before, after, found.labels) for name, (before, after) in pairs.items()}


def _calibration(before: Floats, after: Floats, labels: Ints) -> Calibration:
    probs = [probs_of(x) for x in (before, after)]
    ece, nll, squared = (
        (float(score(probs[0], labels)), float(score(probs[1], labels)))
        for score in (expected_calibration_error, negative_log_likelihood, brier)
    )
    return Calibration(ece, nll, squared)


def probs_of(mean_log_probs: Floats) -> Floats:
    """Softmax of a trial's mean log probabilities, as everywhere else."""
    powers = np.exp(mean_log_probs - mean_log_probs.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
