"""Figures of one run: pure functions from numbers to a matplotlib figure, each with the protocol beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bci_stream.training.figures import COLOURS, GREY, MARKERS, chance_line, legend_above, new_figure
from bci_stream.training.metrics import Ints, Reliability, TimeCurve, per_class_recall

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Curve(NamedTuple):
    """A line with its 95 % interval, shares (n,); the interval may be absent."""

    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


class Epochs(NamedTuple):
    """How a training went, (n,) each: losses in nats, accuracy a share."""

    train_loss: Sequence[float]
    valid_loss: Sequence[float]
    valid_accuracy: Sequence[float]


_FEWEST_FOR_A_LINE = 5  # trials of a bin of confidence


def confusion_figure(
    confusion: Ints, classes: Sequence[str], *, footnote: str, title: str = "", leaks: bool = False
) -> Figure:
    """Share of each true class (row) that was named so (column), in per cent, with counts."""
    table = np.asarray(confusion)
    k = len(classes)
    figure, axes = new_figure(2.6 + 0.85 * k, 2.2 + 0.72 * k, footnote, leaks=leaks)
    share = 100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(share):
        colour = "white" if value > 55 else "black"
        text = f"{value:.0f} %\n({table[row, column]})"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    recall = per_class_recall(table)
    axes.set_xticks(range(k), classes, rotation=30 if k > 3 else 0, ha="right" if k > 3 else "center")
    axes.set_yticks(range(k), classes)
    axes.set(xlabel="named", ylabel="true")
    axes.spines[:].set_visible(False)
    axes.set_title(title or f"Confusion; mean recall {100 * np.nanmean(recall):.1f} %", fontsize=11)
    figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.85)
    return figure


def reliability_figure(
    bins: Mapping[str, tuple[Reliability, float]], *, footnote: str, leaks: bool = False
) -> Figure:
    """Accuracy against confidence; ``bins``: by name ("before temperature"), with the calibration error."""
    figure, axes = new_figure(5.6, 5.8, footnote, leaks=leaks)
    axes.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    for i, (name, (found, error)) in enumerate(bins.items()):
        some = found.n > 0
        enough = found.n >= _FEWEST_FOR_A_LINE  # what two trials say is a point, and no course
        axes.plot(
            100 * found.confidence[enough],
            100 * found.accuracy[enough],
            color=COLOURS[i],
            linewidth=1.2,
            label=f"{name} (ECE {100 * error:.1f} points)",
        )
        sizes = 12 + 180 * found.n[some] / found.n.sum()
        axes.scatter(
            100 * found.confidence[some], 100 * found.accuracy[some], s=sizes, c=COLOURS[i], marker=MARKERS[i]
        )
    axes.set(xlim=(0, 101), ylim=(-1, 101), xlabel="confidence (%)", ylabel="accuracy (%)", aspect="equal")
    axes.set_title("Calibration; the larger a point, the more trials", fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def people_figure(
    per_person: Mapping[str, Mapping[str, float]],
    chance: tuple[float, float],
    *,
    footnote: str,
    leaks: bool = False,
) -> Figure:
    """Accuracy of each test person, by pattern, ordered by the first; ``chance``: level and bound for one."""
    first = next(iter(per_person.values()))
    people = sorted(first, key=lambda person: first[person])
    figure, axes = new_figure(max(5.5, 1.6 + 0.2 * len(people)), 4.6, footnote, leaks=leaks)
    places = np.arange(len(people))
    for i, (pattern, found) in enumerate(per_person.items()):
        scores = np.array([found[person] for person in people])
        axes.scatter(
            places + 0.18 * (i - (len(per_person) - 1) / 2),
            100 * scores,
            s=26,
            c=COLOURS[i],
            marker=MARKERS[i],
            label=f"{pattern} (median {100 * np.median(scores):.0f} %)",
            zorder=3,
        )
    chance_line(axes, *chance)
    axes.set_xticks(places, people, rotation=90 if len(people) > 8 else 0, fontsize=8)
    axes.set(ylim=(-2, 102), ylabel="accuracy (%)", xlabel="test person", xlim=(-0.7, len(people) - 0.3))
    axes.grid(axis="x", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    legend_above(axes)
    return figure


def time_figure(
    curves: Mapping[str, TimeCurve], chance: float, *, footnote: str, leaks: bool = False
) -> Figure:
    """Accuracy against seconds since the trial began."""
    figure, axes = new_figure(6.2, 4.2, footnote, leaks=leaks)
    for i, (name, curve) in enumerate(curves.items()):
        every = max(1, len(curve.t_s) // 12)
        axes.plot(
            curve.t_s, 100 * curve.accuracy, color=COLOURS[i], marker=MARKERS[i], markevery=every, label=name
        )
    chance_line(axes, chance)
    axes.set(xlabel="seconds since the trial began", ylabel="accuracy (%)", ylim=(0, 101))
    axes.set_xlim(left=0)
    legend_above(axes)
    return figure


def calibration_curve_figure(
    curves: Mapping[str, Curve], chance: float, *, footnote: str, leaks: bool = False
) -> Figure:
    """Accuracy for a new person against K, the trials per class that the person gave first."""
    figure, axes = new_figure(6.2, 4.4, footnote, leaks=leaks)
    every = sorted({k for curve in curves.values() for k in curve.x})
    place = {k: i for i, k in enumerate(every)}
    for i, (name, curve) in enumerate(curves.items()):
        x = np.array([place[k] for k in curve.x]) + 0.06 * (i - (len(curves) - 1) / 2)
        axes.plot(x, 100 * np.asarray(curve.mean), color=COLOURS[i], marker=MARKERS[i], label=name)
        if curve.low is not None and curve.high is not None:
            axes.vlines(x, 100 * np.asarray(curve.low), 100 * np.asarray(curve.high), color=COLOURS[i])
    chance_line(axes, chance)
    axes.set_xticks(range(len(every)), [f"{k:g}" for k in every])
    axes.set(xlabel="K, calibration trials per class", ylabel="accuracy (%), 95 % interval", ylim=(0, 101))
    legend_above(axes)
    return figure


def training_figure(
    history: Mapping[str, Epochs], best: Mapping[str, int], *, footnote: str, leaks: bool = False
) -> Figure:
    """Loss of training and validation per epoch, by fold; ``best``: index of the epoch that was kept."""
    figure, axes = new_figure(6.6, 4.4, footnote, leaks=leaks)
    from matplotlib.ticker import MaxNLocator

    several = len(history) > 1
    for i, (name, epochs) in enumerate(history.items()):
        colour, x = COLOURS[i % len(COLOURS)], np.arange(1, len(epochs.train_loss) + 1)
        axes.plot(x, epochs.train_loss, color=colour, linestyle=":", linewidth=1.2)
        axes.plot(x, epochs.valid_loss, color=colour, linewidth=1.4, label=name if several else None)
        kept = best[name]
        axes.plot(kept + 1, epochs.valid_loss[kept], color=colour, marker="*", markersize=11)
    for style, label in ((":", "training, with each head's loss"), ("-", "validation people")):
        axes.plot([], [], color=GREY, linestyle=style, label=label)
    axes.plot([], [], color=GREY, linestyle="", marker="*", markersize=10, label="kept")
    axes.set(xlabel="epoch", ylabel="loss (nats)", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(axes)
    return figure


def robustness_figure(
    conditions: Mapping[str, Curve], chance: tuple[float, float], *, footnote: str, leaks: bool = False
) -> Figure:
    """Accuracy under each condition, the first being the undisturbed one. Each curve has one point."""
    figure, axes = new_figure(6.8, 1.9 + 0.32 * len(conditions), footnote, leaks=leaks)
    for i, (_, curve) in enumerate(conditions.items()):
        colour = COLOURS[0] if i == 0 else COLOURS[4]
        axes.barh(i, 100 * curve.mean[0], color=colour, height=0.7)
        if curve.low is not None and curve.high is not None:
            axes.hlines(i, 100 * curve.low[0], 100 * curve.high[0], color="black", linewidth=1.2)
        end = max(curve.mean[0], curve.high[0] if curve.high is not None else 0)
        axes.text(100 * end + 1.2, i, f"{100 * curve.mean[0]:.1f}", va="center", fontsize=9)
    chance_line(axes, *chance, vertical=True)
    axes.set_yticks(range(len(conditions)), list(conditions))
    axes.invert_yaxis()
    axes.set(xlabel="accuracy (%), 95 % interval over people", xlim=(0, 108))
    axes.set_xticks(range(0, 101, 20))
    legend_above(axes)
    return figure
