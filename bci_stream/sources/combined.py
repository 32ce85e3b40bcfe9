"""Several live sources as one: one of them is waited for at a time, the others are taken as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from bci_stream.heartbeat import Heart
from bci_stream.messages import AUDIO, EEG, Chunk, Event
from bci_stream.sources.lsl import join_chunks
from bci_stream.sources.lsl_inlet import InletStatus
from bci_stream.sources.lsl_link import local_clock

_SLICE_S: Final = 0.025  # the most that a dying stream can take with it
_MAX_DRAINS: Final = 64
_ALL_OF_IT: Final = {EEG: 1.0, AUDIO: 1.0}


class PartSource(Protocol):
    """What can be combined: a live source that tells how its streams fare."""

    def read(self, missing_s: Mapping[str, float], timeout_s: float = ...) -> list[Event]:
        """Wait for what is missing, or the time-out."""

    def status(self) -> dict[str, InletStatus]:
        """How each stream fares, by role."""

    def hearts(self) -> Sequence[Heart]:
        """The pulses of its threads."""

    def renew(self) -> None:
        """The computer has slept: drop what is buffered, measure clocks anew."""

    def close(self) -> None:
        """Let go."""


class CombinedSource:
    """Sources of different roles as one.

    Args:
        sources: opened; no role may be in two of them.
        rates: Hz by role, for the roles that are waited for.
        clock: seconds.
    """

    def __init__(
        self,
        sources: Sequence[PartSource],
        rates: Mapping[str, float],
        clock: Callable[[], float] = local_clock,
    ) -> None:
        self._sources, self._rates, self._clock = tuple(sources), dict(rates), clock
        self._begun = False

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        """Wait for the stream that lacks most of the next window; take what has come from all.

        The first call lets go of the samples that came before it, so that all streams begin together.
        """
        if not self._begun:
            self._begun = True
            return [event for source in self._sources for event in _without_samples(source)]
        deadline_s = self._clock() + timeout_s
        missing = dict(missing_s)
        pacer = self._pacer(missing)
        events: list[Event] = []
        while True:
            left_s = max(0.0, deadline_s - self._clock())
            events += self._counted(pacer.read(missing, min(left_s, _SLICE_S)), missing)
            for other in self._sources:
                if other is not pacer:
                    events += self._counted(other.read(_ALL_OF_IT, 0.0), missing)
            if left_s <= _SLICE_S or self._done(pacer, missing):
                return join_chunks(events)

    def status(self) -> dict[str, InletStatus]:
        """How each stream of each source fares, by role."""
        return {role: status for source in self._sources for role, status in source.status().items()}

    def hearts(self) -> list[Heart]:
        """The pulses of all their threads."""
        return [heart for source in self._sources for heart in source.hearts()]

    def renew(self) -> None:
        """The computer has slept."""
        for source in self._sources:
            source.renew()

    def close(self) -> None:
        """Close all of them."""
        for source in self._sources:
            source.close()

    def _pacer(self, missing: Mapping[str, float]) -> PartSource:
        """The source of the live stream that lacks most; where none lives, the first."""

        def lack_s(source: PartSource) -> float:
            live = [role for role, status in source.status().items() if status.state == "live"]
            return max((missing.get(role, 0.0) for role in live if role in self._rates), default=-1.0)

        return max(self._sources, key=lack_s)

    def _counted(self, events: list[Event], missing: dict[str, float]) -> list[Event]:
        for event in events:
            rate = self._rates.get(event.stream)
            if isinstance(event, Chunk) and rate:
                left_s = missing.get(event.stream, 0.0) - len(event.timestamps) / rate
                missing[event.stream] = max(0.0, left_s)
        return events

    def _done(self, pacer: PartSource, missing: Mapping[str, float]) -> bool:
        """Whether the pacer has what was asked of it, or will not have it."""
        own = {role: status.state for role, status in pacer.status().items() if role in self._rates}
        half_sample_s = {role: 0.5 / self._rates[role] for role in own}
        return all(missing.get(role, 0.0) <= half_sample_s[role] or own[role] != "live" for role in own)


def _without_samples(source: PartSource) -> list[Event]:
    """All that has come so far but its samples."""
    kept: list[Event] = []
    for _ in range(_MAX_DRAINS):
        events = source.read(_ALL_OF_IT, 0.0)
        kept += [event for event in events if not isinstance(event, Chunk)]
        if not any(isinstance(event, Chunk) for event in events):
            break
    return kept
