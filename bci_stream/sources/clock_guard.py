"""Samples that are stamped ahead of the time at which they came are held until their clock is measured anew.

A step ahead in the stamps is either a gap or a clock that was put forward. The core cannot tell before the
next measurement, takes it for a gap, and would have to drop what follows until time has caught up. An edge
knows better: what has come cannot have been taken later than now. So such samples wait here, and go out
behind the offset that explains them; a recording of what went out says the same. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from bci_stream.messages import Chunk, ClockOffset, Event, TimeArray
from bci_stream.timeline.clock import CONFIRM_N

STEP_S: Final = 1.0  # a shorter step than this is the dejitter's business
AHEAD_S: Final = 0.5  # some players stamp a chunk ahead
_EVEN_S: Final = 0.2  # between two stamps in a row, packets and jitter included
HOLD_S: Final = 6.0  # liblsl measures every 2 s; longer than that nobody will explain it


class ClockGuard:
    """One stream's; give it the stream's events in order, and hand on what it gives back."""

    def __init__(self) -> None:
        self._offset_s = math.nan
        self._last_s = math.nan  # the newest stamp that was handed on
        self._held: list[Chunk] = []
        self._held_since_s = math.nan

    @property
    def waits(self) -> bool:
        """Whether samples wait for a measurement."""
        return bool(self._held)

    def step(self, events: Iterable[Event]) -> list[Event]:
        """The events that may go on, in order."""
        out: list[Event] = []
        for event in events:
            if isinstance(event, ClockOffset):
                out += self._measured(event)
            elif isinstance(event, Chunk) and len(event.timestamps):
                out += self._chunk(event)
            else:
                out.append(event)
        return out

    def _measured(self, offset: ClockOffset) -> list[Event]:
        self._offset_s = offset.offset_s
        if any(self._n_before_the_jump(held.timestamps, held.arrival_s) == 0 for held in self._held):
            return [offset]  # measured before the step, or when the clock was back: no explanation
        return [offset, *self._released()]

    def _chunk(self, chunk: Chunk) -> list[Event]:
        n_good = self._n_before_the_jump(chunk.timestamps, chunk.arrival_s)
        if n_good:  # the stamps came back, or never went: what waited were stray ones
            out: list[Event] = [*self._strays(), *self._passed(_part(chunk, slice(0, n_good)))]
        else:
            out = []
        if n_good < len(chunk.timestamps):
            if not self._held:
                self._held_since_s = chunk.arrival_s
            self._held.append(_part(chunk, slice(n_good, None)))
            if chunk.arrival_s - self._held_since_s > HOLD_S:
                out += self._released()
        return out

    def _n_before_the_jump(self, stamps: TimeArray, arrival_s: float) -> int:
        """How many samples come before a step to stamps that are all ahead of now."""
        now_s = arrival_s - self._offset_s + AHEAD_S
        if stamps[-1] <= now_s or math.isnan(self._last_s):  # as nearly always; and where nothing is known
            return len(stamps)
        finite = np.flatnonzero(np.isfinite(stamps))
        stepped = np.diff(stamps[finite], prepend=self._last_s) > STEP_S
        ordinary = np.flatnonzero(stamps[finite] <= now_s)
        first = int(ordinary[-1]) + 1 if len(ordinary) else 0
        later = np.flatnonzero(stepped[first:])
        return int(finite[first + int(later[0])]) if len(later) else len(stamps)

    def _passed(self, chunk: Chunk) -> list[Event]:
        finite = chunk.timestamps[np.isfinite(chunk.timestamps)]
        if len(finite):
            self._last_s = float(finite[-1])
        return [chunk]

    def _strays(self) -> list[Event]:
        """What waited in vain; many of one kind would be taken for a gap, so their stamps are struck out.

        Without a time they follow what came before. Behind a step among them, a loss or one more jump, they
        would not belong there: these are left out, and missing.
        """
        if sum(len(chunk.timestamps) for chunk in self._held) < CONFIRM_N:
            return self._released()
        held, self._held = self._held, []
        stamps = np.concatenate([chunk.timestamps for chunk in held])
        steps = np.flatnonzero(np.abs(np.diff(stamps)) > _EVEN_S)
        left = int(steps[0]) + 1 if len(steps) else len(stamps)
        out: list[Event] = []
        for chunk in held:
            part = _part(chunk, slice(0, min(left, len(chunk.timestamps))))
            left -= len(part.timestamps)
            if len(part.timestamps):
                out.append(replace(part, timestamps=np.full(len(part.timestamps), np.nan)))
        return out

    def _released(self) -> list[Event]:
        held, self._held = self._held, []
        return [event for chunk in held for event in self._passed(chunk)]


def _part(chunk: Chunk, rows: slice) -> Chunk:
    if rows == slice(0, len(chunk.timestamps)):
        return chunk
    return replace(chunk, timestamps=chunk.timestamps[rows], data=chunk.data[rows])
