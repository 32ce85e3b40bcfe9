"""Figures of an explanation: scales, electrodes, bands, modalities, gate and attention, with the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.model.occlusion import BAND, ELECTRODE
from bci_stream.training.explain_numbers import Effect, Explanation, Lags
from bci_stream.training.figures import COLOURS, GREY, MARKERS, legend_above, new_figure
from bci_stream.training.metrics import Floats, expected_calibration_error, reliability
from bci_stream.training.plots import reliability_figure
from bci_stream.training.topomap import topomap_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NATS = "log probability of the true class lost (nats)"
_GIVEN = {"both": "everything given", "eeg": "EEG alone given", "audio": "voice alone given"}
_NAMES = {"eeg": "EEG", "audio": "voice"}
_LAG_SPAN = 0.2  # shown at least, so that ripples of a per cent do not look like findings
_EDGE = 0.3  # of the most even share: lags with fewer pairs of tokens are too noisy to show


def explanation_figures(found: Explanation) -> dict[str, Figure]:
    """By file name, only what there is.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    options: dict[str, Any] = {"footnote": found.footnote, "leaks": found.leaks}
    figures = {"scales": scales_figure([one.scales for one in found.weights], **options)}
    figures |= _electrode_figures(found)
    if found.modalities:
        figures["modalities"] = modality_figure(found)
    if found.gate_by_class:
        figures["gate"] = gate_figure(found)
    if found.lags is not None:
        figures["attention"] = lag_figure(found.lags, found.lags.by_class, "class", **options)
        figures["attention-heads"] = lag_figure(found.lags, found.lags.by_head, "head", **options)
    if found.inspection is not None:
        figures["calibration"] = _calibration_figure(found)
    return figures


def _electrode_figures(found: Explanation) -> dict[str, Figure]:
    options: dict[str, Any] = {"footnote": found.footnote, "leaks": found.leaks}
    figures = {}
    for (kind, pattern), by_name in found.drops.items():
        if kind == ELECTRODE and len(by_name) >= 4:
            means = {name: one.value for name, one in by_name.items()}
            title = f"Electrode left out, {_GIVEN[pattern]}"
            figures[f"topomap-{pattern}"] = topomap_figure(means, unit=_NATS, title=title, **options)
    for kind, name in ((ELECTRODE, "electrodes"), (BAND, "bands")):
        rows = {pattern: by_name for (what, pattern), by_name in found.drops.items() if what == kind}
        if rows:
            figures[name] = drops_figure(rows, found.unit, kind, **options)
    spatial = [one.spatial for one in found.weights if one.spatial]
    if spatial and len(spatial[0]) >= 4:
        means = {name: 100 * float(np.mean([one[name] for one in spatial])) for name in spatial[0]}
        title = f"Share in the learned spatial filters (even: {100 / len(means):.1f} %)"
        figures["topomap-filters"] = topomap_figure(means, unit="%", title=title, **options)
    return figures


def scales_figure(networks: Sequence[Mapping[str, Floats]], *, footnote: str, leaks: bool = False) -> Figure:
    """Every scale, sorted within its modality, as the way from 1 where training began; mean over networks."""
    figure, axes = new_figure(7.2, 4.2, footnote, leaks=leaks)
    start, ticks = 0, []
    for i, name in enumerate(networks[0]):
        sorted_each = np.array([np.sort(one[name])[::-1] for one in networks])
        mean = sorted_each.mean(0)
        x = start + np.arange(len(mean))
        label = f"{name}: {mean.min():.2f} to {mean.max():.2f}, mean {mean.mean():.2f}"
        axes.bar(x, mean - 1, bottom=1, width=1.0, color=COLOURS[i], label=label)
        if len(networks) > 1:
            low, high = sorted_each.min(0), sorted_each.max(0)
            axes.fill_between(x, low, high, color="black", alpha=0.2, linewidth=0, step="mid")
        ticks.append((float(x.mean()), name))
        start += len(mean) + 8
    axes.axhline(1, color=GREY, linestyle="--", linewidth=1, label="1: as training began")
    axes.set_xticks([at for at, _ in ticks], [name for _, name in ticks])
    axes.set(ylabel="learned weight of a feature", xlabel="features, sorted within each modality")
    if len(networks) > 1:
        axes.set_title(f"Mean of {len(networks)} folds; shade: smallest to greatest", fontsize=10)
    legend_above(axes)
    return figure


