"""Signals that are speech, or are not, for tests that do without recordings."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

SFREQ = 16_000


def vowel(duration_s: float, rms: float, pitch_hz: float = 130.0) -> np.ndarray:
    """(n,) float32: glottal pulses through the formants of an open vowel, three syllables a second."""
    n = int(duration_s * SFREQ)
    time_s = np.arange(n) / SFREQ
    phase = np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 3 * time_s))) / SFREQ
    x = np.diff(np.floor(phase), prepend=0.0)
    for formant_hz, width_hz in ((700.0, 90.0), (1200.0, 110.0), (2600.0, 160.0)):
        r = np.exp(-np.pi * width_hz / SFREQ)
        x = lfilter([1.0], [1.0, -2 * r * np.cos(2 * np.pi * formant_hz / SFREQ), r * r], x)
    x = x * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * time_s))
    return (x / np.std(x) * rms).astype(np.float32)


def noise(kind: str, duration_s: float, dbfs: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) float32 of a noise of this RMS level."""
    n = int(duration_s * SFREQ)
    white = rng.standard_normal(n)
    time_s = np.arange(n) / SFREQ
    if kind == "pink":
        freqs = np.maximum(np.fft.rfftfreq(n, 1 / SFREQ), 1.0)
        x = np.fft.irfft(np.fft.rfft(white) / np.sqrt(freqs), n)
    elif kind == "hum":
        x = sum(np.sin(2 * np.pi * 50 * k * time_s + k) / k for k in range(1, 7))
    elif kind == "clicks":
        x = np.zeros(n)
        for at in rng.integers(0, n - 200, int(3 * duration_s)):
            x[at : at + 80] += white[at : at + 80] * np.exp(-np.arange(80) / 20)
    elif kind == "gusts":
        x = white * (1 + np.sin(2 * np.pi * 0.3 * time_s)) ** 2
    else:
        x = white
    return (x / np.std(x) * 10 ** (dbfs / 20)).astype(np.float32)
