"""Each worker's pulse: written by the thread that works, read by whoever watches.

A worker that waits for something to do rests; one that works says since when. So a dead thread and one that
hangs look different from one that has nothing to do. :mod:`bci_stream.engine.supervision` judges.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

BUSY_S: Final = 0.7  #: a step of work that takes longer is a hang


@dataclass(frozen=True, slots=True)
class Pulse:
    """A worker as it is.

    ``state``: "new", "alive", "ended" or "dead". ``busy_s``: since when it works at one step, 0 while it
    rests. ``limit_s``: how long that may take. ``why``: what killed it.
    """

    name: str
    state: str
    busy_s: float
    limit_s: float
    why: str = ""


class Heart:
    """One worker's.

    Args:
        name: of the worker, for people.
        advice: what a person can do when it is dead or hangs.
        restart: begins its thread anew after an exception, where that is safe; None where it is not.
        give_up: takes the words when it will not be begun anew, to let go of what it held.
        limit_s: how long one step may take.
        vital: without it there is no session: when it cannot be restarted, the session stops.
        clock: seconds.
    """

    def __init__(
        self,
        name: str,
        advice: str,
        *,
        restart: Callable[[], None] | None = None,
        give_up: Callable[[str], None] | None = None,
        limit_s: float = BUSY_S,
        vital: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.advice, self.vital = name, advice, vital
        self.restart, self.give_up = restart, give_up
        self._limit_s, self._step_limit_s, self._clock = limit_s, limit_s, clock
        self._since_s: float | None = None
        self._state = "new"
        self._why = ""
        self._thread: threading.Thread | None = None

    def work(self, limit_s: float | None = None) -> None:
        """A step of work begins now; ``limit_s``: how long this one may take, where that is another time."""
        self._step_limit_s = self._limit_s if limit_s is None else limit_s
        self._since_s = self._clock()

    def rest(self) -> None:
        """There is nothing to do."""
        self._since_s = None

    def live(self, target: Callable[[], None]) -> None:
        """Run a thread's work in it; an exception is kept for whoever watches, and ends the thread."""
        self._thread = threading.current_thread()
        self._state, self._why = "alive", ""
        self.work()
        try:
            target()
        except Exception as error:  # noqa: BLE001 - a worker's outer loop: the supervisor decides what follows
            self._why = " ".join(f"{type(error).__name__}: {error}".split())
            self._state = "dead"
        else:
            self._state = "ended"
        finally:
            self.rest()

    def pulse(self) -> Pulse:
        """How it is now; from any thread."""
        state, since_s = self._state, self._since_s
        if state == "alive" and self._thread is not None and not self._thread.is_alive():
            state = "dead"
        busy_s = self._clock() - since_s if since_s is not None and state == "alive" else 0.0
        return Pulse(self.name, state, busy_s, self._step_limit_s, self._why)
