"""Figures of a comparison, each with the protocol beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bci_stream.training.comparison import Comparison
from bci_stream.training.figures import COLOURS, GREY, chance_line, halo, legend_above, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """By file name."""
    return {
        "ranks": ranks_figure(comparison),
        "differences": differences_figure(comparison),
        "people": people_figure(comparison),
    }


def metric_label(comparison: Comparison) -> str:
    """For an axis, in per cent."""
    return comparison.metric.replace("_", " ") + " (%)"


def ranks_figure(comparison: Comparison) -> Figure:
    """Mean rank over people, after Demsar (2006); a bar joins methods of which no two were told apart.

    Which are told apart is decided by the table's tests with Holm's correction, not by Nemenyi's distance,
    so that figure and table never contradict each other.
    """
    methods, groups = comparison.methods, comparison.groups
    n = len(methods)
    height = 1.9 + 0.32 * ((n + 1) // 2) + 0.2 * len(groups)
    figure, axes = new_figure(7.2, height, comparison.footnote, leaks=comparison.leaks)
    floor = -(0.35 + 0.3 * len(groups) + 0.55 * ((n + 1) // 2))
    axes.set(xlim=(n + 0.7, 0.3), ylim=(floor, 0), yticks=[])  # the best rank at the right
    axes.spines[["left", "bottom", "right"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(range(1, n + 1))
    axes.set_xlabel("mean rank over people, 1 is best (a bar: no two of them were told apart)")
    for row, group in enumerate(groups):
        ranks = [methods[i].rank for i in group]
        y = -0.3 - 0.3 * row
        axes.plot(
            [min(ranks) - 0.04, max(ranks) + 0.04], [y, y], color="black", linewidth=5, solid_capstyle="round"
        )
    _name_the_ranks(axes, comparison, top=-0.3 * len(groups) - 0.35)
    return figure


def _name_the_ranks(axes: Axes, comparison: Comparison, top: float) -> None:
    """Better half to the right, worse half to the left, as elbows that do not cross."""
    ordered = sorted(comparison.methods, key=lambda method: method.rank)
    n = len(ordered)
    half = (n + 1) // 2
    for i, method in enumerate(ordered):
        right = i < half
        y = top - 0.55 * (i if right else n - 1 - i) - 0.2
        edge = 0.42 if right else n + 0.58
        axes.plot([method.rank, method.rank, edge], [0, y, y], color=COLOURS[0], linewidth=1.2, clip_on=False)
        text = f"{method.name}  {method.rank:.2f}"
        axes.text(edge, y + 0.05, text, ha="right" if right else "left", va="bottom", fontsize=10)


def differences_figure(comparison: Comparison) -> Figure:
    """Mean difference of every pair with its interval over people, and what could not have been found."""
    pairs = comparison.pairs
    figure, axes = new_figure(7.2, 2.0 + 0.42 * len(pairs), comparison.footnote, leaks=comparison.leaks)
    axes.axvline(0, color="black", linewidth=0.8)
    for i, pair in enumerate(pairs):
        found, colour = pair.paired, COLOURS[1] if pair.found else COLOURS[0]
        edge = 100 * found.detectable
        if np.isfinite(edge):
            axes.fill_betweenx([i - 0.3, i + 0.3], -edge, edge, color=GREY, alpha=0.16, linewidth=0)
        axes.hlines(i, 100 * found.ci.low, 100 * found.ci.high, color=colour, linewidth=2)
        axes.plot(100 * found.difference, i, "o" if not pair.found else "D", color=colour, markersize=7)
    axes.fill_between([], [], color=GREY, alpha=0.16, label="too small to be found 4 times in 5")
    axes.plot([], [], "D-", color=COLOURS[1], label="difference found (Holm p < 0.05)")
    axes.plot([], [], "o-", color=COLOURS[0], label="no difference found")
    axes.set_yticks(range(len(pairs)), [f"{pair.a} \u2212 {pair.b}" for pair in pairs])
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.set_xlabel(
        f"difference in {comparison.metric.replace('_', ' ')} (points), 95 % interval over people"
    )
    legend_above(axes)
    return figure


def people_figure(comparison: Comparison) -> Figure:
    """Every person under every method, a line each, and the mean."""
    methods = comparison.methods
    scores = 100 * np.array([method.scores for method in methods])
    n = len(methods)
    figure, axes = new_figure(max(5.2, 1.7 + 1.15 * n), 4.8, comparison.footnote, leaks=comparison.leaks)
    places = np.arange(n)
    axes.plot(places, scores, color=GREY, alpha=0.35, linewidth=0.8, marker="o", markersize=3)
    axes.plot([], [], color=GREY, linewidth=0.8, marker="o", markersize=3, label="a person")
    low, high = (np.array([100 * method.ci[side] for method in methods]) for side in (0, 1))
    axes.vlines(places, low, high, color=COLOURS[1], linewidth=3, zorder=4)
    means = scores.mean(axis=1)
    axes.plot(places, means, "D", color=COLOURS[1], markersize=8, zorder=5, label="mean, 95 % interval")
    if comparison.metric in ("accuracy", "balanced_accuracy"):
        chance_line(axes, comparison.chance[0])
    for i, mean in enumerate(means):
        axes.text(i + 0.1, mean, f"{mean:.1f}", va="center", fontsize=10, path_effects=halo(), zorder=6)
    names = [f"{method.name}\n{len(method.seeds)} seed{'s' * (len(method.seeds) > 1)}" for method in methods]
    axes.set_xticks(places, names)
    axes.set(xlim=(-0.5, n - 0.4), ylabel=metric_label(comparison))
    legend_above(axes)
    return figure
