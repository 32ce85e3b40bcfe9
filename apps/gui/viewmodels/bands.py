"""Probabilities over time, stacked; the decisions under them; and the gate. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.gui.strings import tr
from bci_stream.engine.frame import Frame, PredictionHistory

MOST_CLASSES: Final = 8  #: more are drawn together as others
MOST_POINTS: Final = 600
OTHERS: Final = -1
SPANS_S: Final = (60.0, 180.0, 600.0)
_GAP_HOPS = 2.5
_LEAST_S = 10.0  # of time in a picture
_STEP_S = 0.2  # the right edge moves in steps, so that nothing is painted anew in between

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of session time in which one class was named; ``which``: -1 for none."""

    start_s: float
    stop_s: float
    which: int
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Stacked areas over ``[start_s, stop_s]`` of the session.

    ``names``, ``series``: of each band from the bottom up, and its class (-1: all others). ``t_s``: (n,).
    ``tops``: (n, 1 + bands) upper edges from 0 to 1; a row of NaN is a gap.
    """

    start_s: float
    stop_s: float
    names: tuple[str, ...]
    series: tuple[int, ...]
    t_s: Floats
    tops: Floats
    segments: tuple[Segment, ...]

    def latest(self) -> Floats:
        """Height of each band at the last instant that has any; empty without."""
        good = np.flatnonzero(np.isfinite(self.tops).all(1))
        return np.diff(self.tops[good[-1]]) if len(good) else np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """Weight of the voice over time: ``t_s``, ``voice`` (n,), NaN in gaps. ``words``: why there is none."""

    start_s: float
    stop_s: float
    t_s: Floats
    voice: Floats
    words: str


def edge_s(frame: Frame) -> float:
    """Session time of the right edge."""
    return float(np.floor((frame.now_s - frame.t0_s) / _STEP_S) * _STEP_S)


def bands(frame: Frame, span_s: float = SPANS_S[0]) -> Bands:
    """The last ``span_s`` of a frame."""
    history, stop_s = frame.history, edge_s(frame)
    rows = _rows(history, frame.t0_s, stop_s, span_s)
    t_s = history.t_end[rows] - frame.t0_s
    probs = history.probs[rows].astype(np.float64)
    order = _order(probs, len(history.classes))
    named = [probs[:, k] for k in order]
    names = [history.classes[k] for k in order]
    if len(order) < len(history.classes):
        named.append(1.0 - np.sum(named, axis=0))
        order, names = [*order, OTHERS], [*names, tr("others")]
    stack = np.stack(named, axis=1) if named else np.zeros((len(t_s), 0))
    tops = np.concatenate([np.zeros((len(t_s), 1)), np.cumsum(stack, axis=1)], axis=1)
    tops[~np.isfinite(tops).all(1)] = np.nan
    start_s = _start_s(history, frame.t0_s, stop_s, span_s)
    return Bands(
        start_s,
        stop_s,
        tuple(names),
        tuple(order),
        *_with_gaps(t_s, tops),
        _segments(history, rows, frame.t0_s, start_s),
    )


def gate(frame: Frame, span_s: float = SPANS_S[0]) -> Gate:
    """The weight of the voice over the last ``span_s``."""
    history, stop_s = frame.history, edge_s(frame)
    rows = _rows(history, frame.t0_s, stop_s, span_s)
    t_s, voice = _with_gaps(history.t_end[rows] - frame.t0_s, history.gate[rows].astype(np.float64)[:, None])
    words = "" if np.isfinite(voice).any() else _no_gate(frame)
    return Gate(_start_s(history, frame.t0_s, stop_s, span_s), stop_s, t_s, voice[:, 0], words)


def _no_gate(frame: Frame) -> str:
    weights = frame.weights
    if not len(frame.history.t_end):
        return tr("nothing has been predicted yet")
    if weights is not None and len(weights.modalities) == 1:
        return tr("one modality: there is nothing to weigh")
    if weights is not None and weights.fusion in ("concat", "bottleneck"):
        return tr("{mode} fusion has no gate").format(mode=weights.fusion)
    return tr("this model has no gate")


def _start_s(history: PredictionHistory, t0_s: float, stop_s: float, span_s: float) -> float:
    """Session time of the left edge: a young session fills the picture too."""
    first_s = float(history.t_end[0]) - t0_s if len(history.t_end) else stop_s
    return max(stop_s - span_s, min(first_s, stop_s - _LEAST_S))


def _rows(history: PredictionHistory, t0_s: float, stop_s: float, span_s: float) -> NDArray[np.intp]:
    """The rows to draw: those of the span, one before it, and of each instant of a picture only the last."""
    first = max(0, int(np.searchsorted(history.t_end, t0_s + stop_s - span_s)) - 1)
    instant = np.floor(history.t_end[first:] / (span_s / MOST_POINTS))  # the same rows as time goes by
    last = np.append(np.flatnonzero(np.diff(instant)), max(0, len(instant) - 1))
    return np.asarray(first + last[: len(instant)], np.intp)


def _order(probs: Floats, n_classes: int) -> list[int]:
    """Which classes have a band, in the order of the model; the likeliest where there are too many."""
    if n_classes <= MOST_CLASSES:
        return list(range(n_classes))
    good = probs[np.isfinite(probs).all(1)]
    mean = good.mean(0) if len(good) else np.zeros(n_classes)
    return sorted(np.argsort(-mean, kind="stable")[: MOST_CLASSES - 1].tolist())


def _with_gaps(t_s: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Put a row of NaN wherever nothing was predicted for longer than usual."""
    if len(t_s) < 2:
        return t_s, values
    step = np.diff(t_s)
    breaks = np.flatnonzero(step > _GAP_HOPS * np.median(step)) + 1
    return np.insert(t_s, breaks, t_s[breaks - 1]), np.insert(values, breaks, np.nan, axis=0)


def _segments(
    history: PredictionHistory, rows: NDArray[np.intp], t0_s: float, start_s: float
) -> tuple[Segment, ...]:
    if not len(rows):
        return ()
    every = slice(int(rows[0]), len(history.t_end))
    t_s, said = history.t_end[every] - t0_s, history.decision[every]
    hop_s = float(np.median(np.diff(t_s))) if len(t_s) > 1 else 0.0
    gap = np.diff(t_s) > _GAP_HOPS * hop_s
    ends = np.flatnonzero((np.diff(said) != 0) | gap)
    firsts, lasts = np.append(0, ends + 1), np.append(ends, len(said) - 1)
    found = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        begin, end = max(start_s, float(t_s[first]) - hop_s), float(t_s[last])
        if end > begin or len(t_s) == 1:
            which = int(said[first])
            words = history.classes[which] if which >= 0 else tr("undecided")
            found.append(Segment(begin, end, which, words))
    return tuple(found)
