"""From a stream's own clock to the local one.

A stream's stamps live on the clock of the computer that made them. Every few seconds somebody
measures a pair (remote time, offset); :class:`ClockTrack` turns those pairs into a mapping, and is
the only place that decides whether a step in the stamps is a gap or another clock.

Rules, all in terms of stamps, so that neither chunking nor arrival order can matter:

* Samples wait for the first pair. Later pairs count for samples stamped ``SETTLE_S`` after they were
  measured, so a pair that arrives up to that much later changes nothing.
* The mapping is a line, refitted at every pair over the last ``N_PAIRS``, with a prior on the drift
  (Bayesian linear regression); pairs far off the line are left out.
* A pair that contradicts the line by ``RESET_S`` starts a new clock (a reset).
* A step in the stamps of more than ``BACKWARD_S`` back or ``STEP_S`` ahead is held until ``CONFIRM_N``
  samples agree that it was a gap of at most ``FORWARD_S``, a pair confirms the new place, the stamps
  return (the held ones were bad), or ``HOLD_S`` have passed.
* What came before a pair cannot have been taken after it: held samples that are stamped so, by a clock that
  was reset since, have no time.
* A pair may overtake samples that were stamped before the reset: as long as the stamps go on as before,
  and until the next pair at most, the line from before the reset counts for them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from bci_stream.messages import FloatArray, TimeArray

SETTLE_S = 1.0
N_PAIRS = 24
RESET_S = 0.25
BACKWARD_S = 1.0
STEP_S = 1.0
FORWARD_S = 30.0
CONFIRM_N = 3
HOLD_S = 6.0

_DRIFT_PRIOR = 200e-6  # crystals are within 100 ppm; computers that discipline their clock within 500
_NOISE_S = 0.3e-3  # a measured pair on one machine is good to 0.03 ms, over Wi-Fi to 2 ms

Piece = tuple[TimeArray, FloatArray]


@dataclass(frozen=True, slots=True)
class ClockLine:
    """local = stamp + offset_s + drift * (stamp - remote_s), for stamps from ``from_s`` on."""

    from_s: float
    remote_s: float
    offset_s: float
    drift: float


def fit_line(pairs: list[tuple[float, float]], from_s: float) -> ClockLine:
    """Fit offset against remote time; pairs far from the line are left out once."""
    remote = np.array([r for r, _ in pairs])
    offset = np.array([o for _, o in pairs])
    line = _regress(remote, offset, from_s)
    residual = np.abs(offset - line.offset_s - line.drift * (remote - line.remote_s))
    good = residual <= max(1e-3, 5.0 * float(np.median(residual)))
    return line if good.all() else _regress(remote[good], offset[good], from_s)


def _regress(remote: TimeArray, offset: TimeArray, from_s: float) -> ClockLine:
    centre = float(remote.mean())
    mean = float(offset.mean())
    x = remote - centre
    information = float(x @ x) / _NOISE_S**2
    drift = float(x @ (offset - mean)) / _NOISE_S**2 / (information + _DRIFT_PRIOR**-2)
    return ClockLine(from_s, centre, mean, drift)


class ClockTrack:
    """The clock of one stream: feed it pairs and stamps, get local time back.

    ``step_s``: the longest step ahead that needs no second look, infinite for a stream of rare events.
    ``keep_bad``: hand on samples whose stamps are no times, in their place and with NaN for a time: in a
    regular stream the samples around them tell when they were taken. Else they are left out.
    """

    def __init__(self, step_s: float = STEP_S, *, keep_bad: bool = False) -> None:
        self._step_s = step_s
        self._keep_bad = keep_bad
        self._pairs: deque[tuple[float, float]] = deque(maxlen=N_PAIRS)
        self._lines: list[ClockLine] = []
        self._before: list[ClockLine] = []  # of the clock before the newest reset, for samples on their way
        self._last: float | None = None  # newest stamp that was accepted
        self._held: list[Piece] = []
        self.n_resets = 0
        self.n_bad_stamps = 0

    @property
    def drift_ppm(self) -> float:
        """Drift of the remote clock against the local one, by the newest line."""
        return self._lines[-1].drift * 1e6 if self._lines else float("nan")

    @property
    def offset_s(self) -> float:
        """The newest offset, NaN before the first."""
        return self._pairs[-1][1] if self._pairs else float("nan")

    def add_pair(self, remote_s: float, offset_s: float) -> list[Piece]:
        """Take one measurement; return the samples that had been waiting for it."""
        if not (np.isfinite(remote_s) and np.isfinite(offset_s)):
            return []
        overtakes = self._overtakes(remote_s, offset_s)
        self._before = []
        if self._contradicts(remote_s, offset_s):
            self.n_resets += 1
            self._before = list(self._lines) if overtakes else []
            self._pairs.clear()
            self._lines.clear()
            self._strike_out_after(remote_s + SETTLE_S)
        first = not self._pairs
        self._pairs.append((remote_s, offset_s))
        from_s = -np.inf if first else remote_s + SETTLE_S
        self._lines.append(fit_line(list(self._pairs), from_s))
        del self._lines[:-N_PAIRS]
        return self._release() if self._confirms(remote_s) else []

    def admit(self, stamps: TimeArray, data: FloatArray) -> list[Piece]:
        """Map stamps to local time; samples that cannot be placed yet are kept back.

        ``stamps`` (n,), ``data`` (n, n_channels). Returns pieces in order: (local times, data).
        """
        pieces: list[Piece] = []
        finite = np.isfinite(stamps)
        if finite.all():
            return self._admit_finite(stamps, data) if len(stamps) else []
        edges = np.flatnonzero(np.diff(finite)) + 1
        for run, rows in zip(np.split(stamps, edges), np.split(data, edges), strict=True):
            if np.isfinite(run[0]):
                pieces += self._admit_finite(run, rows)
                continue
            self.n_bad_stamps += len(run)
            bad = self._without_time([(run, rows)])
            if self._held:  # they wait for their turn
                self._held += bad
            else:
                pieces += bad
        return pieces

    def _admit_finite(self, stamps: TimeArray, data: FloatArray) -> list[Piece]:
        steps = stamps[1:] - stamps[:-1]
        if not len(steps) or (steps.min() >= -BACKWARD_S and steps.max() <= self._step_s):
            return self._admit_run(stamps, data)
        cuts = np.flatnonzero((steps < -BACKWARD_S) | (steps > self._step_s)) + 1
        pieces: list[Piece] = []
        for run, rows in zip(np.split(stamps, cuts), np.split(data, cuts), strict=True):
            pieces += self._admit_run(run, rows)
        return pieces

    def flush(self) -> list[Piece]:
        """The stream has ended: place what was held as well as is known."""
        return self._release()

    def _admit_run(self, run: TimeArray, rows: FloatArray) -> list[Piece]:
        """Place one stretch whose inner steps are all ordinary."""
        if self._held:
            back = np.flatnonzero(self._ordinary(run)) if self._last is not None else np.array([], int)
            if len(back):  # the stamps came back: what was held was nonsense
                start = int(back[0])
                bad = self._leave_out([*self._unheld(), (run[:start], rows[:start])])
                return bad + self._accept(run[start:], rows[start:])
            return self._hold(run, rows)
        if not self._lines or not (self._last is None or self._ordinary(run[:1])[0] or self._known(run[0])):
            return self._hold(run, rows)
        return self._accept(run, rows)

    def _hold(self, run: TimeArray, rows: FloatArray) -> list[Piece]:
        bad: list[Piece] = []
        if self._held and not -BACKWARD_S <= run[0] - self._newest_held() <= self._step_s:
            bad = self._leave_out(self._unheld())
        inside = self._n_to_hold(run) if self._lines else len(run)
        if inside:
            self._held.append((run[:inside], rows[:inside]))
        if inside == len(run):
            return bad
        return bad + self._release() + self._accept(run[inside:], rows[inside:])

    def _unheld(self) -> list[Piece]:
        held, self._held = self._held, []
        return held

    def _newest_held(self) -> float:
        return next((float(run[-1]) for run, _ in reversed(self._held) if np.isfinite(run[-1])), np.nan)

    def _strike_out_after(self, stamp: float) -> None:
        for run, rows in self._unheld():
            n = int(np.searchsorted(run, stamp)) if np.isfinite(run[0]) else len(run)
            self._held += [(run[:n], rows[:n])] if n else []
            self._held += self._leave_out([(run[n:], rows[n:])])

    def _leave_out(self, pieces: list[Piece]) -> list[Piece]:
        """These stamps are no times."""
        self.n_bad_stamps += sum(int(np.isfinite(run).sum()) for run, _ in pieces)
        return self._without_time(pieces)

    def _without_time(self, pieces: list[Piece]) -> list[Piece]:
        if not self._keep_bad:
            return []
        return [(np.full(len(run), np.nan), rows) for run, rows in pieces if len(run)]

    def _n_to_hold(self, run: TimeArray) -> int:
        """How many more samples it takes until what is held may go."""
        first = float(self._held[0][0][0]) if self._held else float(run[0])
        if self._last is not None and 0 <= first - self._last <= FORWARD_S:
            n_held = sum(len(t) for t, _ in self._held if np.isfinite(t[0]))
            return min(len(run), max(0, CONFIRM_N - 1 - n_held))
        return int(np.searchsorted(run - first, HOLD_S))

    def _accept(self, run: TimeArray, rows: FloatArray) -> list[Piece]:
        if self._before and not self._ordinary(run[:1])[0]:
            self._before = []
        self._last = float(run[-1])
        return [(_to_local(run, self._before or self._lines), rows)]

    def _release(self) -> list[Piece]:
        if not self._lines:
            return []
        pieces: list[Piece] = []
        for run, rows in self._unheld():
            pieces += self._accept(run, rows) if np.isfinite(run[0]) else [(run, rows)]
        return pieces

    def _ordinary(self, stamps: TimeArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        step = stamps - (self._last if self._last is not None else stamps[0])
        ordinary: np.ndarray[tuple[int], np.dtype[np.bool_]] = (step >= -BACKWARD_S) & (step <= self._step_s)
        return ordinary

    def _known(self, stamp: float) -> bool:
        """Was the newest pair measured near this stamp rather than near the last accepted one?"""
        remote_s = self._pairs[-1][0]
        near = abs(remote_s - stamp)
        return self._last is None or (near < FORWARD_S and near < abs(remote_s - self._last))

    def _confirms(self, remote_s: float) -> bool:
        if not self._held:
            return False
        newest = self._newest_held()
        without_time = np.isnan(newest)  # nothing can confirm more
        return bool(without_time or self._last is None or abs(remote_s - newest) < abs(remote_s - self._last))

    def _overtakes(self, remote_s: float, offset_s: float) -> bool:
        """If the clock was reset: are the samples so far still from before that, and told apart by it?"""
        if not self._lines or self._last is None or self._step_s == np.inf:
            return False
        line = self._lines[-1]
        step_s = line.offset_s - offset_s  # of the stamps
        before_s = remote_s - step_s  # what the clock would have shown
        return abs(step_s) > self._step_s and abs(before_s - self._last) < abs(remote_s - self._last)

    def _contradicts(self, remote_s: float, offset_s: float) -> bool:
        if not self._pairs:
            return False
        line = self._lines[-1]
        expected = line.offset_s + line.drift * (remote_s - line.remote_s)
        tolerance = RESET_S + 2 * _DRIFT_PRIOR * abs(remote_s - self._pairs[-1][0])
        return remote_s < self._pairs[-1][0] - BACKWARD_S or abs(offset_s - expected) > tolerance


def _to_local(stamps: TimeArray, lines: list[ClockLine]) -> TimeArray:
    newest = lines[-1]
    if stamps.min() >= newest.from_s:
        local: TimeArray = stamps + (newest.offset_s + newest.drift * (stamps - newest.remote_s))
        return local
    starts = np.array([line.from_s for line in lines])
    which = np.maximum(np.searchsorted(starts, stamps, side="right") - 1, 0)
    remote = np.array([line.remote_s for line in lines])[which]
    offset = np.array([line.offset_s for line in lines])[which]
    drift = np.array([line.drift for line in lines])[which]
    placed: TimeArray = stamps + (offset + drift * (stamps - remote))
    return placed
