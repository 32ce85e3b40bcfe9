"""Watches every worker of a session: says within a second which one is dead or hangs, and acts.

The judge is pure: pulses and the time in, verdicts out. A dead worker is begun anew up to three times where
that is safe; a vital one that is dead for good, or hangs for long, ends the session. :class:`Supervisor` is
the thread around it. It also sees when the computer has slept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from bci_stream.heartbeat import Heart, Pulse

LOOK_S: Final = 0.2
MAX_RESTARTS: Final = 3
HANG_FATAL_S: Final = 10.0  # a vital worker that hangs for so long will not come back
SLEEP_S: Final = 1.0

Deed = Literal["none", "restart", "give up", "stop"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a worker, in plain words, and what is to be done."""

    name: str
    words: str
    deed: Deed


class Judge:
    """Remembers how often each worker was begun anew. Pure."""

    def __init__(self) -> None:
        self._n_restarts: dict[str, int] = {}
        self._given_up: set[str] = set()

    def judge(self, pulse: Pulse, *, restartable: bool, vital: bool, advice: str) -> Verdict | None:
        """None for a worker that is well."""
        if pulse.state == "dead":
            return self._dead(pulse, restartable, vital, advice)
        if pulse.busy_s > pulse.limit_s:
            fatal = vital and pulse.busy_s > HANG_FATAL_S
            words = f"{pulse.name} hangs since {pulse.busy_s:.1f} s: {advice}"
            return Verdict(pulse.name, words, self._once(pulse.name, "stop") if fatal else "none")
        return None

    def _dead(self, pulse: Pulse, restartable: bool, vital: bool, advice: str) -> Verdict:
        n = self._n_restarts.get(pulse.name, 0)
        why = pulse.why or "its thread has ended without a word"
        if restartable and n < MAX_RESTARTS:
            self._n_restarts[pulse.name] = n + 1
            words = f"{pulse.name} died ({why}): begun anew, {n + 1} of {MAX_RESTARTS}"
            return Verdict(pulse.name, words, "restart")
        words = f"{pulse.name} died ({why}): {advice}"
        return Verdict(pulse.name, words, self._once(pulse.name, "stop" if vital else "give up"))

    def _once(self, name: str, deed: Deed) -> Deed:
        first = name not in self._given_up
        self._given_up.add(name)
        return deed if first else "none"


class SleepWatch:
    """Sees a computer's sleep: the clock that counts it runs away from the one that does not. Pure."""

    def __init__(self) -> None:
        self._apart_s: float | None = None

    def look(self, awake_s: float, all_s: float) -> float:
        """Seconds slept since the last look.

        ``awake_s``: a clock that stands still meanwhile (Linux's monotonic one); ``all_s``: one that goes
        on (time since boot). A wall clock that was merely set looks the same; to take it for a sleep is
        harmless.
        """
        apart_s = all_s - awake_s
        before_s, self._apart_s = self._apart_s, apart_s
        if before_s is None or apart_s - before_s < SLEEP_S:
            return 0.0
        return apart_s - before_s


def since_boot_s() -> float:
    """A clock that goes on while the computer sleeps, seconds."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boot) if boot is not None else time.time()


class Supervisor:
    """A thread that looks at every worker a few times a second.

    Args:
        hearts: all workers there are now; asked at every look.
        say: takes a line as it comes: (level, worker, words).
        stop: ends the session, with why.
        slept: the computer has slept for so many seconds.
        clocks: (a clock that stands still in sleep, one that does not), seconds.
    """

    def __init__(
        self,
        hearts: Callable[[], Iterable[Heart]],
        *,
        say: Callable[[str, str, str], None],
        stop: Callable[[str], None],
        slept: Callable[[float], None] = lambda _: None,
        clocks: tuple[Callable[[], float], Callable[[], float]] = (time.monotonic, since_boot_s),
    ) -> None:
        self._hearts, self._say, self._stop, self._slept = hearts, say, stop, slept
        self._clocks = clocks
        self._judge, self._sleep = Judge(), SleepWatch()
        self._red: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bci-supervisor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Watch no more; call it before the workers are ended. May be called twice."""
        self._ended.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong now, a line for each worker; empty while all is well."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._ended.is_set():
            return ("the supervisor itself died: end the session and start it anew",)
        return tuple(self._red.values())

    def look(self) -> None:
        """Look once at all."""
        if (slept_s := self._sleep.look(self._clocks[0](), self._clocks[1]())) > 0:
            self._say("bad", "computer", f"it slept for {slept_s:.0f} s: what was buffered is dropped")
            self._slept(slept_s)
        red = {}
        for heart in self._hearts():
            found = self._judge.judge(
                heart.pulse(),
                restartable=heart.restart is not None,
                vital=heart.vital,
                advice=heart.advice,
            )
            if found is not None:
                red[found.name] = found.words
                self._act(heart, found)
        for name in self._red.keys() - red.keys():
            self._say("good", name, "works again")
        self._red = red

    def _act(self, heart: Heart, found: Verdict) -> None:
        if found.name not in self._red or found.deed != "none":
            self._say("bad", found.name, found.words)
        if found.deed == "restart" and heart.restart is not None:
            heart.restart()
        elif found.deed == "give up" and heart.give_up is not None:
            heart.give_up(found.words)
        elif found.deed == "stop":
            self._stop(found.words)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.look()
