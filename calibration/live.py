"""A calibration as it runs: streams, recorder, markers and judge around the pure session.

One thread of the caller's (a terminal's loop, a window's timer) calls :meth:`LiveCalibration.tick` and
:meth:`~LiveCalibration.do`; the engine runs in its own and hands over windows through a queue. Everything
that matters is in the recording, markers and all, before it is shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, cast

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.plan import StreamPlan, plan_without_model
from bci_stream.engine.session import LiveSource, Session
from bci_stream.errors import StreamError
from bci_stream.messages import AUDIO, EEG, Window
from bci_stream.sinks.lsl_markers import MarkerOutlet
from bci_stream.sinks.xdf import RecorderStatus, XdfRecorder
from bci_stream.sinks.xdf_headers import (
    RecordedStream,
    as_bound,
    as_markers,
    own_stream,
    prediction_streams,
)
from bci_stream.sinks.xdf_session import RecordedPipeline, RecordedSource, RecordingSink, a_second
from bci_stream.sources.binding import Binding
from bci_stream.timeline.windows import WindowSettings
from calibration.check import SignalCheck
from calibration.judge import TrialJudge
from calibration.protocol import Plan
from calibration.session import (
    PAINTED,
    TRIAL,
    TRIAL_END,
    Back,
    Begin,
    Input,
    Judged,
    Lost,
    Mark,
    Output,
    Phase,
    Show,
    State,
    Tick,
    advance,
    begin,
)
from calibration.trials import MARKERS_NAME

HOP_S: Final = 0.2
WINDOW_S: Final = 1.0
_MARKERS: Final = "Markers"  #: what the recorder calls our marker stream
_JUDGE_WAIT_S: Final = 3.0  # a trial whose last windows do not come is judged without them


class StatusSource(LiveSource, Protocol):
    """A source that can say how its streams are."""

    def status(self) -> Mapping[str, HasState]:
        """By role."""


class HasState(Protocol):
    """How a stream is."""

    @property
    def state(self) -> str:
        """``live``, ``stalled``, ``lost`` or ``refused``."""

    @property
    def note(self) -> str:
        """Why it is not live."""


class LiveCalibration:
    """One recorded session of a plan.

    Args:
        plan: what is asked of the person.
        source: opened; ``bindings``: what it delivers, by role.
        path: the recording, a new file.
        clock: the local LSL clock, seconds.
        state: where an earlier, interrupted session left off; None: from the start.
        publish: send the markers out over LSL too.

    Raises:
        StreamError: a modality of the protocol is not among the bindings.
        ConfigError: the recording cannot be made.
    """

    def __init__(
        self,
        plan: Plan,
        source: StatusSource,
        bindings: Mapping[str, Binding],
        path: Path,
        clock: Callable[[], float],
        *,
        state: State | None = None,
        publish: bool = True,
    ) -> None:
        needed = plan.protocol.modalities
        if absent := [role for role in needed if role not in bindings]:
            raise StreamError(
                f"protocol {plan.protocol.key} needs {' and '.join(needed)}, and there is no "
                f"{' and no '.join(absent)}: start it, look with `bci-stream streams`, or choose another "
                "protocol"
            )
        self.state = state or begin(plan)
        self.shown: Show | None = None
        self._needed, self._source, self._clock = needed, source, clock
        self._windows: deque[Window] = deque(maxlen=4096)
        self._judges: dict[int, TrialJudge] = {}
        self._lost: set[str] = set()
        self._shown_s, self._unpainted = 0.0, False
        self._held: list[str] = []  # markers that must not fall into a trial, which would end it
        self.delays_ms: list[float] = []  #: of every cue, from its marker to the screen
        plans = plan_without_model({role: bindings[role].spec for role in needed})
        self.check = SignalCheck(plans, HOP_S)
        self.path = path
        self.begun = False  #: whether anything was asked of the person
        self._recorder = XdfRecorder(path, _recorded(plan, bindings, needed))
        self._session = _session(source, plans, needed, self._recorder, clock, self._take)
        self._outlet = MarkerOutlet(MARKERS_NAME, f"{MARKERS_NAME}-{path.stem}") if publish else None
        path.chmod(0o600)

    def start(self) -> None:
        """Let the samples flow; the protocol begins with :class:`~calibration.session.Begin`."""
        self._session.start()

    def tick(self) -> Show | None:
        """Let time pass; what is now to be shown, if that changed."""
        self._watch_streams()
        self._judge()
        return self.do(Tick())

    def do(self, happened: Input) -> Show | None:
        """Something happened; what is now to be shown, if that changed."""
        now_s = self._clock()
        self.state, outputs = advance(self.state, happened, now_s)
        self.begun = self.begun or (isinstance(happened, Begin) and bool(outputs))
        return self._carry_out(outputs, now_s)

    def painted(self) -> None:
        """What is shown is on the screen now; a cue's delay goes into the recording."""
        if not self._unpainted or self.shown is None:
            return
        self._unpainted = False
        if self.shown.phase not in (Phase.CUE, Phase.RESPOND):
            return
        now_s = self._clock()
        delay_ms = (now_s - self._shown_s) * 1e3
        self.delays_ms.append(delay_ms)
        label = f"{PAINTED}{self.shown.phase.value}:{delay_ms:.1f}"
        if self.shown.phase is Phase.CUE:
            self._mark(Mark(label, now_s))
        else:
            self._held.append(label)

    def now_s(self) -> float:
        """Now, on the local LSL clock."""
        return self._clock()

    @property
    def lost(self) -> tuple[str, ...]:
        """Streams that are needed and do not come now, by role."""
        return tuple(sorted(self._lost))

    @property
    def refused(self) -> tuple[str, ...]:
        """What came back changed, and is taken only if the person agrees: one line for each stream."""
        return tuple(status.note for status in self._agreeable().values())

    def agree(self) -> None:
        """The person takes what came back changed."""
        for role in self._agreeable():
            self._source.agree(role)  # type: ignore[attr-defined]  # it has it where it says so

    def _agreeable(self) -> dict[str, HasState]:
        """The needed streams that can be agreed to."""
        status = self._source.status()
        return {
            role: status[role]
            for role in self._needed
            if role in status and getattr(status[role], "can_agree", False)
        }

    @property
    def error(self) -> str | None:
        """Why it cannot go on: the engine or the recorder failed."""
        failed = self._session.error
        return str(failed) if failed is not None else self._recorder.error

    @property
    def running(self) -> bool:
        """Whether samples are still taken."""
        return self._session.running

    def recording(self) -> RecorderStatus:
        """Size and duration of the recording."""
        return self._recorder.status()

    def close(self) -> None:
        """End the recording; may be called twice."""
        self._session.stop()
        self._recorder.close()
        if self._outlet is not None:
            self._outlet.close()

    def _take(self, outcome: Outcome) -> None:
        self._windows.append(_own(outcome.window))

    def _carry_out(self, outputs: tuple[Output, ...], now_s: float) -> Show | None:
        shown = None
        for output in outputs:
            if isinstance(output, Mark):
                self._mark(output)
            else:
                shown = self.shown = output
                self._shown_s, self._unpainted = now_s, True
        return shown

    def _send(self, label: str, t_s: float) -> None:
        self._recorder.texts(_MARKERS, [t_s], [(label,)])
        if self._outlet is not None:
            self._outlet.send(label, t_s)

    def _mark(self, mark: Mark) -> None:
        self._send(mark.label, mark.t_s)
        held, self._held = self._held, []
        for label in held:
            self._send(label, mark.t_s)
        number = self.state.n_begun - 1
        if mark.label.startswith(TRIAL):
            self._judges[number] = TrialJudge(mark.t_s, HOP_S, speech=self.state.plan.protocol.speech)
        elif mark.label == TRIAL_END and number in self._judges:
            self._judges[number].t_end = mark.t_s

    def _judge(self) -> None:
        """Windows to the judges, and the judges' words to the session."""
        while self._windows:
            window = self._windows.popleft()
            self.check.take(window)
            for judge in self._judges.values():
                judge.take(window)
        for number, judge in list(self._judges.items()):
            late = self._clock() > judge.t_end + _JUDGE_WAIT_S
            if number not in self.state.open:
                del self._judges[number]  # it was taken back
            elif (judge.complete or late) and self.state.phase is not Phase.RATE:
                del self._judges[number]
                self.do(Judged(number, judge.reason()))

    def _watch_streams(self) -> None:
        status = self._source.status()
        lost: set[str] = {role for role in self._needed if role in status and status[role].state != "live"}
        for role in sorted(lost - self._lost):
            self.do(Lost(role))
        if self._lost and not lost:
            self.do(Back())
        self._lost = lost


