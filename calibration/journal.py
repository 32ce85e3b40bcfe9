"""What a guided calibration needs to go on after a crash: one small file in the profile, ``session.json``.

The trials themselves are in the recordings; here is which plan they are of, and how far the person had come.
It is written before a page is shown, whole or not at all, and removed when the session is finished.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibration.profile import NAME, ProfileStore, write_document

_FILE: Final = "session.json"
_Text = Annotated[str, Field(max_length=4096)]


class Journal(BaseModel):
    """A session that is under way.

    ``page``: where the person was. ``protocol``: a name, or the path of a file. ``bundle``: the base model's
    path, "" for the one that comes along. ``eeg``, ``voice``, ``device``: what was chosen, in words that
    still choose it tomorrow. ``model``: number of the model that came of it, once it is made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Annotated[int, Field(ge=1, le=1)] = 1
    name: Annotated[str, Field(pattern=NAME.pattern + "$")]
    agreed: _Text
    page: _Text
    protocol: _Text
    seed: Annotated[int, Field(ge=0)]
    language: _Text = "en"
    bundle: _Text = ""
    eeg: _Text = ""
    voice: _Text = ""
    device: _Text = ""
    model: int | None = None


def write_journal(store: ProfileStore, journal: Journal) -> None:
    """Keep it. Raises ProfileError where it cannot be written."""
    write_document(_path(store, journal.name), journal)


def read_journal(store: ProfileStore, name: str) -> Journal | None:
    """That of a person; None where no session is under way, or the file makes no sense any more."""
    try:
        return Journal.model_validate_json(_path(store, name).read_bytes())
    except (OSError, ValidationError):
        return None


def remove_journal(store: ProfileStore, name: str) -> None:
    """The session is finished, or given up; its recordings stay."""
    _path(store, name).unlink(missing_ok=True)


def under_way(store: ProfileStore) -> tuple[Journal, ...]:
    """Every session that could go on, the one touched last first."""
    found = [(_path(store, name), read_journal(store, name)) for name in store.names()]
    known = [(path.stat().st_mtime_ns, journal) for path, journal in found if journal is not None]
    return tuple(journal for _, journal in sorted(known, key=lambda one: -one[0]))


def _path(store: ProfileStore, name: str) -> Path:
    return store.path(name) / _FILE
