"""A stream bound to a role and kept: its clock is measured, its death noticed, its return checked.

Two threads share a :class:`BoundInlet`. The reader (whoever calls :meth:`~BoundInlet.pull`) only pulls.
The keeper, a daemon thread, does whatever may wait: it connects, measures the clock, and when the
stream is gone it looks for it and prepares a new connection, which the reader then adopts.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bci_stream.errors import StreamFormatError, StreamLostError
from bci_stream.heartbeat import Heart
from bci_stream.messages import Chunk, Event, Marker
from bci_stream.sources.binding import MARKERS, Binding
from bci_stream.sources.lsl_connection import Connection
from bci_stream.sources.lsl_discovery import Announcements
from bci_stream.sources.lsl_link import Link, local_clock
from bci_stream.sources.lsl_return import Return
from bci_stream.sources.packet_counter import PacketCounter
from bci_stream.sources.unit_guard import UnitGuard

State = Literal["live", "stalled", "lost", "refused"]

_CLOCK_INTERVAL_S: Final = 1.0  # liblsl has a new measurement every 2 s
_LOOK_INTERVAL_S: Final = 0.1
_CONNECT_S: Final = 8.0  # liblsl's own time-outs together
_SEARCH_AFTER_S: Final = 3.0  # a silent stream may have been restarted behind a broken network
_SAME_CLOCK_S: Final = 60.0
_MIN_PERIODS: Final = 3.0  # a slow stream is not stalled between two of its samples
_MAX_PULLS: Final = 64  # per drain: a backlog must not starve the other streams
_MAX_MISSING_S: Final = 1.0  # what a link pulls at once
_UNIX_NOTE: Final = "{!r} is stamped with the Unix clock: put on the local clock as this computer tells it"
_FUZZ_SAMPLES: Final = 1e-3  # so that 0.1 s at 500 Hz is 50 samples and not 51


@dataclass(frozen=True, slots=True)
class InletStatus:
    """How a bound stream fares.

    ``note`` says it in plain words. ``can_agree``: a changed stream is there that the user may agree to.
    ``last_arrival_s``: local clock at the last sample, or at (re)connecting.
    ``n_lost``: samples that never came, by the device's own counter; None where it has none.
    """

    role: str
    state: State
    n_reconnects: int
    note: str
    name: str
    uid: str
    last_arrival_s: float
    n_lost: int | None = None
    can_agree: bool = False


class BoundInlet:
    """One bound stream and its keeper.

    Args:
        binding: what the stream delivers as which role.
        link: a fresh link to it; the keeper connects it.
        stall_s: a regular stream is stalled when it sends nothing for this long.
        returned: set whenever a lost stream is back, for a reader with nothing else to wait for.
    """

    def __init__(self, binding: Binding, link: Link, stall_s: float, returned: threading.Event) -> None:
        self.binding = binding
        self.failure: StreamLostError | None = None
        self._guard = UnitGuard(binding)
        self._counter = PacketCounter()
        self._stall_s = max(stall_s, _MIN_PERIODS / binding.sfreq) if binding.sfreq else math.inf
        self._returned = returned
        self._lock = threading.Lock()  # for adopting and ending; each is a matter of microseconds
        self._unconnected: Link | None = link
        self._connection: Connection | None = None
        self._incoming: Connection | None = None
        self._retired: list[Connection] = []  # closing may take long: the keeper's business
        self._last_arrival_s = self._last_stamp_s = math.nan
        self._n_reconnects = 0
        self._return = Return(binding.info)
        self._ready = threading.Event()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self.heart = Heart(
            f"keeper of {binding.role}",
            "its clock is not measured any more: end the session and start it anew",
            restart=self.start,
        )
        self._keeper = self._new_keeper()

    # -- the owner ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start connecting; or go on after the keeper died."""
        if self._keeper.ident is not None:
            self._keeper = self._new_keeper()
        self._keeper.start()

    def _new_keeper(self) -> threading.Thread:
        return threading.Thread(
            target=lambda: self.heart.live(self._keep), name=f"lsl-{self.binding.role}", daemon=True
        )

    def renew(self) -> None:
        """Drop what is buffered, connect anew and measure the clock anew: the computer has slept."""
        if (connection := self._connection) is not None:
            connection.link.lost = True
            self._wake.set()

    def wait_ready(self, timeout_s: float) -> bool:
        """Whether the stream is connected and its clock measured; False with :attr:`failure` if it is not."""
        return self._ready.wait(timeout_s) and self._connection is not None

    def stop(self) -> None:
        """Ask the keeper to disconnect and end."""
        self._stopped.set()
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the keeper's end."""
        if self._keeper.ident is not None:  # it was started
            self._keeper.join(max(0.0, timeout_s))

    def status(self) -> InletStatus:
        """How the stream fares now."""
        connection = self._connection
        state, note = self._state(connection)
        return InletStatus(
            role=self.binding.role,
            state=state,
            n_reconnects=self._n_reconnects,
            note=note,
            name=self.binding.info.name,
            uid=connection.link.info.uid if connection else self.binding.info.uid,
            last_arrival_s=self._last_arrival_s,
            n_lost=self._counter.n_lost if self._counter.is_sure else None,
            can_agree=self._return.asked is not None,
        )

    def agree(self) -> bool:
        """The user agrees to the changed stream that is there; False when there is none to agree to."""
        agreed = self._return.agree()
        self._wake.set()
        return agreed

    def _state(self, connection: Connection | None) -> tuple[State, str]:
        if refused := self._return.refusal:
            return "refused", refused
        if connection is None or connection.link.lost:
            return "lost", f"{self.binding.info.name!r} is gone; looking for it"
        if (silent_s := self.silent_s) > self._stall_s:
            return "stalled", f"{self.binding.info.name!r} has sent nothing for {silent_s:.1f} s"
        return "live", _UNIX_NOTE.format(self.binding.info.name) if connection.is_unix else ""

    @property
    def is_unix(self) -> bool:
        """Whether its samples are stamped with the Unix clock."""
        connection = self._connection
        return connection is not None and connection.is_unix

    # -- the reader -----------------------------------------------------------------------------------

    @property
    def silent_s(self) -> float:
        """Seconds since the last sample."""
        return float(local_clock() - self._last_arrival_s)

    @property
    def lost(self) -> bool:
        """Whether there is nothing to wait for, not even a new connection to adopt."""
        connection = self._connection
        gone = self._incoming is None and (connection is None or connection.link.lost)
        return gone or self._stopped.is_set()

    @property
    def live(self) -> bool:
        """Whether samples can be expected from it."""
        return not self.lost and self.silent_s <= self._stall_s

    def n_missing(self, missing_s: float) -> int:
        """How many samples to wait for when the next window lacks ``missing_s`` seconds; 1 at least."""
        return max(1, math.ceil(min(missing_s, _MAX_MISSING_S) * self.binding.sfreq - _FUZZ_SAMPLES))

    def pull(self, n_samples: int, timeout_s: float) -> list[Event]:
        """Wait for ``n_samples`` or the time-out. Raises StreamFormatError for EEG that cannot be in µV."""
        connection = self._adopt()
        return [] if connection is None else self._pull(connection, n_samples, timeout_s)

    def drain(self) -> list[Event]:
        """Take what has come, without waiting."""
        connection = self._adopt()
        events: list[Event] = []
        for _ in range(_MAX_PULLS):
            if connection is None:
                break
            n_available = connection.link.n_available
            events += self._pull(connection, max(1, n_available), 0.0)  # asking for 1 tells of a loss
            if connection.link.n_available == 0:
                break
        return events

    def _adopt(self) -> Connection | None:
        """The connection to pull from, which is the new one once there is one."""
        with self._lock:
            if self._stopped.is_set():
                return None
            if self._incoming is not None:
                if self._connection is not None:
                    self._retired.append(self._connection)
                self._connection, self._incoming = self._incoming, None
                self._last_arrival_s = local_clock()
                self._n_reconnects += 1
                self._return.refusal = ""
                self._wake.set()
            connection = self._connection
        return None if connection is None or connection.link.lost else connection

    def _pull(self, connection: Connection, n_max: int, timeout_s: float) -> list[Event]:
        link, role = connection.link, self.binding.role
        samples: list[Event] = []
        if role == MARKERS:
            labels = link.pull_labels(n_max)
            connection.judge_clock(np.array([stamp for stamp, _ in labels]))
            samples += [Marker(role, stamp, label) for stamp, label in labels]
        else:
            data, stamps = link.pull(n_max, timeout_s)
            arrival_s = local_clock()
            if len(stamps):
                connection.judge_clock(stamps)
                if (column := self.binding.counter) is not None:
                    self._counter.step(data[:, column], stamps, self.binding.sfreq, arrival_s)
                values = self.binding.convert(data)
                self._guard.look(values)
                samples.append(Chunk(role, stamps.copy(), values, arrival_s))
        if samples:
            self._last_arrival_s = local_clock()
            newest = samples[-1]
            self._last_stamp_s = float(
                newest.timestamps[-1] if isinstance(newest, Chunk) else getattr(newest, "timestamp", math.nan)
            )
        if link.lost:
            self._wake.set()
        events = connection.guard.step([*connection.take_offsets(), *samples])
        if connection.guard.waits:
            self._wake.set()  # for the keeper to measure
        return events

    # -- the keeper -----------------------------------------------------------------------------------

    def _keep(self) -> None:
        if self._unconnected is not None:
            self._connect_first()
        self._ready.set()
        announcements: Announcements | None = None
        while not self._stopped.is_set() and self.failure is None:
            self._retired.clear()
            self._measure_clock()
            if self._is_missing():
                announcements = announcements or Announcements()
                self._look(announcements)
                self._wait(_LOOK_INTERVAL_S)
            else:
                announcements = None
                self._return.rest()
                self._wait(_CLOCK_INTERVAL_S)
        with self._lock:
            self._connection = self._incoming = None
        self._retired.clear()

    def _wait(self, interval_s: float) -> None:
        self.heart.rest()
        self._wake.wait(interval_s)
        self._wake.clear()
        self.heart.work()

    def _connect_first(self) -> None:
        self.heart.work(_CONNECT_S)
        link, self._unconnected = self._unconnected, None
        assert link is not None
        try:
            self._connection = Connection(link, self.binding.role)
        except StreamLostError as error:
            self.failure = error
        self._last_arrival_s = local_clock()

    def _is_missing(self) -> bool:
        connection = self._connection
        if self._incoming is not None or connection is None:
            return False
        silent = self.silent_s > max(_SEARCH_AFTER_S, self._stall_s)
        return connection.link.lost or silent

    def _measure_clock(self) -> None:
        connection = self._incoming or self._connection
        if connection is not None:
            connection.measure_clock()

    def _look(self, announcements: Announcements) -> None:
        """One look around: prepare the stream's return, or note why what is there is not taken."""
        self.heart.work(_CONNECT_S)
        connection = self._connection
        silent = connection is not None and not connection.link.lost
        present_uid = connection.link.info.uid if connection is not None and silent else ""
        streams = announcements.poll().streams
        found = self._return.candidate(streams, present_uid, self._alive_until_s(connection))
        if found is not None:
            self._reconnect(announcements.link(found))

    def _alive_until_s(self, connection: Connection | None) -> float:
        """When the stream last sent, on its own LSL clock; NaN where its stamps are of another clock."""
        if connection is None:
            return math.nan
        heard_s = self._last_arrival_s - connection.offset_s  # what was held up was sent before that
        return self._last_stamp_s if abs(self._last_stamp_s - heard_s) < _SAME_CLOCK_S else math.nan

    def _reconnect(self, link: Link) -> None:
        try:
            header = link.full_header()
            self._return.check(header)
            incoming = Connection(link, self.binding.role)
        except StreamFormatError as error:
            self._return.refuse(link.info.uid, str(error))
        except StreamLostError:
            return  # gone again: the next look tells
        else:
            with self._lock:
                self._incoming = incoming
                self._return.take(header)
            self._returned.set()
