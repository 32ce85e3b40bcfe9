"""A run's figures, each with its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bci_stream.training.experiment import Outcome
from bci_stream.training.metrics import TimeCurve, expected_calibration_error, reliability
from bci_stream.training.run_result import RunResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run_figures(result: RunResult, outcome: Outcome) -> dict[str, Figure]:
    """By file name: confusion, reliability, people, time since the trial began, training.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    from bci_stream.training import plots

    main, trials = outcome.pattern, outcome.trials
    found = result.metrics[main]
    note = _footnote(result)
    chance = found["chance"]["accuracy"]
    calibration = {
        name: (reliability(probs, trials.labels), expected_calibration_error(probs, trials.labels))
        for name, probs in (("before temperature", trials.raw[main]), ("after", trials.probs[main]))
    }
    n_each = len(trials.labels) // max(1, found["n_people"])
    figures = {
        "confusion": plots.confusion_figure(
            np.array(found["confusion"]), result.classes, footnote=note, leaks=result.leaks
        ),
        "reliability": plots.reliability_figure(calibration, footnote=note, leaks=result.leaks),
        "people": plots.people_figure(
            result.per_person, (chance, _bound(chance, n_each)), footnote=note, leaks=result.leaks
        ),
        "training": _training_figure(outcome, note, result.leaks),
    }
    curve = mean_curve([fold.by_time for fold in outcome.folds if fold.by_time is not None])
    if curve is not None:
        figures["time"] = plots.time_figure({main: curve}, chance, footnote=note, leaks=result.leaks)
    return figures


def _training_figure(outcome: Outcome, note: str, leaks: bool) -> Figure:
    from bci_stream.training import plots

    history = {}
    for fold in outcome.folds:
        accuracy = [epoch.accuracy[outcome.pattern] for epoch in fold.history]
        train, valid = ([getattr(e, name) for e in fold.history] for name in ("train_loss", "valid_loss"))
        history[fold.name] = plots.Epochs(train, valid, accuracy)
    best = {fold.name: fold.best_epoch for fold in outcome.folds}
    return plots.training_figure(history, best, footnote=note, leaks=leaks)


def mean_curve(curves: list[TimeCurve]) -> TimeCurve | None:
    """Every fold's trials together, where all folds have that instant; None where none has."""
    if not curves:
        return None
    shared = sorted(set.intersection(*(set(curve.t_s.tolist()) for curve in curves)))
    if not shared:
        return None
    picked = [np.searchsorted(curve.t_s, shared) for curve in curves]
    n = np.stack([curve.n[at] for curve, at in zip(curves, picked, strict=True)])
    share = np.stack([curve.accuracy[at] for curve, at in zip(curves, picked, strict=True)])
    return TimeCurve(np.array(shared), (n * share).sum(0) / np.maximum(n.sum(0), 1), n.sum(0))


def _bound(chance: float, n: int) -> float:
    """What guessing at ``n`` trials of one person passes one time in twenty (binomial)."""
    from scipy.stats import binom

    return float(binom.ppf(0.95, max(1, n), chance)) / max(1, n)


def _footnote(result: RunResult) -> str:
    data = f"{result.data_name}{' (generated)' if result.generated else ''}"
    n = result.metrics[result.main_pattern]["n"]
    return f"{data}, {n} test trials. {result.protocol}"
