"""The generated corpus: its oracle, its bits, and whether what it hides can be learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bci_stream.errors import ConfigError, CorpusError
from bci_stream.sources.simulator_truth import Modality
from bci_stream.training.generator import (
    GeneratedCorpus,
    GeneratorSettings,
    class_means,
    oracle_accuracy,
)

SHORT = GeneratorSettings(n_people=2, n_trials=6, trial_s=2.0)
BANDS_HZ = ((4, 8), (8, 13), (13, 30), (30, 45))


def band_levels(eeg: np.ndarray, sfreq: float) -> np.ndarray:
    hz = np.fft.rfftfreq(len(eeg), 1 / sfreq)
    power = np.abs(np.fft.rfft(eeg, axis=0)) ** 2
    return np.concatenate([np.log(power[(hz >= a) & (hz < b)].mean(axis=0)) for a, b in BANDS_HZ])


def voice_levels(audio: np.ndarray) -> np.ndarray:
    frames = audio[: len(audio) // 400 * 400].reshape(-1, 400) * np.hanning(400)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    edges = np.linspace(3, 165, 25).astype(int)
    return np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-6).mean(axis=0)


def features(corpus: GeneratedCorpus, person: str) -> dict[str, np.ndarray]:
    """(n_trials, n) of each modality and of both, about the person's own mean."""
    trials = list(corpus.trials(person))
    eeg = np.array([band_levels(trial.eeg, trial.eeg_sfreq) for trial in trials if trial.eeg is not None])
    audio = np.array([voice_levels(trial.audio) for trial in trials if trial.audio is not None])
    rows = {"eeg": eeg, "audio": audio, "both": np.hstack([eeg, audio])}
    return {name: values - values.mean(axis=0) for name, values in rows.items()}


def test_default_settings_leave_room_between_the_oracles() -> None:
    oracle = GeneratedCorpus().oracle
    assert 0.65 <= oracle["eeg"] <= 0.70
    assert 0.70 <= oracle["audio"] <= 0.75
    assert 0.85 <= oracle["both"] <= 0.88


def test_oracle_is_chance_without_separation_and_certain_with_much() -> None:
    none = replace(SHORT, eeg_separation=0.0, audio_separation=0.0)
    assert oracle_accuracy(none, "both") == pytest.approx(0.2, abs=0.01)
    assert oracle_accuracy(replace(SHORT, eeg_separation=12.0), "eeg") > 0.999


def test_oracle_of_two_classes_is_the_normal_integral() -> None:
    two = replace(SHORT, classes=("neutral", "anger"), eeg_separation=2.0)
    assert oracle_accuracy(two, "eeg", 200_000) == pytest.approx(0.8413, abs=0.004)


def test_errors_on_the_same_trials_make_the_second_modality_worth_less() -> None:
    accuracy = [
        oracle_accuracy(replace(SHORT, error_correlation=correlation), "both")
        for correlation in (-0.8, 0.0, 0.8)
    ]
    assert accuracy[0] > accuracy[1] + 0.05 > accuracy[2] + 0.1


def test_oracle_follows_the_trials_own_evidence() -> None:
    """The density rule, written out with its covariance, on the evidence that the trials really have."""
    settings = GeneratorSettings(n_people=40, n_trials=100, error_correlation=0.5)
    corpus, corners = GeneratedCorpus(settings), class_means(5)
    truths = [corpus.truth(person) for person in corpus.people]
    labels = np.concatenate([truth.labels for truth in truths])
    evidence = np.concatenate([np.hstack([truth.eeg, truth.audio]) for truth in truths])
    means = np.hstack([settings.eeg_separation * corners, settings.audio_separation * corners])
    covariance = np.kron([[1.0, 0.5], [0.5, 1.0]], np.eye(4))
    off = evidence[:, None] - means
    distance = np.einsum("nki,ij,nkj->nk", off, np.linalg.inv(covariance), off)
    accuracy = np.mean(distance.argmin(axis=1) == labels)
    assert accuracy == pytest.approx(corpus.oracle["both"], abs=0.025)


def test_class_means_are_equally_far_apart() -> None:
    for n in (2, 3, 5):
        corners = class_means(n)
        apart = np.linalg.norm(corners[:, None] - corners, axis=-1)
        np.testing.assert_allclose(apart, 1 - np.eye(n), atol=1e-12)
        np.testing.assert_allclose(corners.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.7, 1.0])
def test_noise_of_the_two_modalities_correlates_as_asked(correlation: float) -> None:
    settings = GeneratorSettings(n_people=20, n_trials=100, error_correlation=correlation)
    corpus, corners = GeneratedCorpus(settings), class_means(5)
    truths = [corpus.truth(person) for person in corpus.people]
    eeg = np.concatenate([t.eeg - settings.eeg_separation * corners[t.labels] for t in truths])
    audio = np.concatenate([t.audio - settings.audio_separation * corners[t.labels] for t in truths])
    assert eeg.std() == pytest.approx(1.0, abs=0.03)
    assert audio.std() == pytest.approx(1.0, abs=0.03)
    for k in range(4):
        assert np.corrcoef(eeg[:, k], audio[:, k])[0, 1] == pytest.approx(correlation, abs=0.08)


