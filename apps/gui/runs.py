"""Runs for the window: the demo, a live session, a recording. No Qt."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import cast

from apps.choice import ModelChoice, Prepared, StreamChoice, load_model, prepare
from apps.live_run import UNITS, LiveRun, open_run, subject_of
from apps.live_streams import LiveOptions
from apps.outputs import OutputChoice
from apps.recorded_session import replayed
from apps.recording import BoundRecording, bind_recording
from bci_stream.engine.explainer import Explainer
from bci_stream.engine.happenings import StreamFacts
from bci_stream.engine.monitor import Monitor
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.replaying import PREROLL_S, Played, ReplaySession
from bci_stream.engine.warm import warm_up
from bci_stream.errors import BundleMismatchError
from bci_stream.sources.lsl_config import Scope
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from bci_stream.sources.xdf import XdfRecording, XdfSource

_DEMO_S = 12 * 3600.0
_WAIT_S = 30.0
_SEEN_WAIT_S = 5.0
_REPLAY_LATENESS_S = 2.0  # a file may store one stream that much later than another


def live_options(
    streams: StreamChoice,
    model: ModelChoice,
    *,
    wait_s: float,
    scope: str | None,
    session_id: str | None,
    outputs: OutputChoice = OutputChoice(),
) -> LiveOptions:
    """A live session for a window: nothing on the terminal."""
    return LiveOptions(
        streams=streams,
        model=model,
        seconds=None,
        wait_s=wait_s,
        lateness_s=None,
        scope=scope,
        session_id=session_id,
        outputs=outputs,
        windows=False,
        as_json=False,
    )


class DemoRun(LiveRun):
    """A live session of a simulated person, who goes when it ends."""

    person: SimulatorProcess

    def close(self) -> None:
        """End both."""
        super().close()
        self.person.terminate()


def demo_run(
    scope: str | None,
    session_id: str | None,
    model: ModelChoice,
    settings: SimulatorSettings | None = None,
) -> DemoRun:
    """A simulated person in a process of their own over real LSL, and a session that listens.

    ``scope``, ``session_id``: where this process looks for streams, as liblsl takes it only once.
    """
    settings = settings or SimulatorSettings(seed=7, person=9001)
    lsl: tuple[str, Scope] | None = None
    if scope is not None or session_id is not None:
        lsl = (session_id or "default", cast("Scope", scope or "machine"))
    prefix = f"Demo{secrets.token_hex(2)}"
    person = SimulatorProcess(settings, duration_s=_DEMO_S, name_prefix=prefix, source_id=prefix, lsl=lsl)
    person.start()
    try:
        streams = StreamChoice(f"{prefix}EEG", f"{prefix}Audio", markers=f"{prefix}Markers")
        options = live_options(streams, model, wait_s=_WAIT_S, scope=scope, session_id=session_id)
        run = open_run(options, smooth=True, kind=DemoRun)
    except BaseException:
        person.terminate()
        raise
    run.person = person
    return run


def live_run(
    streams: StreamChoice,
    model: ModelChoice,
    scope: str | None,
    session_id: str | None,
    outputs: OutputChoice = OutputChoice(),
) -> LiveRun:
    """A session with streams that were just seen."""
    options = live_options(
        streams, model, wait_s=_SEEN_WAIT_S, scope=scope, session_id=session_id, outputs=outputs
    )
    return open_run(options, smooth=True, kind=LiveRun)


class ReplayRun(ReplaySession):
    """A recording for a window; lets the file go when it ends."""

    recording: XdfRecording
    player: _Player
    path: Path

    def close(self) -> None:
        """End it, and close the file."""
        self.stop()
        self.player.close()
        self.recording.close()


def replay_run(path: Path, streams: StreamChoice, model: ModelChoice) -> ReplayRun:
    """Open a recording. A model that does not fit is left aside, and said; the signals are shown.

    Raises BciStreamError for a file that cannot be played.
    """
    bundle = load_model(model)
    recording = XdfRecording.open(path)
    try:
        bound = bind_recording(recording, streams, any_numeric=True)
        specs = {role: binding.spec for role, binding in bound.bindings.items()}
        notes: list[tuple[str, str, str]] = []
        try:
            prepared = prepare(model, bundle, specs, _REPLAY_LATENESS_S)
        except BundleMismatchError as error:
            notes.append(("bad", "model", f"{error}: signals only"))
            prepared = prepare(model, None, specs, _REPLAY_LATENESS_S)
        warm_up(prepared.plans, prepared.settings)
        player = _Player(recording, bound, prepared, notes)
        run = ReplayRun(player.begin, player.source.t_start, player.source.duration_s)
    except BaseException:
        recording.close()
        raise
    run.recording, run.player, run.path = recording, player, path
    notes += [("warn", "recording", note) for note in (*bound.notes, *player.source.warnings)]
    return run


class _Player:
    """Begins a recording anew at any place."""

    def __init__(
        self,
        recording: XdfRecording,
        bound: BoundRecording,
        prepared: Prepared,
        notes: list[tuple[str, str, str]],
    ) -> None:
        self._prepared, self._notes = prepared, notes
        self.source = XdfSource(recording, bound.bindings, bound.markers, reanchor=True)
        facts = {
            role: StreamFacts(b.info.name, UNITS[role], b.sfreq)
            for role, b in bound.bindings.items()
            if role in prepared.plans
        }
        self._subject = subject_of(facts, prepared)
        self.explainer: Explainer | None = None

    def close(self) -> None:
        """End what explains."""
        if self.explainer is not None:
            self.explainer.close()

    def begin(self, t_s: float) -> Played:
        """A fresh pipeline, fed from a little before ``t_s`` (local time)."""
        prepared, source = self._prepared, self.source
        if prepared.predictor is not None:
            prepared.predictor.reset()
        pipeline = Pipeline(
            prepared.plans, prepared.settings, prepared.predictor, stopwatch=time.perf_counter
        )
        if self.explainer is not None:
            self.explainer.close()
        self.explainer = Explainer(prepared.bundle) if prepared.bundle is not None else None
        monitor = Monitor(pipeline, self._subject, source.t_start, explainer=self.explainer)
        for note in self._notes:
            monitor.log.add(0.0, *note)
        from_s = t_s - source.t_start - PREROLL_S
        events = source.events(from_s if from_s > 0 else None)
        return Played(replayed(pipeline), monitor, events)
