"""Trials of our own recordings: files in which a marker begins each trial and names its label.

``trial:anger`` begins a trial of the class anger; the next marker, whatever it says, ends it. Stamps go to
the local clock by the clock offsets in the file and are smoothed, by the very stages of a live session. A
trial that lost samples is an error, not a shorter trial.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bci_stream.errors import CorpusError
from bci_stream.sources.recordings import SESSION_SUFFIXES, find_sessions
from bci_stream.training.trials import Trial
from bci_stream.training.xdf_cut import TrialMarks, header, trials_of

__all__ = ["TrialMarks", "XdfTrialCorpus"]


_USUAL = TrialMarks()


class XdfTrialCorpus:
    """A :class:`~bci_stream.training.trials.Corpus` of marked recordings; one of them in memory at a time.

    Args:
        recordings: each person's files in the order of time; or a folder with one folder of recordings a
            person (.xdf, MNE's formats, .csv), or with recordings of one person each.
        marks: how trials are marked. A trial's rates are the nominal ones of its streams.

    Raises:
        CorpusError: no recording, one that cannot be read or lacks a stream, people with different
            electrodes, or not one trial.
    """

    name = "XDF sessions"
    generated = False

    def __init__(self, recordings: Mapping[str, Sequence[Path]] | Path, marks: TrialMarks = _USUAL) -> None:
        self._files = (
            {person: tuple(Path(path) for path in paths) for person, paths in recordings.items()}
            if isinstance(recordings, Mapping)
            else _found(Path(recordings))
        )
        self._marks = marks
        headers = [header(path, marks) for paths in self._files.values() for path in paths]
        if not headers:
            raise CorpusError("no recording is given")
        for path, ch_names, _ in headers:
            if ch_names != headers[0][1]:
                raise CorpusError(
                    f"{path} has electrodes {', '.join(ch_names)}, "
                    f"{headers[0][0]} has {', '.join(headers[0][1])}: one corpus needs the same in all"
                )
        self._ch_names = headers[0][1]
        self._classes = tuple(sorted({label for _, _, labels in headers for label in labels}))

    @property
    def description(self) -> str:
        """One sentence."""
        n = sum(len(paths) for paths in self._files.values())
        return f"{n} recordings of {len(self._files)} people, trials marked {self._marks.prefix}LABEL"

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label that occurs, by the alphabet."""
        return self._classes

    @property
    def ch_names(self) -> tuple[str, ...]:
        """The EEG stream's electrodes; empty without EEG."""
        return self._ch_names

    @property
    def people(self) -> tuple[str, ...]:
        """As given, or by folder or file name."""
        return tuple(self._files)

    def trials(self, person: str) -> Iterator[Trial]:
        """The person's trials, recording after recording.

        Raises:
            CorpusError: a trial has no end, or lacks samples; the file, the trial and the gap are named.
        """
        number = 0
        for path in self.files(person):
            for trial in trials_of(path, person, self._marks, number):
                yield trial
                number += 1

    def files(self, person: str) -> Sequence[Path]:
        """The person's recordings."""
        if person not in self._files:
            raise CorpusError(f"there is no recording of {person!r}; there are {', '.join(self._files)}")
        return self._files[person]

    def digest(self) -> str:
        """How trials are marked."""
        return json.dumps({"corpus": "XDF", **asdict(self._marks)}, sort_keys=True)


def _found(root: Path) -> dict[str, tuple[Path, ...]]:
    if not root.is_dir():
        raise CorpusError(
            f"{root} is no folder: give one that holds recordings, or a folder of them a person"
        )
    folders = {path.name: tuple(find_sessions(path)) for path in sorted(root.iterdir()) if path.is_dir()}
    found = {person: paths for person, paths in folders.items() if paths}
    found |= {path.name.split(".")[0]: (path,) for path in find_sessions(root)}
    if not found:
        raise CorpusError(
            f"{root}: looked for recordings in it and in its folders ({', '.join(SESSION_SUFFIXES)}), "
            "found none"
        )
    return found
