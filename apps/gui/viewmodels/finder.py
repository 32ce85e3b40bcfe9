"""Looks for streams while the start page is shown, and says of each whether it can serve. No Qt."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.choice import DEMO_BUNDLE, ModelChoice, load_model
from apps.info import counted
from bci_stream.devices import NO_DEVICES, Catalogue, load_catalogue
from bci_stream.engine.plan import plan_for_contract
from bci_stream.errors import BciStreamError
from bci_stream.messages import AUDIO, EEG, StreamInfo, StreamSpec
from bci_stream.model.contract import Contract
from bci_stream.sources.binding import (
    bind_audio,
    bind_eeg,
    looks_like_audio,
    looks_like_eeg,
    looks_like_markers,
)

if TYPE_CHECKING:
    from bci_stream.sources.mic_devices import MicDevice

_EVERY_S = 1.0
_MICROPHONES_EVERY = 5  # surveys
MIC = "mic:"


@dataclass(frozen=True, slots=True)
class Found:
    """A stream that is there.

    ``role``: what it can serve as, "" for nothing. ``level``, ``words``: its check.
    """

    info: StreamInfo
    role: str
    level: str
    words: str
    spec: StreamSpec | None = None

    @property
    def query(self) -> str:
        """What chooses just this one."""
        return f"uid={self.info.uid}"


def _microphones() -> tuple[MicDevice, ...]:
    """Those of this computer; none where there is no sound system."""
    from bci_stream.sources.microphone import find_inputs

    try:
        return tuple(find_inputs())
    except (BciStreamError, OSError):
        return ()


@dataclass(frozen=True, slots=True)
class Check:
    """A light with words."""

    level: str = "off"
    words: str = ""


def judged(info: StreamInfo, catalogue: Catalogue = NO_DEVICES) -> Found:
    """What a stream can serve as, by what is known of devices, and what has to be assumed of it."""
    match = catalogue.binding_match(info)
    try:
        if looks_like_markers(info):
            return Found(info, "markers", "good", "markers")
        if looks_like_audio(info):
            binding = bind_audio(info)
        elif looks_like_eeg(info) or catalogue.is_forced(info):
            binding = bind_eeg(info, match=match)
        else:
            return Found(info, "", "off", f"neither EEG nor voice by its type {info.type!r}")
    except BciStreamError as error:
        return Found(info, "", "bad", str(error))
    spec = binding.spec
    words = f"{counted(len(spec.ch_names), 'channel')}, {spec.sfreq:g} Hz"
    level = "warn" if binding.notes else "good"
    return Found(info, binding.role, level, "; ".join((words, *binding.notes)), spec)


def fits(contract: Contract, specs: Sequence[StreamSpec], fit: str = "exact") -> Check:
    """Whether streams fit a model, in words."""
    if not specs:
        wanted = " and ".join({EEG: "EEG", AUDIO: "voice"}[m] for m in contract.modalities)
        return Check("off", f"wants {wanted}; choose a stream")
    try:
        plans = plan_for_contract({spec.role: spec for spec in specs}, contract, fit=fit)
    except BciStreamError as error:
        return Check("bad", str(error))
    notes = [note for plan in plans.values() for note in plan.notes]
    missing = [m for m in contract.modalities if m not in plans]
    if missing:
        notes.append(f"without {' and '.join({EEG: 'EEG', AUDIO: 'voice'}[m] for m in missing)}")
    if EEG in plans and plans[EEG].interpolated:
        notes.append(f"{plans[EEG].interpolated:.0%} of its electrodes are made from others")
    return Check("warn" if notes else "good", "; ".join(["fits", *notes]))


class Finder:
    """A thread that surveys the network once a second while it is wanted, and loads contracts."""

    def __init__(self, choose_lsl: tuple[str | None, str | None] = (None, None)) -> None:
        self.streams: tuple[Found, ...] = ()
        self.refused: tuple[str, ...] = ()
        self.contract: Contract | None = None
        self.bundle = Check()
        self.device = Check("off", "")
        self.microphones: tuple[MicDevice, ...] = ()
        self.n_surveys = 0
        self._catalogue, self._device = NO_DEVICES, ""
        self._read_device: str | None = None
        self._lsl = choose_lsl
        self._bundle_path: Path | None = DEMO_BUNDLE
        self._loaded: Path | None = None
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gui-finder", daemon=True)
        self._thread.start()

    def want(self, wanted: bool) -> None:
        """Look, or rest."""
        (self._wanted.set if wanted else self._wanted.clear)()

    def choose_bundle(self, path: Path | None) -> None:
        """Check this bundle; None: no model."""
        self._bundle_path = path

    def choose_device(self, name: str) -> None:
        """Recognise the EEG as this device's; "": by its header."""
        self._device = name

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._wanted.set()
        self._thread.join(3.0)

    def _run(self) -> None:
        from apps.live_streams import configure

        directory = None
        while not self._stop.is_set():
            self._wanted.wait()
            if self._stop.is_set():
                return
            if directory is None:
                from bci_stream.sources.lsl_discovery import Directory

                configure(*self._lsl)
                directory = Directory()
            self._read_catalogue()
            if self.n_surveys % _MICROPHONES_EVERY == 0:
                self.microphones = _microphones()
            survey = directory.survey()
            infos = sorted(survey.streams, key=lambda i: i.name)
            self.streams = tuple(judged(info, self._catalogue) for info in infos)
            self.refused = survey.refused
            self.n_surveys += 1
            self._check_bundle()
            self._stop.wait(_EVERY_S)

    def _read_catalogue(self) -> None:
        name = self._device
        if name == self._read_device:
            return
        self._read_device = name
        try:
            self._catalogue = load_catalogue(name or None)
        except BciStreamError as error:
            self._catalogue, self.device = NO_DEVICES, Check("bad", str(error))
        else:
            self.device = Check("good" if name else "off", "taken for this device" if name else "")

    def _check_bundle(self) -> None:
        path = self._bundle_path
        if path == self._loaded and self.bundle.level != "off":
            return
        self._loaded = path
        if path is None:
            self.contract, self.bundle = None, Check("good", "signals only")
            return
        try:
            bundle = load_model(ModelChoice(path))
        except BciStreamError as error:
            self.contract, self.bundle = None, Check("bad", str(error))
            return
        assert bundle is not None
        self.contract = bundle.contract
        classes = ", ".join(bundle.contract.classes)
        self.bundle = Check("good", f"sound; {classes}")
