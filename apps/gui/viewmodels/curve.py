"""How a fit is coming along: the loss of each way on trials held out of it. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from apps.gui.strings import tr

if TYPE_CHECKING:
    from calibration.finetune import Tried


@dataclass(frozen=True, slots=True)
class Line:
    """One way of fitting: ``points`` are (steps, mean loss over the parts so far, nats)."""

    words: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """All ways as far as they were tried. ``steps``: those of the axis; ``low``, ``high``: of the loss."""

    lines: tuple[Line, ...]
    steps: tuple[int, ...]
    low: float
    high: float
    words: str


def curve(tried: Sequence[Tried]) -> Curve:
    """The picture of what was told so far."""
    found: dict[str, dict[int, list[float]]] = {}
    for one in tried:
        found.setdefault(one.rung, {}).setdefault(one.n_steps, []).append(one.loss)
    lines = tuple(
        Line(tr(rung), tuple((n, float(np.mean(losses))) for n, losses in sorted(by_step.items())))
        for rung, by_step in found.items()
    )
    points = [(loss, line.words, n) for line in lines for n, loss in line.points]
    if not points:
        return Curve((), (), 0.0, 1.0, tr("nothing yet"))
    losses = [loss for loss, _, _ in points]
    margin = 0.05 * (max(losses) - min(losses)) + 0.02
    best = min(points)
    words = tr("best so far: {way}, loss {loss}").format(way=best[1], loss=f"{best[0]:.2f}")
    steps = tuple(sorted({n for line in lines for n, _ in line.points}))
    return Curve(lines, steps, min(losses) - margin, max(losses) + margin, words)
