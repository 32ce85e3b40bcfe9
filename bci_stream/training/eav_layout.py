"""The layout of EAV on disk: names, sizes and label rows, shared by the loader and the writer.

Lee, Shomanov, Begim, Kabidenova, Nyssanbay, Yazici and Lee (2024), EAV: EEG-Audio-Video Dataset for Emotion
Recognition in Conversational Contexts, Scientific Data 11:1026, doi 10.1038/s41597-024-03838-4::

    subject1/EEG/subject1_eeg.mat                   'seg' or 'seg1': (10000, 30, 200) = (time, channel, trial)
    subject1/EEG/subject1_eeg_label.mat             'label': (10, 200) one-hot
    subject1/Audio/002_Trial_02_Speaking_Neutral_Aud.wav    of speaking trials only; suffix _Aud, _aud or none

The three digits in front of a file's name are the trial's place among the 200, from 1, and the only key by
which EEG and sound belong together; the number behind "Trial" is counted differently from folder to folder.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bci_stream.errors import CorpusError
from bci_stream.model.contract import DEFAULT_CLASSES
from bci_stream.training.corpus_files import one_line

SFREQ: Final = 500.0  #: of the EEG, Hz
N_TIMES: Final = 10_000  #: EEG samples in a trial: 20 s
N_TRIALS: Final = 200  #: of each subject, every second one spoken by the subject
#: In the order of the .mat file, which does not name them; after one independent reader, unverified.
CHANNELS: Final = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "FC5", "FC1", "FC2", "FC6", "T7", "C3", "Cz", "C4"),
    *("T8", "CP5", "CP1", "CP2", "CP6", "P7", "P3", "Pz", "P4", "P8", "PO9", "O1", "Oz", "O2", "PO10"),
)
EEG_KEYS: Final = ("seg", "seg1")
LABEL_KEY: Final = "label"

#: Our classes by EAV's names, in the order of EAV's label rows; row = 2 x emotion + condition.
EMOTIONS: Final = dict(
    zip(("Neutral", "Sadness", "Anger", "Happiness", "Calmness"), DEFAULT_CLASSES, strict=True)
)
CONDITIONS: Final = ("listening", "speaking")
N_LABEL_ROWS: Final = len(EMOTIONS) * len(CONDITIONS)

_FOLDER: Final = re.compile(r"subject_?0*(\d+)", re.IGNORECASE)
_MEDIA: Final = re.compile(
    r"(\d{3})_Trial_(\d+)_(Listening|Speaking)_(Neutral|Anger|Happiness|Sadness|Calmness)(?:_aud)?\.(wav|mp4)",
    re.IGNORECASE,
)
GENERATED_FILE: Final = "generated.json"
GENERATED_FORMAT: Final = "bci_stream generated EAV"


@dataclass(frozen=True, slots=True)
class Media:
    """What a media file's name says. ``index``: the trial's place among the subject's, from 1."""

    index: int
    condition: str
    label: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many samples a trial's EEG has, how many trials a subject, and whether nobody was recorded.

    ``oracle``: what is possible at best with generated people, by modality.
    """

    n_times: int = N_TIMES
    n_trials: int = N_TRIALS
    generated: bool = False
    oracle: tuple[tuple[str, float], ...] = ()

    @property
    def trial_s(self) -> float:
        """Length of a trial."""
        return self.n_times / SFREQ


def person_of(folder: str) -> str | None:
    """ "subject01", "Subject1" or "1" -> "subject1"; None for any other name."""
    found = _FOLDER.fullmatch(folder if not folder.isdecimal() else f"subject{folder}")
    return f"subject{int(found[1])}" if found else None


def media_of(file_name: str) -> Media | None:
    """What the name of a media file says; None for any other name."""
    found = _MEDIA.fullmatch(file_name)
    return Media(int(found[1]), found[3].lower(), EMOTIONS[found[4].capitalize()]) if found else None


def sound_name(index: int, label: str, suffix: str = "_Aud") -> str:
    """The name of the sound of the trial at place ``index`` (from 1)."""
    emotion = next(name for name, ours in EMOTIONS.items() if ours == label)
    return f"{index:03d}_Trial_{index // 2:02d}_Speaking_{emotion}{suffix}.wav"


def sizes_of(root: Path) -> Sizes:
    """EAV's own sizes, or those that a generated folder states in its ``generated.json``.

    Raises:
        CorpusError: that file is there and not as the writer leaves it.
    """
    path = root / GENERATED_FILE
    if not path.is_file():
        return Sizes()
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != GENERATED_FORMAT:
            raise ValueError(f"its format is {said['format']!r}")
        oracle = tuple((str(name), float(best)) for name, best in said["oracle_accuracy"].items())
        sizes = Sizes(int(said["trial_samples"]), int(said["n_trials"]), generated=True, oracle=oracle)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"{path} is not what write_eav leaves there: {one_line(error)}") from error
    if min(sizes.n_times, sizes.n_trials) < 1:
        raise CorpusError(f"{path} states a size below 1")
    return sizes
