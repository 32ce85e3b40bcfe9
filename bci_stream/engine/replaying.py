"""A recording played for a view: pause, seek, speed and loop, with the frames of a live session.

A thread feeds the events to a pipeline as fast as they are due; an outcome is handed on when the playback
clock has reached the end of its window. So the signals run a little ahead of the clock, and a view draws them
only up to :attr:`~bci_stream.engine.frame.Frame.now_s`. A seek begins a new pipeline some seconds before
the place, so that its filters and the model have settled when it is reached.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bci_stream.engine.frame import Frame
from bci_stream.engine.monitor import Monitor
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.errors import BciStreamError
from bci_stream.messages import Event

SPEEDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
PREROLL_S = 15.0
_LAG_S = 0.5  # further behind than this, the playback clock waits for the engine
_LONG_S = 3600.0


@dataclass(frozen=True, slots=True)
class Played:
    """One go at a recording: a fresh pipeline, its monitor, and the events from some place on."""

    pipeline: Pipeline
    monitor: Monitor
    events: Iterator[Event]


@dataclass(frozen=True, slots=True)
class Transport:
    """Where a playback stands, in seconds of the recording."""

    position_s: float
    duration_s: float
    speed: float
    paused: bool
    loop: bool
    ended: bool


class PlaybackClock:
    """Local time of a recording, that can be held, moved and run faster. Not thread-safe by itself."""

    def __init__(self, t_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._anchor = (t_s, clock())
        self.speed, self.paused = 1.0, False

    def now_s(self) -> float:
        """The recording's local time now."""
        t_s, at_s = self._anchor
        return t_s if self.paused else t_s + (self._clock() - at_s) * self.speed

    def move(self, t_s: float) -> None:
        """It is this time now."""
        self._anchor = (t_s, self._clock())

    def change(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        """Another speed, or held, or no longer, from now on."""
        self.move(self.now_s())
        self.speed = self.speed if speed is None else speed
        self.paused = self.paused if paused is None else paused

    def left_s(self, t_s: float) -> float:
        """Wall seconds until a time is reached; a long while when held before it."""
        ahead_s = t_s - self.now_s()
        return _LONG_S if self.paused and ahead_s > 0 else ahead_s / self.speed


class ReplaySession:
    """Plays a recording.

    Args:
        make: begins at a local time; called in this session's thread.
        t_start: local time of the recording's first sample.
        duration_s: how long it is.
        clock: wall seconds.
    """

    def __init__(
        self,
        make: Callable[[float], Played],
        t_start: float,
        duration_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._t_start, self._duration_s = make, t_start, duration_s
        self._changed = threading.Condition()
        self._playback = PlaybackClock(t_start, clock)
        self._seek_to: float | None = t_start
        self._from_s = t_start  # what is before it only lets filters and model settle
        self._loop = self._ended = self._stopped = False
        self._monitor: Monitor | None = None
        self._state = "starting"
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bci-replay", daemon=True)

    # -- anybody ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; returns when the first frame can be made, or the session has failed."""
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._monitor is not None or self.error is not None, 30.0)
        if isinstance(self.error, BciStreamError):
            raise self.error

    def stop(self, timeout_s: float = 5.0) -> None:
        """End it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def seek(self, position_s: float) -> None:
        """Go to a place of the recording."""
        with self._changed:
            self._seek_to = self._t_start + min(max(0.0, position_s), self._duration_s)
            self._playback.move(self._seek_to)
            self._changed.notify_all()

    def seek_by(self, seconds: float) -> None:
        """Go ahead, or back."""
        self.seek(self.transport().position_s + seconds)

    def toggle_pause(self) -> None:
        """Hold, or go on; at the end: begin again."""
        if self._ended:
            self.seek(0.0)
        with self._changed:
            self._playback.change(paused=not self._playback.paused and not self._ended)
            self._changed.notify_all()

    def toggle_loop(self) -> None:
        """Begin again at the end, or not."""
        with self._changed:
            self._loop = not self._loop
            self._changed.notify_all()

    def set_speed(self, speed: float) -> None:
        """Times real time."""
        with self._changed:
            self._playback.change(speed=speed)
            self._changed.notify_all()

    def faster(self) -> None:
        """The next higher speed."""
        self.set_speed(min((s for s in SPEEDS if s > self._playback.speed), default=SPEEDS[-1]))

    def slower(self) -> None:
        """The next lower speed."""
        self.set_speed(max((s for s in SPEEDS if s < self._playback.speed), default=SPEEDS[0]))

    def transport(self) -> Transport:
        """Where it stands."""
        playback = self._playback
        return Transport(
            position_s=min(max(0.0, self._now_s() - self._t_start), self._duration_s),
            duration_s=self._duration_s,
            speed=playback.speed,
            paused=playback.paused,
            loop=self._loop,
            ended=self._ended,
        )

    def frame(self) -> Frame:
        """The recording as it stands at the playback clock."""
        monitor, error = self._monitor, self.error
        assert monitor is not None, "start() was not called"
        state = self._state
        if state == "running":
            state = "stopped" if self._ended else "paused" if self._playback.paused else "running"
        words = None if error is None else f"the replay stopped: {error}; open the recording again"
        return monitor.frame(self._now_s(), state, words)

    def _now_s(self) -> float:
        return min(self._playback.now_s(), self._t_start + self._duration_s)

    # -- the thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (t_s := self._next_start()) is not None:
                self._play(self._make(t_s), t_s)
            self._state = "stopped"
        except BciStreamError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - the engine's outer loop: report, stop cleanly
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self.error, self._state = error, "failed"
            self._changed.notify_all()

    def _next_start(self) -> float | None:
        """Where to play from next; waits until there is such a place; None: no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._seek_to is not None)
            t_s, self._seek_to = self._seek_to, None
            return None if self._stopped else t_s

    def _play(self, played: Played, t_s: float) -> None:
        with self._changed:
            self._monitor, self._ended, self._state = played.monitor, False, "running"
            self._from_s = t_s
            if self._seek_to is None:
                self._playback.move(t_s)
            self._changed.notify_all()
        for outcome in _outcomes(played):
            if not self._wait_until(outcome.window.t_end):
                return
            played.monitor.on_outcome(outcome)
        if self._wait_until(self._t_start + self._duration_s):
            with self._changed:
                self._ended = not self._loop
                self._seek_to = self._t_start if self._loop else None

    def _wait_until(self, t_s: float) -> bool:
        """False when something else is to be done than to go on here."""
        with self._changed:
            while not self._stopped and self._seek_to is None:
                left_s = self._playback.left_s(t_s)
                if left_s <= 0:
                    if left_s < -_LAG_S and not self._playback.paused and t_s > self._from_s:
                        self._playback.move(t_s)  # the engine cannot follow: the clock waits for it
                    return True
                self._changed.wait(min(left_s, 1.0))
        return False


def _outcomes(played: Played) -> Iterator[Outcome]:
    for event in played.events:
        yield from played.pipeline.step(event)
    yield from played.pipeline.end()