def drops_figure(
    by_pattern: Mapping[str, Mapping[str, Effect]],
    unit: str,
    what: str,
    *,
    footnote: str,
    leaks: bool = False,
) -> Figure:
    """What leaving out each electrode or band costs, with its interval; ordered by the first pattern."""
    order = list(next(iter(by_pattern.values())))
    figure, axes = new_figure(
        6.8, 1.6 + 0.24 * len(order) * max(1.0, 0.7 * len(by_pattern)), footnote, leaks=leaks
    )
    for i, (pattern, by_name) in enumerate(by_pattern.items()):
        y = np.arange(len(order)) + 0.3 * (i - (len(by_pattern) - 1) / 2)
        _dots(axes, y, [by_name[name] for name in order], i, _GIVEN[pattern])
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(order)), order, fontsize=9)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set(xlabel=f"{_NATS}\nwhen one {what} is left out; 95 % interval over {unit}")
    axes.grid(axis="y", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    legend_above(axes)
    return figure


def _dots(
    axes: Axes,
    y: NDArray[np.floating[Any]],
    effects: Sequence[Effect],
    i: int,
    label: str,
    scale: float = 1.0,
) -> None:
    value, low, high = (scale * np.array([one[k] for one in effects]) for k in range(3))
    axes.hlines(y, low, high, color=COLOURS[i], linewidth=1.4)
    axes.scatter(value, y, s=26, color=COLOURS[i], marker=MARKERS[i], label=label, zorder=3)


def modality_figure(found: Explanation) -> Figure:
    """Accuracy with everything and with each modality alone, and what each absence costs."""
    figure, axes = new_figure(6.8, 3.2, found.footnote, leaks=found.leaks)
    patterns = list(found.accuracy)
    labels = []
    for i, pattern in enumerate(patterns):
        one = found.accuracy[pattern]
        axes.barh(i, 100 * one.value, color=COLOURS[0] if i == 0 else COLOURS[4], height=0.65)
        axes.hlines(i, 100 * one.low, 100 * one.high, color="black", linewidth=1.2)
        masked = next((name for name in found.modalities_used if i and name != pattern), None)
        lost = "" if masked is None else f"; {found.modalities[masked][0].value:+.2f} nats lost"
        end = one.high if np.isfinite(one.high) else one.value
        axes.text(
            100 * max(end, one.value) + 1.2, i, f"{100 * one.value:.1f} %{lost}", va="center", fontsize=9
        )
        labels.append(_GIVEN[pattern])
    chance = 100 / len(found.classes)
    axes.axvline(chance, color=GREY, linestyle="--", linewidth=1, label=f"1 of {len(found.classes)} classes")
    axes.set_yticks(range(len(patterns)), labels)
    axes.invert_yaxis()
    axes.set(xlabel=f"accuracy (%), 95 % interval over {found.unit}", xlim=(0, 128))
    axes.set_xticks(range(0, 101, 20))
    legend_above(axes)
    return figure


def gate_figure(found: Explanation) -> Figure:
    """Weight of each modality by true class, and of each person as a small dot beneath."""
    names = found.modalities_used
    rows = [*found.gate_by_class]
    figure, axes = new_figure(6.8, 2.3 + 0.42 * (len(rows) + 1), found.footnote, leaks=found.leaks)
    for i, name in enumerate(names):
        y = np.arange(len(rows)) + 0.2 * (i - (len(names) - 1) / 2)
        _dots(axes, y, [found.gate_by_class[row][name] for row in rows], i, _NAMES.get(name, name), 100.0)
        each = 100 * np.array([person[name] for person in found.gate_by_person.values()])
        jitter = np.linspace(-0.25, 0.25, len(each)) if len(each) > 1 else np.zeros(1)
        axes.scatter(each, len(rows) + 0.3 + jitter, s=16, color=COLOURS[i], alpha=0.6, marker=MARKERS[i])
    axes.axvline(100 / len(names), color=GREY, linestyle="--", linewidth=1, label="equal weights")
    axes.axhline(len(rows) - 0.35, color="#d0d0d0", linewidth=0.8)
    axes.set_yticks([*range(len(rows)), len(rows) + 0.3], [*rows, "each person"])
    axes.set_ylim(len(rows) + 0.8, -0.6)
    axes.set(xlabel=f"weight of the modality (%), 95 % interval over {found.unit}", xlim=(-2, 102))
    legend_above(axes)
    return figure


def lag_figure(
    lags: Lags, shares: Mapping[str, Floats], what: str, *, footnote: str, leaks: bool = False
) -> Figure:
    """Attention at each lag, as a multiple of what attending to all tokens alike would give."""
    figure, axes = new_figure(6.8, 4.2, footnote, leaks=leaks)
    shown = lags.even >= _EDGE * lags.even.max()
    for i, (name, share) in enumerate(shares.items()):
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "markersize": 4,
        }
        axes.plot(lags.seconds[shown], share[shown] / lags.even[shown], markevery=5, label=name, **style)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 1 - _LAG_SPAN), max(high, 1 + _LAG_SPAN))
    axes.axhline(1, color=GREY, linestyle="--", linewidth=1, label="all tokens alike")
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="the voice's token minus the EEG's (s); below 0: the voice came first")
    axes.set(ylabel=f"attention by {what}\n(1: as if even)")
    legend_above(axes)
    return figure


def _calibration_figure(found: Explanation) -> Figure:
    inspection = found.inspection
    assert inspection is not None
    main = next(iter(inspection.log_probs))
    bins = {}
    for name, log_probs in (
        ("before temperature", inspection.raw[main]),
        ("after", inspection.log_probs[main]),
    ):
        powers = np.exp(log_probs - log_probs.max(1, keepdims=True))
        probs = powers / powers.sum(1, keepdims=True)
        error = expected_calibration_error(probs, inspection.labels)
        bins[name] = (reliability(probs, inspection.labels), error)
    return reliability_figure(bins, footnote=found.footnote, leaks=found.leaks)
