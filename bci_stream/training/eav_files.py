"""Files of one EAV subject: found by their names, read, and checked against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import CorpusError
from bci_stream.messages import FloatArray
from bci_stream.model.contract import DEFAULT_CLASSES
from bci_stream.training import eav_layout as layout
from bci_stream.training.corpus_files import read_mat, read_sound

_AXES = ("time", "channel", "trial")


def eeg_files(folder: Path, person: str) -> tuple[Path, Path]:
    """The label file and the EEG file; their names may be padded as the folder's is, or not."""
    inside = _entries(folder / "EEG", folder)
    return _named(inside, person, "_eeg_label.mat", folder), _named(inside, person, "_eeg.mat", folder)


def _entries(wanted: Path, folder: Path) -> list[Path]:
    for path in folder.iterdir():
        if path.is_dir() and path.name.casefold() == wanted.name.casefold():
            return sorted(path.iterdir())
    raise CorpusError(f"{folder} has no folder {wanted.name}")


def _named(inside: Sequence[Path], person: str, ending: str, folder: Path) -> Path:
    found = [
        path for path in inside
        if path.name.casefold().endswith(ending) and layout.person_of(path.name[: -len(ending)]) == person
    ]  # fmt: skip
    if len(found) != 1:
        fault = f"two files: {', '.join(path.name for path in found)}" if found else "no such file"
        raise CorpusError(f"{folder / 'EEG'}: {person}{ending} expected, {fault}")
    return found[0]


def read_labels(path: Path, n_trials: int) -> list[tuple[str, str]]:
    """Label and condition of every trial, from one-hot rows; the transpose is accepted."""
    variables = read_mat(path)
    if layout.LABEL_KEY not in variables:
        raise CorpusError(f"{path} has no variable 'label'; it has {listed(sorted(variables)) or 'none'}")
    matrix, expected = np.asarray(variables[layout.LABEL_KEY]), (layout.N_LABEL_ROWS, n_trials)
    if matrix.shape == expected[::-1] != expected:
        matrix = matrix.T
    if matrix.shape != expected or matrix.dtype.kind not in "buif":
        raise CorpusError(f"{path}: 'label' is {matrix.dtype} {matrix.shape}, expected numbers {expected}")
    ones = matrix == 1
    wrong = ((matrix != 0) & ~ones).any(axis=0) | (ones.sum(axis=0) != 1)
    if wrong.any():
        trial = int(wrong.argmax())
        raise CorpusError(
            f"{path}: the label of trial {trial + 1} is not one-hot: {matrix[:, trial].tolist()}"
        )
    return [(DEFAULT_CLASSES[row // 2], layout.CONDITIONS[row % 2]) for row in ones.argmax(axis=0).tolist()]


def read_eeg(path: Path, sizes: layout.Sizes) -> NDArray[Any]:
    """(n_times, 30, n_trials), finite."""
    variables = read_mat(path)
    keys = [key for key in layout.EEG_KEYS if key in variables]
    if len(keys) != 1:
        found = listed(sorted(variables)) or "no variable"
        raise CorpusError(f"{path}: one variable named seg or seg1 expected, found {found}")
    eeg = np.asarray(variables[keys[0]])
    expected = (sizes.n_times, len(layout.CHANNELS), sizes.n_trials)
    if eeg.shape != expected or eeg.dtype.kind not in "iuf":
        raise CorpusError(
            f"{path}: {keys[0]!r} is {_axes(eeg, expected)}, expected (time, channel, trial) = {expected}"
        )
    for trial in range(sizes.n_trials):
        finite = np.isfinite(eeg[:, :, trial]).all(axis=0)
        if not finite.all():
            name = layout.CHANNELS[int(finite.argmin())]
            raise CorpusError(f"{path}: trial {trial + 1}, channel {name}: the EEG holds NaN or infinity")
    return eeg


def _axes(eeg: NDArray[Any], expected: tuple[int, ...]) -> str:
    """How an array's axes look, as far as their lengths tell."""
    if eeg.dtype.kind not in "iuf":
        return f"of type {eeg.dtype}, {eeg.shape}"
    if sorted(eeg.shape) == sorted(expected) and len(set(expected)) == len(expected):
        names = ", ".join(_AXES[expected.index(length)] for length in eeg.shape)
        return f"({names}) = {eeg.shape}"
    return str(eeg.shape)


def sound_files(folder: Path, person: str) -> list[tuple[layout.Media, Path]]:
    """Every sound with what its name says, in the order of the trials."""
    found: dict[int, tuple[layout.Media, Path]] = {}
    for path in _entries(folder / "Audio", folder):
        if path.suffix.casefold() != ".wav":
            continue
        media = layout.media_of(path.name)
        if media is None:
            raise CorpusError(f"{path}: no name of EAV, such as {layout.sound_name(2, 'neutral')}")
        if media.index in found:
            other = found[media.index][1].name
            raise CorpusError(f"{person}: two sounds of trial {media.index}: {other} and {path.name}")
        found[media.index] = media, path
    return [found[index] for index in sorted(found)]


def paired_sounds(folder: Path, person: str, labels: Sequence[tuple[str, str]]) -> dict[int, Path]:
    """The sound of each speaking trial by the trial's number; every name agrees with the label."""
    sounds: dict[int, Path] = {}
    for media, path in sound_files(folder, person):
        if not 1 <= media.index <= len(labels):
            raise CorpusError(f"{path}: {person} has trials 1 to {len(labels)}, none at {media.index}")
        label, condition = labels[media.index - 1]
        if (media.label, media.condition) != (label, condition):
            raise CorpusError(
                f"{path}: the name says {media.condition} {media.label}, "
                f"the label of trial {media.index} says {condition} {label}"
            )
        sounds[media.index - 1] = path
    for number, (label, condition) in enumerate(labels):
        if condition == "speaking" and number not in sounds:
            expected = layout.sound_name(number + 1, label)
            raise CorpusError(f"{person}: speaking trial {number + 1} has no sound, such as {expected}")
    return sounds


def first_seconds(path: Path, trial_s: float) -> tuple[FloatArray, float]:
    """Its first ``trial_s`` seconds, (n,) in [-1, 1], and its rate (Hz); too short a sound is an error."""
    audio, sfreq = read_sound(path)
    n = round(trial_s * sfreq)
    if len(audio) < n:
        raise CorpusError(f"{path}: {len(audio) / sfreq:.2f} s of sound, its trial has {trial_s:g} s")
    return audio[:n], sfreq


def listed(names: Sequence[str]) -> str:
    """Names for a line of text, the middle of many left out."""
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:6])}, … {names[-1]}"
