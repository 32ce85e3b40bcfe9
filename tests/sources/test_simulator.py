"""The simulated person: the same bits however it is read, sane signals, and a class that can be told."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from bci_stream.errors import ConfigError
from bci_stream.sources.simulator import CLASSES, Simulator, SimulatorSettings, bayes_accuracy
from bci_stream.sources.simulator_montage import electrode_xy

SMALL = SimulatorSettings(
    seed=3, person=5, ch_names=("Fp1", "T7", "O2"), audio_sfreq=8_000.0, dwell_s=(1.0, 2.0)
)
TOTAL_S = 3.0


@pytest.fixture(scope="module")
def whole():
    return Simulator(SMALL).render(0.0, TOTAL_S)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.floats(0.0, TOTAL_S), max_size=12))
def test_any_chunking_gives_the_same_bits(whole, cuts):
    edges = [0.0, *sorted(cuts), TOTAL_S]
    simulator = Simulator(SMALL)
    parts = [simulator.render(a, b) for a, b in pairwise(edges)]
    for made, one in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(made), one)


def test_reading_ahead_in_the_truth_changes_no_bit(whole):
    simulator = Simulator(SMALL)
    simulator.truth(500.0)
    np.testing.assert_array_equal(simulator.render(0.0, TOTAL_S)[0], whole[0])


def test_what_is_handed_out_is_the_callers_own(whole):
    simulator = Simulator(SMALL)
    first, _ = simulator.render(0.0, 0.1)
    first[:] = np.nan
    rest, _ = simulator.render(0.1, TOTAL_S)
    np.testing.assert_array_equal(rest, whole[0][len(first) :])


@pytest.mark.parametrize("change", [{"seed": 4}, {"person": 6}])
def test_another_seed_or_person_is_another_signal(whole, change):
    eeg, audio = Simulator(replace(SMALL, **change)).render(0.0, TOTAL_S)
    assert not np.array_equal(eeg, whole[0])
    assert not np.array_equal(audio, whole[1])


@pytest.mark.parametrize(
    ("eeg_sfreq", "audio_sfreq"), [(250.0, 16_000.0), (256.0, 44_100.0), (500.0, 48_000.0)]
)
def test_shapes_units_and_levels(eeg_sfreq, audio_sfreq):
    config = SimulatorSettings(person=1, eeg_sfreq=eeg_sfreq, audio_sfreq=audio_sfreq)
    simulator = Simulator(config)
    eeg, audio = simulator.render(0.0, 20.0)
    assert eeg.shape == (20 * eeg_sfreq, 16)
    assert audio.shape == (20 * audio_sfreq,)
    assert eeg.dtype == audio.dtype == np.float32
    assert np.all((eeg.std(axis=0) > 8) & (eeg.std(axis=0) < 40))
    assert 0.005 < audio.std() < 0.25
    assert np.abs(audio).max() <= 1.0
    assert simulator.specs["eeg"].ch_names == config.ch_names
    assert simulator.specs["audio"].sfreq == audio_sfreq


def test_the_background_falls_with_frequency_and_alpha_stands_out_at_the_back():
    eeg, _ = Simulator(SimulatorSettings(person=3, classes=("calm",), blinks_per_min=0.0)).render(0.0, 60.0)
    freqs, power = welch(eeg, 250.0, nperseg=500, axis=0)
    at = {hz: power[np.argmin(np.abs(freqs - hz))] for hz in (2, 14, 60)}
    assert np.all(at[2] > at[14])
    assert np.all(at[14] > at[60])
    alpha = power[(freqs >= 8) & (freqs <= 12)].max(axis=0)
    back = [SimulatorSettings().ch_names.index(name) for name in ("O1", "O2")]
    assert np.all(alpha[back] > 4 * at[14][back])


def test_mains_hum_is_as_ordered():
    eeg, _ = Simulator(SimulatorSettings(mains_uv=20.0, mains_hz=60.0)).render(0.0, 20.0)
    freqs, power = welch(eeg, 250.0, nperseg=500, axis=0, scaling="spectrum")
    assert np.allclose(np.sqrt(power[freqs == 60]), 20.0, rtol=0.1)


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_the_person_speaks_as_much_as_ordered(share):
    _, audio = Simulator(SimulatorSettings(speech_share=share, audio_sfreq=8_000.0)).render(0.0, 120.0)
    frames = audio[: len(audio) // 160 * 160].reshape(-1, 160).std(axis=1)
    assert np.mean(frames > 1.5e-3) == pytest.approx(share, abs=0.1)


def test_the_voice_has_the_pitch_of_its_person():
    _, audio = Simulator(SimulatorSettings(person=2, classes=("neutral",), speech_share=1.0)).render(
        0.0, 30.0
    )
    pitches = [_pitch_hz(audio[k : k + 1600]) for k in range(0, len(audio) - 1600, 1600)]
    assert 60 < np.median(pitches) < 350
    assert np.percentile(pitches, 75) / np.percentile(pitches, 25) < 1.6


def _pitch_hz(frame, sfreq=16_000.0):
    similarity = np.correlate(frame, frame, "full")[len(frame) - 1 :]
    lags = np.arange(int(sfreq / 400), int(sfreq / 60))
    return sfreq / lags[similarity[lags].argmax()]


def test_the_truth_covers_time_without_holes_and_never_repeats_a_class():
    segments = Simulator(SimulatorSettings(seed=9)).truth(600.0)
    assert segments[0].t_start == 0.0
    assert segments[-1].t_start < 600.0 <= segments[-1].t_end
    for before, after in pairwise(segments):
        assert before.t_end == after.t_start
        assert before.label != after.label
    assert all(8.0 <= s.t_end - s.t_start <= 20.0 for s in segments)
    counts = [sum(s.label == label for s in segments) for label in CLASSES]
    assert max(counts) - min(counts) <= 1


def test_label_at_agrees_with_the_truth():
    simulator = Simulator(SMALL)
    for segment in simulator.truth(30.0):
        assert simulator.label_at(segment.t_start) == segment.label
        assert simulator.label_at((segment.t_start + segment.t_end) / 2) == segment.label


@pytest.mark.parametrize(
    ("modality", "least", "most"), [("eeg", 0.65, 0.80), ("audio", 0.65, 0.80), ("both", 0.85, 0.95)]
)
def test_the_bayes_rate_leaves_room_for_honesty(modality, least, most):
    assert least < bayes_accuracy(50_000, modality, seed=0) < most


def test_the_bayes_rate_of_one_class_is_certainty():
    assert bayes_accuracy(100, "both", seed=0, classes=("calm",)) == 1.0


def test_a_linear_model_tells_the_class_of_new_people_but_not_better_than_bayes():
    train_x, train_y = _features(people=range(18))
    test_x, test_y = _features(people=range(100, 109))
    n_eeg = train_x.shape[1] - 5
    for columns, bound in (
        (slice(0, n_eeg), "eeg"),
        (slice(n_eeg, None), "audio"),
        (slice(None), "both"),
    ):
        found = _lda(train_x[:, columns], train_y, test_x[:, columns])
        accuracy = np.mean(found == test_y)
        # 180 test windows: a standard error of 3.5 points
        assert 0.38 < accuracy < bayes_accuracy(50_000, bound, seed=1) + 0.08, bound


def _features(people):
    """Log band powers of 5 s windows and plain prosody: (n, 16 * 4 + 5), and the class numbers."""
    rows, labels = [], []
    for person in people:
        simulator = Simulator(
            SimulatorSettings(seed=person, person=person, dwell_s=(6.0, 6.0), audio_sfreq=8_000.0)
        )
        eeg, audio = simulator.render(0.0, 120.0)
        for segment in simulator.truth(120.0):
            start = segment.t_start + 0.5
            x = eeg[int(start * 250) : int((start + 5) * 250)]
            freqs, power = welch(x, 250.0, nperseg=250, axis=0)
            bands = ((4, 7), (8, 12), (17, 24), (31, 45))
            powers = [np.log(power[(freqs >= a) & (freqs <= b)].mean(axis=0)) for a, b in bands]
            rows.append(
                np.concatenate([*powers, _prosody(audio[int(start * 8000) : int((start + 5) * 8000)])])
            )
            labels.append(CLASSES.index(segment.label))
    return np.array(rows), np.array(labels)


def _prosody(x):
    frames = x.reshape(-1, 400)
    level = np.log(frames.std(axis=1) + 1e-6)
    pitches = np.log([_pitch_hz(x[k : k + 400], 8_000.0) for k in range(0, len(x) - 400, 400)])
    voiced = pitches[level[: len(pitches)] > np.log(3e-3)]
    voiced = voiced if len(voiced) else pitches
    freqs, power = welch(x, 8_000.0, nperseg=400)
    tilt = np.log(power[freqs > 1000].sum() / power[freqs < 1000].sum())
    tempo = np.abs(np.diff(level)).mean()
    return np.array([np.median(voiced), voiced.std(), np.percentile(level, 80), tilt, tempo])


def _lda(train_x, train_y, test_x, shrink=0.1):
    means = np.stack([train_x[train_y == k].mean(axis=0) for k in range(len(CLASSES))])
    rest = train_x - means[train_y]
    covariance = rest.T @ rest / len(rest)
    covariance += shrink * np.diag(np.diag(covariance))
    weights = np.linalg.solve(covariance, means.T)
    return (test_x @ weights - 0.5 * (means.T * weights).sum(axis=0)).argmax(axis=1)


def test_a_stretch_out_of_order_is_refused_by_name():
    simulator = Simulator(SMALL)
    simulator.render(0.0, 1.0)
    with pytest.raises(ConfigError, match=r"asked for 2 to 3 s, the next stretch starts at 1 s"):
        simulator.render(2.0, 3.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ch_names": ()}, "at least one electrode"),
        ({"ch_names": ("Cz", "Cz")}, "must not repeat"),
        ({"eeg_sfreq": float("nan")}, "eeg_sfreq"),
        ({"audio_sfreq": 100.0}, "audio_sfreq"),
        ({"classes": ("joy",)}, "classes must be some of neutral"),
        ({"dwell_s": (5.0, 2.0)}, "dwell_s"),
        ({"speech_share": 0.0}, "speech_share"),
        ({"transition_s": 9.0}, "transition_s"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_without_sense_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        SimulatorSettings(**change)


def test_electrodes_sit_where_their_names_say():
    left, right = electrode_xy("F3"), electrode_xy("f4")
    assert left[0] == -right[0] < 0
    assert electrode_xy("Cz").tolist() == [0.0, 0.0]
    assert electrode_xy("Fpz")[1] > electrode_xy("Fz")[1] > 0 > electrode_xy("Oz")[1]
    assert np.array_equal(electrode_xy("T3"), electrode_xy("T7"))
    assert abs(electrode_xy("AFF5h")[0]) < abs(electrode_xy("AFF5")[0])


@pytest.mark.parametrize("name", ["", "EMG1", "Q3", "3", "F", "ACC_X"])
def test_what_is_no_electrode_is_refused(name):
    with pytest.raises(ConfigError, match="10-05"):
        electrode_xy(name)
