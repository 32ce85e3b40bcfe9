"""What happened when, in plain words: the log of a session, and the watch that finds what to write into it.

:class:`StreamWatch` compares how a stream is now with how it was a moment ago and words the difference; it
also makes the stream's light. Pure but for :class:`EventLog`, which any thread may write to.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

from bci_stream.engine.frame import ChannelQuality, LogEntry, StreamState
from bci_stream.engine.track import StreamHealth

_KEPT = 2000
_LOST_SHARE_WARN = 0.01
_JITTER_WARN_MS = 20.0
_DRIFT_SAID_PPM = 100.0  # crystals are within this
_AGE_BAD_S = 1.0
_RATE_OFF = 0.01


class EventLog:
    """The newest happenings, oldest first; bounded."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._tuple: tuple[LogEntry, ...] | None = ()

    def add(self, t_s: float, level: str, source: str, words: str) -> None:
        """Write one line; ``level`` is "good", "warn" or "bad"."""
        with self._lock:
            self._entries.append(LogEntry(t_s, level, source, words))
            self._tuple = None

    def entries(self) -> tuple[LogEntry, ...]:
        """All that is kept; the very same tuple while nothing was added."""
        with self._lock:
            if self._tuple is None:
                self._tuple = tuple(self._entries)
            return self._tuple


class SourceStatus(Protocol):
    """The part of an inlet's status that a view shows."""

    @property
    def state(self) -> str:
        """ "live", "stalled", "lost" or "refused"."""

    @property
    def n_reconnects(self) -> int:
        """How often it came back."""

    @property
    def note(self) -> str:
        """What is to be said of it, in plain words."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What is fixed of a stream: its name, the unit it is shown in, its nominal rate (Hz)."""

    name: str
    unit: str
    sfreq: float


Said = list[tuple[str, str]]  # (level, words)


class StreamWatch:
    """One stream's light, and what changed of it."""

    def __init__(self, role: str, facts: StreamFacts) -> None:
        self.role, self._facts = role, facts
        self._before: StreamHealth | None = None
        self._state = "live"
        self._n_reconnects = 0
        self._drift_said = False

    def look(
        self, health: StreamHealth, status: SourceStatus | None, channels: tuple[ChannelQuality, ...]
    ) -> tuple[StreamState, Said]:
        """The light now, and lines for the log."""
        state = status.state if status is not None else "live"
        said = self._changes(health, state, status)
        level, words = self._light(health, state, status, channels)
        if state in ("lost", "refused"):
            channels = tuple(replace(c, state="gone", words="stream lost") for c in channels)
        self._before, self._state = health, state
        reconnects = status.n_reconnects if status is not None else 0
        light = StreamState(
            self.role,
            self._facts.name,
            self._facts.unit,
            level,
            words,
            state,
            health,
            reconnects,
            channels,
        )
        return light, said

    def _changes(self, health: StreamHealth, state: str, status: SourceStatus | None) -> Said:
        said: Said = []
        if state != self._state:
            note = status.note if status is not None else ""
            said.append(_turned(self._state, state, note))
        if status is not None and status.n_reconnects > self._n_reconnects:
            self._n_reconnects = status.n_reconnects
            said.append(("warn", f"reconnected, {status.n_reconnects} so far"))
        before = self._before
        if before is None:
            return said
        if (n := health.n_gaps - before.n_gaps) > 0:
            said.append(("warn", _gap_words(n, health.n_lost - before.n_lost, self._facts.sfreq)))
        if (n := health.n_clock_resets - before.n_clock_resets) > 0:
            said.append(("warn", "the device's clock was reset" + (f" {n} times" if n > 1 else "")))
        if (n := health.n_bad_stamps - before.n_bad_stamps) > 0:
            said.append(("warn", f"{n} samples had impossible time stamps: placed by their order"))
        if not self._drift_said and abs(health.drift_ppm) > _DRIFT_SAID_PPM:
            self._drift_said = True
            said.append(("warn", f"its clock drifts by {health.drift_ppm:+.0f} ppm: corrected"))
        return said

    def _light(
        self,
        health: StreamHealth,
        state: str,
        status: SourceStatus | None,
        channels: tuple[ChannelQuality, ...],
    ) -> tuple[str, str]:
        note = status.note if status is not None else ""
        if state in ("lost", "refused"):
            return "bad", note or "the stream is gone: switch the device on again; it is taken back by itself"
        if state == "stalled" or health.age_s > _AGE_BAD_S:
            return "bad", note or f"nothing has come for {health.age_s:.1f} s"
        if health.n_samples == 0:
            return "warn", "no sample yet"
        if (share := _lost_share(health)) > _LOST_SHARE_WARN:
            return "warn", f"{share:.1%} of the samples were lost on the way"
        if abs(health.rate_ppm) > _RATE_OFF * 1e6:
            return "warn", f"{health.rate_hz:.1f} Hz come, {self._facts.sfreq:g} Hz were declared"
        if health.jitter_ms > _JITTER_WARN_MS:
            return "warn", f"stamps jitter by {health.jitter_ms:.0f} ms"
        if poor := [c.name for c in channels if c.state in ("flat", "clipped", "gone")]:
            return "warn", f"{len(poor)} of {len(channels)} channels carry no signal"
        return "good", f"{health.rate_hz:.1f} Hz, " + (f"{share:.2%} lost" if share else "nothing lost")


def _lost_share(health: StreamHealth) -> float:
    return health.n_lost / max(1, health.n_lost + health.n_samples)


def _turned(before: str, now: str, note: str) -> tuple[str, str]:
    if now == "live":
        return "good", "lives again" if before != "live" else "live"
    words = {
        "stalled": "sends nothing",
        "lost": "was lost; looking for it",
        "refused": "came back different and is not taken",
    }.get(now, now)
    return "bad", f"{words}: {note}" if note else words


def _gap_words(n_gaps: int, n_lost: int, sfreq: float) -> str:
    length_s = n_lost / sfreq if sfreq else math.nan
    if n_gaps == 1:
        return f"a gap of {length_s:.2f} s ({n_lost} samples)"
    return f"{n_gaps} gaps, {length_s:.2f} s together"
