"""One live session with all that belongs to it, for whoever drives it: the terminal, a window, a program.

:func:`open_run` finds the streams, loads the model and puts the parts together; :class:`LiveRun` starts and
stops them, records on request, and tells how they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from apps.live_recording import OWN_MARKERS, keyboard_stream, recorded_streams
from apps.live_streams import connect, live_pipeline
from apps.live_swap import Swap
from apps.supervised import supervisor_of
from bci_stream.engine.explainer import Explainer
from bci_stream.engine.frame import Frame, Recording
from bci_stream.engine.happenings import StreamFacts
from bci_stream.engine.monitor import Monitor, Subject
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.session import Session
from bci_stream.engine.supervision import Supervisor
from bci_stream.messages import AUDIO, EEG, ClockOffset, Event, Marker, Prediction, Window
from bci_stream.sinks.base import SinkRunner
from bci_stream.sinks.xdf_session import RecordedPipeline, RecordedSource, RecordingSink, a_second

if TYPE_CHECKING:
    from apps.choice import Prepared
    from apps.live_drift import LiveDrift
    from apps.live_streams import LiveOptions, StatusSource
    from apps.record import Destination
    from bci_stream.heartbeat import Heart
    from bci_stream.model.predictor import StreamingPredictor
    from bci_stream.sinks.xdf import RecorderStatus, XdfRecorder
    from bci_stream.sources.binding import Binding

_VIEW_EVERY_S = 0.04
UNITS = {EEG: "µV", AUDIO: "full scale"}


class RecorderSwitch:
    """Stands where a recorder is wanted; hands on to one while a recording runs.

    A recording that begins in mid-session needs each stream's clock first: the newest offsets are kept.
    """

    def __init__(self) -> None:
        self._recorder: XdfRecorder | None = None
        self._offsets: dict[str, ClockOffset] = {}

    def turn_on(self, recorder: XdfRecorder) -> None:
        """Record from now on; in the engine's thread, so that nothing comes between."""
        for offset in self._offsets.values():
            recorder.event(offset)
        self._recorder = recorder

    def turn_off(self) -> XdfRecorder | None:
        """Record no more; the recorder is the caller's to close."""
        recorder, self._recorder = self._recorder, None
        return recorder

    def event(self, event: Event) -> None:
        """As a recorder's."""
        if isinstance(event, ClockOffset):
            self._offsets[event.stream] = event
        if (recorder := self._recorder) is not None:
            recorder.event(event)

    def numbers(self, *args: Any) -> None:
        """As a recorder's."""
        if (recorder := self._recorder) is not None:
            recorder.numbers(*args)

    def texts(self, *args: Any) -> None:
        """As a recorder's."""
        if (recorder := self._recorder) is not None:
            recorder.texts(*args)

    @property
    def recorder(self) -> XdfRecorder | None:
        """The recorder that is on."""
        return self._recorder


