"""How the session is doing: a light and figures for each stream, the latency, the recording. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from apps.gui.palette import SYMBOLS
from apps.gui.strings import tr
from apps.gui.viewmodels.words import (
    NOTHING,
    age_words,
    clock_words,
    duration_words,
    figure,
    share_words,
    size_words,
)
from bci_stream.engine.frame import Frame, Recording, StreamState

#: Keys of a stream's figures, in the order of the table.
FIGURES: Final = ("rate", "lost", "jitter", "drift", "age", "reconnects", "unit")
_PARTS = ("method", "arrival", "queue", "model", "output")
_LOW_DISK_S = 600.0
_ROLES = {"eeg": "EEG", "audio": "voice"}
_LEVELS = {"good": "good", "warn": "attention", "bad": "fault"}


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One stream. ``light``: symbol and word; ``figures``: texts by :data:`FIGURES`; ``hint``: channels."""

    role: str
    level: str
    light: str
    name: str
    words: str
    figures: tuple[str, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class Line:
    """A light with words, of the engine or the recording; ``level`` may be "off"."""

    level: str
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class Health:
    """All of it. ``latency``: milliseconds by part, in the order of time; ``total_ms``: NaN if unknown."""

    streams: tuple[StreamRow, ...]
    latency: tuple[tuple[str, float], ...]
    total_ms: float
    lines: tuple[Line, ...]


def titles() -> tuple[str, ...]:
    """Words for :data:`FIGURES`."""
    return tuple(tr(word) for word in ("rate", "lost", "jitter", "clock drift", "age", "returns", "unit"))


def hints() -> tuple[str, ...]:
    """What each of :data:`FIGURES` means."""
    return (
        tr("Samples a second, measured on this computer's clock"),
        tr("Share of samples that never came, by their time stamps"),
        tr("How unevenly the samples are stamped"),
        tr("The device's clock against this computer's, in millionths; it is corrected"),
        tr("How old the newest sample is"),
        tr("How often the stream was lost and came back"),
        tr("Unit of the values as they are shown"),
    )


def health(frame: Frame) -> Health:
    """How a frame's session is doing."""
    parts = [(name, frame.latency_ms.get(name, math.nan)) for name in _PARTS]
    known = tuple((tr(name), value) for name, value in parts if math.isfinite(value))
    total_ms = frame.latency_ms.get("total", math.nan)
    lines = (_windows(frame), _processor(frame), recording_line(frame.recording), _program(frame))
    return Health(tuple(map(_stream, frame.streams)), known, total_ms, lines)


def light(level: str) -> str:
    """Symbol and word of a light: never a colour alone."""
    return f"{SYMBOLS.get(level, SYMBOLS['off'])} {tr(_LEVELS.get(level, level))}"


def _stream(stream: StreamState) -> StreamRow:
    found = stream.health
    seen = found.n_samples > 0
    lost = found.n_lost / (found.n_lost + found.n_samples) if seen else math.nan
    figures = (
        figure(found.rate_hz if seen else math.nan, "Hz", 1),
        share_words(lost, 2 if 0 < lost < 0.1 else 0),
        figure(found.jitter_ms if seen else math.nan, "ms", 1),
        figure(found.drift_ppm if seen else math.nan, "ppm", 0, signed=True),
        age_words(found.age_s),
        str(stream.n_reconnects),
        stream.unit or NOTHING,
    )
    role = tr(_ROLES.get(stream.role, stream.role))
    name = f"{role}: {stream.name}" if stream.name else role
    poor = [f"{c.name}: {c.words}" for c in stream.channels if c.state != "good"]
    return StreamRow(
        stream.role, stream.level, light(stream.level), name, stream.words, figures, "\n".join(poor)
    )


def _windows(frame: Frame) -> Line:
    """How many there were; what became of them, the worst first."""
    n, skipped = frame.n_windows, frame.n_skipped
    parts = [str(n), tr("none skipped") if not skipped else tr("{n} skipped").format(n=skipped)]
    if frame.n_predictions < n - skipped:
        parts.append(tr("{n} answered").format(n=frame.n_predictions))
    return Line("warn" if skipped else "good", tr("windows"), ", ".join(parts))


def _program(frame: Frame) -> Line:
    """Its threads: which one is dead or hangs, and what to do."""
    if frame.troubles:
        return Line("bad", tr("program"), "; ".join(frame.troubles))
    return Line("good", tr("program"), tr("all its parts work"))


def _processor(frame: Frame) -> Line:
    level = "warn" if frame.cpu_share > 0.9 else "good"
    words = tr("{share} of a core").format(share=share_words(frame.cpu_share))
    return Line(level, tr("processor"), words)


def recording_line(recording: Recording | None) -> Line:
    """How the recording stands."""
    if recording is None:
        return Line("off", tr("recording"), tr("not recording"))
    if recording.error is not None:
        return Line("bad", tr("recording"), recording.error)
    words = tr("{time}, {size}; {free} free").format(
        time=clock_words(recording.duration_s),
        size=size_words(recording.n_bytes),
        free=size_words(recording.n_free_bytes),
    )
    if math.isfinite(recording.left_s) and recording.left_s < 1000 * 3600:
        words += tr(", enough for {time}").format(time=duration_words(recording.left_s))
    level = "warn" if recording.left_s < _LOW_DISK_S else "good"
    return Line(level, tr("recording"), f"{words}; {recording.path}")
