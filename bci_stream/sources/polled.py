"""A live source that asks one device again and again: what BrainFlow boards and FieldTrip buffers share.

The reader polls; a device that fails or falls silent is lost, and a thread of its own closes it and opens it
again for as long as that takes, so that the reader never waits for it. Clock offsets are measured and travel
as data, as they do from LSL.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import BciStreamError, StreamLostError
from bci_stream.heartbeat import Heart
from bci_stream.messages import EEG, Chunk, ClockOffset, Event, Marker, TimeArray
from bci_stream.sources.binding import MARKERS, Binding
from bci_stream.sources.lsl import join_chunks
from bci_stream.sources.lsl_inlet import InletStatus, State
from bci_stream.sources.lsl_link import local_clock

_OFFSET_EVERY_S: Final = 2.0
_RETRY_S: Final = 0.5
_CLOSE_TIMEOUT_S: Final = 2.0

Polled = tuple[TimeArray, NDArray[np.float64], list[tuple[float, str]]]
"""(n,) stamps on the device's clock, (n, n_channels) values, and markers as (stamp, label)."""


class Device(Protocol):
    """One open connection to a device."""

    def begin(self) -> None:
        """Deliver from now on: what came before the first read is nobody's; raises StreamLostError."""

    def poll(self, n_wanted: int, timeout_s: float) -> Polled:
        """What has come, waiting a while where it is less than wanted; raises StreamLostError."""

    def clock_pair(self) -> tuple[float, float]:
        """Time on the device's clock, and what to add to it for the local one (s)."""

    def close(self) -> None:
        """Let go; never raises."""


def unix_clock_pair() -> tuple[float, float]:
    """The Unix clock against the local one, by the tightest of some readings."""
    readings = []
    for _ in range(5):
        before = local_clock()
        unix = time.time()
        after = local_clock()
        readings.append((after - before, unix, (before + after) / 2 - unix))
    _, unix, offset = min(readings)
    return unix, offset


