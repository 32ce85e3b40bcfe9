"""The emotion now, as a frame says it: what is current, what is uncertain, and what is too old. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from apps.gui.strings import tr
from apps.gui.viewmodels.words import duration_words, share_words
from bci_stream.engine.frame import Frame

NONE = -1  #: the index of no class
_HEADS = {"eeg": "EEG says", "audio": "voice says"}
_NAMES = {"eeg": "EEG", "audio": "voice"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands largest. ``state``: "decided", "uncertain", "stale" or "none"; ``which``: index of the
    class, -1 unless decided; ``confidence``: NaN unless decided; ``detail``: a short sentence below.
    """

    state: str
    words: str
    which: int
    confidence: float
    detail: str

    @property
    def current(self) -> bool:
        """Whether anything may be shown as being so now."""
        return self.state in ("decided", "uncertain")

    @property
    def confidence_words(self) -> str:
        """Per cent, or nothing."""
        return share_words(self.confidence) if self.state == "decided" else ""


@dataclass(frozen=True, slots=True)
class HeadRow:
    """What a part of the model says alone. ``probs``: (K,), empty if nothing; ``which``: the likeliest."""

    title: str
    words: str
    probs: tuple[float, ...]
    which: int


def answer(frame: Frame) -> Answer:
    """What may be said aloud of this frame; never an old class."""
    decision, classes = frame.decision, frame.history.classes
    if decision.state == "decided" and decision.label is not None and decision.label in classes:
        which = classes.index(decision.label)
        return Answer("decided", decision.label, which, decision.confidence, _decided(frame))
    if decision.state == "uncertain":
        return Answer("uncertain", tr("uncertain"), NONE, math.nan, decision.words)
    if decision.state == "stale":
        return Answer("stale", tr("stale"), NONE, math.nan, decision.words)
    return Answer("none", tr("no answer yet"), NONE, math.nan, decision.words)


def head_rows(frame: Frame) -> tuple[HeadRow, ...]:
    """What each head says of the newest window; no figures where there is nothing current."""
    history, prediction = frame.history, frame.prediction
    current = frame.decision.state in ("decided", "uncertain") and prediction is not None
    rows = []
    for name, values in history.heads.items():
        title = tr(_HEADS[name]) if name in _HEADS else tr("{name} says").format(name=name)
        probs = tuple(values[-1].tolist()) if current and len(values) else ()
        if not current:
            rows.append(HeadRow(title, tr("nothing now"), (), NONE))
        elif prediction is not None and name in _HEADS and name not in prediction.stood_on:
            rows.append(HeadRow(title, tr("nothing: no usable signal"), (), NONE))
        elif not probs or not all(map(math.isfinite, probs)):
            rows.append(HeadRow(title, tr("nothing now"), (), NONE))
        else:
            which = max(range(len(probs)), key=probs.__getitem__)
            words = f"{history.classes[which]}  {share_words(probs[which])}"
            rows.append(HeadRow(title, words, probs, which))
    return tuple(rows)


def _decided(frame: Frame) -> str:
    """Since when, and from what."""
    parts = []
    for_s = frame.now_s - frame.t0_s - frame.decision.since_s
    if math.isfinite(for_s):
        whole_s = math.floor(max(0.0, for_s))
        time = f"{whole_s} s" if whole_s < 100 else duration_words(whole_s)
        parts.append(tr("for {time}").format(time=time))
    prediction = frame.prediction
    if prediction is not None and prediction.stood_on:
        names = [tr(_NAMES.get(name, name)) for name in prediction.stood_on]
        alone = len(names) == 1 and len(prediction.coverage) > 1
        template = tr("from {parts} alone") if alone else tr("from {parts}")
        parts.append(template.format(parts=tr(" and ").join(names)))
        if prediction.interpolated:
            share = share_words(prediction.interpolated)
            parts.append(tr("{share} of the electrodes interpolated").format(share=share))
    return ", ".join(parts)
