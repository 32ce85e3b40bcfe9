from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from bci_stream.dsp.artifacts import ArtifactDetector, ArtifactSettings
from bci_stream.errors import ConfigError
from bci_stream.messages import Flag

SFREQ = 250.0
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def _marks(x: np.ndarray, sfreq: float = SFREQ, **limits: object) -> np.ndarray:
    columns = x[:, None] if x.ndim == 1 else x
    return ArtifactDetector(ArtifactSettings(**limits), sfreq, columns.shape[1]).step(
        columns.astype(np.float32)
    )


def _has(marks: np.ndarray, flag: Flag) -> np.ndarray:
    return (marks & flag).astype(bool)


def _eeg(seconds: float, sfreq: float = SFREQ, seed: int = 1) -> np.ndarray:
    """Alpha over a 1/f background, about 15 µV RMS."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(round(seconds * sfreq)) / sfreq
    background = np.zeros(t_s.size)
    for i, kick in enumerate(rng.normal(size=t_s.size) * 60.0 / np.sqrt(sfreq)):
        background[i] = background[i - 1] * (1.0 - 5.0 / sfreq) + kick
    return 15.0 * np.sin(2 * np.pi * 10.0 * t_s) + background + rng.normal(size=t_s.size) * 2.0


@pytest.mark.parametrize("sfreq", [100.0, 128.0, 250.0, 512.0, 2000.0])
@pytest.mark.parametrize("offset_uv", [0.0, 4500.0, -62000.0])
def test_clean_eeg_is_not_marked(sfreq: float, offset_uv: float) -> None:
    assert not _marks(_eeg(10.0, sfreq) + offset_uv, sfreq).any()


def test_a_blink_is_not_marked() -> None:
    t_s = np.arange(round(10 * SFREQ)) / SFREQ
    blink = 180.0 * np.exp(-0.5 * ((t_s - 5.0) / 0.08) ** 2)
    assert not _marks(np.round(_eeg(10.0) + blink)).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_nan_and_nothing_else(bad: float) -> None:
    x = _eeg(4.0)
    clean = _marks(x)
    x[500:520] = bad
    x[520:] += 300.0  # seen from the far side of a hole, a step is not a jump
    marks = _marks(x)[:, 0]
    assert (marks[500:520] == Flag.NAN).all()
    assert not np.delete(marks, np.s_[500:520]).any()
    assert not clean.any()


@pytest.mark.parametrize("sfreq", [125.0, 250.0, 1000.0])
def test_flat_begins_after_a_second_and_ends_with_the_change(sfreq: float) -> None:
    x = _eeg(6.0, sfreq)
    start, stop = round(2 * sfreq), round(4.5 * sfreq)
    x[start:stop] = x[start]
    flat = np.flatnonzero(_has(_marks(x, sfreq), Flag.FLAT))
    assert flat[0] == start + round(sfreq)
    assert flat[-1] == stop - 1
    assert flat.size == stop - start - round(sfreq)


def test_a_slow_drift_is_not_flat() -> None:
    drift = np.arange(2000) * 0.005  # each step is below the threshold, the run is not
    assert not _has(_marks(drift), Flag.FLAT).any()


def test_range_is_measured_from_the_running_mean() -> None:
    x = _eeg(20.0) + 62000.0
    x[2500:] += 5000.0
    in_range = ~_has(_marks(x), Flag.RANGE)[:, 0]
    assert in_range[:2500].all()
    assert not in_range[2500:3000].any()
    assert in_range[4000:].all()  # the mean has followed: 2 s * ln(10) is 4.6 s


def test_a_pop_is_a_jump_at_one_sample() -> None:
    x = _eeg(8.0)
    x[1000:] += 250.0
    assert np.flatnonzero(_has(_marks(x), Flag.JUMP)).tolist() == [1000]


def test_a_large_pop_does_not_hide_a_smaller_one_after_it() -> None:
    x = _eeg(8.0)
    x[1000:] += 4000.0
    x[1030:] -= 1000.0
    assert np.flatnonzero(_has(_marks(x), Flag.JUMP)).tolist() == [1000, 1030]


def test_the_jump_limit_shrinks_with_the_interval() -> None:
    for sfreq, step_uv in ((250.0, 150.0), (1000.0, 75.0)):
        x = np.zeros(1000)
        x[500:] = step_uv
        assert not _has(_marks(x, sfreq), Flag.JUMP).any()
        assert _has(_marks(x * 1.5, sfreq), Flag.JUMP).sum() == 1


@pytest.mark.parametrize("rail_uv", [None, (-1000.0, 999.5)])
def test_a_clipped_signal_is_railed(rail_uv: tuple[float, float] | None) -> None:
    swing = 2500.0 * np.sin(2 * np.pi * 0.9 * np.arange(2500) / SFREQ)
    clipped = np.clip(swing, -1000.0, 999.5).astype(np.float32)
    at_rail = (clipped == np.float32(-1000.0)) | (clipped == np.float32(999.5))
    railed = _has(_marks(clipped, rail_uv=rail_uv), Flag.RAIL)[:, 0]
    assert not railed[~at_rail].any()
    assert railed[at_rail].mean() == 1.0 if rail_uv else railed[at_rail].mean() > 0.95


def test_the_rails_are_seen_again_after_one_huge_glitch() -> None:
    swing = np.clip(2500.0 * np.sin(2 * np.pi * 0.9 * np.arange(250 * 300) / SFREQ), -1000.0, 1000.0)
    swing[100] = 10000.0
    assert _has(_marks(swing), Flag.RAIL)[-2500:].mean() > 0.5


@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
@pytest.mark.parametrize("sfreq", [250.0, 1000.0])
def test_hum_that_dominates_is_line_within_a_second(hum_hz: float, sfreq: float) -> None:
    x = _eeg(6.0, sfreq)
    t_s = np.arange(x.size) / sfreq
    hum = np.where((t_s >= 2.0) & (t_s < 4.0), 400.0 * np.sin(2 * np.pi * hum_hz * t_s), 0.0)
    marks = _marks(x + hum, sfreq)[:, 0]
    line = _has(marks, Flag.LINE)
    assert not line[t_s < 2.0].any()
    assert line[(t_s >= 3.0) & (t_s < 4.0)].all()
    assert not line[-round(0.05 * sfreq) :].any()
    assert _has(marks, Flag.JUMP).sum() <= 0.1 * sfreq  # its onset may be; the hum itself is not


def test_weak_hum_is_not_line() -> None:
    x = _eeg(6.0)
    hum = 5.0 * np.sin(2 * np.pi * 50.0 * np.arange(x.size) / SFREQ)
    assert not _has(_marks(x + hum), Flag.LINE).any()


def test_hum_below_a_microvolt_is_not_line_even_where_it_is_all_there_is() -> None:
    hum = np.sin(2 * np.pi * 50.0 * np.arange(1000) / SFREQ)
    assert not _has(_marks(hum), Flag.LINE).any()
    assert _has(_marks(2.0 * hum), Flag.LINE)[-250:].all()


def test_mains_that_the_rate_cannot_hold_are_left_out() -> None:
    assert ArtifactDetector(ArtifactSettings(), 100.0, 1).line_hz == ()
    assert ArtifactDetector(ArtifactSettings(), 110.0, 1).line_hz == (50.0,)


@pytest.mark.parametrize(
    "limits",
    [
        {"range_uv": 0.0},
        {"jump_uv": -1.0},
        {"flat_s": float("nan")},
        {"line_share": 1.0},
        {"rail_uv": (10.0, -10.0)},
    ],
)
def test_limits_that_cannot_be_meant_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(limits))):
        ArtifactSettings(**limits)


def test_a_rate_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="sampling rate is 0 Hz"):
        ArtifactDetector(ArtifactSettings(), 0.0, 1)


def _real(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the recording {'/'.join(parts)} is not here")
    return path


def test_openbci_62_mv_offset_is_no_range_and_its_hum_is_line_not_jump() -> None:
    path = _real("eeg", "openbci", "OpenBCI_GUI-v6-blinks-jawClench-alpha.txt.gz")
    with gzip.open(path, "rt") as lines:
        x = np.loadtxt(lines, delimiter=",", comments="%", skiprows=5, usecols=range(1, 9))
    marks = _marks(x)
    rest = marks[28 * 250 : 74 * 250]  # alpha, after the electrodes have settled
    assert np.abs(x[28 * 250 : 74 * 250]).max() > 10_000.0
    assert _has(rest, Flag.RANGE).mean() < 0.05
    assert _has(rest, Flag.LINE).mean() > 0.95
    assert _has(rest, Flag.JUMP).mean() < 0.01
    assert not _has(marks, Flag.NAN).any()


@pytest.mark.parametrize("rail_uv", [None, (-1000.0, 999.5)])
def test_muse_aux_rails_are_found_and_its_eeg_channels_are_not_railed(
    rail_uv: tuple[float, float] | None,
) -> None:
    pyxdf = pytest.importorskip("pyxdf")
    streams, _ = pyxdf.load_xdf(str(_real("xdf_dev", "muselsl2_sub-P001.xdf")), verbose=False)
    x = next(s["time_series"] for s in streams if s["info"]["type"][0] == "EEG")
    railed = _has(_marks(x, 256.0, rail_uv=rail_uv), Flag.RAIL).mean(axis=0)
    assert railed[4] > 0.3
    assert (railed[:4] < 0.01).all()


def test_eyes_open_recordings_of_twelve_people_are_nearly_unmarked() -> None:
    with np.load(_real("eeg", "eegmmidb", "eyes_dev_12subj_16ch.npz")) as people:
        shares = [
            (_marks(people[name].T, float(people["fs"])) != 0).mean()
            for name in people
            if name.endswith("_open")
        ]
    assert len(shares) == 12
    assert np.median(shares) < 0.01
