"""Utterances by EmoDB's names or by a table; the real speakers where they are beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from bci_stream.errors import CorpusError
from bci_stream.training.emodb import LETTERS, EmodbCorpus
from tests.recordings import DATA, needs_recordings

NAMES = ("03a01Fa", "03a02Nc", "03b01Wa", "08a01Fd", "08a02Ta")
TABLE = "file\tspeaker\temotion\none.wav\tann\tanger\ntwo.wav\tbob\tcalm\n"


def write_sounds(folder: Path, names: tuple[str, ...] = NAMES, sfreq: int = 16_000) -> Path:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        wavfile.write(folder / f"{name}.wav", sfreq, np.full(800 + i, 1000 * (i + 1), np.int16))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_sounds(tmp_path / "emodb")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table beside a folder ``sounds`` with the two files it lists."""
    write_sounds(tmp_path / "sounds", ("one", "two"))
    path = tmp_path / "labels.tsv"
    path.write_text(TABLE.replace("one.wav", "sounds/one.wav").replace("two.wav", "sounds/two.wav"))
    return path


def test_names_tell_speaker_and_emotion(root: Path) -> None:
    corpus = EmodbCorpus(root)
    assert corpus.people == ("03", "08")
    assert corpus.classes == ("neutral", "sadness", "anger", "happiness")
    assert corpus.ch_names == ()
    assert [trial.label for trial in corpus.trials("03")] == ["happiness", "neutral", "anger"]
    assert [trial.number for trial in corpus.trials("03")] == [0, 1, 2]
    assert [path.name for path in corpus.files("08")] == ["08a01Fd.wav", "08a02Ta.wav"]


def test_samples_are_the_files(root: Path) -> None:
    first = next(iter(EmodbCorpus(root).trials("08")))
    assert first.eeg is None
    assert first.audio is not None
    assert first.audio_sfreq == 16_000
    np.testing.assert_array_equal(first.audio, np.full(803, 4000 / 32768, np.float32))


def test_classes_may_be_chosen(root: Path) -> None:
    corpus = EmodbCorpus(root, classes=("sadness", "happiness"))
    assert corpus.classes == ("sadness", "happiness")
    assert {trial.label for person in corpus.people for trial in corpus.trials(person)} == set(corpus.classes)
    with pytest.raises(CorpusError, match="no joy; it has neutral"):
        EmodbCorpus(root, classes=("neutral", "joy"))


def test_flac_is_read_as_wav_is(root: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    tone = (8000 * np.sin(np.arange(4000) / 9)).astype(np.int16)
    wavfile.write(root / "09a01Na.wav", 16_000, tone)
    soundfile.write(root / "10a01Na.flac", tone, 16_000)
    corpus = EmodbCorpus(root)
    wav, flac = (next(iter(corpus.trials(person))).audio for person in ("09", "10"))
    np.testing.assert_array_equal(wav, flac)


@pytest.mark.parametrize("name", ["hello", "03a01Xa", "3a01Fa", "03a01F"])
def test_mistake_labels_defaulting_to_neutral(root: Path, name: str) -> None:
    """A name that tells no emotion is an error, not a neutral utterance."""
    write_sounds(root, (name,))
    with pytest.raises(CorpusError, match=f"{name}.wav"):
        EmodbCorpus(root)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_mistake_random_data_on_a_load_error(root: Path, ending: str) -> None:
    if ending == "flac":
        pytest.importorskip("soundfile")
    (root / f"11a01Fa.{ending}").write_bytes(b"nothing of the kind")
    with pytest.raises(CorpusError, match=f"11a01Fa.{ending} cannot be read"):
        list(EmodbCorpus(root).trials("11"))


def test_a_table_tells_of_other_names(table: Path) -> None:
    corpus = EmodbCorpus(table.parent / "sounds", label_file=table)
    assert corpus.people == ("ann", "bob")
    assert [trial.label for trial in corpus.trials("bob")] == ["calm"]
    assert table in corpus.files("ann")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("sounds/two.wav\tbob\tcalm\n", ""), "no row for two.wav"),
        (lambda text: text + "sounds/three.wav\tbob\tcalm\n", "lists three.wav"),
        (lambda text: text + "sounds/two.wav\tbob\tanger\n", "listed twice"),
        (lambda text: text.replace("calm", ""), "row 3"),
        (lambda text: text.replace("emotion", "mood"), "row 2"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: Path, change: object, said: str) -> None:
    assert callable(change)
    table.write_text(change(table.read_text()))
    with pytest.raises(CorpusError, match=said):
        EmodbCorpus(table.parent / "sounds", label_file=table)


def test_folders_without_sound_are_refused(root: Path, tmp_path: Path) -> None:
    for folder, said in ((tmp_path / "absent", "no folder"), (tmp_path, "no WAV or FLAC")):
        with pytest.raises(CorpusError, match=said):
            EmodbCorpus(folder)
    with pytest.raises(CorpusError, match="'99'; it has 03, 08"):
        list(EmodbCorpus(root).trials("99"))


def test_one_utterance_in_two_files_is_refused(root: Path) -> None:
    (root / "03a01Fa.flac").write_bytes(b"")
    with pytest.raises(CorpusError, match="03a01Fa twice"):
        EmodbCorpus(root)


@needs_recordings
def test_the_real_speakers_are_read_alike_by_name_and_by_table() -> None:
    pytest.importorskip("soundfile")
    folder = DATA / "audio" / "emodb"
    by_name = EmodbCorpus(folder)
    by_table = EmodbCorpus(folder, label_file=DATA / "audio" / "emodb_labels.tsv")
    assert by_name.people == by_table.people
    assert len(by_name.people) == 6
    assert set(by_name.classes) == set(LETTERS.values())
    assert sum(len(by_name.files(person)) for person in by_name.people) == 311
    for one, other in zip(by_name.trials("08"), by_table.trials("08"), strict=True):
        assert one.label == other.label
        assert one.audio is not None
        assert one.audio_sfreq == 16_000
        assert 0.01 < np.abs(one.audio).max() <= 1
