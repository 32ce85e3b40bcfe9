"""EAV: folders in its layout are read as they are, and whatever is wrong with one is said, not mended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat, wavfile

from bci_stream.errors import ConfigError, CorpusError
from bci_stream.model.contract import DEFAULT_CLASSES
from bci_stream.training import eav_layout
from bci_stream.training.eav import EavCorpus
from bci_stream.training.eav_writer import write_eav
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.trials import Trial

SETTINGS = GeneratorSettings(n_people=2, n_trials=5, trial_s=1.0)
N_TIMES = 500


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpora") / "EAV"
    write_eav(root, SETTINGS)
    return root


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(written, tmp_path / "EAV"))


def trials(root: Path, person: str = "subject1", **options: Any) -> list[Trial]:
    return list(EavCorpus(root, **options).trials(person))


def refused(root: Path, *said: str, person: str = "subject1") -> None:
    """The corpus is refused by one line that says all of ``said``."""
    with pytest.raises(CorpusError) as caught:
        trials(root, person)
    text = str(caught.value)
    assert "\n" not in text
    for words in said:
        assert words in text


def eeg_path(root: Path) -> Path:
    return root / "subject1" / "EEG" / "subject1_eeg.mat"


def change_eeg(root: Path, change: Callable[[np.ndarray], np.ndarray], key: str = "seg") -> None:
    eeg = loadmat(eeg_path(root))["seg"]
    savemat(eeg_path(root), {key: change(eeg)})


def change_labels(root: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = root / "subject1" / "EEG" / "subject1_eeg_label.mat"
    savemat(path, {"label": change(loadmat(path)["label"])})


def sound(root: Path, index: int = 2) -> Path:
    return next((root / "subject1" / "Audio").glob(f"{index:03d}_*"))


def test_speaking_trials_have_eeg_and_voice(written: Path) -> None:
    corpus = EavCorpus(written)
    assert corpus.people == ("subject1", "subject2")
    assert corpus.classes == DEFAULT_CLASSES
    assert len(corpus.ch_names) == 30
    assert corpus.generated
    for person in corpus.people:
        found = list(corpus.trials(person))
        assert [trial.number for trial in found] == [1, 3, 5, 7, 9]
        for trial in found:
            assert (trial.condition, trial.person) == ("speaking", person)
            assert trial.eeg is not None
            assert trial.audio is not None
            assert (trial.eeg.shape, trial.eeg.dtype, trial.eeg_sfreq) == ((N_TIMES, 30), np.float32, 500.0)
            assert (trial.audio.shape, trial.audio_sfreq) == ((16_000,), 16_000.0)
            assert trial.audio.dtype == np.float32
            assert trial.eeg.flags.c_contiguous


def test_listening_trials_come_between_without_voice(written: Path) -> None:
    found = trials(written, listening=True)
    assert [trial.number for trial in found] == list(range(10))
    assert [trial.condition for trial in found] == ["listening", "speaking"] * 5
    assert all((trial.audio is None) == (trial.condition == "listening") for trial in found)
    assert all(a.label == b.label for a, b in zip(found[::2], found[1::2], strict=True))


def test_labels_and_evidence_are_the_generators(written: Path) -> None:
    said = json.loads((written / "generated.json").read_text(encoding="utf-8"))
    in_memory = GeneratedCorpus(SETTINGS)
    for person in in_memory.people:
        truth = in_memory.truth(person)
        assert [trial.label for trial in trials(written, person)] == said["truth"][person]["labels"]
        assert said["truth"][person]["labels"] == [DEFAULT_CLASSES[label] for label in truth.labels]
        np.testing.assert_allclose(said["truth"][person]["audio"], truth.audio, atol=1e-6)
    assert said["oracle_accuracy"] == in_memory.oracle


def test_writer_reports_the_oracle_and_every_subject(tmp_path: Path) -> None:
    lines: list[str] = []
    write_eav(tmp_path / "EAV", SETTINGS, report=lines.append)
    assert f"both {GeneratedCorpus(SETTINGS).oracle['both']:.3f}" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == ["subject1", "subject2"]


def test_writer_leaves_what_is_there_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CorpusError, match="not empty"):
        write_eav(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_writer_leaves_nothing_half_written(tmp_path: Path) -> None:
    def stop(line: str) -> None:
        if line.startswith("subject1"):
            raise OSError(28, "No space left on device")

    with pytest.raises(CorpusError, match="No space left"):
        write_eav(tmp_path / "EAV", SETTINGS, report=stop)
    assert list(tmp_path.iterdir()) == []


def test_writer_refuses_classes_that_eav_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fear"):
        write_eav(tmp_path / "EAV", GeneratorSettings(classes=("fear", "anger")))


def test_both_keys_and_both_suffixes_are_written_and_read(written: Path) -> None:
    keys = [
        {"seg", "seg1"} & set(loadmat(written / person / "EEG" / f"{person}_eeg.mat"))
        for person in ("subject1", "subject2")
    ]
    assert keys == [{"seg"}, {"seg1"}]
    assert sound(written).stem.endswith("_Aud")
    assert next((written / "subject2" / "Audio").glob("002_*")).stem.endswith("_aud")


def test_a_sound_without_suffix_is_read(root: Path) -> None:
    sound(root).rename(sound(root).with_name(sound(root).name.replace("_Aud", "")))
    assert len(trials(root)) == 5


@pytest.mark.parametrize("folder", ["subject01", "Subject1", "SUBJECT001"])
def test_folder_names_may_be_padded_and_of_any_case(root: Path, folder: str) -> None:
    (root / "subject1").rename(root / "moved")
    (root / "moved").rename(root / folder)
    assert EavCorpus(root).people == ("subject1", "subject2")
    assert len(trials(root)) == 5


def test_file_names_may_be_padded_too(root: Path) -> None:
    eeg_path(root).rename(eeg_path(root).with_name("subject01_eeg.mat"))
    assert len(trials(root)) == 5


def test_people_are_in_the_order_of_their_numbers(root: Path) -> None:
    shutil.copytree(root / "subject2", root / "subject10")
    assert EavCorpus(root).people == ("subject1", "subject2", "subject10")


@pytest.mark.parametrize("asked", ["subject2", "subject02", "2", "02"])
def test_subjects_are_chosen_by_any_spelling(written: Path, asked: str) -> None:
    assert EavCorpus(written, subjects=[asked]).people == ("subject2",)


def test_transposed_labels_are_read(root: Path) -> None:
    # ten trials by ten rows would look the same either way round: eight trials are kept
    said = json.loads((root / "generated.json").read_text(encoding="utf-8"))
    (root / "generated.json").write_text(json.dumps({**said, "n_trials": 8}), encoding="utf-8")
    change_eeg(root, lambda eeg: eeg[:, :, :8])
    sound(root, 10).unlink()
    change_labels(root, lambda labels: labels[:, :8])
    straight = [trial.label for trial in trials(root)]
    change_labels(root, lambda labels: labels.T)
    assert [trial.label for trial in trials(root)] == straight


def test_label_rows_are_emotion_by_condition(root: Path) -> None:
    """Row = 2 x emotion + condition; odd rows are speaking."""
    for path in (root / "subject1" / "Audio").iterdir():
        path.unlink()
    names = ("Neutral", "Sadness", "Anger", "Happiness", "Calmness")
    for i, name in enumerate(names):
        path = root / "subject1" / "Audio" / f"{2 * i + 2:03d}_Trial_01_Speaking_{name}_Aud.wav"
        wavfile.write(path, 16_000, np.zeros(17_000, np.int16))
    change_labels(root, lambda labels: np.eye(10))
    found = trials(root, listening=True)
    assert [trial.label for trial in found] == [name for name in DEFAULT_CLASSES for _ in range(2)]
    assert [trial.condition for trial in found] == ["listening", "speaking"] * 5


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_sounds_of_every_format_are_read_alike(root: Path, dtype: type[np.generic]) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 300 * np.arange(44_100 * 2) / 44_100)
    stereo = np.stack([tone, np.zeros_like(tone)], axis=1)
    if np.issubdtype(dtype, np.integer):
        scale, middle = (127, 128) if dtype is np.uint8 else (float(np.iinfo(dtype).max), 0)
        stereo = np.round(stereo * scale) + middle
    wavfile.write(sound(root), 44_100, stereo.astype(dtype))
    first = trials(root)[0]
    assert first.audio is not None
    assert first.audio_sfreq == 44_100
    np.testing.assert_allclose(first.audio, tone[:44_100] / 2, atol=0.01)


def test_the_first_seconds_of_a_longer_sound_are_used(root: Path) -> None:
    rate, samples = wavfile.read(sound(root))
    assert len(samples) == 32_000  # a second longer than the trial
    first = trials(root)[0]
    assert first.audio is not None
    np.testing.assert_allclose(first.audio, samples[:rate] / 32768, atol=1e-6)


def test_unknown_chunks_of_a_wav_are_no_matter(root: Path) -> None:
    whole = sound(root).read_bytes()
    extra = b"xyz!" + (4).to_bytes(4, "little") + b"abcd"
    riff = (len(whole) - 8 + len(extra)).to_bytes(4, "little")
    sound(root).write_bytes(whole[:4] + riff + whole[8:] + extra)
    assert len(trials(root)) == 5


# --- what was done wrong on this data before -----------------------------------------------------------


def test_mistake_eeg_read_along_the_wrong_axis(root: Path) -> None:
    """A trial's EEG runs along time: sample by sample as the file has it."""
    eeg = loadmat(eeg_path(root))["seg"]
    for trial in trials(root, listening=True):
        np.testing.assert_array_equal(trial.eeg, eeg[:, :, trial.number])
    change_eeg(root, lambda eeg: eeg.transpose(2, 1, 0))
    refused(root, "subject1_eeg.mat", "(trial, channel, time)", "expected (time, channel, trial)")


