"""Frames as an engine makes them, of made-up sessions, for tests and pictures of panels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bci_stream.engine.decision import DecisionTrack
from bci_stream.engine.frame import (
    ChannelQuality,
    Decision,
    Frame,
    LogEntry,
    Recording,
    StreamState,
    Weights,
)
from bci_stream.engine.past import PastPredictions
from bci_stream.engine.track import StreamHealth
from bci_stream.messages import Latency, Prediction

CLASSES = ("neutral", "sadness", "anger", "happiness", "calm")
CHANNELS = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "FC5", "FC1", "FC2", "FC6", "T7", "C3", "Cz", "C4", "T8"),
    *(
        "CP5",
        "CP1",
        "CP2",
        "CP6",
        "P7",
        "P3",
        "Pz",
        "P4",
        "P8",
        "PO9",
        "O1",
        "Oz",
        "O2",
        "PO10",
        "FT9",
        "FT10",
    ),
)
T0_S = 5000.0
HOP_S = 0.2
USUAL_AGE_S = HOP_S + 0.3


def prediction(
    t_end: float,
    logits: np.ndarray,
    classes: tuple[str, ...] = CLASSES,
    *,
    modalities: tuple[str, ...] = ("eeg", "audio"),
    said: bool = True,
    gate: float = 0.4,
    heads: dict[str, np.ndarray] | None = None,
    interpolated: float = 0.0,
) -> Prediction:
    """A prediction with these logits."""
    probs = softmax(logits)
    best = int(np.argmax(probs))
    return Prediction(
        index=round(t_end / HOP_S),
        t_start=t_end - 5.0,
        t_end=t_end,
        classes=classes,
        logits=tuple(map(float, logits)),
        probs=tuple(probs.tolist()),
        label=classes[best] if said else None,
        confidence=float(probs[best]) if said else 0.0,
        stood_on=modalities if said else (),
        coverage=dict.fromkeys(modalities, 1.0 if said else 0.1),
        heads={name: tuple(map(float, values)) for name, values in (heads or {}).items()},
        interpolated=interpolated,
        gate=gate,
        bundle_sha256="0" * 64,
        latency=Latency(0.25),
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities."""
    values = np.exp(logits - np.max(logits))
    return np.asarray(values / values.sum())