def test_equal_settings_give_equal_bits_and_another_seed_others() -> None:
    once, again = (list(GeneratedCorpus(SHORT).trials("subject2")) for _ in range(2))
    other = list(GeneratedCorpus(replace(SHORT, seed=1)).trials("subject2"))
    for a, b, c in zip(once, again, other, strict=True):
        np.testing.assert_array_equal(a.eeg, b.eeg)
        np.testing.assert_array_equal(a.audio, b.audio)
        assert not np.array_equal(a.eeg, c.eeg)
        assert not np.array_equal(a.audio, c.audio)


def test_more_people_or_trials_change_no_bit_of_the_others() -> None:
    more = GeneratedCorpus(replace(SHORT, n_people=3, n_trials=7)).trials("subject1")
    for few, many in zip(GeneratedCorpus(SHORT).trials("subject1"), more, strict=False):
        np.testing.assert_array_equal(few.eeg, many.eeg)
        np.testing.assert_array_equal(few.audio, many.audio)


def test_one_eeg_tensor_shared_by_all_trials() -> None:
    """The mistake: every trial of a person had the same EEG. Here no two trials and no two people do."""
    corpus = GeneratedCorpus(SHORT)
    trials = [trial for person in corpus.people for trial in corpus.trials(person)]
    assert len({trial.eeg.tobytes() for trial in trials if trial.eeg is not None}) == len(trials)
    assert len({trial.audio.tobytes() for trial in trials if trial.audio is not None}) == len(trials)


def test_trials_have_the_shapes_and_levels_of_recordings() -> None:
    for trial in GeneratedCorpus(SHORT).trials("subject1"):
        assert trial.eeg is not None
        assert trial.audio is not None
        assert (trial.eeg.shape, trial.eeg.dtype) == ((500, 16), np.float32)
        assert (trial.audio.shape, trial.audio.dtype) == ((32_000,), np.float32)
        assert 3 < trial.eeg.std() < 100
        assert 0.005 < trial.audio.std() < 0.3
        assert np.abs(trial.audio).max() < 1


def test_every_class_comes_once_in_every_block() -> None:
    corpus = GeneratedCorpus(GeneratorSettings(n_trials=20))
    labels = corpus.truth("subject1").labels
    assert all(sorted(labels[i : i + 5]) == [0, 1, 2, 3, 4] for i in range(0, 20, 5))
    assert [trial.label for trial in GeneratedCorpus(SHORT).trials("subject1")] == [
        corpus.classes[label] for label in labels[:6]
    ]
    assert not np.array_equal(labels, corpus.truth("subject2").labels)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"error_correlation": 1.5}, "error_correlation"),
        ({"n_people": 0}, "one person"),
        ({"classes": ("a", "b", "c", "d", "e", "f")}, "two to 5"),
        ({"ch_names": ("Cz", "Pz", "Fz", "nose")}, "nose"),
        ({"audio_sfreq": 8000.0}, "audio_sfreq"),
        ({"trial_s": float("nan")}, "trial_s"),
    ],
)
def test_settings_without_sense_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(SHORT, **change)  # type: ignore[arg-type]


def test_an_absent_person_is_named() -> None:
    with pytest.raises(CorpusError, match=r"subject9.*subject1 to subject2"):
        list(GeneratedCorpus(SHORT).trials("subject9"))


@pytest.fixture(scope="module")
def rendered() -> tuple[GeneratedCorpus, dict[str, dict[str, np.ndarray]]]:
    corpus = GeneratedCorpus(GeneratorSettings(n_people=24, n_trials=40, trial_s=8.0, audio_sfreq=14_000.0))
    return corpus, {person: features(corpus, person) for person in corpus.people}


@pytest.mark.parametrize("modality", ["eeg", "audio", "both"])
def test_a_linear_model_comes_within_five_points_of_the_oracle_on_people_it_has_not_met(
    modality: Modality, rendered: tuple[GeneratedCorpus, dict[str, dict[str, np.ndarray]]]
) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    corpus, rows = rendered
    train, test = corpus.people[:14], corpus.people[14:]
    x_train, x_test = (np.concatenate([rows[person][modality] for person in part]) for part in (train, test))
    y_train, y_test = (
        np.concatenate([corpus.truth(person).labels for person in part]) for part in (train, test)
    )
    scale = x_train.std(axis=0)
    model = linear_model.LogisticRegression(C=0.03, max_iter=1000).fit(x_train / scale, y_train)
    assert np.mean(model.predict(x_test / scale) == y_test) > corpus.oracle[modality] - 0.05
