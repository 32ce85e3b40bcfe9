"""What every corpus yields: one person's trials in the order of time, samples as recorded.

A corpus is whatever has people and trials: EAV's folders, a generator, EmoDB, our own XDF sessions. It
reads and checks files and changes nothing of them; resampling, filtering and windowing belong to the live
pipeline (:mod:`bci_stream.training.prepare`), so that training sees what a live session would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bci_stream.messages import FloatArray


@dataclass(frozen=True, slots=True)
class Trial:
    """One stretch of one person under one label, EEG and voice beginning at the same instant.

    ``number``: place in the person's session, from 0, in the order of time. ``label``: one of the
    corpus's classes. ``condition``: "speaking", "listening", or "". ``eeg``: (n, C) float32 in µV, or
    None. ``audio``: (n,) float32 in [-1, 1], or None. ``source``: the file to name in an error.
    """

    person: str
    number: int
    label: str
    condition: str = ""
    eeg: FloatArray | None = None
    eeg_sfreq: float = 0.0
    audio: FloatArray | None = None
    audio_sfreq: float = 0.0
    source: str = ""


class Corpus(Protocol):
    """People and their trials.

    ``name``: as it is printed. ``description``: one sentence for the card of a bundle, with the source.
    ``generated``: true when nobody was recorded. ``ch_names``: of every trial's EEG; empty without EEG.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  (said in the class)
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def generated(self) -> bool: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def ch_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def people(self) -> tuple[str, ...]: ...  # noqa: D102

    def trials(self, person: str) -> Iterator[Trial]:
        """That person's trials in the order of time.

        Raises:
            CorpusError: a file is missing, unreadable or not what it should be; nothing is made up.
        """
        ...

    def files(self, person: str) -> Sequence[Path]:
        """Every file that :meth:`trials` reads, so that a cache can tell when one has changed."""
        ...

    def digest(self) -> str:
        """What else decides the samples (a generator's settings, options of a loader), as text."""
        ...
