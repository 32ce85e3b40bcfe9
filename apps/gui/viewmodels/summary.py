"""The session so far in a few figures: how long each emotion was named, and how steadily. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.gui.strings import tr
from apps.gui.viewmodels.bands import OTHERS
from apps.gui.viewmodels.words import duration_words, share_words
from bci_stream.engine.frame import Frame

_MOST_ROWS = 8


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A class's share of the session; ``which``: -1 for undecided or for the rest."""

    name: str
    which: int
    share: float
    words: str


@dataclass(frozen=True, slots=True)
class Summary:
    """``rows``: classes in the model's order, then undecided. ``words``: length and flips."""

    rows: tuple[SummaryRow, ...]
    flips_per_minute: float
    undecided: float
    words: str


def summary(frame: Frame) -> Summary:
    """The session so far."""
    history = frame.history
    seconds = history.seconds.astype(np.float64)
    total_s = float(seconds.sum())
    if total_s <= 0.0:
        return Summary((), float("nan"), float("nan"), tr("nothing has been predicted yet"))
    shares = seconds / total_s
    per_minute = history.n_flips / (total_s / 60)
    words = tr("{time} predicted, {flips} changes a minute").format(
        time=duration_words(total_s), flips=f"{per_minute:.1f}"
    )
    return Summary(_rows(history.classes, shares.tolist()), per_minute, float(shares[-1]), words)


def _rows(classes: tuple[str, ...], shares: list[float]) -> tuple[SummaryRow, ...]:
    which = list(range(len(classes)))
    if len(which) > _MOST_ROWS:
        which = sorted(sorted(which, key=lambda k: -shares[k])[: _MOST_ROWS - 1])
    rows = [SummaryRow(classes[k], k, shares[k], share_words(shares[k])) for k in which]
    if len(which) < len(classes):
        rest = sum(shares[:-1]) - sum(row.share for row in rows)
        rows.append(SummaryRow(tr("others"), OTHERS, rest, share_words(rest)))
    return (*rows, SummaryRow(tr("undecided"), OTHERS, shares[-1], share_words(shares[-1])))