class PolledSource:
    """The EEG of one device as events of the core.

    Args:
        connect: opens the device; raises StreamError where it is not there.
        bind: what it delivers; called once, on the first device.
        name: of the device, for people.
        stall_s: after so long without a sample it is stalled, and
        lost_s: after so long it is lost and opened anew.
        ended: where the device may end for good, what to say then: it is not opened again.
    """

    def __init__(
        self,
        connect: Callable[[], Device],
        bind: Callable[[Device], Binding],
        name: str,
        *,
        stall_s: float = 0.5,
        lost_s: float = 3.0,
        ended: str = "",
    ) -> None:
        self._connect, self._bind, self._name, self._ended = connect, bind, name, ended
        self._stall_s, self._lost_s = stall_s, lost_s
        self._device: Device | None = None
        self._begun: Device | None = None
        self._binding: Binding | None = None
        self._offset_due_s = -np.inf
        self._last_s = float("nan")
        self._lost = ""
        self._n_reconnects = 0
        self._returned, self._stopped = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._keeper: threading.Thread | None = None
        self._heart = Heart(
            f"keeper of {name}",
            "the lost device is not looked for any more: start the session anew",
            limit_s=60.0,  # drivers may take their time
        )

    def open(self) -> dict[str, Binding]:
        """Open the device and bind its EEG; raises what ``connect`` and ``bind`` raise."""
        device = self._connect()
        try:
            self._binding = self._bind(device)
        except BciStreamError:
            device.close()
            raise
        self._device, self._last_s = device, local_clock()
        return {EEG: self._binding}

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        """Wait for the samples that the next window lacks, or the time-out; clock offsets come first."""
        assert self._binding is not None
        deadline_s = local_clock() + timeout_s
        n_missing = max(1, round(missing_s.get(EEG, 0.0) * self._binding.sfreq))
        events: list[Event] = []
        while True:
            device = self._device
            left_s = max(0.0, deadline_s - local_clock())
            if device is None:
                if self._returned.wait(left_s):
                    self._returned.clear()
                return join_chunks(events)
            try:
                if device is not self._begun:
                    device.begin()
                    self._begun, self._last_s = device, local_clock()
                polled = self._poll(device, n_missing, left_s)
            except StreamLostError as error:
                self._lose(device, str(error))
                return join_chunks(events)
            events += polled
            n_missing -= sum(len(event.timestamps) for event in polled if isinstance(event, Chunk))
            if n_missing <= 0 or left_s <= 0:
                return join_chunks(events)

    def status(self) -> dict[str, InletStatus]:
        """How the device fares. From any thread."""
        assert self._binding is not None
        info = self._binding.info
        state, note = self._state()
        return {EEG: InletStatus(EEG, state, self._n_reconnects, note, info.name, info.uid, self._last_s)}

    def hearts(self) -> list[Heart]:
        """The pulse of the thread that takes a lost device back, while there is one."""
        return [self._heart]

    def renew(self) -> None:
        """The computer has slept: the clock is measured before the next samples."""
        self._offset_due_s = -np.inf

    def close(self) -> None:
        """Let go of the device; may be called twice."""
        self._stopped.set()
        self._returned.set()
        with self._lock:
            device, self._device = self._device, None
        if device is not None:
            device.close()
        if self._keeper is not None:
            self._keeper.join(_CLOSE_TIMEOUT_S)

    def _state(self) -> tuple[State, str]:
        if self._lost:
            return "lost", self._lost
        silent_s = local_clock() - self._last_s
        if silent_s > self._stall_s:
            return "stalled", f"{self._name} has sent nothing for {silent_s:.1f} s"
        return "live", ""

    def _poll(self, device: Device, n_wanted: int, timeout_s: float) -> list[Event]:
        assert self._binding is not None
        events: list[Event] = []
        now_s = local_clock()
        if now_s >= self._offset_due_s:
            self._offset_due_s = now_s + _OFFSET_EVERY_S
            pair = device.clock_pair()
            events += [ClockOffset(stream, *pair) for stream in (EEG, MARKERS)]
        stamps, values, markers = device.poll(n_wanted, timeout_s)
        arrival_s = local_clock()
        if len(stamps):
            self._last_s = arrival_s
            events.append(Chunk(EEG, stamps, self._binding.convert(values), arrival_s))
        elif arrival_s - self._last_s > self._lost_s:
            raise StreamLostError(self._ended or f"{self._name} has sent nothing for {self._lost_s:g} s")
        return events + [Marker(MARKERS, stamp, label) for stamp, label in markers]

    def _lose(self, device: Device, reason: str) -> None:
        with self._lock:
            if self._stopped.is_set():
                return
            self._device = None
        self._lost = reason if self._ended else f"{reason}: looking for it"
        self._keeper = threading.Thread(
            target=lambda: self._heart.live(lambda: self._take_back(device)), name="device", daemon=True
        )
        self._keeper.start()

    def _take_back(self, device: Device) -> None:
        """Close what is lost and open it again, until it is there."""
        device.close()
        while not self._ended and not self._stopped.wait(_RETRY_S):
            try:
                again = self._connect()
            except BciStreamError:
                continue
            if not self._is_the_same(again):
                again.close()
                continue
            with self._lock:
                if not self._stopped.is_set():
                    self._last_s, self._offset_due_s = local_clock(), -np.inf
                    self._n_reconnects += 1
                    self._lost, self._device = "", again
                    self._returned.set()
                    return
            again.close()
            return

    def _is_the_same(self, device: Device) -> bool:
        """Whether what came back delivers what was bound; anything else is never taken in its place."""
        assert self._binding is not None
        try:
            found = self._bind(device)
        except BciStreamError:
            return False
        same = (found.ch_names, found.sfreq) == (self._binding.ch_names, self._binding.sfreq)
        if not same:
            self._lost = f"{self._name} came back with other channels or another rate: start the session anew"
        return same
