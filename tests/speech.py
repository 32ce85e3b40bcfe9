"""Real speech to speak into a microphone: utterances of EmoDB with pauses between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from tests.recordings import DATA

EMODB = DATA / "audio" / "emodb"
SFREQ = 16_000
_VOICE = butter(2, (100.0, 2500.0), "bandpass", fs=SFREQ, output="sos")  # where resamplers agree
soundfile = pytest.importorskip("soundfile", reason="soundfile comes with the train extra")

needs_speech = pytest.mark.skipif(
    not EMODB.is_dir(), reason="real speech is not beside this checkout (../shared/data/audio)"
)


def talk(duration_s: float, *, first: int = 0, pause_s: float = 0.4) -> np.ndarray:
    """(n,) float32 of utterances one after the other, at half the level of the recordings."""
    parts: list[np.ndarray] = []
    files = sorted(EMODB.glob("*.flac"))
    while sum(map(len, parts)) < duration_s * SFREQ:
        samples, sfreq = soundfile.read(files[first % len(files)], dtype="float32")
        assert sfreq == SFREQ
        parts += [samples / 2, np.zeros(int(pause_s * SFREQ), np.float32)]
        first += 1
    return np.concatenate(parts)[: int(duration_s * SFREQ)]


def write_wav(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, SFREQ)
    return path


def place_of(
    window: np.ndarray, played: np.ndarray, near: int | None = None, reach: int = 800
) -> tuple[int, float]:
    """Where in ``played`` a window lies, by normalised cross-correlation: (sample, correlation)."""
    lo = 0 if near is None else max(0, near - reach)
    hi = len(played) if near is None else min(len(played), near + len(window) + reach)
    part = sosfiltfilt(_VOICE, played[lo:hi].astype(np.float64))
    if len(part) < len(window):
        return -1, 0.0
    x = sosfiltfilt(_VOICE, window.astype(np.float64))
    n = 1 << int(np.ceil(np.log2(len(part) + len(x))))
    product = np.fft.irfft(np.fft.rfft(part, n) * np.conj(np.fft.rfft(x, n)), n)[: len(part) - len(x) + 1]
    energy = np.concatenate([[0.0], np.cumsum(part**2)])
    norm = np.sqrt((energy[len(x) :] - energy[: -len(x)]) * (x @ x)) + 1e-9
    best = int(np.argmax(product / norm))
    return lo + best, float(product[best] / norm[best])
