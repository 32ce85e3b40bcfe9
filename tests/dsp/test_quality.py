from __future__ import annotations

import numpy as np
import pytest

from bci_stream.dsp.artifacts import ArtifactDetector, ArtifactSettings
from bci_stream.dsp.filters import SosFilter, design_sos
from bci_stream.dsp.quality import QualityMeter, QualityWord
from bci_stream.errors import ConfigError
from bci_stream.messages import Flag

SFREQ = 250.0


def _noise(seconds: float, n_channels: int, sd_uv: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (rng.normal(size=(round(seconds * SFREQ), n_channels)) * sd_uv).astype(np.float32)


def test_rms_and_shares_are_those_of_the_last_seconds() -> None:
    x, meter = _noise(12.0, 2), QualityMeter(["Fz", "Cz"], SFREQ, span_s=4.0)
    x[: -5 * 250] *= 100.0  # long ago
    marks = np.zeros(x.shape, np.uint8)
    marks[-500:, 1] = Flag.JUMP
    meter.step(x, marks)
    fz, cz = meter.summary()
    last = x[-fz.n_samples :]
    assert fz.n_samples / SFREQ == pytest.approx(
        4.1, abs=0.11
    )  # twenty whole blocks and the one in the making
    assert fz.rms_uv == pytest.approx(last[:, 0].std(), rel=1e-5)
    assert cz.shares[Flag.JUMP] == pytest.approx(500 / cz.n_samples)
    assert fz.shares[Flag.JUMP] == 0.0
    assert (fz.name, fz.word, cz.word) == ("Fz", QualityWord.GOOD, QualityWord.NOISY)


def test_each_trouble_has_its_word() -> None:
    t_s = np.arange(round(8 * SFREQ)) / SFREQ
    troubles = {
        "good": _noise(8.0, 1)[:, 0],
        "noisy": _noise(8.0, 1, sd_uv=400.0)[:, 0],
        "line": _noise(8.0, 1, sd_uv=5.0)[:, 0] + 80.0 * np.sin(2 * np.pi * 50.0 * t_s),
        "flat": np.full(t_s.size, 4500.0),
        "railed": np.clip(3000.0 * np.sin(2 * np.pi * t_s), -1000.0, 1000.0),
        "no signal": np.full(t_s.size, np.nan),
    }
    raw = np.stack(list(troubles.values()), axis=1).astype(np.float32)
    marks = ArtifactDetector(ArtifactSettings(), SFREQ, len(troubles)).step(raw)
    meter = QualityMeter(list(troubles), SFREQ)
    meter.step(SosFilter(design_sos(SFREQ, 0.5, 45.0, 50.0), len(troubles)).step(raw), marks)
    assert {q.name: str(q.word) for q in meter.summary()} == {name: name for name in troubles}


def test_before_any_sample_there_is_no_signal() -> None:
    (quality,) = QualityMeter(["Fz"], SFREQ).summary()
    assert quality.word is QualityWord.NO_SIGNAL
    assert np.isnan(quality.rms_uv)
    assert quality.n_samples == 0


def test_a_gap_is_no_signal() -> None:
    meter = QualityMeter(["Fz"], SFREQ)
    meter.step(np.zeros((1000, 1), np.float32), np.full((1000, 1), Flag.GAP, np.uint8))
    assert meter.summary()[0].word is QualityWord.NO_SIGNAL


@pytest.mark.parametrize(("sfreq", "span_s"), [(0.0, 5.0), (250.0, 0.0), (float("nan"), 5.0)])
def test_no_span_is_refused(sfreq: float, span_s: float) -> None:
    with pytest.raises(ConfigError, match="quality"):
        QualityMeter(["Fz"], sfreq, span_s)
