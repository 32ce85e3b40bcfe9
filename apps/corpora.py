"""Which data a training command means: a folder, whose kind is told by what is in it, or the generator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from apps.console import say
from bci_stream.errors import ConfigError, CorpusError
from bci_stream.sources.recordings import find_sessions
from bci_stream.training.eav import EavCorpus
from bci_stream.training.eav_layout import person_of
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.trials import Corpus

GENERATOR: Final = "generator"
EAV_VARIABLE: Final = "BCI_STREAM_EAV"
_USUAL_PLACES: Final = (Path("data/EAV"), Path("EAV"))


def eav_folder() -> Path | None:
    """EAV where it usually lies: in the folder that ``$BCI_STREAM_EAV`` names, or in data/EAV or EAV."""
    asked = os.environ.get(EAV_VARIABLE)
    if asked:
        return Path(asked)
    return next((place for place in _USUAL_PLACES if place.is_dir()), None)


def open_corpus(
    data: str | None,
    *,
    listening: bool = False,
    subjects: str | None = None,
    settings: GeneratorSettings | None = None,
) -> Corpus:
    """The corpus that ``--data`` names; without it EAV where it usually lies, or else the generator, said so.

    ``subjects``: how many of the first, or which (comma-separated); None for all.

    Raises:
        ConfigError: the folder holds nothing that a loader knows, or its people cannot be chosen.
        CorpusError: a loader knows it, and something is wrong with it.
    """
    place = Path(data) if data and data != GENERATOR else None
    if data is None and (place := eav_folder()) is None:
        say(f"no EAV in {', '.join(map(str, _USUAL_PLACES))} or ${EAV_VARIABLE}: generated people instead")
    if place is None:
        return _generated(settings or GeneratorSettings(), subjects)
    return _open_folder(place, listening, subjects)


def _generated(settings: GeneratorSettings, subjects: str | None) -> GeneratedCorpus:
    if subjects is None:
        return GeneratedCorpus(settings)
    if not subjects.isdigit() or int(subjects) < 1:
        raise ConfigError(f"--subjects {subjects}: generated people are taken by number, as --subjects 8")
    from dataclasses import replace

    return GeneratedCorpus(replace(settings, n_people=int(subjects)))


def _open_folder(folder: Path, listening: bool, subjects: str | None) -> Corpus:
    if not folder.is_dir():
        raise CorpusError(f"--data {folder}: there is no such folder; name one, or {GENERATOR}")
    names = [path.name for path in folder.iterdir()]
    if any(person_of(name) for name in names):
        return EavCorpus(folder, listening=listening, subjects=_chosen(folder, listening, subjects))
    if subjects is not None:
        raise ConfigError(f"--subjects {subjects}: people are chosen of EAV and of the generator only")
    if any(name.lower().endswith("_calibration.mat") for name in names):
        from bci_stream.training.affective_music import AffectiveMusicCorpus

        return AffectiveMusicCorpus(folder)
    if any(name.lower().endswith((".wav", ".flac")) for name in names):
        from bci_stream.training.emodb import EmodbCorpus

        return EmodbCorpus(folder)
    if sessions := [path for place in (folder, *_folders(folder)) for path in find_sessions(place)]:
        return _own_sessions(folder, sessions[0])
    raise ConfigError(
        f"--data {folder}: neither EAV (subject1, subject2, …) nor EmoDB (03a01Fa.wav, …) nor affective "
        "music (P01_S01_calibration.mat, …) nor sessions of yours (anna/monday.xdf or .edf, …); "
        f"it holds {', '.join(sorted(names)[:4]) or 'nothing'}"
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _own_sessions(folder: Path, first: Path) -> Corpus:
    """Marked recordings, of the modalities that the first one has: not every format has room for a voice."""
    from bci_stream.training.xdf_cut import TrialMarks, roles_in
    from bci_stream.training.xdf_trials import XdfTrialCorpus

    held = roles_in(first)
    return XdfTrialCorpus(folder, TrialMarks(modalities=held) if held else TrialMarks())


def _chosen(folder: Path, listening: bool, subjects: str | None) -> list[str] | None:
    if subjects is None:
        return None
    if subjects.isdigit():
        people = EavCorpus(folder, listening=listening).people
        if not 1 <= int(subjects) <= len(people):
            raise CorpusError(f"--subjects {subjects}: {folder} holds {len(people)} of them")
        return list(people[: int(subjects)])
    return [name.strip() for name in subjects.split(",") if name.strip()]
