from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import group_delay, sos2tf, sosfilt, sosfilt_zi, sosfreqz

from bci_stream.dsp.filters import SosFilter, design_sos, group_delay_s, settling_s
from bci_stream.errors import ConfigError


def _gain(sos: np.ndarray, sfreq: float, f_hz: float) -> float:
    return float(np.abs(sosfreqz(sos, [f_hz], fs=sfreq)[1][0]))


def _eeg(n: int, n_channels: int, offset_uv: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(7)
    return (rng.normal(size=(n, n_channels)) * 30.0 + offset_uv).astype(np.float32)


@pytest.mark.parametrize("n_channels", [1, 5, 8, 33, 64])
@pytest.mark.parametrize("offset_uv", [0.0, 4500.0, -62000.0])
def test_the_bits_are_those_of_scipy(n_channels: int, offset_uv: float) -> None:
    sos = design_sos(500.0, 0.5, 45.0, (50.0, 100.0))
    x = _eeg(700, n_channels, offset_uv)
    start = sosfilt_zi(sos)[:, :, None] * x[0].astype(np.float64)
    expected, state = sosfilt(sos, x.astype(np.float64), axis=0, zi=start)
    f = SosFilter(sos, n_channels)
    y = np.concatenate([f.step(x[:1]), f.step(x[1:300]), f.step(x[300:])])
    assert np.abs(y - expected.astype(np.float32)).max() == 0.0
    assert np.abs(f.state - state).max() == 0.0


def test_the_pass_band_passes_and_the_rest_does_not() -> None:
    sos = design_sos(250.0, 0.5, 45.0, 50.0)
    assert _gain(sos, 250.0, 10.0) == pytest.approx(1.0, abs=0.02)
    assert _gain(sos, 250.0, 0.5) == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert _gain(sos, 250.0, 45.0) < np.sqrt(0.5)
    assert _gain(sos, 250.0, 50.0) < 1e-6
    assert _gain(sos, 250.0, 0.0) == 0.0


def test_no_corner_at_all_passes_everything() -> None:
    x = _eeg(50, 2)
    assert SosFilter(design_sos(250.0, None, None), 2).step(x).tobytes() == x.tobytes()


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ((100.0, 0.5, 50.0, None), "low-pass at 50 Hz"),
        ((100.0, 0.5, 45.0, 60.0), "notch at 60 Hz"),
        ((250.0, 0.0, 45.0, None), "high-pass at 0 Hz"),
        ((250.0, 45.0, 40.0, None), "not below low-pass"),
        ((float("nan"), 0.5, 45.0, None), "sampling rate"),
        ((0.0, None, None, None), "sampling rate"),
        ((250.0, 0.5, float("nan"), None), "low-pass at nan"),
    ],
)
def test_impossible_corners_are_refused(corners: tuple[float, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        design_sos(*corners)


@pytest.mark.parametrize("f_hz", [3.0, 10.0, 20.0, 30.0])
def test_group_delay_is_that_of_the_transfer_function(f_hz: float) -> None:
    sos = design_sos(250.0, 0.5, 45.0, 50.0)
    expected = sum(group_delay(sos2tf(section[None]), w=[f_hz], fs=250.0)[1][0] for section in sos) / 250.0
    assert group_delay_s(sos, 250.0, f_hz) == pytest.approx(expected, abs=1e-9)


def test_a_burst_comes_out_later_by_the_group_delay() -> None:
    sos, t_s = design_sos(500.0, 0.5, 45.0), np.arange(4000) / 500.0
    burst = np.exp(-0.5 * ((t_s - 4.0) / 0.3) ** 2)
    x = (burst * np.sin(2 * np.pi * 15.0 * t_s) * 50.0).astype(np.float32)[:, None]
    power = SosFilter(sos, 1).step(x)[:, 0].astype(np.float64) ** 2
    delay_s = np.sum(power * t_s) / np.sum(power) - 4.0
    assert delay_s == pytest.approx(group_delay_s(sos, 500.0, 15.0), abs=1e-3)


def test_a_disturbance_is_gone_after_the_settling_time() -> None:
    sos = design_sos(250.0, 0.5, 45.0)
    step = np.full((1250, 1), 1000.0, np.float32)
    step[0] = 0.0
    y = SosFilter(sos, 1).step(step)[:, 0]
    n = round(settling_s(sos, 250.0) * 250.0)
    assert 1.0 < n / 250.0 < 4.0
    assert np.abs(y[n:]).max() < 30.0
    assert settling_s(design_sos(250.0, None, None), 250.0) == 0.0


@pytest.mark.parametrize("offset_uv", [4500.0, 62000.0])
def test_an_offset_does_not_ring(offset_uv: float) -> None:
    f = SosFilter(design_sos(250.0, 0.5, 45.0, 50.0), 1)
    assert np.abs(f.step(np.full((500, 1), offset_uv, np.float32))).max() < 1e-6


def test_what_is_not_finite_repeats_the_last_value_and_leaves_no_trace() -> None:
    sos, x = design_sos(250.0, 0.5, 45.0), _eeg(400, 2)
    holed = x.copy()
    holed[100:103, 0] = [np.nan, np.inf, -np.inf]
    held = x.copy()
    held[100:103, 0] = x[99, 0]
    y = SosFilter(sos, 2).step(holed)
    assert np.isfinite(y).all()
    assert y.tobytes() == SosFilter(sos, 2).step(held).tobytes()


def test_a_channel_starts_at_its_first_finite_value() -> None:
    sos, x = design_sos(250.0, 0.5, 45.0), _eeg(300, 2, offset_uv=4500.0)
    late = x.copy()
    late[:50, 1] = np.nan
    y = SosFilter(sos, 2).step(late)
    assert (y[:50, 1] == 0.0).all()
    assert y[50:, 1].tobytes() == SosFilter(sos, 1).step(x[50:, 1:]).tobytes()
    assert y[:, 0].tobytes() == SosFilter(sos, 2).step(x)[:, 0].tobytes()


def test_after_a_reset_another_offset_does_not_ring() -> None:
    f = SosFilter(design_sos(250.0, 0.5, 45.0), 1)
    f.step(_eeg(100, 1))
    f.reset()
    assert np.abs(f.step(np.full((500, 1), 62000.0, np.float32))).max() < 1e-6