class _MarkedSource:
    """A source into whose events a person's own markers are put."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._waiting: list[Event] = []
        self._clock_told = False

    def put(self, marker: Marker) -> None:
        if not self._clock_told:
            self._clock_told = True
            self._waiting.append(ClockOffset(marker.stream, marker.timestamp, 0.0))
        self._waiting.append(marker)

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        events = self._source.read(missing_s, timeout_s)
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            events = [*events, *waiting]
        return events

    def close(self) -> None:
        self._source.close()


class _RecordingSink:
    """Records outcomes while a recording runs; else costs nothing."""

    def __init__(self, switch: RecorderSwitch, roles: list[str]) -> None:
        self._switch = switch
        self._sink = RecordingSink(cast("XdfRecorder", switch), roles)

    def put(self, prediction: Prediction | None, window: Window) -> None:
        if self._switch.recorder is not None:
            self._sink.put(prediction, window)


@dataclass
class LiveRun:
    """A live session and its parts; made by :func:`open_run`."""

    options: LiveOptions
    source: StatusSource
    bindings: dict[str, Binding]
    prepared: Prepared
    pipeline: Pipeline
    session: Session
    sinks: list[SinkRunner]
    monitor: Monitor
    marked: _MarkedSource
    switch: RecorderSwitch
    clock: Callable[[], float]
    explainer: Explainer | None = None
    notes: tuple[str, ...] = ()
    drift: LiveDrift | None = None
    supervisor: Supervisor = field(init=False)
    closed: bool = field(default=False, init=False)
    swap: Swap | None = field(default=None, init=False)
    _said: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.supervisor = supervisor_of(self.session, self.source, self.sinks, self._hearts, self.say)

    def _hearts(self) -> list[Heart]:
        recorder = self.switch.recorder
        hearts = [recorder.heart] if recorder is not None else []
        return [*hearts, self.explainer.heart] if self.explainer is not None else hearts

    def start(self) -> None:
        """Begin; returns at once."""
        self.session.start()
        self.supervisor.start()

    def close(self) -> None:
        """Stop, flush and let go of everything; may be called again."""
        if self.closed:
            return
        self.closed = True
        self.supervisor.close()
        self.session.stop()
        self.source.close()
        if self.explainer is not None:
            self.explainer.close()
        for sink in self.sinks:
            sink.close()
        self.stop_recording()

    # -- how it stands ----------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The session now; from any thread."""
        state, error = self.state()
        self._say_troubles()
        frame = self.monitor.frame(self.clock(), state, error, self.recording())
        return replace(frame, troubles=self.supervisor.troubles)

    def state(self) -> tuple[str, str | None]:
        """ "starting", "running", "stopped" or "failed", and what went wrong."""
        snapshot_error = self.session.error
        if snapshot_error is not None:
            words = str(snapshot_error) or type(snapshot_error).__name__
            return "failed", f"the session stopped: {words}; press Start to begin anew"
        if self.closed:
            return "stopped", None
        return self.session.state, None

    def _say_troubles(self) -> None:
        """What has gone wrong beside the engine, once each."""
        troubles = [sink.error for sink in self.sinks]
        troubles += [self.explainer.error if self.explainer is not None else None]
        for words in troubles:
            if words is not None and words not in self._said:
                self._said.add(words)
                self.say("bad", "outputs", words)

    # -- recording --------------------------------------------------------------------------------------

    def record(self, destination: Destination, *, audio: bool) -> Path:
        """Begin to record; the voice only when ``audio``. Raises ConfigError when the file cannot be made."""
        from apps.record import finish_earlier
        from bci_stream.sinks.xdf import XdfRecorder

        path = destination.path()
        finish_earlier(destination.root)
        streams = recorded_streams(self.bindings, self.prepared, audio=audio)
        recorder = XdfRecorder(path, [*streams, keyboard_stream()])
        self.session.ask(lambda _: self.switch.turn_on(recorder))
        self.say("good", "recording", f"recording to {path}")
        return path

    def stop_recording(self) -> RecorderStatus | None:
        """End the recording; its last status, None when there was none."""
        recorder = self.switch.turn_off()
        if recorder is None:
            return None
        recorder.close()
        status = recorder.status()
        level = "good" if status.error is None else "bad"
        self.say(level, "recording", status.error or f"recorded {status.path}")
        return status

    def recording(self) -> Recording | None:
        """How the recording stands; None when there is none."""
        recorder = self.switch.recorder
        if recorder is None:
            return None
        status = recorder.status()
        return Recording(
            str(status.path),
            status.duration_s,
            status.n_bytes,
            status.n_free_bytes,
            status.left_s,
            status.error,
        )

    # -- what a person does -----------------------------------------------------------------------------

    def mark(self, label: str, t_s: float | None = None) -> None:
        """Put a marker at this moment (or local time), into the session and its recording."""
        self.marked.put(Marker(OWN_MARKERS, self.clock() if t_s is None else t_s, label))

    def begin_swap(self, path: Path) -> Swap:
        """Let another bundle answer beside this one; see :class:`~apps.live_swap.Swap`."""
        trust = self.options.model.trust

        def load(path: Path) -> StreamingPredictor:
            from bci_stream.model.bundle import load_bundle
            from bci_stream.model.predictor import StreamingPredictor

            return StreamingPredictor(load_bundle(path, trust=trust))

        if self.swap is not None and self.swap.status.state in ("loading", "beside"):
            self.swap.drop()
        self.swap = Swap(path, self.session, load, lambda level, words: self.say(level, "model", words))
        return self.swap

    def on_outcome(self, outcome: Outcome) -> None:
        """What belongs to a person's deeds; in the engine's thread."""
        if self.drift is not None:
            self.drift.on_outcome(outcome, self.pipeline)
            for drifted in self.drift.new():
                self.say(drifted.level, "profile", drifted.words)
        if (swap := self.swap) is not None:
            swap.on_outcome(outcome, self.pipeline)
            if swap.status.state == "swapped" and self.monitor.bundle != swap.path.name:
                self.monitor.bundle = swap.path.name

    def say(self, level: str, source: str, words: str) -> None:
        """One line for the log."""
        self.monitor.log.add(self.clock() - self.monitor.t0_s, level, source, words)


