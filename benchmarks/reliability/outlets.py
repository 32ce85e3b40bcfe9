"""Real outlets killed and restarted, as themselves or as somebody else, under a running session.

A session (real liblsl, no model, a window of 1 s every 0.1 s) loses its headset by SIGKILL. What comes
back is the same, or has another rate, channel count, format, labels, host, or a twin beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pylsl

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.session import Session
from bci_stream.messages import EEG, Flag
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.lsl_config import configure_lsl, private_session
from bci_stream.timeline.windows import WindowSettings
from benchmarks.reliability.outlet_process import CHANGES, FALSE_MARK, Outlet, can_rename, header_of
from benchmarks.reliability.peers import restarts, said
from benchmarks.reliability.row import Row, command

WINDOW_S, HOP_S = 1.0, 0.1
STALE_S, LIVE_S = 0.5, 1.5
_GOAL = "STALE <= 0.5 s, live <= 1.5 s + window, every mismatch refused, 0 windows across a gap"
_PATIENCE_S = 60.0
_SETTLE_S = 1.0  # until both of two are announced
_LOOK_S = 2.0  # how long somebody else may try


@dataclass
class Seen:
    """What the session handed out, as it came."""

    full_s: list[tuple[float, float]] = field(default_factory=list)  # (end, when it was handed out)
    across: list[tuple[float, float]] = field(default_factory=list)  # what a window took for whole
    n_false: int = 0  # windows with a sample of somebody else

    def __call__(self, outcome: Outcome) -> None:
        """Take one."""
        part = outcome.window.streams[EEG]
        good = (part.mask & Flag.GAP) == 0
        self.n_false += bool((part.data[good, 0] > FALSE_MARK / 2).any())
        if good.all():
            self.full_s.append((part.t_end, pylsl.local_clock()))
            self.across.append((part.t_start, part.t_end))


@dataclass
class Case:
    """How one case went; ``wrongs``: what was promised and is not so."""

    kind: str
    n_false: int = 0  # windows that held a sample of somebody else
    stale_s: float = float("nan")
    live_s: float = float("nan")
    wrongs: list[str] = field(default_factory=list)


def run_case(session_id: str, kind: str, number: int) -> Case:
    """One kill and what came after."""
    case, seen = Case(kind), Seen()
    header = header_of(f"Cap-{kind}-{number}")
    outlets = [Outlet(session_id) for _ in range(2)]
    host = "somewhere-else" if kind == "host" else None
    others = [] if kind == "same" else [Outlet(session_id, host)]
    for outlet in (*outlets, *others):
        outlet.wait_ready()
    outlets[0].send(header)
    source = LslSource([LslRequest(EEG, header["name"])], resolve_s=_PATIENCE_S)
    try:
        bindings = source.open()
        specs = {role: binding.spec for role, binding in bindings.items()}
        pipeline = Pipeline(plan_without_model(specs), WindowSettings(WINDOW_S, HOP_S, 0.3))
        session = Session(source, pipeline, [], pylsl.local_clock, seen)
        session.start()
        try:
            _play(case, source, seen, header, outlets, others)
        finally:
            session.stop()
        if session.error is not None:
            case.wrongs.append(f"the session ended: {session.error}")
    finally:
        source.close()
        for outlet in (*outlets, *others):
            outlet.kill()
    return case


def _play(
    case: Case,
    source: LslSource,
    seen: Seen,
    header: dict[str, Any],
    outlets: list[Outlet],
    others: list[Outlet],
) -> None:
    first, second = outlets
    _wait(lambda: len(seen.full_s) >= 3)
    changed = header | CHANGES[case.kind] | {"mark": FALSE_MARK}
    if case.kind == "twin":  # it is there before the first dies, and the first comes back beside it
        others[0].send(changed)
        time.sleep(_SETTLE_S)
    first.kill()
    killed_s = pylsl.local_clock()
    _wait(lambda: source.status()[EEG].state != "live")
    case.stale_s = pylsl.local_clock() - killed_s
    if others:
        if case.kind != "twin":
            others[0].send(changed)
        _let_try(case, source, header["name"])
    began_s = second.send(header)
    if case.kind == "twin":
        _let_try(case, source, header["name"])
    for other in others:
        other.kill()
    _wait(lambda: bool(seen.full_s) and seen.full_s[-1][0] > began_s + WINDOW_S)
    if case.kind != "twin":  # there liblsl lists the one that was stopped for 2 s more
        case.live_s = next(at for end, at in seen.full_s if end > began_s) - began_s
    across = [(a, b) for a, b in seen.across if a < began_s - 0.05 and b > killed_s + 0.05]
    if across:
        start_s, end_s = across[0][0] - began_s, across[0][1] - killed_s
        case.wrongs.append(
            f"{len(across)} windows across the gap of {began_s - killed_s:.3f} s were whole, the first from "
            f"{start_s:.3f} s of the restart to {end_s:.3f} s of the kill"
        )
    case.n_false = seen.n_false
    case.wrongs += [f"{seen.n_false} windows hold samples of somebody else"] if seen.n_false else []


def _let_try(case: Case, source: LslSource, name: str) -> None:
    """Somebody else is there for a while: refused by name, and no sample of it taken."""
    n_before, said = source.status()[EEG].n_reconnects, ""
    deadline = time.monotonic() + _LOOK_S
    while time.monotonic() < deadline or (not said and time.monotonic() < deadline + _PATIENCE_S):
        status = source.status()[EEG]
        said = status.note if status.state == "refused" else said
        time.sleep(0.02)
    if name not in said:
        case.wrongs.append(f"it was not refused by name: {said!r}")
    if source.status()[EEG].n_reconnects > n_before:
        case.wrongs.append("it was taken")


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.002)


def measure(short: bool = False) -> Row:
    """Five of each kind; ``short``: one."""
    session_id = private_session("outlets")
    configure_lsl(session_id)
    kinds = [kind for kind in CHANGES if kind != "host" or can_rename()]
    cases = [run_case(session_id, kind, k) for k in range(1 if short else 5) for kind in kinds]
    wrongs = [f"{case.kind}: {wrong}" for case in cases for wrong in case.wrongs]
    stale_s = max(case.stale_s for case in cases)
    again_s = sorted(case.live_s for case in cases if case.kind != "twin")
    live_s = again_s[-1]
    middle_s = again_s[len(again_s) // 2]
    figure = (
        f"{len(cases)} cases, STALE after {stale_s:.2f} s at most, live again (the first whole window of "
        f"{WINDOW_S:g} s) {middle_s:.2f} s after the restart in the middle and {live_s:.2f} s at most, "
        f"{len(wrongs)} lapses"
    )
    if "host" not in kinds:
        figure += "; no other host could be had here (unshare -u)"
    met = not wrongs and stale_s <= STALE_S and live_s <= LIVE_S + WINDOW_S
    peers = "" if short else said(lambda: restarts.words(session_id))
    return Row("outlet kill and restart", "; ".join((figure, *wrongs)), _GOAL, met, peers)


if __name__ == "__main__":
    command(measure)
