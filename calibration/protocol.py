"""What a calibration asks of a person: a protocol (YAML, validated), and the plan of one session made of it.

A protocol names emotions, cues, times and what is recorded. Its words are keys of a text file
(``calibration/texts/LANGUAGE.yaml``), so that a translation is a file. The plan is drawn from a seed: blocks
in which every emotion comes once, in an order that never asks for the same twice running.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bci_stream.devices.document import plain_data
from bci_stream.errors import ConfigError, first_fault
from bci_stream.messages import AUDIO
from calibration.errors import CalibrationError

MAX_YAML_BYTES: Final = 200_000
_Seconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]
_Text = Annotated[str, Field(min_length=1, max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timing(_Part):
    """Seconds of each part of a trial. ``jitter_s``: added to the rest, drawn evenly from 0 up to it."""

    instruct_s: _Seconds = 2.0
    cue_s: _Seconds = 4.0
    respond_s: Annotated[float, Field(ge=3, le=120)] = 12.0  # less fills too little of a window
    rest_s: _Seconds = 3.0
    jitter_s: _Seconds = 1.0


class Baseline(_Part):
    """Seconds at rest before the trials, eyes open and closed; 0 leaves one out."""

    open_s: _Seconds = 0.0
    closed_s: _Seconds = 0.0


class Breaks(_Part):
    """A break after every ``every`` trials (0: none), ``length_s`` long at least: a key ends it."""

    every: Annotated[int, Field(ge=0, le=1000)] = 0
    length_s: _Seconds = 20.0


class Protocol(_Part):
    """One way to calibrate. ``cues``: by emotion, keys of texts (or ``image:PATH``) that take turns.

    ``speech``: the person is to speak, so that a silent trial is a bad one. ``rating``: what is asked after a
    trial. ``repeats``: how many bad trials of an emotion are done again.
    """

    key: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    title: _Text
    instruction: _Text
    modalities: tuple[Literal["eeg", "audio"], ...] = ("eeg", "audio")
    classes: Annotated[tuple[_Text, ...], Field(min_length=2, max_length=20)]
    trials_per_class: Annotated[int, Field(ge=1, le=100)] = 6
    practice: Annotated[int, Field(ge=0, le=5)] = 1
    timing: Timing = Timing()
    baseline: Baseline = Baseline()
    breaks: Breaks = Breaks()
    speech: bool = True
    rating: Literal["none", "nine-point"] = "none"
    repeats: Annotated[int, Field(ge=0, le=20)] = 2
    cues: dict[str, Annotated[tuple[_Text, ...], Field(min_length=1)]]

    @model_validator(mode="after")
    def _cues_fit(self) -> Protocol:
        if set(self.cues) != set(self.classes):
            odd = ", ".join(sorted(set(self.cues) ^ set(self.classes)))
            raise ValueError(f"classes and cues differ in {odd}; give every emotion its cues")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("an emotion is named twice in classes")
        if self.speech and AUDIO not in self.modalities:
            raise ValueError("speech is asked for without audio; add audio to modalities, or speech: false")
        return self

    @property
    def duration_s(self) -> float:
        """About how long it takes, breaks and repeats aside."""
        t = self.timing
        trial = t.instruct_s + t.cue_s + t.respond_s + t.rest_s + t.jitter_s / 2
        n = self.trials_per_class * len(self.classes) + self.practice
        return n * trial + self.baseline.open_s + self.baseline.closed_s


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial: its emotion, the cue (a key of a text), and the rest after it (s)."""

    label: str
    cue: str
    rest_s: float
    practice: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A session as it is meant to go."""

    protocol: Protocol
    seed: int
    trials: tuple[PlannedTrial, ...]


def plan_session(protocol: Protocol, seed: int) -> Plan:
    """Trials in balanced blocks; equal seeds give equal plans."""
    rng = np.random.default_rng([seed, 0xCA1])
    trials: list[PlannedTrial] = []
    for i in range(protocol.practice):
        label = protocol.classes[i % len(protocol.classes)]
        trials.append(_planned(protocol, label, i, rng, practice=True))
    for block in range(protocol.trials_per_class):
        order = _block(protocol.classes, trials[-1].label if trials else None, rng)
        trials += [_planned(protocol, label, block, rng) for label in order]
    return Plan(protocol, seed, tuple(trials))


def _block(classes: tuple[str, ...], before: str | None, rng: np.random.Generator) -> list[str]:
    """Every class once, not beginning with what came before."""
    order = [classes[i] for i in rng.permutation(len(classes))]
    if order[0] == before:
        order.append(order.pop(0))
    return order


def _planned(
    protocol: Protocol, label: str, turn: int, rng: np.random.Generator, *, practice: bool = False
) -> PlannedTrial:
    cues, timing = protocol.cues[label], protocol.timing
    rest_s = timing.rest_s + float(rng.random()) * timing.jitter_s
    return PlannedTrial(label, cues[turn % len(cues)], round(rest_s, 3), practice)


def protocol_names() -> tuple[str, ...]:
    """The protocols that come with the program."""
    folder = files("calibration") / "protocols"
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")))


def load_protocol(name: str | Path) -> Protocol:
    """A protocol by name, or from a file of one's own.

    Raises:
        CalibrationError: there is none, or it cannot be used; the file, the place and the reason are named.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        text = _read(path)
    elif str(name) in protocol_names():
        text = (files("calibration") / "protocols" / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        known = ", ".join(protocol_names())
        raise CalibrationError(f"no protocol {name}: choose {known}, or give a .yaml file of your own")
    try:
        return Protocol.model_validate(_mapping(text, str(name)))
    except ValidationError as error:
        raise CalibrationError(f"protocol {name}: {first_fault(error)}") from error


def load_texts(language: str = "en") -> dict[str, str]:
    """What the keys say in a language.

    Raises:
        CalibrationError: there is no such language.
    """
    folder = files("calibration") / "texts"
    found = sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))
    if language not in found:
        raise CalibrationError(f"no texts in {language!r}: there are {', '.join(found)}")
    text = (folder / f"{language}.yaml").read_text(encoding="utf-8")
    return {str(key): str(value) for key, value in _mapping(text, f"texts {language}").items()}


def said(texts: Mapping[str, str], key: str) -> str:
    """The text of a key; a key that no file knows is its own text, for protocols of one's own."""
    return texts.get(key, key)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise CalibrationError(f"protocol {path} has over {MAX_YAML_BYTES} bytes: that is no protocol")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CalibrationError(f"protocol {path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise CalibrationError(f"protocol {path} is not UTF-8 text") from error


def _mapping(text: str, name: str) -> dict[str, Any]:
    try:
        found = plain_data(text, name)
    except ConfigError as error:
        raise CalibrationError(str(error)) from error
    if not isinstance(found, dict):
        raise CalibrationError(f"{name} holds no settings: a YAML mapping is expected")
    return found
