"""Loader of the calibration runs of an affective-music study: Emotiv EPOC, three moods, EEG only.

Ehrlich, Agres, Guan and Cheng (2019), A closed-loop, brain-computer music interface for continuous
affective interaction, PLoS ONE 14:e0213516, doi 10.1371/journal.pone.0213516. One file a session,
``P01_S02_calibration.mat``; its struct ``calibration`` has ``data`` (25, n), names in ``chan_list``, and
where (``stimpos``, samples from 1) which code (``stimcode``) began: music for 20 s, then rest for 10 s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import CorpusError
from bci_stream.training.corpus_files import one_line, read_mat
from bci_stream.training.trials import Trial

SFREQ: Final = 128.0
CHANNELS: Final = (
    *("AF3", "F7", "F3", "FC5", "T7", "P7", "O1"),
    *("O2", "P8", "T8", "FC6", "F4", "F8", "AF4"),
)
CODES: Final = {131: "sadness", 132: "neutral", 133: "happiness"}  # what the music was meant to convey
_NO_TRIAL: Final = (199, -1)  # rest, end of the run
_MUSIC_S: Final = (18.0, 22.0)  # it lasts about 20 s
_COUNTER_END: Final = 129  # the headset counts its samples 0 to 128
_NAME: Final = re.compile(r"(P\d+)_(S\d+)_calibration\.mat", re.IGNORECASE)


class AffectiveMusicCorpus:
    """A :class:`~bci_stream.training.trials.Corpus` over the folder of calibration runs.

    A person's trials run through the sessions in order; ``Trial.condition`` is the session ("S01"), for
    evaluation across sessions. Samples stay raw: µV around the headset's 4.5 mV.

    Raises:
        CorpusError: not a folder, or none of the files in it.
    """

    name = "affective music"
    generated = False

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._sessions = _sessions(self.root)

    @property
    def description(self) -> str:
        """One sentence, with the source."""
        n = sum(len(sessions) for sessions in self._sessions.values())
        return (
            "affective music, EPOC 14 channels (Ehrlich et al. 2019, doi 10.1371/journal.pone.0213516), "
            f"{len(self._sessions)} people, {n} sessions"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Sadness, neutral, happiness."""
        return tuple(CODES.values())

    @property
    def ch_names(self) -> tuple[str, ...]:
        """The headset's 14 electrodes."""
        return CHANNELS

    @property
    def people(self) -> tuple[str, ...]:
        """P01, P02, …"""
        return tuple(self._sessions)

    def trials(self, person: str) -> Iterator[Trial]:
        """The person's trials, session after session.

        Raises:
            CorpusError: a file is unreadable or not what the study recorded; it and the reason are named.
        """
        number = 0
        for session, path in self._of(person).items():
            run = _read_run(path)
            for label, begin, end in _music(path, run):
                yield Trial(
                    person=person,
                    number=number,
                    label=label,
                    condition=session,
                    eeg=np.ascontiguousarray(run.eeg[:, begin:end].T, dtype=np.float32),
                    eeg_sfreq=SFREQ,
                    source=str(path),
                )
                number += 1

    def files(self, person: str) -> Sequence[Path]:
        """One a session."""
        return tuple(self._of(person).values())

    def digest(self) -> str:
        """There are no options."""
        return json.dumps({"corpus": "affective music"})

    def _of(self, person: str) -> Mapping[str, Path]:
        if person not in self._sessions:
            raise CorpusError(f"{self.root} has no {person!r}; it has {', '.join(self._sessions)}")
        return self._sessions[person]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A session. ``eeg``: (14, n) µV. ``counter``: (n,). ``begins``: sample indices of ``codes``."""

    eeg: NDArray[np.float64]
    counter: NDArray[np.float64]
    begins: tuple[int, ...]
    codes: tuple[int, ...]


def _sessions(root: Path) -> dict[str, dict[str, Path]]:
    """Person to session to file, each in order."""
    if not root.is_dir():
        raise CorpusError(f"{root} is no folder: give the one that holds P01_S01_calibration.mat, …")
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(root.iterdir()):
        if name := _NAME.fullmatch(path.name):
            found.setdefault(name[1].upper(), {})[name[2].upper()] = path
    if not found:
        raise CorpusError(f"{root}: looked for files P01_S01_calibration.mat, …, found none")
    return found


def _read_run(path: Path) -> _Run:
    fields = _struct(path)
    data = np.asarray(fields["data"])
    names = [_word(name) for name in np.ravel(fields["chan_list"])]
    if data.ndim != 2 or data.shape[0] != len(names) or data.dtype.kind not in "iuf":
        raise CorpusError(f"{path}: 'data' is {data.dtype} {data.shape}, expected ({len(names)} channels, n)")
    if absent := [name for name in ("COUNTER", *CHANNELS) if name not in names]:
        raise CorpusError(f"{path} has no channel {', '.join(absent)}; it has {', '.join(names)}")
    rate = np.ravel(fields["sampling_rate"])
    if rate.size != 1 or rate[0] != SFREQ:
        raise CorpusError(f"{path}: the sampling rate is {rate.tolist()}, expected {SFREQ:g} Hz")
    begins = tuple(int(at) - 1 for at in np.ravel(fields["stimpos"]))
    codes = tuple(int(code) for code in np.ravel(fields["stimcode"]))
    if len(begins) != len(codes) or any(b <= a for a, b in zip((-1, *begins), begins, strict=False)):
        raise CorpusError(f"{path}: 'stimpos' must rise and have one place for each 'stimcode'")
    if unknown := sorted(set(codes) - {*CODES, *_NO_TRIAL}):
        raise CorpusError(f"{path}: unknown codes {unknown}; known are {[*CODES, *_NO_TRIAL]}")
    return _Run(data[[names.index(name) for name in CHANNELS]], data[names.index("COUNTER")], begins, codes)


def _struct(path: Path) -> dict[str, Any]:
    variables = read_mat(path)
    if "calibration" not in variables:
        raise CorpusError(f"{path} has no variable 'calibration'; it has {', '.join(variables) or 'none'}")
    try:
        record = variables["calibration"][0, 0]
        wanted = ("data", "chan_list", "sampling_rate", "stimpos", "stimcode")
        return {field: record[field] for field in wanted}
    except (IndexError, KeyError, ValueError, TypeError) as error:
        raise CorpusError(f"{path}: 'calibration' is not the study's struct: {one_line(error)}") from error


def _word(name: Any) -> str:
    return str(np.ravel(name)[0]).strip() if np.size(name) else ""


def _music(path: Path, run: _Run) -> Iterator[tuple[str, int, int]]:
    """Label, first sample and end of every stretch of music, whole and without loss."""
    for number, code in enumerate(run.codes):
        if code not in CODES:
            continue
        begin = run.begins[number]
        end = run.begins[number + 1] if number + 1 < len(run.begins) else begin
        where = f"{path}: the music ({code}) at sample {begin + 1}"
        if not _MUSIC_S[0] <= (end - begin) / SFREQ <= _MUSIC_S[1] or end > run.eeg.shape[1]:
            raise CorpusError(f"{where} lasts {(end - begin) / SFREQ:.1f} s, expected about 20 s")
        if (np.diff(run.counter[begin:end]) % _COUNTER_END != 1).any():
            raise CorpusError(f"{where}: the headset's counter skips, samples were lost")
        finite = np.isfinite(run.eeg[:, begin:end]).all(axis=1)
        if not finite.all():
            raise CorpusError(f"{where}, channel {CHANNELS[int(finite.argmin())]}: NaN or infinity")
        yield CODES[code], begin, end
