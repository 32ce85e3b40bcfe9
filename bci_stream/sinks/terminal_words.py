"""What the terminal view says: its state, and pure functions that put parts of it into words.

Everything that came from a file or the network goes through :func:`clean` before it is shown.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bci_stream.messages import AUDIO, EEG, Latency, Prediction

GOOD: Final = "#56B4E9"  # sky blue; this and the next two are from the palette of Okabe and Ito (2008)
WARN: Final = "#E69F00"  # orange
BAD: Final = "#D55E00"  # vermillion
QUIET: Final = "bright_black"

Health = Mapping[str, Mapping[str, object]]

_ROLE_NAMES: Final = {EEG: "EEG", AUDIO: "voice"}
_LATENCY_PARTS: Final = (
    ("acquire", "acquisition_ms"),
    ("queue", "queue_ms"),
    ("infer", "inference_ms"),
    ("output", "output_ms"),
)


@dataclass(frozen=True, slots=True)
class TerminalState:
    """All that one picture shows.

    ``interval``: the newest window, seconds of session time, None before the first. ``since_s``: time
    since it came. ``coverage``: role to share of good samples. ``marks``: role to ``{flag: channels}``.
    ``recording``: how it stands, empty where there is none.
    """

    mode: str
    classes: tuple[str, ...]
    prediction: Prediction | None = None
    interval: tuple[float, float] | None = None
    since_s: float = 0.0
    stale: bool = False
    uncertain_below: float = 0.5
    coverage: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    health: Health = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    recording: str = ""

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """The newest prediction's classes, which another model may have changed."""
        return self.classes if self.prediction is None else self.prediction.classes

    @property
    def latency(self) -> Latency | None:
        """Where the newest prediction's time went."""
        return None if self.prediction is None else self.prediction.latency


@dataclass(frozen=True, slots=True)
class Verdict:
    """The emotion now in words: a headline, what goes with it, and how it is coloured."""

    headline: str
    note: str
    style: str


def verdict(state: TerminalState) -> Verdict:
    """What to say now; a decision that is no longer fresh is never the headline."""
    prediction = state.prediction
    if state.interval is None:
        return Verdict("waiting", "for the first window", QUIET)
    if state.stale:
        return Verdict("stale", f"nothing new for {state.since_s:.1f} s{_last_words(prediction)}", WARN)
    if prediction is None:
        return Verdict("no model", "windows only", QUIET)
    if prediction.label is None:
        return Verdict("no decision", "no stream had enough good samples", WARN)
    uncertain = prediction.confidence < state.uncertain_below
    note = percent(prediction.confidence) + (" uncertain" if uncertain else "")
    return Verdict(prediction.label, note, WARN if uncertain else GOOD)


def _last_words(prediction: Prediction | None) -> str:
    if prediction is None or prediction.label is None:
        return ""
    return f", last was {prediction.label} {percent(prediction.confidence)}"


def stood_on_words(state: TerminalState) -> str:
    """``EEG 100 %, voice 80 %   without ...   interpolated 25 %``."""
    prediction = state.prediction
    if prediction is None:
        shares = [f"{role_name(role)} {percent(share)}" for role, share in state.coverage.items()]
        return ", ".join(shares) or "-"
    coverage = {role_name(role): percent(share) for role, share in prediction.coverage.items()}
    used = [role_name(role) for role in prediction.stood_on]
    words = [", ".join(f"{name} {coverage.get(name, '-')}" for name in used) or "nothing"]
    if unused := [f"{name} {share}" for name, share in coverage.items() if name not in used]:
        words.append(f"without {', '.join(unused)}")
    if prediction.interpolated > 0:
        words.append(f"interpolated {percent(prediction.interpolated)}")
    if math.isfinite(prediction.gate):
        words.append(f"voice weight {percent(prediction.gate)}")
    return "   ".join(words)


def age_words(state: TerminalState) -> str:
    """How long ago the newest window ended, in ms; unknown for a file."""
    if state.prediction is None:
        return "-"
    return _in_ms((state.prediction.age_s + state.since_s) * 1e3)


def latency_words(latency: Latency | None) -> str:
    """The total in ms and its parts; what was not measured is left out."""
    if latency is None:
        return "-"
    method_ms = latency.algorithmic_s * 1e3
    measured = [(name, getattr(latency, key)) for name, key in _LATENCY_PARTS]
    known = [(name, value) for name, value in measured if math.isfinite(value)]
    total = _in_ms(method_ms + sum(value for _, value in known))
    return ", ".join([f"{total}: method {method_ms:.0f}", *(f"{name} {value:.1f}" for name, value in known)])


def note_words(state: TerminalState) -> str:
    """The prediction's tags, how many channels carry which mark, and what is wrong with a stream."""
    notes = list(state.prediction.tags) if state.prediction is not None else []
    for role, flags in state.marks.items():
        notes += [f"{role_name(role)} {flag} on {n} ch" for flag, n in flags.items()]
    notes += [str(figures["note"]) for figures in state.health.values() if figures.get("note")]
    return ", ".join(notes) or "-"


def plain_line(state: TerminalState, ascii_only: bool = False) -> str:
    """The same in one line of text, for a log or a pipe."""
    words = verdict(state)
    parts = [interval_words(state.interval), f"{words.headline} ({words.note})"]
    if (stood_on := stood_on_words(state)) != "-":
        parts.append(stood_on.replace("   ", ", "))
    if state.prediction is not None:
        parts += [
            f"age {age_words(state)}",
            f"latency {latency_words(state.latency).split(':')[0]}",
        ]
    if (notes := note_words(state)) != "-":
        parts.append(notes)
    for role, figures in state.health.items():
        stream_state = str(figures.get("state") or "-")
        if stream_state.casefold() not in ("live", "ok", "-"):
            parts.append(f"{role_name(role)} {stream_state}")
    parts += [state.recording] if state.recording else []
    parts += [f"{name.removeprefix('n_')} {count}" for name, count in state.counters.items() if count]
    return clean("  |  ".join(parts), ascii_only)


def loss_percent(figures: Mapping[str, object]) -> float:
    """Share of a stream's samples that never came, in percent; NaN when it is not known."""
    n_lost, n_samples = figures.get("n_lost"), figures.get("n_samples")
    if not isinstance(n_lost, numbers.Real) or not isinstance(n_samples, numbers.Real):
        return math.nan
    n_due = float(n_lost) + float(n_samples)
    return 100.0 * float(n_lost) / n_due if n_due > 0 else math.nan


def interval_words(interval: tuple[float, float] | None) -> str:
    """A window in session time, in seconds."""
    return "no window yet" if interval is None else f"window {interval[0]:.2f} to {interval[1]:.2f} s"


def role_name(role: str) -> str:
    """A stream's role as a person calls it."""
    return _ROLE_NAMES.get(role, role)


def percent(share: float) -> str:
    """``62 %``, or ``-`` when the share is not known; 100 % only when nothing at all is missing."""
    if not math.isfinite(share):
        return "-"
    shown = round(share * 100)
    return f"{99 if shown == 100 and share < 1 else shown} %"


def number(value: object, spec: str) -> str:
    """A figure in the given format, or ``-`` when there is none."""
    known = isinstance(value, numbers.Real) and math.isfinite(value)
    return format(value, spec) if known else "-"


def _in_ms(value_ms: float) -> str:
    return f"{value_ms:.0f} ms" if math.isfinite(value_ms) else "-"


def clean(words: str, ascii_only: bool = False) -> str:
    """Text that cannot steer the terminal: every control or unprintable character becomes ``?``."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in words)
    return shown.encode("ascii", "replace").decode("ascii") if ascii_only else shown