def session(
    seconds: float = 90.0,
    classes: tuple[str, ...] = CLASSES,
    *,
    modalities: tuple[str, ...] = ("eeg", "audio"),
    late_s: float = 0.35,
    gap_s: tuple[float, float] | None = (52.0, 58.0),
    seed: int = 1,
    gate: bool = True,
) -> Frame:
    """A session that wanders between emotions, without answers within ``gap_s``, seen ``late_s`` later."""
    rng = np.random.default_rng(seed)
    past = PastPredictions(classes, modalities, hop_s=HOP_S)
    track = DecisionTrack(USUAL_AGE_S)
    newest = None
    n = round(seconds / HOP_S)
    truth = rng.integers(0, len(classes), 1 + n // 90)
    drift = np.zeros(len(classes))
    for i in range(n):
        t_end = T0_S + 5.0 + i * HOP_S
        goal = 2.4 * np.eye(len(classes))[truth[i // 90]]
        drift += 0.08 * (goal - drift) + 0.22 * rng.normal(size=len(classes))
        if gap_s is not None and gap_s[0] <= t_end - T0_S < gap_s[1]:
            continue
        heads = {
            name: drift * (0.5 + 0.3 * k) + 0.3 * rng.normal(size=len(classes))
            for k, name in enumerate(modalities)
        }
        weight = 0.45 + 0.3 * np.sin(i / 40) if gate else float("nan")
        newest = prediction(t_end, drift, classes, modalities=modalities, gate=weight, heads=heads)
        past.add(newest, track.take(newest))
    now_s = T0_S + 5.0 + (n - 1) * HOP_S + late_s
    return Frame(
        state="running",
        t0_s=T0_S,
        now_s=now_s,
        traces={},
        model_traces={},
        window=(newest.t_start, newest.t_end) if newest is not None else None,
        markers=(),
        streams=streams(),
        prediction=newest,
        decision=track.current(now_s, T0_S),
        history=past.arrays(),
        weights=weights(modalities=modalities),
        log=log(),
        recording=Recording(
            "/home/me/recordings/2026-11-28 visitors/sub-01_eeg.xdf",
            754.0,
            48_230_112,
            int(31.2e9),
            480_000.0,
        ),
        bundle="demo.bci",
        n_windows=n,
        n_predictions=n - 30,
        n_skipped=2,
        latency_ms={
            "method": 252.0,
            "arrival": 41.0,
            "queue": 1.6,
            "model": 9.4,
            "output": 0.1,
            "total": 304.1,
        },
        cpu_share=0.23,
    )


def health(role: str, **given: Any) -> StreamHealth:
    """A stream that does well, but for what is given."""
    values: dict[str, Any] = {
        "role": role,
        "n_samples": 50_000,
        "rate_hz": 250.01 if role == "eeg" else 16_000.3,
        "rate_ppm": 12.0,
        "jitter_ms": 0.4,
        "drift_ppm": 11.7,
        "offset_s": 0.002,
        "n_gaps": 1,
        "n_lost": 12,
        "n_late": 0,
        "n_overlap": 0,
        "n_bad_stamps": 0,
        "n_clock_resets": 0,
        "newest_s": T0_S + 90,
        "age_s": 0.04,
    }
    return StreamHealth(**{**values, **given})


def streams() -> tuple[StreamState, ...]:
    """EEG with two poor channels, and a voice."""
    poor = {
        "T8": ("flat", "flat: not connected?"),
        "FT9": ("noisy", "noisy: movement or a loose contact, 88 µV"),
    }
    channels = tuple(
        ChannelQuality(name, *poor.get(name, ("good", "good, 12 µV")), 12.0) for name in CHANNELS
    )
    return (
        StreamState(
            "eeg",
            "OpenBCI 32",
            "µV",
            "warn",
            "1 of 32 channels carry no signal",
            "live",
            health("eeg"),
            1,
            channels,
        ),
        StreamState(
            "audio",
            "USB microphone",
            "full scale",
            "good",
            "16000.3 Hz, nothing lost",
            "live",
            health("audio", n_lost=0, n_gaps=0),
        ),
    )


def weights(
    channels: tuple[str, ...] = CHANNELS,
    *,
    modalities: tuple[str, ...] = ("eeg", "audio"),
    fusion: str = "cross_attention",
    seed: int = 3,
) -> Weights:
    """Weights of a model that looks at the left front and at the voice half a second before."""
    from bci_stream.dsp.montage import position

    rng = np.random.default_rng(seed)
    places = np.array(
        [p if (p := position(name)) is not None else (np.nan,) * 3 for name in channels], np.float32
    )
    front = np.nan_to_num(np.exp(-4 * ((places - [-0.5, 0.6, 0.6]) ** 2).sum(1)))
    importance = (front + 0.1 * rng.random(len(channels))).astype(np.float32)
    lag = np.arange(25)[:, None] - np.arange(25)[None, :]
    attention = np.stack([np.exp(-((lag - 3 * h) ** 2) / 12) + 0.02 for h in range(4)])
    return Weights(
        scales={name: (1 + 0.25 * rng.normal(size=128)).astype(np.float32) for name in modalities},
        ch_names=channels if "eeg" in modalities else (),
        importance=importance / importance.sum() if "eeg" in modalities else np.zeros(0, np.float32),
        electrodes=(0.3 * np.roll(front, 3) - 0.03 * rng.random(len(channels))).astype(np.float32),
        electrodes_t_end=T0_S + 94.0,
        electrodes_label="anger",
        attention=(attention / attention.sum(2, keepdims=True)).astype(np.float32)
        if fusion == "cross_attention"
        else np.zeros((0, 0, 0), np.float32),
        places=places,
        window_s=5.0,
        fusion=fusion,
        modalities=modalities,
    )


def log() -> tuple[LogEntry, ...]:
    """What may happen in a session."""
    return (
        LogEntry(0.0, "good", "session", "began with demo.bci"),
        LogEntry(0.4, "good", "eeg", "live"),
        LogEntry(0.5, "good", "audio", "live"),
        LogEntry(12.2, "warn", "eeg", "a gap of 0.05 s (12 samples)"),
        LogEntry(30.0, "good", "markers", "block 1 <b>begins</b> 🙂"),
        LogEntry(47.9, "bad", "eeg", "sends nothing: switch the headset on; it is taken back by itself"),
        LogEntry(58.0, "good", "eeg", "lives again"),
        LogEntry(58.0, "warn", "eeg", "reconnected, 1 so far"),
        LogEntry(61.3, "good", "recording", "recording to /home/me/recordings/visitors/sub-01_eeg.xdf"),
    )


def said(
    frame: Frame, state: str, label: str | None = None, confidence: float = 0.0, words: str = ""
) -> Frame:
    """The same frame with another decision."""
    return replace(frame, decision=Decision(state, label, confidence, words, 0.4, 80.0))
