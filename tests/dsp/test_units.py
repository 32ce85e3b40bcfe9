"""Whether a wrong unit is found, and nothing genuine is taken for one."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.dsp.units import UnitCheck, amplitudes_uv, doubt_unit
from tests.recordings import DATA, needs_recordings

SFREQ = 250.0
N = round(5 * SFREQ)


def eeg(n=N, n_channels=8, spread_uv=15.0, seed=1, sfreq=SFREQ):
    """Pink noise with an alpha rhythm, about ``spread_uv``."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=(n, n_channels)), axis=0)
    hz = np.fft.rfftfreq(n, 1 / sfreq)
    spectrum /= np.sqrt(np.maximum(hz, 0.5))[:, np.newaxis]
    pink = np.fft.irfft(spectrum, n, axis=0)
    alpha = 0.5 * np.sin(2 * np.pi * 10 * np.arange(n) / sfreq)[:, np.newaxis]
    return spread_uv * (pink / pink.std(axis=0) + alpha)


@pytest.mark.parametrize(("factor", "likely"), [(1e-6, "V"), (1e-3, "mV"), (1e3, "nV"), (1e6, None)])
@pytest.mark.parametrize("offset", [0.0, 50_000.0])
def test_a_wrong_unit_is_named(factor, likely, offset):
    doubt = doubt_unit(((eeg() + offset) * factor).astype(np.float64), SFREQ)
    assert doubt.likely == likely
    assert "--unit" in doubt.words
    assert "nothing was rescaled" in doubt.words
    assert "\n" not in doubt.words


def line_hum(amplitude, hz=50.0, phase=0.0):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(N) / SFREQ + phase)[:, np.newaxis]


def railing(rng):
    return np.where(rng.random((N, 8)) > 0.5, 187_500.0, -187_500.0)


def clench(rng):
    burst = np.zeros((N, 8))
    burst[300:700] = rng.normal(0, 3000, (400, 8))
    return eeg() + burst


RNG = np.random.default_rng(5)
GENUINE = {
    "quiet": eeg(spread_uv=2.0),
    "loud": eeg(spread_uv=150.0),
    "big constant offsets": eeg() + RNG.uniform(-190_000, 190_000, 8),
    "a drift of 60 mV": eeg() + np.linspace(0, 60_000, N)[:, np.newaxis],
    "a step of 60 mV": eeg() + 60_000.0 * (np.arange(N) > N // 2)[:, np.newaxis],
    "hum of 5 mV": eeg() + line_hum(5000.0),
    "hum of 60 Hz": eeg() + line_hum(20_000.0, 60.0),
    "all flat": np.zeros((N, 8)),
    "all constant": np.full((N, 8), -187_500.0),
    "all railing": railing(RNG),
    "nothing but NaN": np.full((N, 8), np.nan),
    "a clench of the jaw": clench(RNG),
    "three dead of eight": np.where(np.arange(8) < 3, 0.0, eeg()),
    "six loose of eight": eeg() * np.where(np.arange(8) < 6, 900.0, 1.0),
    "six shorted of eight": eeg() * np.where(np.arange(8) < 6, 1e-4, 1.0),
    "a counter": np.arange(N, dtype=float)[:, np.newaxis] + np.zeros(8),
    "one channel": eeg(n_channels=1),
    "hardly any samples": eeg()[:100],
    "none": np.empty((0, 8)),
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_microvolts_are_never_refused(name):
    assert doubt_unit(GENUINE[name].astype(np.float32), SFREQ) is None


@pytest.mark.parametrize("sfreq", [100.0, 128.0, 512.0, 2048.0, 16384.0])
def test_any_rate_is_judged_alike(sfreq):
    n = round(5 * sfreq)
    data = eeg(n, 3, sfreq=sfreq)
    assert doubt_unit(data, sfreq) is None
    assert doubt_unit(data * 1e-6, sfreq).likely == "V"
    assert doubt_unit(data * 1e3, sfreq).likely == "nV"


def test_many_channels_cost_no_more_than_some():
    spread = amplitudes_uv(eeg(n_channels=64), SFREQ)
    assert np.isfinite(spread).sum() == 16
    assert doubt_unit(eeg(n_channels=64) * 1e-6, SFREQ).likely == "V"


@given(st.lists(st.integers(1, 600), min_size=1, max_size=20))
def test_how_the_samples_are_cut_changes_nothing(sizes):
    data = (np.concatenate([np.zeros((N, 2)), eeg(n_channels=2) * 1e-6, eeg(n_channels=2)])).astype(
        np.float32
    )
    check, found = UnitCheck(SFREQ), []
    start = 0
    for size in [*sizes, len(data)]:
        doubt = check.step(data[start : start + size])
        found += [] if doubt is None else [(doubt, start <= 2 * N - 1 < start + size)]
        start += size
    ((doubt, at_the_last_sample),) = found  # once; the flat stretch before it was let go
    assert doubt.likely == "V"
    assert at_the_last_sample
    assert check.done


def test_what_was_found_right_is_not_looked_at_again():
    check = UnitCheck(SFREQ)
    assert check.step(eeg().astype(np.float32)) is None
    assert check.done
    assert check.step((eeg() * 1e-6).astype(np.float32)) is None


def real_recordings():
    with np.load(DATA / "eeg" / "eegmmidb" / "eyes_dev_12subj_16ch.npz", allow_pickle=False) as file:
        for name in file.files:
            if name.startswith("S"):
                yield name, file[name].T.astype(float), 160.0
    for path in sorted((DATA / "eeg" / "muse_mental_state").glob("*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            yield path.stem, np.genfromtxt(lines, delimiter=",", skip_header=1)[:, 1:6], 256.0
    with gzip.open(DATA / "eeg" / "openbci" / "OpenBCI_GUI-v6-blinks-jawClench-alpha.txt.gz", "rt") as lines:
        rows = [line.split(",")[1:9] for line in lines if line.lstrip()[:1].isdigit()]
    yield "openbci", np.array(rows, dtype=float), 250.0


@needs_recordings
def test_real_recordings_are_microvolts_and_found_out_when_they_are_not():
    n_stretches, n_missed = 0, 0
    for name, data, sfreq in real_recordings():
        n = round(5 * sfreq)
        for start in range(0, len(data) - n + 1, n):
            part = data[start : start + n]
            assert doubt_unit(part, sfreq) is None, (name, start)
            assert doubt_unit((part * 1e-6).astype(np.float32), sfreq).likely == "V"
            n_missed += doubt_unit(part * 1e3, sfreq) is None
            n_stretches += 1
    assert n_stretches > 300
    assert n_missed < 0.02 * n_stretches  # a quiet head in nV passes for a loud one in µV
