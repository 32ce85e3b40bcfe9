"""What the model weighs, as pictures: scales, electrodes, attention. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.gui.strings import tr
from apps.gui.viewmodels.topomap import HeadMap, head_map
from apps.gui.viewmodels.words import figure
from bci_stream.engine.frame import Frame, Weights

Floats = NDArray[np.float64]
_MOST_OCTAVES = 3.0
_TITLES = {"eeg": "EEG", "audio": "voice"}


@dataclass(frozen=True, slots=True, eq=False)
class ScaleBars:
    """One modality's learned weights (D,), all 1 as training began. ``edge``: largest change shown."""

    name: str
    title: str
    values: Floats
    edge: float
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class ElectrodeMap:
    """A head, or ``words`` alone why there is none. ``low``, ``high``: words for the ends of its scale."""

    head: HeadMap | None
    words: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionMap:
    """``image``: (N, N), rows EEG time and columns voice time from the oldest on; both axes end at the
    window's end and begin ``window_s`` before. Empty, with the reason in ``words``, where there is none.
    """

    image: Floats
    window_s: float
    n_heads: int
    words: str


def scale_bars(weights: Weights | None) -> tuple[ScaleBars, ...]:
    """A strip for each modality, all to one scale."""
    if weights is None:
        return ()
    values = {name: np.asarray(scale, np.float64) for name, scale in weights.scales.items()}
    changes = [np.abs(scale[np.isfinite(scale)] - 1.0).max(initial=0.0) for scale in values.values()]
    edge = max(changes, default=0.0) or 1.0
    return tuple(
        ScaleBars(name.removesuffix("_scale"), _title(name), scale, edge, _scale_words(scale))
        for name, scale in values.items()
    )


def _title(name: str) -> str:
    plain = name.removesuffix("_scale")
    return tr(_TITLES.get(plain, plain))


def _scale_words(scale: Floats) -> str:
    good = scale[np.isfinite(scale)]
    if not len(good):
        return tr("no figures")
    change = float(np.abs(good - 1).mean())
    if change < 1e-6:
        return tr("as training began")
    lowest, highest = figure(float(good.min()), "", 2), figure(float(good.max()), "", 2)
    return tr("changed by {change} on average, {low} to {high}").format(
        change=figure(change, "", 2), low=lowest, high=highest
    )


def importance_map(weights: Weights | None) -> ElectrodeMap:
    """What the first layer has learned of each electrode: log2 of its share over an even share."""
    if weights is None:
        return ElectrodeMap(None, tr("no model"))
    if not len(weights.importance):
        return ElectrodeMap(
            None, _no_electrodes(weights, tr("this model learns nothing of single electrodes"))
        )
    head = head_map(weights.ch_names, _octaves(weights.importance), weights.places)
    low, high = (f"{2.0**end:.2g} x" for end in (head.low, head.high))
    return ElectrodeMap(
        head, _named(head, tr("most: {names}")), low, tr("{times} average").format(times=high)
    )


def _octaves(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """How often the share must be doubled from the even one, within what can be seen."""
    even = np.maximum(shares * np.float32(len(shares)), np.float32(2.0**-_MOST_OCTAVES))
    return np.asarray(np.minimum(np.log2(even), _MOST_OCTAVES), np.float32)


def window_map(frame: Frame) -> ElectrodeMap:
    """Which electrodes carried the answer of a window just past."""
    weights = frame.weights
    if weights is None:
        return ElectrodeMap(None, tr("no model"))
    if not len(weights.electrodes):
        return ElectrodeMap(None, _no_electrodes(weights, tr("a whole window is needed first")))
    head = head_map(weights.ch_names, weights.electrodes, weights.places)
    age_s = math.floor(max(0.0, frame.now_s - weights.electrodes_t_end))
    words = tr("{label}, {age} ago").format(label=weights.electrodes_label, age=f"{max(1, age_s)} s")
    low, high = (figure(end, "", 2, signed=True) for end in (head.low, head.high))
    words = f"{words}; {_named(head, tr('most: {names}'))}"
    return ElectrodeMap(head, words, low, tr("{figure} nats").format(figure=high))


def _no_electrodes(weights: Weights, otherwise: str) -> str:
    no_eeg = weights.modalities and "eeg" not in weights.modalities
    return tr("the model takes no EEG") if no_eeg else otherwise


def _named(head: HeadMap, template: str) -> str:
    if not head.names:
        return tr("the places of these electrodes are not known")
    words = template.format(names=", ".join(head.strongest()))
    if head.left_out:
        words += tr("; {n} without a place").format(n=head.left_out)
    return words


def attention_map(weights: Weights | None, which: int | None = None) -> AttentionMap:
    """The mean of the heads, or head ``which``."""
    if weights is None:
        return AttentionMap(np.zeros((0, 0)), math.nan, 0, tr("no model"))
    found = weights.attention
    if found.ndim != 3 or not found.size:
        return AttentionMap(np.zeros((0, 0)), weights.window_s, 0, no_attention(weights))
    n_heads = found.shape[0]
    chosen = found[which] if which is not None and which < n_heads else found.mean(0)
    image = np.asarray(chosen, np.float64)
    return AttentionMap(image, weights.window_s, n_heads, _attention_words(image, weights.window_s))


def no_attention(weights: Weights) -> str:
    """Why there is no attention map."""
    if len(weights.modalities) == 1:
        return tr("one modality: it attends to no other")
    if weights.fusion == "cross_attention":
        return tr("nothing has been predicted yet")
    return tr("{mode} fusion has no attention").format(mode=weights.fusion or tr("this"))


def absent(weights: Weights | None) -> tuple[tuple[str, str], ...]:
    """Which of "electrodes", "attention" and "gate" this kind of model never has, and why."""
    if weights is None or not weights.modalities:
        return ()
    found = []
    alone = len(weights.modalities) == 1
    if "eeg" not in weights.modalities:
        found.append(("electrodes", tr("electrodes (it takes no EEG)")))
    if alone or weights.fusion != "cross_attention":
        why = tr("one modality") if alone else weights.fusion
        found.append(("attention", tr("attention ({why})").format(why=why)))
    if alone or weights.fusion in ("concat", "bottleneck"):
        why = tr("one modality") if alone else weights.fusion
        found.append(("gate", tr("gate ({why})").format(why=why)))
    return tuple(found)


def _attention_words(image: Floats, window_s: float) -> str:
    """How far before or after itself the EEG attends to the voice, on average."""
    weight = np.where(np.isfinite(image), image, 0.0)
    if weight.sum() <= 0:
        return tr("no attention now: one of the two is missing")
    n = len(image)
    lag = (np.arange(n)[None, :] - np.arange(n)[:, None]) * window_s / n
    mean_s = float((weight * lag).sum() / weight.sum())
    if abs(mean_s) < 0.05:
        return tr("EEG attends to the voice of the same time")
    side = tr("before") if mean_s < 0 else tr("after")
    return tr("EEG attends to the voice {time} {side} it").format(time=f"{abs(mean_s):.1f} s", side=side)
