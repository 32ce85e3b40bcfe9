"""A person's profiles on this computer: what was recorded, which models were made of it, which one is active.

    profiles/NAME/profile.json          what the profile is: person, device, montage, versions, dates
    profiles/NAME/models/0001.bci       calibrated bundles, oldest first; never overwritten
    profiles/NAME/reports/0001/         the report of each
    profiles/NAME/recordings/*.xdf      the sessions

Only the owner may read them. A file appears whole or not at all. ``forget`` removes all of it and proves it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bci_stream.errors import first_fault
from bci_stream.model.archive import write_atomically
from calibration.errors import ProfileError

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(10)))
)
_FILE: Final = "profile.json"
CORRECTIONS_FILE: Final = "corrections.json"  #: what was said of trials since
NORMAL_FILE: Final = "normal.npz"  #: beside a report: what a live session is compared with
_WAY_BACK: Final = 100  # how many steps are remembered
_FOLDER_MODE = 0o700
MAX_ARCHIVE_BYTES: Final = 2 * 2**30
MAX_PROFILE_BYTES: Final = 2**20
_MEMBER: Final = re.compile(
    r"(profile\.json|corrections\.json|models/\d{4}\.bci|reports/\d{4}/[A-Za-z0-9_.-]+|recordings/[A-Za-z0-9_-]+\.xdf)"
)

_Short = Annotated[str, Field(max_length=500)]


class Model(BaseModel):
    """One calibrated bundle. ``number``: of its file. ``base_sha256``: of the bundle it came from.

    ``weights_sha256``: of the weights alone; equal recordings give equal ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: Annotated[int, Field(ge=1, le=9999)]
    sha256: _Short
    weights_sha256: _Short
    base_sha256: _Short
    created: _Short
    rung: _Short
    better: bool
    base_accuracy: float
    accuracy: float
    gain: float
    p: float
    n_test: int
    words: _Short


class Profile(BaseModel):
    """What is known of a person here. ``active``: number of the model that live sessions use; None: base.

    ``before``: what was active before it, oldest first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Annotated[int, Field(ge=1, le=1)] = 1
    name: Annotated[str, Field(pattern=NAME.pattern + "$")]
    created: _Short
    device: _Short = ""
    montage: tuple[_Short, ...] = ()
    models: tuple[Model, ...] = ()
    active: int | None = None
    before: Annotated[tuple[int | None, ...], Field(max_length=_WAY_BACK)] = ()

    def now_active(self, number: int | None) -> Profile:
        """The same with that model active; the one before is remembered as a way back."""
        if number == self.active:
            return self
        before = (*self.before, self.active)[-_WAY_BACK:]
        return self.model_copy(update={"active": number, "before": before})

    def model_of(self, number: int) -> Model:
        """The model of that number.

        Raises:
            ProfileError: there is none.
        """
        for model in self.models:
            if model.number == number:
                return model
        known = ", ".join(str(model.number) for model in self.models) or "none"
        raise ProfileError(f"profile {self.name} has no model {number}: there are {known}")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed, and what could not be: none, if the person is forgotten."""

    removed: tuple[Path, ...]
    left: tuple[Path, ...]


def check_name(name: str) -> str:
    """A name that is safe as a folder's on every system.

    Raises:
        ProfileError: it is not.
    """
    if NAME.fullmatch(name) is None or name.casefold() in _RESERVED:
        raise ProfileError(
            f"profile name {name!r} cannot be: use 1 to 64 letters, digits, - and _, beginning with a letter "
            "or digit"
        )
    return name


def write_document(path: Path, document: BaseModel) -> None:
    """Keep a small file of a profile, whole or not at all. Raises ProfileError where it cannot be written."""
    try:
        write_atomically(path, document.model_dump_json(indent=1).encode())
    except OSError as error:
        raise ProfileError(f"{path} cannot be written ({error.strerror or error})") from error