def test_mistake_one_eeg_tensor_shared_by_all_trials(written: Path) -> None:
    found = trials(written, listening=True)
    assert len({trial.eeg.tobytes() for trial in found if trial.eeg is not None}) == 10


def test_mistake_channels_cut_silently(root: Path) -> None:
    assert all(trial.eeg is not None and trial.eeg.shape[1] == 30 for trial in trials(root))
    change_eeg(root, lambda eeg: eeg[:, :28])
    refused(root, "(500, 28, 10)", "(500, 30, 10)")


@pytest.mark.parametrize("content", [b"", b"no matlab file at all", b"MATLAB 5.0 MAT-file" + b"\0" * 400])
def test_mistake_random_data_on_a_load_error(root: Path, content: bytes) -> None:
    eeg_path(root).write_bytes(content)
    refused(root, "subject1_eeg.mat")


def test_mistake_random_data_on_a_cut_file(root: Path) -> None:
    whole = eeg_path(root).read_bytes()
    eeg_path(root).write_bytes(whole[: len(whole) // 2])
    refused(root, "subject1_eeg.mat")


def test_mistake_labels_defaulting_to_neutral(root: Path) -> None:
    def without_one(labels: np.ndarray) -> np.ndarray:
        labels[:, 6] = 0
        return labels

    change_labels(root, without_one)
    refused(root, "subject1_eeg_label.mat", "trial 7", "not one-hot")


# --- everything else that can be wrong ---------------------------------------------------------------


def test_real_sizes_are_demanded_of_a_folder_that_does_not_say_it_is_generated(root: Path) -> None:
    (root / "generated.json").unlink()
    assert not EavCorpus(root).generated
    refused(root, "subject1_eeg_label.mat", "(10, 200)")
    change_labels(root, lambda labels: np.tile(labels, (1, 20)))
    for index in range(12, 201, 2):
        original = sound(root, (index - 1) % 10 + 1)
        shutil.copy(original, original.with_name(f"{index:03d}{original.name[3:]}"))
    refused(root, "subject1_eeg.mat", "(500, 30, 10)", "(10000, 30, 200)")


@pytest.mark.parametrize("content", ["", "{}", '{"format": "other"}', '{"format": 3, "n_trials": -1}'])
def test_a_spoiled_statement_of_sizes_is_refused(root: Path, content: str) -> None:
    (root / "generated.json").write_text(content)
    refused(root, "generated.json")


@pytest.mark.parametrize("axes", [(0, 2, 1), (1, 0, 2), (2, 0, 1), (1, 2, 0)])
def test_any_other_order_of_axes_is_named(root: Path, axes: tuple[int, int, int]) -> None:
    change_eeg(root, lambda eeg: eeg.transpose(axes))
    names = ", ".join(("time", "channel", "trial")[axis] for axis in axes)
    refused(root, f"({names})")


def test_another_key_is_named(root: Path) -> None:
    change_eeg(root, lambda eeg: eeg, key="data")
    refused(root, "seg or seg1", "data")


def test_nan_names_trial_and_channel(root: Path) -> None:
    def with_nan(eeg: np.ndarray) -> np.ndarray:
        eeg[40, 4, 3] = np.nan
        return eeg

    change_eeg(root, with_nan)
    refused(root, "subject1_eeg.mat", "trial 4", "Fz")


@pytest.mark.parametrize("value", [2.0, -1.0, 0.5, np.nan])
def test_labels_must_be_one_hot(root: Path, value: float) -> None:
    def odd(labels: np.ndarray) -> np.ndarray:
        labels[3, 2] = value
        return labels

    change_labels(root, odd)
    refused(root, "trial 3", "not one-hot")


def test_a_hdf5_mat_is_told_apart(root: Path) -> None:
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    eeg_path(root).write_bytes(header + b"\0" * 400)
    refused(root, "7.3", "v7")


def test_a_missing_sound_is_named(root: Path) -> None:
    name = sound(root, 6).name
    sound(root, 6).unlink()
    refused(root, "subject1", "trial 6", name)


def test_two_sounds_of_one_trial_are_named(root: Path) -> None:
    shutil.copy(sound(root), sound(root).with_name(sound(root).name.replace("Trial_01", "Trial_07")))
    refused(root, "trial 2", "Trial_01", "Trial_07")


def test_the_number_in_front_alone_pairs(root: Path) -> None:
    """The number behind "Trial" differs between EAV's folders and must not matter."""
    before = [trial.audio for trial in trials(root)]
    for path in list((root / "subject1" / "Audio").iterdir()):
        path.rename(path.with_name(path.name[:10] + "99" + path.name[12:]))
    for old, new in zip(before, [trial.audio for trial in trials(root)], strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_sound_whose_name_contradicts_the_label_is_refused(root: Path) -> None:
    label = trials(root)[0].label
    other = "Anger" if label != "anger" else "Sadness"
    sound(root).rename(sound(root).with_name(f"002_Trial_01_Speaking_{other}_Aud.wav"))
    refused(root, f"speaking {other.lower()}", f"speaking {label}")


def test_a_sound_whose_condition_contradicts_the_label_is_refused(root: Path) -> None:
    sound(root).rename(sound(root).with_name(sound(root).name.replace("Speaking", "Listening")))
    refused(root, "says listening", "says speaking")


def test_a_sound_of_another_name_is_refused(root: Path) -> None:
    sound(root).rename(sound(root).with_name("first.wav"))
    refused(root, "first.wav", "002_Trial_01_Speaking_Neutral_Aud.wav")


def test_a_sound_shorter_than_its_trial_is_refused(root: Path) -> None:
    wavfile.write(sound(root), 16_000, np.zeros(15_000, np.int16))
    refused(root, sound(root).name, "0.94 s", "1 s")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound", b"RIFF\x00\x00\x00\x00WAVE"])
def test_an_unreadable_sound_is_refused(root: Path, content: bytes) -> None:
    sound(root).write_bytes(content)
    refused(root, sound(root).name)


def test_a_sound_with_nan_is_refused(root: Path) -> None:
    wavfile.write(sound(root), 16_000, np.full(17_000, np.nan, np.float32))
    refused(root, sound(root).name, "finite")


def test_a_missing_subject_is_named_with_those_present(written: Path) -> None:
    with pytest.raises(CorpusError, match="no subject7; it has subject1, subject2"):
        EavCorpus(written, subjects=["subject7", "1"])


def test_a_subject_that_is_there_twice_is_named(root: Path) -> None:
    shutil.copytree(root / "subject1", root / "subject01")
    with pytest.raises(CorpusError, match="subject01 and subject1"):
        EavCorpus(root)


def test_a_folder_that_is_not_eav_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"not EAV: looked for folders subject1"):
        EavCorpus(tmp_path)
    with pytest.raises(CorpusError, match="is no folder"):
        EavCorpus(tmp_path / "absent")


@pytest.mark.parametrize("folder", ["EEG", "Audio"])
def test_a_missing_folder_is_named(root: Path, folder: str) -> None:
    shutil.rmtree(root / "subject1" / folder)
    refused(root, "subject1", folder)


def test_a_missing_mat_is_named(root: Path) -> None:
    eeg_path(root).unlink()
    refused(root, "subject1_eeg.mat", "no such file")


def test_files_are_all_that_trials_read(root: Path) -> None:
    files = EavCorpus(root).files("subject1")
    assert len(files) == 7
    assert eeg_path(root) in files
    assert EavCorpus(root).digest() != EavCorpus(root, listening=True).digest()


def test_names_of_media_are_read_in_every_spelling() -> None:
    for name in ("002_Trial_02_Speaking_Neutral_Aud.wav", "002_trial_13_speaking_NEUTRAL.mp4"):
        assert eav_layout.media_of(name) == eav_layout.Media(2, "speaking", "neutral")
    assert eav_layout.media_of("200_Trial_20_Listening_Calmness.mp4") == eav_layout.Media(
        200, "listening", "calm"
    )
    for name in ("02_Trial_02_Speaking_Neutral.wav", "002_Trial_02_Speaking_Joy.wav", "002_Trial_02.wav"):
        assert eav_layout.media_of(name) is None
