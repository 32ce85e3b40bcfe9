"""Predictions and windows to put into sinks."""

import math
from typing import Any

import numpy as np

from bci_stream.messages import Flag, Gap, Latency, Prediction, StreamWindow, Window

CLASSES = ("neutral", "happiness", "sadness")


def make_prediction(index: int = 0, **changes: Any) -> Prediction:
    values: dict[str, Any] = {
        "index": index,
        "t_start": 1000.0 + 0.2 * index,
        "t_end": 1002.0 + 0.2 * index,
        "classes": CLASSES,
        "logits": (float(np.float32(0.1)), 1 / 3, -2.5),
        "probs": (0.25, 0.625, 0.125),
        "label": "happiness",
        "confidence": 0.625,
        "stood_on": ("eeg", "audio"),
        "coverage": {"eeg": 1.0, "audio": 0.8},
        "heads": {"eeg": (0.1, 0.2, 0.3), "audio": (math.nan, math.nan, math.nan)},
        "interpolated": 0.25,
        "gate": math.nan,
        "bundle_sha256": "ab12",
        "latency": Latency(algorithmic_s=0.25, inference_ms=2.4),
        "age_s": 0.312,
        "tags": ("interpolated 25%", "gap"),
    }
    return Prediction(**(values | changes))


def no_decision(index: int = 0) -> Prediction:
    return make_prediction(
        index, label=None, confidence=0.0, stood_on=(), coverage={"eeg": 0.1, "audio": 0.0}
    )


def make_window(index: int = 0) -> Window:
    """Ten EEG samples of three channels with a gap and marks, and no voice."""
    mask = np.zeros(10, np.uint8)
    mask[4:6] = Flag.GAP
    mask[5:8] |= np.uint8(Flag.SETTLING)
    marks = np.zeros((10, 3), np.uint8)
    marks[:, 1] = Flag.LINE
    marks[:5, 1] |= np.uint8(Flag.FLAT)
    t_start = 1000.0 + 0.2 * index
    eeg = StreamWindow(
        role="eeg",
        sfreq=5.0,
        t_start=t_start,
        t_end=t_start + 2.0,
        data=np.ones((10, 3), np.float32),
        mask=mask,
        marks=marks,
        coverage=0.6,
        gaps=(Gap(t_start + 0.75, t_start + 1.25),),
    )
    return Window(index, t_start, t_start + 2.0, {"eeg": eeg}, deadline=True)
