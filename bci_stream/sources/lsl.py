"""The LSL source: finds the streams that were asked for, binds them, and reads them in one rhythm.

One thread calls :meth:`LslSource.read` in a loop. A call waits for one stream, and for exactly the
samples that the next window lacks of it; the other streams are taken as far as they have come, every
25 ms because liblsl throws away what a stream that dies had not handed over. Stamps stay raw: clock
offsets travel beside them as data.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from bci_stream.errors import ConfigError, StreamLostError
from bci_stream.heartbeat import Heart
from bci_stream.messages import Chunk, Event, StreamInfo
from bci_stream.sources.binding import Binding
from bci_stream.sources.lsl_discovery import SETTLE_S, Directory
from bci_stream.sources.lsl_inlet import BoundInlet, InletStatus
from bci_stream.sources.lsl_link import local_clock
from bci_stream.sources.lsl_request import LslRequest, bind_requested, check_requests, find_requested

__all__ = ["InletStatus", "LslRequest", "LslSource", "join_chunks"]

_POLL_S: Final = 0.05
_OPEN_TIMEOUT_S: Final = 5.0
_CLOSE_TIMEOUT_S: Final = 1.8
_SLICE_S: Final = 0.025  # the most that a dying stream can take with it


class LslSource:
    """Live streams as events of the core.

    Args:
        requests: one for each role that is wanted.
        resolve_s: how long to look for the required streams.
        stall_s: a regular stream that sends nothing for this long is stalled and is not waited for.

    Raises:
        ConfigError: an unknown role, a role twice, or a time that is not positive.
    """

    def __init__(
        self, requests: Sequence[LslRequest], *, resolve_s: float = 5.0, stall_s: float = 0.5
    ) -> None:
        check_requests(requests)
        if not (resolve_s > 0 and stall_s > 0):
            raise ConfigError(f"resolve_s and stall_s must be positive, got {resolve_s!r} and {stall_s!r}")
        self._requests = tuple(requests)
        self._resolve_s = resolve_s
        self._stall_s = stall_s
        self._inlets: dict[str, BoundInlet] = {}
        self._returned = threading.Event()

    def open(self) -> dict[str, Binding]:
        """Find, bind and connect the streams; each one's clock is measured. Returns the bindings by role.

        Raises:
            StreamNotFoundError: a required stream is not there in time; the text lists what is.
            AmbiguousStreamError: several streams fit a request.
            StreamFormatError: a stream cannot serve in its role.
            StreamLostError: a required stream was found but does not answer.
        """
        directory = Directory()
        chosen = self._choose(directory)
        for request, info in chosen:
            binding = bind_requested(request, info, directory)
            link = directory.link(info)
            self._inlets[request.role] = BoundInlet(binding, link, self._stall_s, self._returned)
        for inlet in self._inlets.values():
            inlet.start()
        self._wait_ready()
        return {role: inlet.binding for role, inlet in self._inlets.items()}

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        """Wait for the next window's samples, then take what has come from every stream.

        Args:
            missing_s: by role, the seconds of samples that the next window still lacks.
            timeout_s: how long to wait at most.

        Returns events in the order of each stream: clock offsets before the samples that follow them.
        A stream that is stalled or lost is not waited for. After :meth:`close`: nothing.

        Raises:
            StreamFormatError: the first seconds of the EEG cannot be in the unit that it was taken for.
        """
        pacer = self._pacer(missing_s)
        if pacer is None:
            if self._returned.wait(timeout_s):
                self._returned.clear()
            return self._drain_all()
        deadline = local_clock() + timeout_s
        slice_s = _SLICE_S if len(self._inlets) > 1 else timeout_s
        n_missing = pacer.n_missing(missing_s.get(pacer.binding.role, 0.0))
        events: list[Event] = []
        while True:
            left_s = max(0.0, deadline - local_clock())
            pulled = pacer.pull(n_missing, min(left_s, slice_s))
            n_missing -= sum(len(event.timestamps) for event in pulled if isinstance(event, Chunk))
            events += pulled + self._drain_all(pacer)
            if n_missing <= 0 or left_s <= slice_s or pacer.lost:
                return join_chunks(events)

    def _drain_all(self, but: BoundInlet | None = None) -> list[Event]:
        return [event for inlet in self._inlets.values() if inlet is not but for event in inlet.drain()]

    def status(self) -> dict[str, InletStatus]:
        """How each bound stream fares, by role. May be called from any thread."""
        return {role: inlet.status() for role, inlet in self._inlets.items()}

    def agree(self, role: str) -> bool:
        """The user takes the changed stream that came back; False when there is none to agree to."""
        inlet = self._inlets.get(role)
        return inlet is not None and inlet.agree()

    def hearts(self) -> list[Heart]:
        """The pulses of the threads that keep the streams."""
        return [inlet.heart for inlet in self._inlets.values()]

    def renew(self) -> None:
        """Drop what is buffered and measure every clock anew: the computer has slept."""
        for inlet in self._inlets.values():
            inlet.renew()

    def close(self) -> None:
        """Disconnect and end all threads, within 2 s. May be called again."""
        deadline = time.monotonic() + _CLOSE_TIMEOUT_S
        for inlet in self._inlets.values():
            inlet.stop()
        self._returned.set()
        for inlet in self._inlets.values():
            inlet.join(deadline - time.monotonic())

    def _pacer(self, missing_s: Mapping[str, float]) -> BoundInlet | None:
        """The stream to wait for: the live one that lacks most; else one that may come to life."""
        regular = [inlet for inlet in self._inlets.values() if inlet.binding.sfreq and not inlet.lost]
        live = [inlet for inlet in regular if inlet.live]
        candidates = live or regular
        return max(candidates, key=lambda inlet: missing_s.get(inlet.binding.role, 0.0), default=None)

    def _choose(self, directory: Directory) -> list[tuple[LslRequest, StreamInfo]]:
        started = time.monotonic()
        while True:
            survey = directory.survey()
            waited_s = time.monotonic() - started
            settled, final = waited_s >= SETTLE_S, waited_s >= self._resolve_s
            chosen = [
                (request, find_requested(request, survey, settled, final)) for request in self._requests
            ]
            complete = all(info is not None for request, info in chosen if request.required)
            if final or (complete and settled):
                return [(request, info) for request, info in chosen if info is not None]
            time.sleep(_POLL_S)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _OPEN_TIMEOUT_S
        for request in self._requests:
            inlet = self._inlets.get(request.role)
            if inlet is None or inlet.wait_ready(deadline - time.monotonic()):
                continue
            if request.required:
                self.close()
                raise inlet.failure or _unanswered(inlet)
            inlet.stop()
            del self._inlets[request.role]


def join_chunks(events: Sequence[Event]) -> list[Event]:
    """The same events with each stream's neighbouring chunks made one. Pure."""
    groups: list[list[Event]] = []
    newest: dict[str, list[Event]] = {}
    for event in events:
        group = newest.get(event.stream)
        if isinstance(event, Chunk) and group is not None and isinstance(group[0], Chunk):
            group.append(event)
        else:
            newest[event.stream] = [event]
            groups.append(newest[event.stream])
    return [_joined(group) for group in groups]


def _joined(group: list[Event]) -> Event:
    chunks = [event for event in group if isinstance(event, Chunk)]
    if len(chunks) < 2:
        return group[0]
    return Chunk(
        chunks[0].stream,
        np.concatenate([chunk.timestamps for chunk in chunks]),
        np.concatenate([chunk.data for chunk in chunks]),
        chunks[-1].arrival_s,
    )


def _unanswered(inlet: BoundInlet) -> StreamLostError:
    return StreamLostError(
        f"stream {inlet.binding.info.name!r} did not connect within {_OPEN_TIMEOUT_S:g} s: "
        "restart its program"
    )
