"""Trials cut from marked XDF recordings, on one clock and without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bci_stream.errors import ConfigError, CorpusError
from bci_stream.training.xdf_cut import trials_of
from bci_stream.training.xdf_trials import TrialMarks, XdfTrialCorpus
from tests.recordings import XDF_COMPOSITE, needs_recordings
from tests.sources.xdf_bytes import (
    channels_xml,
    clock_offset,
    file_header,
    header_xml,
    samples,
    stream_header,
)

MARKS = ((1.0, "trial:anger"), (2.0, "end"), (2.5, "trial:calm"), (4.0, "trial:anger"), (4.5, "end"))
MIC_AHEAD_S = 7.0  # the microphone's computer counts from another moment


def write_recording(
    path: Path,
    marks: Sequence[tuple[float, str]] = MARKS,
    *,
    labels: Sequence[str] = ("C3", "C4"),
    lost: tuple[float, float] = (0.0, 0.0),
) -> Path:
    """Five seconds from 50 s on. EEG (100 Hz) and voice (1000 Hz) hold the time of their samples.

    EEG of ``lost`` was never received.
    """
    parts = [
        file_header(),
        stream_header(1, header_xml("Amp", "EEG", 2, 100, desc=channels_xml(labels, "microvolts"))),
        stream_header(2, header_xml("Mic", "Audio", 1, 1000)),
        stream_header(3, header_xml("Cues", "Markers", 1, 0, "string")),
    ]
    for second in range(5):
        parts += [clock_offset(key, 50.0 + second, 0.0) for key in (1, 3)]
        parts.append(clock_offset(2, 50.0 + second + MIC_AHEAD_S, -MIC_AHEAD_S))
        t = second + np.arange(100) / 100
        t = t[~((t >= lost[0]) & (t < lost[1]))]
        parts.append(samples(1, list(50 + t), np.stack([t, -t], axis=1).astype(np.float32)))
        t = second + np.arange(1000) / 1000
        parts.append(samples(2, list(50 + MIC_AHEAD_S + t), t[:, None].astype(np.float32) / 10))
        parts += [samples(3, [50 + at], [[text]]) for at, text in marks if second <= at < second + 1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(parts))
    return path


def refused(path: Path, *said: str, marks: TrialMarks | None = None) -> None:
    with pytest.raises(CorpusError) as caught:
        list(XdfTrialCorpus({"ann": [path]}, marks or TrialMarks()).trials("ann"))
    for words in said:
        assert words in str(caught.value)


def test_a_trial_lasts_from_its_marker_to_the_next(tmp_path: Path) -> None:
    corpus = XdfTrialCorpus({"ann": [write_recording(tmp_path / "a.xdf")]})
    assert corpus.classes == ("anger", "calm")
    assert corpus.ch_names == ("C3", "C4")
    found = list(corpus.trials("ann"))
    assert [trial.label for trial in found] == ["anger", "calm", "anger"]
    for trial, (begin, end) in zip(found, ((1.0, 2.0), (2.5, 4.0), (4.0, 4.5)), strict=True):
        assert trial.eeg is not None
        assert trial.audio is not None
        assert (trial.eeg_sfreq, trial.audio_sfreq) == (100, 1000)
        assert len(trial.eeg) == pytest.approx((end - begin) * 100, abs=1)
        assert len(trial.audio) == pytest.approx((end - begin) * 1000, abs=1)
        # both streams hold their own time: they begin together though their clocks differ by 7 s
        assert trial.eeg[0, 0] == pytest.approx(begin, abs=0.011)
        assert 10 * trial.audio[0] == pytest.approx(begin, abs=0.0021)


def test_trials_number_through_the_recordings_of_a_person(tmp_path: Path) -> None:
    paths = [write_recording(tmp_path / name) for name in ("a.xdf", "b.xdf")]
    found = list(XdfTrialCorpus({"ann": paths}).trials("ann"))
    assert [trial.number for trial in found] == list(range(6))
    assert [trial.source for trial in found] == [str(paths[0])] * 3 + [str(paths[1])] * 3


def test_a_folder_tells_people_by_folder_or_by_file(tmp_path: Path) -> None:
    write_recording(tmp_path / "ann" / "day1.xdf")
    write_recording(tmp_path / "ann" / "day2.xdf")
    write_recording(tmp_path / "bob.xdf")
    corpus = XdfTrialCorpus(tmp_path)
    assert corpus.people == ("ann", "bob")
    assert [path.name for path in corpus.files("ann")] == ["day1.xdf", "day2.xdf"]


def test_one_modality_may_be_asked_for(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.xdf")
    corpus = XdfTrialCorpus({"ann": [path]}, TrialMarks(modalities=("audio",)))
    assert corpus.ch_names == ()
    assert all(trial.eeg is None and trial.audio is not None for trial in corpus.trials("ann"))


def test_lost_samples_inside_a_trial_are_named(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.xdf", lost=(2.9, 3.3))
    refused(path, "a.xdf, trial 2 (calm), eeg", "no samples for 0.410 s", "at 0.39 s")


def test_lost_samples_between_trials_are_no_matter(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.xdf", lost=(2.05, 2.4))
    assert len(list(XdfTrialCorpus({"ann": [path]}).trials("ann"))) == 3


def test_the_last_trial_needs_an_end(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.xdf", MARKS[:-1])
    refused(path, "no marker ends the last trial", "trial_s")
    corpus = XdfTrialCorpus({"ann": [path]}, TrialMarks(trial_s=0.5))
    lengths = [len(trial.eeg) for trial in corpus.trials("ann") if trial.eeg is not None]
    assert lengths == pytest.approx([50, 50, 50], abs=1)


def test_a_trial_beyond_the_samples_is_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.xdf", MARKS[:-1])
    refused(path, "trial 3 (anger)", "no samples for", marks=TrialMarks(trial_s=1.4))


def test_markers_without_a_trial_are_named(tmp_path: Path) -> None:
    refused(write_recording(tmp_path / "a.xdf"), "audio:LABEL", "trial:calm", marks=TrialMarks("audio:"))


def test_mistake_labels_defaulting_to_neutral(tmp_path: Path) -> None:
    refused(write_recording(tmp_path / "a.xdf", ((1.0, "trial:"), (2.0, "end"))), "names no label")


def test_mistake_random_data_on_a_load_error(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"no recording")
    refused(path, "a.xdf")
    refused(tmp_path / "absent.xdf", "absent.xdf")


def test_mistake_channels_cut_silently(tmp_path: Path) -> None:
    paths = [
        write_recording(tmp_path / "a.xdf"),
        write_recording(tmp_path / "b.xdf", labels=("C3", "Cz")),
    ]
    with pytest.raises(CorpusError, match=r"b\.xdf has electrodes C3, Cz.*a\.xdf has C3, C4"):
        XdfTrialCorpus({"ann": paths})


def test_folders_without_recordings_are_refused(tmp_path: Path) -> None:
    for root, said in ((tmp_path, "found none"), (tmp_path / "absent", "no folder")):
        with pytest.raises(CorpusError, match=said):
            XdfTrialCorpus(root)


@pytest.mark.parametrize(
    "options", [{"prefix": ""}, {"trial_s": 0.0}, {"modalities": ()}, {"modalities": ("video",)}]
)
def test_marks_without_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TrialMarks(**options)  # type: ignore[arg-type]


@needs_recordings
def test_the_composite_recordings_trials_are_whole_or_refused() -> None:
    marks = TrialMarks(prefix="audio:", trial_s=3.0)
    clean = XdfTrialCorpus({"ann": [XDF_COMPOSITE / "comp_onehost_clean.xdf"]}, marks)
    assert clean.classes == ("anger", "happiness", "neutral", "sadness")
    found = list(clean.trials("ann"))
    assert len(found) == 11
    assert all(trial.eeg is not None and trial.eeg.shape[1] == 4 for trial in found)
    gap = XDF_COMPOSITE / "comp_onehost_gap3s.xdf"  # no EEG from 12.0 s to 15.2 s
    refused(gap, "trial 4 (happiness), eeg", "at 0.50 s", marks=marks)


def test_a_marker_that_takes_a_trial_back_does_not_end_the_next_one(tmp_path: Path) -> None:
    """It comes once the windows of the trial were looked at, which may be in the next one."""
    marks = ((1.0, "trial:anger"), (2.0, "end"), (2.5, "trial:calm"), (2.6, "void:0:noisy"), (4.0, "end"))
    path = write_recording(tmp_path / "a.xdf", marks)
    told: list[str] = []
    (trial,) = trials_of(path, "ann", TrialMarks(), 0, told.append)
    assert trial.label == "calm"
    assert trial.eeg is not None
    assert len(trial.eeg) in (149, 150)
    assert told == [f"{path}, trial 1: taken back (noisy)"]


def test_a_trial_that_a_killed_program_did_not_end_is_left_out_where_asked(
    tmp_path: Path,
) -> None:
    path = write_recording(tmp_path / "a.xdf", (*MARKS[:3], (3.0, "end"), (4.0, "trial:anger")))
    refused(path, "no marker ends the last trial")
    told: list[str] = []
    found = list(trials_of(path, "ann", TrialMarks(cut_off=True), 0, told.append))
    assert [trial.label for trial in found] == ["anger", "calm"]
    assert told == [f"{path}, trial 3: cut off before its end"]
