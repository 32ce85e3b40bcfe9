"""What a person has said of labelled stretches since they were recorded: this one was calm, leave that out.

Kept with the profile, beside the recordings, which are never changed. A stretch is known by the name of its
recording and its number there: the trials first, then what was said live (``wrong:calm``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bci_stream.errors import CorpusError
from bci_stream.training.xdf_cut import Span, spans_of
from calibration.errors import CalibrationError, ProfileError
from calibration.profile import CORRECTIONS_FILE, ProfileStore, write_document
from calibration.trials import marks_of

_MOST: Final = 10_000
_Short = Annotated[str, Field(max_length=300)]


class Correction(BaseModel):
    """``recording``: its file's name. ``number``: of the stretch in it. ``label``: None leaves it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    recording: _Short
    number: Annotated[int, Field(ge=0, le=1_000_000)]
    label: _Short | None
    created: _Short


class Corrections(BaseModel):
    """All of a person's, oldest first; the newest of a stretch counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Annotated[int, Field(ge=1, le=1)] = 1
    corrections: Annotated[tuple[Correction, ...], Field(max_length=_MOST)] = ()

    def of(self, recording: Path) -> dict[int, str | None]:
        """By number, for one recording."""
        return {one.number: one.label for one in self.corrections if one.recording == recording.name}


def load_corrections(store: ProfileStore, name: str) -> Corrections:
    """A person's; empty where nothing was corrected.

    Raises:
        ProfileError: the file is damaged.
    """
    path = store.path(name) / CORRECTIONS_FILE
    try:
        return Corrections.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Corrections()
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ProfileError(f"{path} cannot be read ({reason}): move it away, then correct again") from error


def correct(
    store: ProfileStore,
    name: str,
    recording: Path,
    number: int,
    label: str | None,
    *,
    classes: Sequence[str],
    created: str,
) -> Corrections:
    """Keep what a person says of a stretch; None leaves it out of every calibration to come.

    Raises:
        CalibrationError: there is no such stretch, or the label is none of ``classes``.
        ProfileError: there is no such profile, or it cannot be written.
    """
    store.load(name)
    if label is not None and label not in classes:
        raise CalibrationError(
            f"{label!r} is none of {', '.join(classes)}; or leave the trial out with --drop"
        )
    spans = review(recording, {})
    if number >= len(spans):
        raise CalibrationError(f"{recording.name} has trials 0 to {len(spans) - 1}, and no {number}")
    before = load_corrections(store, name)
    one = Correction(recording=recording.name, number=number, label=label, created=created)
    kept = Corrections(corrections=(*before.corrections, one)[-_MOST:])
    write_document(store.path(name) / CORRECTIONS_FILE, kept)
    return kept


def review(recording: Path, labels: Mapping[int, str | None]) -> list[Span]:
    """Every labelled stretch of a recording, by number, as the next calibration would take it.

    Raises:
        CalibrationError: it cannot be read, or has none.
    """
    try:
        return spans_of(recording, marks_of(recording, None, labels))
    except CorpusError as error:
        raise CalibrationError(str(error)) from error
