"""Loader of utterances in a folder, named as in EmoDB or listed in a table: voice only.

Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss (2005), A database of German emotional speech, Interspeech
2005. ``08a01Fd.wav``: speaker 08, text a01, F (Freude, happiness), version d.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bci_stream.errors import CorpusError
from bci_stream.training.corpus_files import one_line, read_sound
from bci_stream.training.trials import Trial

#: EmoDB's letters, of the German words.
LETTERS: Final = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_NAME: Final = re.compile(r"(\d{2})([a-z]\d{2})([WLEAFTN])[a-z]")
_ENDINGS: Final = (".wav", ".flac")
_COLUMNS: Final = ("file", "speaker", "emotion")
_ORDER: Final = ("neutral", "sadness", "anger", "happiness", "calm")  # as elsewhere; others by the alphabet


@dataclass(frozen=True, slots=True)
class _Utterance:
    path: Path
    speaker: str
    emotion: str


class EmodbCorpus:
    """A :class:`~bci_stream.training.trials.Corpus` of utterances; its people are the speakers.

    Trials follow each other by file name: the order of recording is not known.

    Args:
        root: the folder of WAV or FLAC files.
        label_file: a table (tab-separated, with columns file, speaker and emotion; file is relative to the
            table's own folder) of exactly the sounds in ``root``. None: their names tell, as in EmoDB.
        classes: these emotions only, in this order; None for all that occur.

    Raises:
        CorpusError: no such folder, no sound in it, a name that tells nothing, a table that does not agree
            with the folder, or a class that does not occur.
    """

    name = "EmoDB"
    generated = False

    def __init__(
        self, root: Path, *, label_file: Path | None = None, classes: Sequence[str] | None = None
    ) -> None:
        self.root = Path(root)
        self._label_file = None if label_file is None else Path(label_file)
        sounds = _sounds(self.root)
        found = _by_name(sounds) if self._label_file is None else _by_table(sounds, self._label_file)
        self._classes = _chosen(self.root, {one.emotion for one in found}, classes)
        kept = [one for one in found if one.emotion in self._classes]
        self._speakers = {
            speaker: [one for one in kept if one.speaker == speaker]
            for speaker in sorted({one.speaker for one in kept})
        }

    @property
    def description(self) -> str:
        """One sentence, with the source."""
        n = sum(len(utterances) for utterances in self._speakers.values())
        source = "EmoDB (Burkhardt et al. 2005)" if self._label_file is None else str(self._label_file.name)
        return f"{source}: {n} acted utterances of {len(self._speakers)} speakers, voice only"

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions, in the order of the model's classes where they are of those."""
        return self._classes

    @property
    def ch_names(self) -> tuple[str, ...]:
        """None: there is no EEG."""
        return ()

    @property
    def people(self) -> tuple[str, ...]:
        """The speakers."""
        return tuple(self._speakers)

    def trials(self, person: str) -> Iterator[Trial]:
        """The speaker's utterances.

        Raises:
            CorpusError: a file is unreadable; it and the reason are named.
        """
        for number, one in enumerate(self._of(person)):
            audio, sfreq = read_sound(one.path)
            yield Trial(
                person=person,
                number=number,
                label=one.emotion,
                condition="speaking",
                audio=audio,
                audio_sfreq=sfreq,
                source=str(one.path),
            )

    def files(self, person: str) -> Sequence[Path]:
        """The speaker's sounds, and the table if there is one."""
        table = () if self._label_file is None else (self._label_file,)
        return (*table, *(one.path for one in self._of(person)))

    def digest(self) -> str:
        """The classes."""
        return json.dumps({"corpus": "EmoDB", "classes": self._classes})

    def _of(self, person: str) -> list[_Utterance]:
        if person not in self._speakers:
            raise CorpusError(f"{self.root} has no speaker {person!r}; it has {', '.join(self._speakers)}")
        return self._speakers[person]


def _sounds(root: Path) -> list[Path]:
    if not root.is_dir():
        raise CorpusError(f"{root} is no folder: give the one that holds the WAV or FLAC files")
    sounds = sorted(path for path in root.iterdir() if path.suffix.casefold() in _ENDINGS)
    if not sounds:
        raise CorpusError(f"{root} holds no WAV or FLAC file")
    for path, after in itertools.pairwise(sounds):
        if path.stem == after.stem:
            raise CorpusError(f"{root} has {path.stem} twice: {path.name} and {after.name}")
    return sounds


def _by_name(sounds: Sequence[Path]) -> list[_Utterance]:
    found = []
    for path in sounds:
        told = _NAME.fullmatch(path.stem)
        if told is None:
            raise CorpusError(
                f"{path}: no name of EmoDB, such as 08a01Fd{path.suffix}; give a table of labels for others"
            )
        found.append(_Utterance(path, told[1], LETTERS[told[3]]))
    return found


def _by_table(sounds: Sequence[Path], table: Path) -> list[_Utterance]:
    rows = _read_table(table)
    if unlisted := [path.name for path in sounds if path.resolve() not in rows]:
        raise CorpusError(f"{table} has no row for {unlisted[0]} ({len(unlisted)} such files)")
    here = {path.resolve() for path in sounds}
    if absent := [path.name for path in rows if path not in here]:
        raise CorpusError(f"{table} lists {absent[0]}, which is not in the folder ({len(absent)} such rows)")
    return [_Utterance(path, *rows[path.resolve()]) for path in sounds]


def _read_table(table: Path) -> dict[Path, tuple[str, str]]:
    """Speaker and emotion by the sound's resolved path."""
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table} cannot be read: {one_line(error)}") from error
    found: dict[Path, tuple[str, str]] = {}
    for number, row in enumerate(rows):
        file, speaker, emotion = ((row.get(column) or "").strip() for column in _COLUMNS)
        if not (file and speaker and emotion):
            raise CorpusError(f"{table}, row {number + 2}: file, speaker and emotion expected in columns")
        path = (table.parent / file).resolve()
        if path in found:
            raise CorpusError(f"{table}, row {number + 2}: {file} is listed twice")
        found[path] = speaker, emotion
    return found


def _chosen(root: Path, found: set[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    ordered = [*(name for name in _ORDER if name in found), *sorted(found - set(_ORDER))]
    if classes is None:
        return tuple(ordered)
    if absent := [name for name in classes if name not in found]:
        raise CorpusError(f"{root} has no {', '.join(absent)}; it has {', '.join(ordered)}")
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise CorpusError(f"two or more different classes expected, got {', '.join(classes) or 'none'}")
    return tuple(classes)
