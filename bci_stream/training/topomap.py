"""A number per electrode, on a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bci_stream.dsp.montage import position, seen_from_above
from bci_stream.training.figures import halo, new_figure
from bci_stream.training.metrics import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

_HEAD = 1.1  # radius of the outline; 1 is the line Fpz, T7, Oz, T8


def topomap_figure(
    values: Mapping[str, float], *, unit: str, footnote: str, title: str = "", leaks: bool = False
) -> Figure:
    """``values`` on a head seen from above, nose up; electrodes without a known position are left out."""
    found = {name: position(name) for name in values}
    placed = {name: at for name, at in found.items() if at is not None}
    points = np.array([seen_from_above(at) for at in placed.values()]).reshape(-1, 2)
    numbers = np.array([values[name] for name in placed])
    figure, axes = new_figure(5.6, 5.4, footnote, leaks=leaks)
    from matplotlib.colors import Normalize

    radius = max(_HEAD, float(np.hypot(*points.T).max(initial=0)) + 0.1)
    signed = bool((numbers < 0).any())
    edge = float(np.abs(numbers).max(initial=0)) or 1.0
    colours, norm = ("PuOr_r", Normalize(-edge, edge)) if signed else ("YlGnBu", Normalize(0, edge))
    outline = _draw_head(axes, radius)
    if len(numbers) >= 4:
        field = axes.contourf(*_field(points, numbers, radius), levels=24, cmap=colours, norm=norm, zorder=0)
        field.set_clip_path(outline)
    dots = axes.scatter(
        points[:, 0],
        points[:, 1],
        s=60,
        c=numbers,
        cmap=colours,
        norm=norm,
        edgecolors="black",
        linewidths=0.8,
        zorder=4,
    )
    for name, (x, y) in zip(placed, points, strict=True):
        axes.text(x, y - 0.06, name, ha="center", va="top", fontsize=8, path_effects=halo(), zorder=5)
    axes.set_title(title, fontsize=11)
    figure.colorbar(dots, ax=axes, label=unit, shrink=0.75)
    return figure


def _draw_head(axes: Axes, radius: float) -> Patch:
    """Outline, nose and ears; returns the outline."""
    from matplotlib.patches import Circle

    outline = Circle((0, 0), radius, fill=False, linewidth=1.5, zorder=3)
    axes.add_patch(outline)
    axes.plot([-0.12, 0, 0.12], [radius - 0.007, radius + 0.15, radius - 0.007], color="black", linewidth=1.5)
    swing = np.sin(np.linspace(0, np.pi, 30))
    for side in (-1, 1):
        axes.plot(side * (radius + 0.07 * swing), np.linspace(-0.2, 0.2, 30), color="black", linewidth=1.5)
    edge = radius + 0.18
    axes.set(aspect="equal", xticks=[], yticks=[], xlim=(-edge, edge), ylim=(-edge, edge))
    axes.spines[:].set_visible(False)
    return outline


def _field(points: Floats, numbers: Floats, radius: float) -> tuple[Floats, Floats, Floats]:
    """A smooth surface through the electrodes (thin-plate spline), no higher or lower than they are."""
    from scipy.interpolate import RBFInterpolator

    line = np.linspace(-radius, radius, 121)
    x, y = np.meshgrid(line, line)
    smooth = RBFInterpolator(points, numbers)(np.column_stack([x.ravel(), y.ravel()]))
    return x, y, np.clip(smooth.reshape(x.shape), numbers.min(), numbers.max())
