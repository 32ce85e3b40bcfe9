"""``bci-stream calibrate``: guided trials in the terminal, a model that fits the person, an honest report."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from apps.calibration_run import CONSENT, close_calibration, fit_person, now_iso, open_calibration
from apps.choice import StreamChoice
from apps.console import err, say, warn, write_line
from apps.gui.viewmodels.cue import Cue, cue, progress_words
from apps.keyboard import Keyboard
from apps.live import stop_on_signal
from apps.live_streams import configure
from bci_stream.errors import ConfigError, StreamError
from calibration.errors import CalibrationError
from calibration.keys import Keys
from calibration.profile import ProfileStore, check_name
from calibration.protocol import Plan, Protocol, load_protocol, load_texts, plan_session, said
from calibration.resume import earlier
from calibration.session import Abort, Begin, Phase, Show, State

if TYPE_CHECKING:
    from calibration.live import LiveCalibration
    from calibration.outcome import Outcome

_TICK_S = 0.02
_REDRAW_S = 0.1
_TOP = "everything"  # of the ladder


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """The command's options; ``recordings``: calibrate from these instead of recording; ``later``: test;
    ``up_to``: the highest rung of the ladder. ``go_on``: with all earlier recordings of the profile.
    ``refit``: with those alone, recording nothing.
    """

    name: str
    protocol: str = "conversation"
    language: str = "en"
    seed: int = 0
    bundle: Path | None = None
    recordings: tuple[Path, ...] = ()
    later: tuple[Path, ...] = ()
    up_to: str = _TOP
    go_on: bool = False
    refit: bool = False
    streams: StreamChoice = field(default_factory=StreamChoice)
    wait_s: float = 5.0
    yes: bool = False
    record_only: bool = False
    scope: str | None = None
    session_id: str | None = None
    profiles: Path | None = None
    as_json: bool = False


def run(options: CalibrateOptions) -> None:
    """Record if asked to, fit, report, keep; raises BciStreamError for what cannot go on."""
    check_name(options.name)
    if options.later and not options.recordings:
        raise ConfigError("--test goes with --from: what is recorded now is tested on its own last trials")
    _check_rung(options.up_to)
    store = ProfileStore(options.profiles)
    recordings = list(options.recordings)
    earlier = _earlier(options, store)
    if not recordings and not options.refit:
        recordings = _record(options, store)
    recordings = [*(path for path in earlier if path not in recordings), *recordings]
    if options.record_only:
        say(f"recorded: {', '.join(map(str, recordings))}")
        return
    _report(_fit(options, store, recordings), store, options.as_json)


def _earlier(options: CalibrateOptions, store: ProfileStore) -> list[Path]:
    """The recordings of the profile so far, oldest first, where they are asked for."""
    if not (options.go_on or options.refit):
        return []
    store.load(options.name)
    found = store.recordings(options.name)
    if options.refit and not found and not options.recordings:
        raise CalibrationError(f"{options.name} has no recording to fit to: leave --refit out to record one")
    return found


def _check_rung(name: str) -> None:
    """Before anybody is recorded; loading the ladder takes a moment, so only where something was asked."""
    if name != _TOP:
        from calibration.ladder import rungs_up_to

        rungs_up_to(name)


def _fit(options: CalibrateOptions, store: ProfileStore, recordings: list[Path]) -> Outcome:
    from calibration.finetune import FinetuneSettings
    from calibration.ladder import rungs_up_to

    settings = FinetuneSettings(rungs_up_to(options.up_to))
    last = [""]
    with err.status("fitting …") if err.is_terminal else _plain() as status:

        def told(what: str, share: float) -> None:
            if status is not None:
                status.update(f"{what} ({share:.0%})")
            elif what != last[0]:
                say(f"{what} ({share:.0%})")
            last[0] = what

        return fit_person(
            store,
            options.name,
            options.bundle,
            recordings,
            later=options.later,
            settings=settings,
            report=told,
        )


@contextmanager
def _plain() -> Iterator[None]:
    yield None


def _report(outcome: Outcome, store: ProfileStore, as_json: bool) -> None:
    model, name = outcome.model, outcome.profile.name
    if as_json:
        write_line(json.dumps({"kind": "calibration", "name": name, **model.model_dump(mode="json")}))
    for line in outcome.left_out:
        warn(f"left out: {line}")
    v = outcome.calibrated.verdict
    say(
        f"base {v.base_accuracy:.0%}, calibrated {v.accuracy:.0%} of {v.n_test} later trials, "
        f"{100 * v.gain:+.0f} points [{100 * v.gain_ci.low:+.0f}, {100 * v.gain_ci.high:+.0f}], "
        f"p = {v.p:.3f}; chance {v.chance[0]:.0%}"
    )
    say(model.words)
    say(f"report: {outcome.report / 'report.html'}")
    if outcome.profile.active == model.number:
        say(f"active: bci-stream live --profile {name}")
    else:
        keep = f"bci-stream profile activate {name} {model.number}"
        before = outcome.profile.active
        stays = "the base model" if before is None else f"model {before}"
        say(f"{stays} stays active; to use the new one all the same: {keep}")


# -- recording a session ----------------------------------------------------------------------------------


def _record(options: CalibrateOptions, store: ProfileStore) -> list[Path]:
    protocol = load_protocol(options.protocol)
    texts = load_texts(options.language)
    plan = plan_session(protocol, options.seed)
    _consent(options, store)
    configure(options.scope, options.session_id)
    store.create(options.name, now_iso())
    before, state = _unfinished(store, options.name, plan)
    running = open_calibration(store, options.name, plan, options.streams, options.wait_s, state)
    try:
        _guide(running, protocol, texts)
    finally:
        path = close_calibration(running)
    return [*before, path] if path is not None else before


def _consent(options: CalibrateOptions, store: ProfileStore) -> None:
    for line in CONSENT:
        say(line.format(folder=store.path(options.name), name=options.name))
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("a person has to agree to be recorded: run it in a terminal, or add --yes for them")
    err.print("Begin? [y/N] ", end="")
    if input().strip().casefold() not in ("y", "yes"):
        raise CalibrationError("nothing was recorded: the person did not agree")


def _unfinished(store: ProfileStore, name: str, plan: Plan) -> tuple[list[Path], State | None]:
    """The recordings of a session of this very plan that was interrupted, and where it left off."""
    found = earlier(store, name, plan)
    if found.ended or not found.state.done or found.state.phase is Phase.DONE:
        return [], None
    say(
        f"an interrupted session goes on: {len(found.state.done)} trials are done, "
        f"{len(found.state.queue)} to go"
    )
    return list(found.recordings), found.state


def _guide(running: LiveCalibration, protocol: Protocol, texts: dict[str, str]) -> None:
    """Show what the session says until it is over; keys: space go on, p pause, r repeat, q end, 1-9 rate."""
    say(said(texts, protocol.instruction))
    say(
        "keys: space begin and go on, p pause, r repeat this trial, q end, a take a changed stream; "
        "after a trial 1-9 rate"
    )
    keys = Keys()
    with stop_on_signal() as stop, Keyboard() as keyboard, _Screen(texts) as screen:
        running.start()
        if not keyboard.there:
            running.do(Begin())
        next_s = 0.0
        while not running.state.over and running.error is None and running.running:
            if stop.wait(_TICK_S):
                running.do(Abort())
                break
            for key in keyboard.read():
                if key == "a":
                    running.agree()
                if (asked := keys.pressed(key, running.state)) is not None:
                    running.do(asked)
            running.tick()
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + _REDRAW_S
                screen.draw(running, half_rated=keys.valence is not None)
                running.painted()
    if running.error is not None:
        raise StreamError(f"the calibration stopped: {running.error}; what was recorded is kept")
    if running.state.phase is Phase.ABORTED:
        raise CalibrationError(
            f"ended early: {len(running.state.done)} trials are kept; the same command goes on with the rest"
        )


class _Screen:
    """The cue, large and alone, with how far the session is; plain lines where there is no terminal."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._live = Live(console=err, auto_refresh=False, transient=True) if err.is_terminal else None
        self._said: Show | None = None

    def __enter__(self) -> _Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def draw(self, running: LiveCalibration, *, half_rated: bool) -> None:
        """The session as it stands, in the words that the window uses."""
        state, refused = running.state, running.refused if running.state.missing else ()
        now_s = running.now_s()
        now = cue(state, running.shown, self._texts, now_s, half_rated=half_rated, refused=refused)
        if self._live is not None:
            self._live.update(_picture(running.state, now), refresh=True)
        elif running.shown is not None and running.shown is not self._said:
            self._said = running.shown
            say(": ".join(words for words in (now.head, now.large, now.words) if words))


def _picture(state: State, now: Cue) -> Panel:
    lines = [
        Text(now.large, style="bold", justify="center"),
        Text(now.words, justify="center"),
        Text(now.left, justify="center"),
    ]
    bar = ProgressBar(total=1.0, completed=state.progress, width=60)
    return Panel(Group(*lines, bar, Text(progress_words(state), style="dim")), title=now.head)