class ProfileStore:
    """The profiles below one folder; the user's data folder, or ``$BCI_STREAM_PROFILES``."""

    def __init__(self, folder: Path | None = None) -> None:
        asked = os.environ.get("BCI_STREAM_PROFILES")
        usual = Path(platformdirs.user_data_dir("bci-stream", appauthor=False)) / "profiles"
        self.folder = folder or (Path(asked) if asked else usual)

    def names(self) -> tuple[str, ...]:
        """Everybody, by the alphabet."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.folder.iterdir() if (path / _FILE).is_file()))

    def path(self, name: str) -> Path:
        """The person's folder."""
        return self.folder / check_name(name)

    def load(self, name: str) -> Profile:
        """A profile.

        Raises:
            ProfileError: there is none, or it is damaged.
        """
        path = self.path(name) / _FILE
        try:
            if path.stat().st_size > MAX_PROFILE_BYTES:
                raise ProfileError(f"{path} is damaged: it has over {MAX_PROFILE_BYTES} bytes")
            return Profile.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            known = ", ".join(self.names()) or "none yet"
            raise ProfileError(
                f"no profile {name}: there is {known}; make one with bci-stream calibrate"
            ) from error
        except OSError as error:
            raise ProfileError(f"{path} cannot be read ({error.strerror or error})") from error
        except ValidationError as error:
            raise ProfileError(f"{path} is damaged: {first_fault(error, 'the file')}") from error

    def create(self, name: str, created: str, device: str = "", montage: tuple[str, ...] = ()) -> Profile:
        """A profile that is there already, or a new one."""
        check_name(name)
        if name in self.names():
            return self.load(name)
        profile = Profile(name=name, created=created, device=device[:500], montage=montage)
        self.save(profile)
        return profile

    def save(self, profile: Profile) -> None:
        """Write it, whole or not at all.

        Raises:
            ProfileError: it cannot be written.
        """
        folder = self.path(profile.name)
        try:
            for path in (self.folder, folder, folder / "models", folder / "reports", folder / "recordings"):
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(_FOLDER_MODE)
            write_atomically(folder / _FILE, profile.model_dump_json(indent=1).encode())
        except OSError as error:
            raise ProfileError(f"{folder} cannot be written ({error.strerror or error})") from error

    def bundle_path(self, name: str, number: int) -> Path:
        """Where that model's file is."""
        return self.path(name) / "models" / f"{number:04d}.bci"

    def report_path(self, name: str, number: int) -> Path:
        """Where that model's report is."""
        return self.path(name) / "reports" / f"{number:04d}"

    def recordings(self, name: str) -> list[Path]:
        """The person's sessions, oldest first."""
        return sorted(
            (self.path(name) / "recordings").glob("*.xdf"), key=lambda path: path.stat().st_mtime_ns
        )

    def active_bundle(self, name: str) -> Path | None:
        """The bundle that live sessions should use; None: the base."""
        profile = self.load(name)
        if profile.active is None:
            return None
        path = self.bundle_path(name, profile.model_of(profile.active).number)
        if not path.is_file():
            raise ProfileError(f"{path} is gone: activate another model of {name}, or calibrate again")
        return path

    def normal(self, name: str) -> tuple[bytes, str, int] | None:
        """What is normal for a person, as :mod:`calibration.drift` wrote it; which model answers; its number.

        The model is "calibrated" or "base". None where no calibration says.
        """
        profile = self.load(name)
        number = profile.active or max((model.number for model in profile.models), default=0)
        path = self.report_path(name, number) / NORMAL_FILE
        if not number or not path.is_file():
            return None
        try:
            return path.read_bytes(), "base" if profile.active is None else "calibrated", number
        except OSError as error:
            raise ProfileError(f"{path} cannot be read ({error.strerror or error})") from error

    def activate(self, name: str, number: int | None) -> Profile:
        """Use that model from now on; None: the base."""
        profile = self.load(name)
        if number is not None:
            profile.model_of(number)
        changed = profile.now_active(number)
        self.save(changed)
        return changed

    def rollback(self, name: str) -> Profile:
        """Use again what was active before; once more goes one further back. No model is removed.

        Raises:
            ProfileError: nothing was active before.
        """
        profile = self.load(name)
        if not profile.before:
            raise ProfileError(f"nothing was active before for {name}: there is no way back")
        changed = profile.model_copy(update={"active": profile.before[-1], "before": profile.before[:-1]})
        self.save(changed)
        return changed

    def add_model(self, profile: Profile, model: Model, *, supersedes: bool = True) -> Profile:
        """Keep a model; it becomes active only if it is better, and ``supersedes`` what is active now."""
        changed = profile.model_copy(update={"models": (*profile.models, model)})
        if model.better and supersedes:
            changed = changed.now_active(model.number)
        self.save(changed)
        return changed

    def next_number(self, profile: Profile) -> int:
        """Number of the next model."""
        return max((model.number for model in profile.models), default=0) + 1

    def export(self, name: str, path: Path, *, recordings: bool = False) -> Path:
        """One file (.zip) of a profile, for another computer; the recordings only when asked for.

        Raises:
            ProfileError: it is there already, or cannot be written.
        """
        self.load(name)
        if path.exists():
            raise ProfileError(f"{path} is there already; choose another name")
        folder = self.path(name)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                for member in _members(folder):
                    if recordings or not member.startswith("recordings/"):
                        archive.write(folder / member, member)
            os.replace(temporary, path)
        except OSError as error:
            Path(temporary).unlink(missing_ok=True)
            raise ProfileError(f"{path} cannot be written ({error.strerror or error})") from error
        return path

    def import_from(self, path: Path, name: str | None = None) -> Profile:
        """A profile that :meth:`export` wrote. Its bundles stay foreign: their programs are not trusted.

        Raises:
            ProfileError: it is no profile, too large, names files outside, or the name is taken.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                return self._unpack(archive, path, name)
        except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise ProfileError(f"{path} is no exported profile ({str(error)[:200]})") from error

    def _unpack(self, archive: zipfile.ZipFile, path: Path, name: str | None) -> Profile:
        infos = archive.infolist()
        odd = [info.filename for info in infos if not _is_exported(info)]
        if odd or sum(info.file_size for info in infos) > MAX_ARCHIVE_BYTES:
            raise ProfileError(
                f"{path} is no exported profile: it holds {odd[0][:80] if odd else 'too much'}"
            )
        try:
            found = Profile.model_validate_json(archive.read(_FILE))
        except (KeyError, ValidationError, RuntimeError) as error:
            raise ProfileError(f"{path} is no exported profile: {_FILE} is missing or damaged") from error
        profile = found.model_copy(update={"name": check_name(name or found.name)})
        if profile.name in self.names():
            raise ProfileError(f"profile {profile.name} is there already: import it under another name")
        self.save(profile)
        folder = self.path(profile.name)
        for info in infos:
            if info.filename != _FILE:
                (folder / info.filename).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(folder / info.filename, archive.read(info))
        return profile

    def forget(self, name: str, elsewhere: tuple[Path, ...] = ()) -> Forgotten:
        """Remove everything of a person: the profile, and whatever below ``elsewhere`` bears the name.

        Raises:
            ProfileError: there is no such profile and nothing elsewhere.
        """
        folder = self.path(name)
        targets = [
            path
            for path in (folder, *(hit for root in elsewhere for hit in _bearing(root, name)))
            if path.exists()
        ]
        if not targets:
            raise ProfileError(f"there is nothing of {name} in {self.folder}")
        removed = tuple(file for target in targets for file in _files(target))
        for target in targets:
            shutil.rmtree(target, ignore_errors=True) if target.is_dir() else target.unlink(missing_ok=True)
        left = tuple(path for path in (*removed, *targets) if path.exists())
        return Forgotten(removed, left)


def _is_exported(info: zipfile.ZipInfo) -> bool:
    """Of a name that an export has, and stored: then no small file becomes a large one."""
    small = info.filename != _FILE or info.file_size <= MAX_PROFILE_BYTES
    stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    return _MEMBER.fullmatch(info.filename) is not None and stored and small


def _members(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in _files(folder))
    return sorted(name for name in names if _MEMBER.fullmatch(name))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (found for found in path.rglob("*") if found.is_file())


def _bearing(root: Path, name: str) -> Iterator[Path]:
    """Files and folders that a recording of that subject is made of."""
    if root.is_dir():
        pattern = re.compile(rf"sub-{re.escape(name)}(_.*)?")
        yield from (path for path in root.iterdir() if pattern.fullmatch(path.name))


def as_json(profile: Profile) -> str:
    """One line for programs."""
    return json.dumps(profile.model_dump(mode="json"))
