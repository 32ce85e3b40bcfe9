"""Loader of EAV: strict, one subject in memory at a time, and nothing is ever made up.

For the layout see :mod:`bci_stream.training.eav_layout`. EAV does not state the unit of its EEG; it is taken
as µV. Its files name no channels; their order is an independent reader's, unverified.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bci_stream.errors import CorpusError
from bci_stream.model.contract import DEFAULT_CLASSES
from bci_stream.training import eav_layout as layout
from bci_stream.training.eav_files import (
    eeg_files,
    first_seconds,
    listed,
    paired_sounds,
    read_eeg,
    read_labels,
    sound_files,
)
from bci_stream.training.trials import Trial


class EavCorpus:
    """A :class:`~bci_stream.training.trials.Corpus` over EAV's folders.

    Speaking trials have EEG (µV, as the unit is taken to be) and the first 20 s of their sound; listening
    trials have EEG only. ``Trial.number`` counts all 200, so that of speaking trials is odd.

    Args:
        root: the folder that holds subject1, subject2, … (or subject01, in any case).
        listening: yield listening trials too.
        subjects: these only ("subject7", "subject07" or "7"); None for all that are there.

    Raises:
        CorpusError: not a folder, not EAV, or a subject is absent or there twice.
    """

    name = "EAV"

    def __init__(self, root: Path, *, listening: bool = False, subjects: Sequence[str] | None = None) -> None:
        self.root = Path(root)
        self._listening = listening
        self._folders = _folders(self.root)
        self._people = _chosen(self.root, tuple(self._folders), subjects)
        self._sizes = layout.sizes_of(self.root)

    @property
    def description(self) -> str:
        """One sentence, with the source and what is taken on trust."""
        if self.generated:
            return f"{len(self.people)} generated people in EAV's layout; nobody was recorded"
        return (
            f"EAV (Lee et al. 2024, doi 10.1038/s41597-024-03838-4), {len(self.people)} subjects, "
            "EEG taken as µV (the unit is not stated), channel order unverified"
        )

    @property
    def generated(self) -> bool:
        """Whether the folder says that :func:`~bci_stream.training.eav_writer.write_eav` made it."""
        return self._sizes.generated

    @property
    def oracle(self) -> dict[str, float]:
        """What is possible at best, by modality, where the people were generated; empty otherwise."""
        return dict(self._sizes.oracle)

    @property
    def classes(self) -> tuple[str, ...]:
        """Neutral, sadness, anger, happiness, calm: the order of EAV's label rows."""
        return DEFAULT_CLASSES

    @property
    def ch_names(self) -> tuple[str, ...]:
        """The 30 electrodes, unverified."""
        return layout.CHANNELS

    @property
    def people(self) -> tuple[str, ...]:
        """subject1, subject2, … in the order of their numbers."""
        return self._people

    def trials(self, person: str) -> Iterator[Trial]:
        """The person's trials in the order of time.

        Raises:
            CorpusError: a file is missing, unreadable or not as EAV has it; it and the reason are named.
        """
        folder = self._folder(person)
        label_path, eeg_path = eeg_files(folder, person)
        labels = read_labels(label_path, self._sizes.n_trials)
        sounds = paired_sounds(folder, person, labels)
        eeg = read_eeg(eeg_path, self._sizes)
        for number, (label, condition) in enumerate(labels):
            if condition == "listening" and not self._listening:
                continue
            sound = sounds.get(number) if condition == "speaking" else None
            audio, audio_sfreq = first_seconds(sound, self._sizes.trial_s) if sound else (None, 0.0)
            yield Trial(
                person=person,
                number=number,
                label=label,
                condition=condition,
                eeg=np.ascontiguousarray(eeg[:, :, number], dtype=np.float32),
                eeg_sfreq=layout.SFREQ,
                audio=audio,
                audio_sfreq=audio_sfreq,
                source=str(eeg_path),
            )

    def files(self, person: str) -> Sequence[Path]:
        """The two .mat files and every sound."""
        folder = self._folder(person)
        return (*eeg_files(folder, person), *(path for _, path in sound_files(folder, person)))

    def digest(self) -> str:
        """The options that decide which trials there are."""
        said = {"corpus": "EAV", "listening": self._listening, "n_times": self._sizes.n_times}
        return json.dumps({**said, "n_trials": self._sizes.n_trials}, sort_keys=True)

    def _folder(self, person: str) -> Path:
        if person not in self._people:
            raise CorpusError(f"{self.root} has no {person!r}; it has {listed(self._people)}")
        return self._folders[person]


def _folders(root: Path) -> dict[str, Path]:
    """Every subject's folder by the subject's name, in the order of their numbers."""
    if not root.is_dir():
        raise CorpusError(f"{root} is no folder: give the one that holds EAV's subject1, subject2, …")
    found: dict[str, Path] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        person = layout.person_of(folder.name) if not folder.name.isdecimal() else None
        if person in found:
            raise CorpusError(f"{root} has {person} twice: {found[person].name} and {folder.name}")
        if person is not None:
            found[person] = folder
    if not found:
        raise CorpusError(f"{root} is not EAV: looked for folders subject1 (or subject01), subject2, …")
    return dict(sorted(found.items(), key=lambda item: int(item[0].removeprefix("subject"))))


def _chosen(root: Path, people: tuple[str, ...], subjects: Sequence[str] | None) -> tuple[str, ...]:
    if subjects is None:
        return people
    wanted = {layout.person_of(subject) or subject for subject in subjects}
    if absent := sorted(wanted - set(people)):
        raise CorpusError(f"{root} has no {', '.join(absent)}; it has {listed(people)}")
    if not wanted:
        raise CorpusError(f"no subject of {root} is asked for; it has {listed(people)}")
    return tuple(person for person in people if person in wanted)