RunType = TypeVar("RunType", bound=LiveRun)


def open_run(
    options: LiveOptions,
    on_outcome: Callable[[Outcome], None] | None = None,
    *,
    kind: type[RunType],
    smooth: bool = False,
) -> RunType:
    """Find the streams and make a session of them, not yet started.

    ``kind``: what is made. ``smooth``: for a view that shows samples as they come. Raises BciStreamError
    for what cannot start.
    """
    import pylsl

    source, bindings, prepared = connect(options)
    try:
        notes = tuple(note for binding in bindings.values() for note in binding.notes)
        parts = _Parts(options, source, bindings, prepared, notes)
        return parts.run(on_outcome, smooth, pylsl.local_clock, kind)
    except BaseException:
        source.close()
        raise


@dataclass(frozen=True, slots=True)
class _Parts:
    options: LiveOptions
    source: StatusSource
    bindings: dict[str, Binding]
    prepared: Prepared
    notes: tuple[str, ...]

    def run(
        self,
        on_outcome: Callable[[Outcome], None] | None,
        smooth: bool,
        clock: Callable[[], float],
        kind: type[RunType],
    ) -> RunType:
        from apps.live_drift import watch_of
        from apps.outputs import Outputs

        prepared = self.prepared
        pipeline = live_pipeline(prepared, clock)
        switch, marked = RecorderSwitch(), _MarkedSource(self.source)
        recorder = cast("XdfRecorder", switch)
        roles = [role for role in self.bindings if role in (EEG, AUDIO)]
        subject = _subject(self.bindings, prepared, self.source)
        # Only a view asks for explanations: the terminal is spared them.
        explainer = Explainer(prepared.bundle) if smooth and prepared.bundle is not None else None
        monitor = Monitor(pipeline, subject, clock(), explainer=explainer)
        outputs = Outputs(clock)
        outputs.open(self.options.outputs, prepared)
        sinks = outputs.runners

        def take(outcome: Outcome) -> None:
            monitor.on_outcome(outcome)
            run.on_outcome(outcome)
            if on_outcome is not None:
                on_outcome(outcome)

        session = Session(
            RecordedSource(marked, recorder, a_second({role: self.bindings[role].sfreq for role in roles})),
            cast("Pipeline", RecordedPipeline(pipeline, recorder)),
            [*sinks, _RecordingSink(switch, roles)],
            clock,
            take,
            view_every_s=_VIEW_EVERY_S if smooth else None,
        )
        run = kind(
            options=self.options,
            source=self.source,
            bindings=self.bindings,
            prepared=prepared,
            pipeline=pipeline,
            session=session,
            sinks=sinks,
            monitor=monitor,
            marked=marked,
            switch=switch,
            clock=clock,
            explainer=explainer,
            notes=self.notes,
            drift=watch_of(self.options.person, prepared),
        )
        return run


def _subject(bindings: Mapping[str, Binding], prepared: Prepared, source: StatusSource) -> Subject:
    facts = {
        role: StreamFacts(b.info.name, UNITS[role], b.sfreq)
        for role, b in bindings.items()
        if role in (EEG, AUDIO)
    }
    return subject_of(facts, prepared, source.status)


def subject_of(
    facts: Mapping[str, StreamFacts], prepared: Prepared, status: Callable[[], Mapping[str, Any]] = dict
) -> Subject:
    """What a monitor is to know of a session."""
    bundle = prepared.bundle
    if bundle is None:
        return Subject(facts, status)
    heads = tuple(bundle.network.head_names)
    return Subject(facts, status, bundle.path.name, tuple(bundle.contract.classes), heads)
