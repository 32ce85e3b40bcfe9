"""Which microphone is meant: by name, one and only one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bci_stream.errors import AmbiguousStreamError, StreamNotFoundError

PULSE: Final = "PulseAudio"
_SERVERS: Final = ("pulse", "default", "pipewire")  # ALSA's names for "whatever the sound server says"
# Windows names one microphone under up to four host APIs; the first of these is the best way to it.
_PREFERENCE: Final = (PULSE, "Core Audio", "Windows WASAPI", "ALSA", "JACK", "Windows DirectSound", "MME")


@dataclass(frozen=True, slots=True)
class MicDevice:
    """A device that can record.

    ``index``: PortAudio's number, which changes when devices come and go. ``sfreq``: its own rate in Hz.
    ``source``: the sound server's name of it, empty where none stands between.
    """

    index: int
    name: str
    host_api: str
    n_channels: int
    sfreq: float
    is_default: bool = False
    source: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """What stays when it is unplugged and comes back."""
        return (self.source or self.name, self.host_api)

    @property
    def words(self) -> str:
        """It in a list."""
        source = f", {self.source}" if self.source and self.source != self.name else ""
        return f"{self.name!r} ({self.host_api}{source})"


@dataclass(frozen=True, slots=True)
class PulseSource:
    """A source of the sound server."""

    name: str
    description: str
    is_default: bool = False


def with_sources(devices: Sequence[MicDevice], sources: Sequence[PulseSource]) -> list[MicDevice]:
    """The sources behind the sound server's one device, in its place: it stands for whichever is the default.

    Monitors of loudspeakers are left out unless one is the default.
    """
    server = next((d for name in _SERVERS for d in devices if d.name == name and d.host_api == "ALSA"), None)
    if server is None or not sources:
        return list(devices)
    behind = [
        MicDevice(
            server.index,
            source.description or source.name,
            PULSE,
            server.n_channels,
            server.sfreq,
            source.is_default,
            source.name,
        )
        for source in sources
        if source.is_default or not source.name.endswith(".monitor")
    ]
    rest = [d for d in devices if not (d.host_api == "ALSA" and d.name in _SERVERS)]
    return behind + rest


def choose_device(devices: Sequence[MicDevice], query: str | None = None) -> MicDevice:
    """The one device that is meant.

    ``query``: a name, or a part of one that no other name holds; None or "default": the system's.

    Raises:
        StreamNotFoundError: there is none; the text lists what there is.
        AmbiguousStreamError: several fit; the text lists them.
    """
    if not devices:
        raise StreamNotFoundError(
            "no microphone: this computer has no audio input device; plug one in, "
            "or look at the system's sound settings"
        )
    if query in (None, "default") or (query in _SERVERS and any(d.host_api == PULSE for d in devices)):
        found = [d for d in devices if d.is_default]
        asked = "default microphone"
    else:
        found = _matching(devices, query or "")
        asked = f"microphone named {query!r}"
    if not found:
        raise StreamNotFoundError(f"there is no {asked}; found {_list(devices)}")
    best = _best(found)
    if len(best) > 1:
        said = f"{len(best)} microphones fit {query!r}: {_list(best)}"
        raise AmbiguousStreamError(f"{said}; give more of the name")
    return best[0]


def same_device(devices: Sequence[MicDevice], device: MicDevice) -> MicDevice | None:
    """A device among those that are there now, and never another in its place."""
    return next((d for d in devices if d.identity == device.identity), None)


def _matching(devices: Sequence[MicDevice], query: str) -> list[MicDevice]:
    word = query.casefold()
    exact = [d for d in devices if word in (d.name.casefold(), d.source.casefold())]
    return exact or [d for d in devices if word in d.name.casefold() or word in d.source.casefold()]


def _best(found: Sequence[MicDevice]) -> list[MicDevice]:
    """Each microphone once, on the host API that is the best way to it."""
    ranked = sorted(found, key=_rank)
    return [d for i, d in enumerate(ranked) if not any(_is_known(d, better) for better in ranked[:i])]


def _rank(device: MicDevice) -> int:
    return _PREFERENCE.index(device.host_api) if device.host_api in _PREFERENCE else len(_PREFERENCE)


def _is_known(device: MicDevice, better: MicDevice) -> bool:
    """Whether two names mean one microphone: equal, or cut off after 31 letters as Windows MME does."""
    return device.host_api != better.host_api and better.name[:31] == device.name[:31]


def _list(devices: Sequence[MicDevice]) -> str:
    return "; ".join(d.words for d in devices)
