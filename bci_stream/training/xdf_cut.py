"""Trials cut out of one marked recording, on the local clock and without gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bci_stream.devices import load_catalogue
from bci_stream.errors import BciStreamError, ConfigError, CorpusError
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, FloatArray, Marker, TimeArray
from bci_stream.sources.binding import (
    MARKERS,
    Binding,
    bind_audio,
    bind_eeg,
    find_stream,
    looks_like_audio,
    looks_like_eeg,
    looks_like_markers,
)
from bci_stream.sources.recordings import Recording, open_recording
from bci_stream.sources.xdf import XdfSource
from bci_stream.timeline.clock import STEP_S, ClockTrack
from bci_stream.timeline.stamps import Dejittered
from bci_stream.training.trials import Trial

_GAP_PERIODS: Final = 1.5
_ROUNDING: Final = 0.015  # a device may run that much slower than it says


@dataclass(frozen=True, slots=True)
class TrialMarks:
    """How trials are marked, and which streams they are cut from.

    ``prefix``: of the marker that begins a trial; what follows is the label. ``trial_s``: the longest that
    a trial lasts; None: always up to the next marker, and the last trial needs one. ``modalities``: "eeg",
    "audio" or both; a stream of each must be there. ``eeg``, ``audio``, ``markers``: which stream, where
    more than one would do, as in ``find_stream``. ``void``: of a marker that takes a trial back, as a
    calibration sends it: ``void:N:REASON``, N being the trial's number in this file, from 0. ``cut_off``: a
    last trial that nothing ends counts as taken back, as in a recording whose program was killed.
    ``wrong``: of a marker by which a person says what the last ``wrong_s`` seconds were, ``wrong:calm``
    or ``wrong:calm:20`` for 20 s; None: there are none. Such stretches come after the trials. ``labels``: by
    number, what a person has said of a trial since; None leaves it out.
    """

    prefix: str = "trial:"
    void: str = "void:"
    cut_off: bool = False
    wrong: str | None = None
    wrong_s: float = 10.0
    labels: Mapping[int, str | None] = field(default_factory=dict)
    trial_s: float | None = None
    modalities: tuple[str, ...] = (EEG, AUDIO)
    eeg: str | None = None
    audio: str | None = None
    markers: str | None = None

    def __post_init__(self) -> None:
        if not self.prefix:
            raise ConfigError("the prefix of the markers that begin a trial must not be empty")
        if self.trial_s is not None and not self.trial_s > 0:
            raise ConfigError(f"trial_s must be above 0, got {self.trial_s:g}")
        if not self.modalities or set(self.modalities) - {EEG, AUDIO}:
            raise ConfigError(f"modalities must be eeg, audio or both, got {', '.join(self.modalities)}")


class Span(NamedTuple):
    """A marked stretch ``[begin, end)`` of local time (s); ``label`` None: it is left out. ``note``: why.

    ``taken_back``: by the session itself.
    """

    begin: float
    end: float
    label: str | None
    note: str = ""
    taken_back: bool = False

    @property
    def why(self) -> str:
        """Why it is left out, for a report."""
        return f"taken back ({self.note})" if self.taken_back else self.note


def spans_of(path: Path, marks: TrialMarks) -> list[Span]:
    """Every marked stretch of a recording, those left out too, by number.

    Raises:
        CorpusError: it cannot be read, or has no trial.
    """
    try:
        with open_recording(path) as recording:
            return _spans(_markers(recording, marks), marks, path)
    except CorpusError:
        raise
    except BciStreamError as error:
        raise CorpusError(f"{path}: {error}") from error


def header(path: Path, marks: TrialMarks) -> tuple[Path, tuple[str, ...], tuple[str, ...]]:
    """The file, its electrodes, and the labels of its trials."""
    try:
        with open_recording(path) as recording:
            bindings = _bindings(recording, marks)
            spans = _spans(_markers(recording, marks), marks, path)
            labels = [span.label for span in spans if span.label is not None]
    except CorpusError:
        raise
    except BciStreamError as error:
        raise CorpusError(f"{path}: {error}") from error
    return path, bindings[EEG].ch_names if EEG in bindings else (), tuple(labels)


def _bindings(recording: Recording, marks: TrialMarks) -> dict[str, Binding]:
    bound, catalogue = {}, load_catalogue()  # as a live session would bind them
    if EEG in marks.modalities:
        info = find_stream(recording.streams, EEG, marks.eeg, catalogue)
        bound[EEG] = bind_eeg(info, match=catalogue.match(info))
    if AUDIO in marks.modalities:
        bound[AUDIO] = bind_audio(find_stream(recording.streams, AUDIO, marks.audio, catalogue))
    return bound


def _markers(recording: Recording, marks: TrialMarks) -> list[tuple[float, str]]:
    """Local time (s) and text of every marker, in the order of time."""
    if marks.markers is not None:
        keys = [find_stream(recording.streams, MARKERS, marks.markers).key]
    else:
        keys = [info.key for info in recording.streams if looks_like_markers(info)]
    texts: list[str] = []
    clocks: dict[str, ClockTrack] = {}
    placed: list[tuple[float, str]] = []
    for event in XdfSource(recording, {}, keys).events():
        clock = clocks.setdefault(event.stream, ClockTrack(np.inf))
        if isinstance(event, ClockOffset):
            pieces = clock.add_pair(event.remote_s, event.offset_s)
        elif isinstance(event, Marker):
            texts.append(event.label)
            place = np.array([[len(texts) - 1]], np.float32)  # counts exactly to 16 million
            pieces = clock.admit(np.array([event.timestamp]), place)
        placed += _texts(pieces, texts)
    for clock in clocks.values():
        placed += _texts(clock.flush(), texts)
    return sorted(placed)


def _texts(pieces: Sequence[tuple[TimeArray, FloatArray]], texts: Sequence[str]) -> list[tuple[float, str]]:
    return [
        (float(t), texts[int(i)]) for times, rows in pieces for t, i in zip(times, rows[:, 0], strict=True)
    ]


def _spans(markers: Sequence[tuple[float, str]], marks: TrialMarks, path: Path) -> list[Span]:
    """Every trial, then what a person said of stretches; with what was said of them since."""
    spans = _trial_spans(markers, marks, path) + _wrong_spans(markers, marks)
    if not spans:
        seen = sorted({text for _, text in markers})
        raise CorpusError(f"{path} has no marker {marks.prefix}LABEL; it has {', '.join(seen[:8]) or 'none'}")
    for number, label in marks.labels.items():
        if number < len(spans):
            before = spans[number]
            note = f"was {before.label or before.note}" if label else "left out by review"
            known = label if np.isfinite(before.end) else None
            spans[number] = before._replace(label=known, note=note, taken_back=False)
    return spans


def _ends(text: str, marks: TrialMarks) -> bool:
    """Whether a later marker ends the trial before it; one that speaks of an earlier trial does not."""
    return not text.startswith(marks.void) and not _is_wrong(text, marks)


def _is_wrong(text: str, marks: TrialMarks) -> bool:
    return marks.wrong is not None and text.startswith(marks.wrong)


def _wrong_spans(markers: Sequence[tuple[float, str]], marks: TrialMarks) -> list[Span]:
    """What a person said of the seconds before; none reaches into the one before it."""
    spans: list[Span] = []
    for t, text in markers:
        if not _is_wrong(text, marks):
            continue
        label, _, length = text.removeprefix(marks.wrong or "").partition(":")
        seconds = float(length) if length.replace(".", "", 1).isdigit() else marks.wrong_s
        begin = max(t - seconds, spans[-1].end if spans else -np.inf)
        spans.append(Span(begin, t, label.strip() or None, "said live"))
    return spans


def _trial_spans(markers: Sequence[tuple[float, str]], marks: TrialMarks, path: Path) -> list[Span]:
    void = dict(_taken_back(text, marks, path) for _, text in markers if text.startswith(marks.void))
    spans: list[Span] = []
    for i, (begin, text) in enumerate(markers):
        if not text.startswith(marks.prefix):
            continue
        label = text.removeprefix(marks.prefix).strip()
        longest = begin + marks.trial_s if marks.trial_s is not None else np.inf
        later = (t for t, other in markers[i + 1 :] if t > begin and _ends(other, marks))
        end = min(longest, next(later, np.inf))
        if not label:
            raise CorpusError(f"{path}: marker {text!r} names no label")
        if (reason := void.get(len(spans))) is not None:
            spans.append(Span(begin, end, None, reason, taken_back=True))
            continue
        if end == np.inf and marks.cut_off:
            spans.append(Span(begin, end, None, "cut off before its end"))
            continue
        if end == np.inf:
            raise CorpusError(f"{path}: no marker ends the last trial ({text}): mark its end or give trial_s")
        spans.append(Span(begin, end, label))
    return spans


def roles_in(path: Path) -> tuple[str, ...]:
    """Which of EEG and audio a recording has.

    Raises:
        CorpusError: it cannot be read.
    """
    try:
        with open_recording(path) as recording:
            looks = {EEG: looks_like_eeg, AUDIO: looks_like_audio}
            return tuple(role for role, like in looks.items() if any(map(like, recording.streams)))
    except BciStreamError as error:
        raise CorpusError(f"{path}: {error}") from error


def _taken_back(text: str, marks: TrialMarks, path: Path) -> tuple[int, str]:
    """Which trial, and why."""
    number, _, reason = text.removeprefix(marks.void).partition(":")
    if not number.isdigit():
        raise CorpusError(f"{path}: marker {text!r} does not say which trial it takes back")
    return int(number), reason or "no reason given"


class _Lane:
    """One stream of a recording on its way to the local clock, all of it kept."""

    def __init__(self, binding: Binding) -> None:
        self._clock = ClockTrack(max(STEP_S, 5.0 / binding.sfreq), keep_bad=True)
        self._dejitter = Dejittered(binding.sfreq)
        self._times: list[TimeArray] = []
        self._rows: list[FloatArray] = []
        self.sfreq = binding.sfreq

    def feed(self, event: Chunk | ClockOffset) -> None:
        """Take samples or a clock measurement."""
        if isinstance(event, Chunk):
            self._place(self._clock.admit(event.timestamps, event.data))
        else:
            self._place(self._clock.add_pair(event.remote_s, event.offset_s))

    def end(self) -> tuple[TimeArray, FloatArray]:
        """(n,) local times (s), rising, and (n, C) samples."""
        self._place(self._clock.flush())
        if (left := self._dejitter.finish()) is not None:
            self._keep(*left)
        return np.concatenate([np.empty(0), *self._times]), np.concatenate(self._rows)

    def _place(self, pieces: Sequence[tuple[TimeArray, FloatArray]]) -> None:
        for local, rows in pieces:
            self._keep(*self._dejitter.step(local, rows))

    def _keep(self, times: TimeArray, kinds: NDArray[np.int8], rows: FloatArray) -> None:
        kept = kinds >= 0
        self._times.append(times[kept])
        self._rows.append(rows[kept])


def trials_of(
    path: Path,
    person: str,
    marks: TrialMarks,
    first: int,
    left_out: Callable[[str], None] | None = None,
) -> Iterator[Trial]:
    """The trials of one recording, numbered from ``first``; those that were taken back have no number.

    ``left_out``: told of each trial that was taken back, and of each that lacks samples, which is then left
    out instead of an error.

    Raises:
        CorpusError: it cannot be read, a trial has no end, or one lacks samples.
    """
    try:
        with open_recording(path) as recording:
            spans = _spans(_markers(recording, marks), marks, path)
            bindings = _bindings(recording, marks)
            lanes = {role: _Lane(binding) for role, binding in bindings.items()}
            for event in XdfSource(recording, bindings).events():
                if isinstance(event, Chunk | ClockOffset) and event.stream in lanes:
                    lanes[event.stream].feed(event)
    except CorpusError:
        raise
    except BciStreamError as error:
        raise CorpusError(f"{path}: {error}") from error
    placed = {role: lane.end() for role, lane in lanes.items()}
    rates = {role: lane.sfreq for role, lane in lanes.items()}
    number = first
    for place, span in enumerate(spans, 1):
        if span.label is None:
            if left_out is not None:
                left_out(f"{path}, trial {place}: {span.why}")
            continue
        try:
            cut = _cut(placed, rates, span.begin, span.end, f"{path}, trial {place} ({span.label})")
        except CorpusError as error:
            if left_out is None:
                raise
            left_out(str(error))
            continue
        yield Trial(
            person=person,
            number=number,
            label=span.label,
            eeg=cut.get(EEG),
            eeg_sfreq=rates.get(EEG, 0.0),
            audio=cut[AUDIO][:, 0] if AUDIO in cut else None,
            audio_sfreq=rates.get(AUDIO, 0.0),
            source=str(path),
        )
        number += 1


def _cut(
    placed: Mapping[str, tuple[TimeArray, FloatArray]],
    rates: Mapping[str, float],
    begin: float,
    end: float,
    where: str,
) -> dict[str, FloatArray]:
    """Each stream's samples of ``[begin, end)``."""
    cut = {}
    for role, (times, rows) in placed.items():
        cut[role] = rows[_inside(times, begin, end, rates[role], f"{where}, {role}")]
        if not np.isfinite(cut[role]).all():
            raise CorpusError(f"{where}, {role}: samples that are no finite numbers")
    return cut


def _inside(times: TimeArray, begin: float, end: float, sfreq: float, where: str) -> slice:
    """The samples of ``[begin, end)``; a step of more than 1.5 periods from edge to edge is an error."""
    first, last = np.searchsorted(times, (begin, end)).tolist()
    marks = np.concatenate([[begin - 0.5 / sfreq], times[first:last], [end + 0.5 / sfreq]])
    steps = np.diff(marks)
    widest = int(steps.argmax())
    if steps[widest] > _GAP_PERIODS * (1.0 + _ROUNDING) / sfreq:
        raise CorpusError(
            f"{where}: no samples for {steps[widest]:.3f} s at {marks[widest] - begin:.2f} s into the trial"
        )
    return slice(first, last)
