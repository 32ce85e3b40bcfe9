"""All profiles that are known here: the built-in ``devices.yaml``, and the user's own beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Final

import platformdirs
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bci_stream.devices.document import Document, Place, one_line, read_document
from bci_stream.devices.matching import Match, agreement, match_profile
from bci_stream.devices.profile import DeviceFile, DeviceProfile, MatchRule
from bci_stream.errors import ConfigError
from bci_stream.messages import StreamInfo

FILE_NAME: Final = "devices.yaml"
NONE: Final = "none"  #: as a device's name: look at no profile


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Profiles to recognise streams by.

    ``forced``: the profile that the user asked for; it holds for the EEG stream whatever its header says.
    """

    profiles: tuple[DeviceProfile, ...] = ()
    forced: DeviceProfile | None = None

    def match(self, info: StreamInfo) -> Match | None:
        """The profile that a header fits; of several, one that was asked for."""
        if self.forced is not None and (found := agreement(info, self.forced)) is not None:
            return found
        return match_profile(info, self.profiles)

    def binding_match(self, info: StreamInfo) -> Match | None:
        """The profile to bind an EEG stream by."""
        if self.forced is None:
            return self.match(info)
        return Match(self.forced, 0, ("asked for with --device",))

    def is_forced(self, info: StreamInfo) -> bool:
        """Whether a header fits the profile that was asked for."""
        return self.forced is not None and agreement(info, self.forced) is not None

    def get(self, name: str) -> DeviceProfile:
        """The profile of a name. Raises ConfigError that names the nearest ones."""
        wanted = name.strip().casefold().replace("_", "-")
        for profile in self.profiles:
            if profile.name.replace("_", "-") == wanted:
                return profile
        raise ConfigError(f"no device {name!r}{_hint(name, self.names)}; see `bci-stream devices`")

    @property
    def names(self) -> tuple[str, ...]:
        """The profiles' names."""
        return tuple(profile.name for profile in self.profiles)


NO_DEVICES: Final = Catalogue()


def load_catalogue(device: str | None = None) -> Catalogue:
    """The built-in profiles and the user's.

    Args:
        device: the name of the profile that must hold, ``none`` for no profiles at all.

    Raises:
        ConfigError: a file that is not as it should be, in one line; or an unknown device.
    """
    if device is not None and device.strip().casefold() == NONE:
        return NO_DEVICES
    own = user_file()
    profiles = with_user_profiles(builtin_profiles(), own) if own.exists() else builtin_profiles()
    if device is None:
        return Catalogue(profiles)
    forced = Catalogue(profiles).get(device)
    if forced.role != "eeg":
        raise ConfigError(
            f"device {forced.name!r} ({forced.label}) is no EEG device: see `bci-stream devices`"
        )
    return Catalogue(profiles, forced)


def user_file() -> Path:
    """Where a user's own profiles are looked for."""
    home = os.environ.get("BCI_STREAM_HOME") or platformdirs.user_config_dir("bci-stream", appauthor=False)
    return Path(home) / FILE_NAME


@lru_cache(maxsize=1)
def builtin_profiles() -> tuple[DeviceProfile, ...]:
    """The profiles that come with bci_stream. Raises ConfigError where its file is missing or damaged."""
    return read_profiles(builtin_file())


def builtin_file() -> Path:
    """``devices.yaml`` at the top of a checkout, or where an installed package has put it."""
    above = Path(__file__).resolve().parents[2]
    for path in (above / FILE_NAME, above / "share" / "bci_stream" / FILE_NAME, *_installed_files()):
        if path.is_file():
            return path
    raise ConfigError(f"{FILE_NAME} is missing from this installation: install bci-stream again")


def _installed_files() -> list[Path]:
    """Where the installer says that it put the file: under the environment's own ``share``."""
    try:
        return [Path(str(f.locate())) for f in files("bci-stream") or () if f.name == FILE_NAME]
    except PackageNotFoundError:
        return []


def with_user_profiles(builtin: Sequence[DeviceProfile], path: Path) -> tuple[DeviceProfile, ...]:
    """The user's profiles before the built-in ones; a name of both only where the user's says ``replace``."""
    own, document = _read(path)
    names = [profile.name for profile in builtin]
    for profile in own:
        at = f"{path} line {document.line(('devices', profile.name))}: devices.{profile.name}"
        if profile.name in names and not profile.replace:
            raise ConfigError(f"{at} is a built-in device too: rename it, or say replace: true")
        if profile.replace and profile.name not in names:
            raise ConfigError(f"{at} replaces no built-in device{_hint(profile.name, names)}")
    replaced = {profile.name for profile in own}
    return (*own, *(profile for profile in builtin if profile.name not in replaced))


def read_profiles(path: Path) -> tuple[DeviceProfile, ...]:
    """The profiles of one file, in its order. Raises ConfigError: one line, with file, line and key."""
    return _read(path)[0]


def _read(path: Path) -> tuple[tuple[DeviceProfile, ...], Document]:
    document = read_document(path)
    try:
        parsed = DeviceFile.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(_worded(document, error.errors())) from None
    return tuple(_named(document, name, profile) for name, profile in parsed.devices.items()), document


def _named(document: Document, name: str, profile: DeviceProfile) -> DeviceProfile:
    plain = name.replace("_", "").replace("-", "")
    if not (plain.isascii() and plain.isalnum() and name == name.casefold()) or name == NONE:
        at = f"{document.where} line {document.line(('devices', name))}"
        raise ConfigError(f"{at}: the name {name!r} is not of small letters, digits, - and _, or is 'none'")
    if profile.name:
        at = f"{document.where} line {document.line(('devices', name, 'name'))}"
        raise ConfigError(f"{at}: devices.{name}.name: a device is named by its key, take this line out")
    return profile.model_copy(update={"name": name})


def _worded(document: Document, errors: Sequence[ErrorDetails]) -> str:
    """The first thing that is wrong, and how many more are."""
    first = min(
        errors, key=lambda error: error["type"] != "extra_forbidden"
    )  # a misspelt key is also missing
    place: Place = tuple(part for part in first["loc"] if part != "[key]")
    key = one_line(".".join(map(str, place)), 80) or "the file"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    complaint = one_line(_complaint(place, first), 500)
    return f"{document.where} line {document.line(place)}: {key}: {complaint}{more}"


def _complaint(place: Place, error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    given = repr(error["input"])
    given = given if len(given) <= 60 else f"{given[:57]}…"
    if kind == "extra_forbidden":
        valid = tuple(_model_at(place).model_fields)
        return f"unknown key{_hint(str(place[-1]), valid)}; keys here are {', '.join(valid)}"
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind == "literal_error":
        return f"{given} is not {context['expected']}"
    if kind in ("string_type", "bool_type") and isinstance(error["input"], bool | int | float):
        return (
            f"{given} is no text: put it in quotes"
            if kind == "string_type"
            else f"{given}: say true or false"
        )
    message = error["msg"]
    return f"{message[:1].lower()}{message[1:]}, found {given}"


def _model_at(place: Place) -> type[BaseModel]:
    if len(place) <= 1:
        return DeviceFile
    return MatchRule if "match" in place[2:-1] else DeviceProfile


def _hint(wrong: str, valid: Iterable[str]) -> str:
    near: list[Any] = get_close_matches(wrong.casefold(), list(valid), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""
