"""The affective-music study's calibration runs: made files, and the real ones where they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from bci_stream.errors import CorpusError
from bci_stream.training.affective_music import CHANNELS, AffectiveMusicCorpus
from tests.recordings import DATA, needs_recordings

NAMES = ("COUNTER", "RAW_CQ", *CHANNELS, "GYROX")
BEGINS = (24, 2584, 3864, 6424, 7704, 10264, 11544)
CODES = (132, 199, 131, 199, 133, 199, -1)


def run(**changes: Any) -> dict[str, Any]:
    """A session's struct: sad, neutral and happy music, 20 s each."""
    n = BEGINS[-1]
    data = np.random.default_rng(0).normal(4500, 80, (len(NAMES), n))
    data[0] = np.arange(n) % 129
    fields = {
        "data": data,
        "chan_list": np.array(NAMES, object)[:, None],
        "sampling_rate": 128,
        "stimpos": np.array(BEGINS),
        "stimcode": np.array(CODES),
    }
    return {**fields, **changes}


def write_run(folder: Path, name: str = "P01_S01", **changes: Any) -> dict[str, Any]:
    fields = run(**changes)
    savemat(folder / f"{name}_calibration.mat", {"calibration": fields})
    return fields


def refused(folder: Path, *said: str) -> None:
    with pytest.raises(CorpusError) as caught:
        list(AffectiveMusicCorpus(folder).trials("P01"))
    for words in ("P01_S01_calibration.mat", *said):
        assert words in str(caught.value)


def test_sessions_follow_each_other_and_are_told_apart(tmp_path: Path) -> None:
    for name in ("P02_S01", "P01_S02", "P01_S01"):
        write_run(tmp_path, name)
    corpus = AffectiveMusicCorpus(tmp_path)
    assert corpus.people == ("P01", "P02")
    found = list(corpus.trials("P01"))
    assert [trial.condition for trial in found] == ["S01"] * 3 + ["S02"] * 3
    assert [trial.number for trial in found] == list(range(6))
    assert [trial.label for trial in found[:3]] == ["neutral", "sadness", "happiness"]
    assert len(corpus.files("P01")) == 2


def test_samples_are_those_between_the_codes(tmp_path: Path) -> None:
    """Places count from 1, as in MATLAB; the electrodes are found by name."""
    data = write_run(tmp_path)["data"]
    first = next(iter(AffectiveMusicCorpus(tmp_path).trials("P01")))
    assert first.eeg_sfreq == 128
    np.testing.assert_array_equal(first.eeg, data[2:16, 23:2583].T.astype(np.float32))


def test_other_files_of_the_folder_are_no_matter(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "P01_S01_mood_ratings.mat").write_bytes(b"")
    assert AffectiveMusicCorpus(tmp_path).people == ("P01",)


def test_mistake_eeg_read_along_the_wrong_axis(tmp_path: Path) -> None:
    write_run(tmp_path, data=run()["data"].T)
    refused(tmp_path, "expected (17 channels, n)")


def test_mistake_channels_cut_silently(tmp_path: Path) -> None:
    write_run(tmp_path, data=run()["data"][:-4], chan_list=np.array(NAMES[:-4], object)[:, None])
    refused(tmp_path, "no channel", "AF4")


def test_mistake_random_data_on_a_load_error(tmp_path: Path) -> None:
    (tmp_path / "P01_S01_calibration.mat").write_bytes(b"MATLAB 5.0 MAT-file, or so it says" * 9)
    refused(tmp_path)


def test_mistake_labels_defaulting_to_neutral(tmp_path: Path) -> None:
    write_run(tmp_path, stimcode=np.array([132, 199, 177, 199, 133, 199, -1]))
    refused(tmp_path, "unknown codes [177]")


def test_lost_samples_are_found_by_the_counter(tmp_path: Path) -> None:
    data = run()["data"]
    data[0, 4000:] = (data[0, 4000:] + 5) % 129
    write_run(tmp_path, data=data)
    refused(tmp_path, "131", "counter")


def test_nan_names_music_and_channel(tmp_path: Path) -> None:
    data = run()["data"]
    data[NAMES.index("T7"), 5000] = np.nan
    write_run(tmp_path, data=data)
    refused(tmp_path, "sample 3864", "T7")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sampling_rate": 256}, "128 Hz"),
        ({"stimpos": np.array(BEGINS[:-1])}, "stimpos"),
        ({"stimpos": np.array((24, 2584, 3864, 5000, 7704, 10264, 11544))}, "8.9 s"),
        ({"stimpos": np.array((24, 2584, 2000, 6424, 7704, 10264, 11544))}, "rise"),
    ],
)
def test_a_run_unlike_the_studys_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    write_run(tmp_path, **changes)
    refused(tmp_path, said)


def test_a_file_without_the_struct_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "P01_S01_calibration.mat"
    savemat(path, {"other": 1})
    refused(tmp_path, "no variable 'calibration'; it has other")
    savemat(path, {"calibration": np.zeros((3, 3))})
    refused(tmp_path, "not the study's struct")


def test_folders_without_runs_are_refused(tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "found none"), (tmp_path / "absent", "no folder")):
        with pytest.raises(CorpusError, match=said):
            AffectiveMusicCorpus(folder)


@needs_recordings
def test_the_real_runs_hold_each_mood_twice_a_session() -> None:
    corpus = AffectiveMusicCorpus(DATA / "eeg" / "affective_music")
    assert corpus.people == ("P01", "P02")
    for person in corpus.people:
        found = list(corpus.trials(person))
        for session in ("S01", "S02"):
            labels = sorted(trial.label for trial in found if trial.condition == session)
            assert labels == sorted([*corpus.classes, *corpus.classes])
        for trial in found:
            assert trial.eeg is not None
            assert 18 * 128 <= len(trial.eeg) <= 22 * 128
            assert 4000 < trial.eeg.mean() < 5000