def _own(window: Window) -> Window:
    """The window with arrays of its own: the rings move on."""
    streams = {
        role: replace(part, data=part.data.copy(), mask=part.mask.copy(), marks=part.marks.copy())
        for role, part in window.streams.items()
    }
    return replace(window, streams=streams)


def _recorded(plan: Plan, bindings: Mapping[str, Binding], needed: tuple[str, ...]) -> list[RecordedStream]:
    facts = {"protocol": plan.protocol.key, "seed": str(plan.seed), "roles": ",".join(needed)}
    bound = [as_bound(bindings[role].info, bindings[role].spec) for role in needed]
    others = [as_markers(role, b.info) for role, b in bindings.items() if role not in (EEG, AUDIO)]
    ours = own_stream(MARKERS_NAME, _MARKERS, ("label",), "text", facts, "string")
    return [*bound, *others, ours, *prediction_streams("bci-stream", (), needed, facts)]


def _session(
    source: LiveSource,
    plans: Mapping[str, StreamPlan],
    needed: tuple[str, ...],
    recorder: XdfRecorder,
    clock: Callable[[], float],
    take: Callable[[Outcome], None],
) -> Session:
    pipeline = Pipeline(plans, WindowSettings(WINDOW_S, HOP_S, 0.3))
    recorded = cast(Pipeline, RecordedPipeline(pipeline, recorder))
    sink = RecordingSink(recorder, needed)
    rates_hz = {role: plan.spec.sfreq for role, plan in plans.items()}
    return Session(RecordedSource(source, recorder, a_second(rates_hz)), recorded, [sink], clock, take)
