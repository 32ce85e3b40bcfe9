"""The run of a calibration: a state machine in which time is an argument. Pure.

:func:`advance` takes the state, what happened (:data:`Input`) and when (local clock, s), and returns the next
state and what is to be done (:data:`Output`): something to show, a marker to send. Whoever drives it sends
:class:`Tick` often enough; a tick that comes late makes its part longer, never shorter, and the markers say
when things really were. The table :data:`TRANSITIONS` holds every step there is::

    ready -> (open eyes -> closed eyes ->) instruct -> cue -> respond -> (rate ->) rest -> … -> done
    a lost stream -> waiting -> the same trial from its start
    pause from anywhere -> paused -> the same trial from its start

Markers: ``trial:LABEL`` begins the labelled stretch and ``trial_end`` ends it; ``void:N:REASON`` takes the
N-th trial of this recording back, from 0. What the markers say is enough to go on (:func:`resumed`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from calibration.protocol import Plan, PlannedTrial

TRIAL: Final = "trial:"
TRIAL_END: Final = "trial_end"
VOID: Final = "void:"
WRONG: Final = "wrong:"  #: in a live session: the last seconds were the emotion that follows
WRONG_S: Final = 10.0  #: those seconds, where it does not say how many
PAINTED: Final = "painted:"  #: ``painted:PHASE:MS``, how long after its marker a cue was on the screen
_SAY_NOTHING: Final = (VOID, PAINTED)  # of what became of the trial before them


class Phase(enum.Enum):
    """Where a session stands."""

    READY = "ready"
    OPEN_EYES = "open eyes"
    CLOSED_EYES = "closed eyes"
    INSTRUCT = "instruct"
    CUE = "cue"
    RESPOND = "respond"
    RATE = "rate"
    REST = "rest"
    BREAK = "break"
    WAITING = "waiting"
    PAUSED = "paused"
    DONE = "done"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Begin:
    """The person is ready."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop for a while."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on after a pause or a break."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The running or last trial was no good to the person: do it again."""


@dataclass(frozen=True, slots=True)
class Abort:
    """End here; what was recorded stays."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A stream that is needed is gone."""

    role: str


@dataclass(frozen=True, slots=True)
class Back:
    """Every stream that is needed is there again."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What the person says of the trial: 1 to 9 each."""

    valence: int
    arousal: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Trial ``number`` of this recording was looked at: None is good, else why it is bad."""

    number: int
    reason: str | None


Input = Begin | Tick | Pause | Continue | Repeat | Abort | Lost | Back | Rated | Judged


@dataclass(frozen=True, slots=True)
class Show:
    """Put this before the person: the phase, the running trial if any, and until when (s; inf: a key)."""

    phase: Phase
    trial: PlannedTrial | None
    until_s: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Send this marker, stamped ``t_s``."""

    label: str
    t_s: float


Output = Show | Mark


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the session knows.

    ``queue``: trials to come, the running one first. ``n_begun``: trials begun in this recording, practice
    aside. ``done``: labels of the good trials so far. ``open``: label by number of trials that were not
    judged yet. ``voided``: why, by number. ``repeated``: how often each emotion was done again.
    """

    plan: Plan
    phase: Phase
    queue: tuple[PlannedTrial, ...]
    until_s: float = float("inf")
    n_begun: int = 0
    since_break: int = 0
    done: tuple[str, ...] = ()
    open: Mapping[int, str] = field(default_factory=dict)
    voided: Mapping[int, str] = field(default_factory=dict)
    repeated: Mapping[str, int] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()

    @property
    def running(self) -> PlannedTrial | None:
        """The trial at the head of the queue."""
        return self.queue[0] if self.queue else None

    @property
    def over(self) -> bool:
        """Nothing more will happen."""
        return self.phase in (Phase.DONE, Phase.ABORTED)

    @property
    def progress(self) -> float:
        """Share of the trials that are done, judged bad ones not counted."""
        n = len(self.done) + len(self.open)
        if self.phase in (Phase.RESPOND, Phase.RATE) and self.running is not None:
            n -= not self.running.practice  # it is open already, and still heads the queue
        left = sum(not trial.practice for trial in self.queue)
        return n / (n + left) if n + left else 1.0

    @property
    def left_s(self) -> float:
        """About how long it will still take, breaks aside."""
        t = self.plan.protocol.timing
        return sum(t.instruct_s + t.cue_s + t.respond_s + trial.rest_s for trial in self.queue)


Step = tuple[State, tuple[Output, ...]]
Handler = Callable[[State, Input, float], Step]


def begin(plan: Plan) -> State:
    """A session before its start."""
    return State(plan, Phase.READY, plan.trials)


def resumed(plan: Plan, markers: Sequence[str]) -> State:
    """A session that goes on in a new recording, from the markers of those before, in the order of time.

    The running trial of the crash is done again, and so is one that had only just ended: its last samples
    may not have been written. So is a trial that was taken back.
    """
    good: list[str] = []
    for recording in _recordings(markers):
        good += _good_trials(recording)
    queue = list(plan.trials)
    if good:
        queue = [trial for trial in queue if not trial.practice]
    for label in good:
        found = next((trial for trial in queue if trial.label == label), None)
        if found is not None:
            queue.remove(found)
    phase = Phase.READY if queue else Phase.DONE
    return replace(begin(plan), queue=tuple(queue), done=tuple(good), phase=phase)


def with_more(state: State, need: Mapping[str, int]) -> State:
    """A session that is over, to be gone on with: so many more trials of each emotion."""
    wanted = [label for label, n in need.items() for _ in range(n)]
    first = {trial.label: trial for trial in reversed(state.plan.trials) if not trial.practice}
    more = tuple(first[label] for label in wanted if label in first)
    return replace(begin(state.plan), queue=more, done=state.done)


def _recordings(markers: Sequence[str]) -> list[list[str]]:
    """Markers of each recording; ``begin:…`` opens one."""
    parts: list[list[str]] = [[]]
    for label in markers:
        if label.startswith("begin:"):
            parts.append([])
        parts[-1].append(label)
    return parts


def _good_trials(markers: Sequence[str]) -> list[str]:
    begun: list[str] = []
    ended: set[int] = set()
    void: set[int] = set()
    settled = True  # whether something came after the last trial: its newest samples are on the disk by then
    for label in markers:
        if not label.startswith(_SAY_NOTHING):
            settled = label != TRIAL_END
        if label.startswith(TRIAL):
            begun.append(label.removeprefix(TRIAL))
        elif label == TRIAL_END and begun:
            ended.add(len(begun) - 1)
        elif label.startswith(VOID):
            void.add(int(label.split(":")[1]))
    if not settled:
        ended.discard(len(begun) - 1)
    return [label for i, label in enumerate(begun) if i in ended and i not in void]


def advance(state: State, happened: Input, now_s: float) -> Step:
    """The next state, and what is to be done. What makes no sense now changes nothing."""
    handler = TRANSITIONS.get((state.phase, type(happened))) or ANYWHERE.get(type(happened))
    if handler is None or state.over:
        return state, ()
    return handler(state, happened, now_s)


def _enter(state: State, phase: Phase, now_s: float, for_s: float, *marks: str, words: str = "") -> Step:
    state = replace(state, phase=phase, until_s=now_s + for_s)
    outputs: list[Output] = [Mark(label, now_s) for label in marks]
    return state, (*outputs, Show(phase, state.running, state.until_s, words))


def _begin(state: State, happened: Input, now_s: float) -> Step:
    plan, rest = state.plan, state.plan.protocol.baseline
    hello = f"begin:{plan.protocol.key}:{plan.seed}"
    if rest.open_s and not state.done:
        return _enter(state, Phase.OPEN_EYES, now_s, rest.open_s, hello, "baseline:open")
    step, outputs = _instruct(state, now_s)
    return step, (Mark(hello, now_s), *outputs)


def _instruct(state: State, now_s: float) -> Step:
    if state.missing:
        return _enter(state, Phase.WAITING, now_s, float("inf"), words=_missing(state))
    if not state.queue and state.open:
        return _enter(state, Phase.WAITING, now_s, float("inf"), words="looking at the last trial")
    if not state.queue:
        return _enter(state, Phase.DONE, now_s, 0.0, "end")
    return _enter(state, Phase.INSTRUCT, now_s, state.plan.protocol.timing.instruct_s)


def _missing(state: State) -> str:
    return f"{' and '.join(sorted(state.missing))} lost"


def _timed(then: Callable[[State, float], Step]) -> Handler:
    """A handler of ticks that does nothing before its time."""

    def handle(state: State, happened: Input, now_s: float) -> Step:
        return then(state, now_s) if now_s >= state.until_s else (state, ())

    return handle


def _after_open(state: State, now_s: float) -> Step:
    closed_s = state.plan.protocol.baseline.closed_s
    if closed_s:
        return _enter(state, Phase.CLOSED_EYES, now_s, closed_s, "baseline_end", "baseline:closed")
    return _after_closed(state, now_s)


def _after_closed(state: State, now_s: float) -> Step:
    step, outputs = _instruct(state, now_s)
    return step, (Mark("baseline_end", now_s), *outputs)


def _cue(state: State, now_s: float) -> Step:
    assert state.running is not None
    return _enter(state, Phase.CUE, now_s, state.plan.protocol.timing.cue_s, f"cue:{state.running.label}")


def _respond(state: State, now_s: float) -> Step:
    trial = state.running
    assert trial is not None
    label = f"practice:{trial.label}" if trial.practice else TRIAL + trial.label
    if not trial.practice:
        state = replace(state, n_begun=state.n_begun + 1, open={**state.open, state.n_begun: trial.label})
    return _enter(state, Phase.RESPOND, now_s, state.plan.protocol.timing.respond_s, label)


def _responded(state: State, now_s: float) -> Step:
    trial = state.running
    assert trial is not None
    end = "practice_end" if trial.practice else TRIAL_END
    if state.plan.protocol.rating != "none" and not trial.practice:
        return _enter(state, Phase.RATE, now_s, float("inf"), end)
    return _rest(state, now_s, end)


def _rest(state: State, now_s: float, *marks: str) -> Step:
    trial = state.running
    assert trial is not None
    state = replace(
        state, queue=state.queue[1:], since_break=state.since_break + (0 if trial.practice else 1)
    )
    return _enter(state, Phase.REST, now_s, trial.rest_s, *marks)


def _rated(state: State, happened: Input, now_s: float) -> Step:
    assert isinstance(happened, Rated)
    if not (1 <= happened.valence <= 9 and 1 <= happened.arousal <= 9):
        return state, ()
    return _rest(state, now_s, f"rated:{happened.valence}:{happened.arousal}")


def _rested(state: State, now_s: float) -> Step:
    breaks = state.plan.protocol.breaks
    if breaks.every and state.since_break >= breaks.every and state.queue:
        return _enter(replace(state, since_break=0), Phase.BREAK, now_s, breaks.length_s, "break")
    return _instruct(state, now_s)


def _continue(state: State, happened: Input, now_s: float) -> Step:
    step, outputs = _instruct(state, now_s)
    return step, (Mark("continue", now_s), *outputs)


def _undo(state: State, reason: str, now_s: float) -> tuple[State, tuple[Output, ...]]:
    """Take a running labelled stretch back; its trial stays at the head of the queue."""
    trial = state.running
    if state.phase not in (Phase.RESPOND, Phase.RATE) or trial is None or trial.practice:
        return state, ()
    number = state.n_begun - 1
    rest = {k: v for k, v in state.open.items() if k != number}
    state = replace(state, open=rest, voided={**state.voided, number: reason})
    return state, (Mark(f"{VOID}{number}:{reason}", now_s),)


def _pause(state: State, happened: Input, now_s: float) -> Step:
    state, marks = _undo(state, "paused", now_s)
    state, outputs = _enter(state, Phase.PAUSED, now_s, float("inf"), "pause")
    return state, (*marks, *outputs)


def _abort(state: State, happened: Input, now_s: float) -> Step:
    """A trial that lacks its self-report only is whole."""
    state, marks = (state, ()) if state.phase is Phase.RATE else _undo(state, "aborted", now_s)
    state, outputs = _enter(state, Phase.ABORTED, now_s, 0.0, "abort")
    return state, (*marks, *outputs)


def _lost(state: State, happened: Input, now_s: float) -> Step:
    assert isinstance(happened, Lost)
    state = replace(state, missing=state.missing | {happened.role})
    if state.phase not in (Phase.INSTRUCT, Phase.CUE, Phase.RESPOND):
        return state, ()  # what the person does goes on; the next trial waits
    state, marks = _undo(state, f"{happened.role} lost", now_s)
    state, outputs = _enter(state, Phase.WAITING, now_s, float("inf"), "waiting", words=_missing(state))
    return state, (*marks, *outputs)


def _back(state: State, happened: Input, now_s: float) -> Step:
    state = replace(state, missing=frozenset())
    if state.phase is not Phase.WAITING:
        return state, ()
    return _continue(state, happened, now_s)


def _repeat(state: State, happened: Input, now_s: float) -> Step:
    """The running trial from its start; between trials, the one before comes again at the end."""
    if state.phase in (Phase.CUE, Phase.RESPOND, Phase.RATE):
        state, marks = _undo(state, "repeated", now_s)
        state, outputs = _instruct(state, now_s)
        return state, (*marks, *outputs)
    number = state.n_begun - 1
    if number not in state.open:
        return state, ()
    return _judged(state, Judged(number, "repeated"), now_s)


def _judged(state: State, happened: Input, now_s: float) -> Step:
    assert isinstance(happened, Judged)
    label = state.open.get(happened.number)
    if label is None:
        return state, ()
    state = replace(state, open={k: v for k, v in state.open.items() if k != happened.number})
    if happened.reason is None:
        return _go_on(replace(state, done=(*state.done, label)), now_s)
    state = replace(state, voided={**state.voided, happened.number: happened.reason})
    n = state.repeated.get(label, 0)
    if n < state.plan.protocol.repeats:
        again = next(trial for trial in state.plan.trials if trial.label == label and not trial.practice)
        state = replace(state, queue=(*state.queue, again), repeated={**state.repeated, label: n + 1})
    state, outputs = _go_on(state, now_s)
    return state, (Mark(f"{VOID}{happened.number}:{happened.reason}", now_s), *outputs)


def _go_on(state: State, now_s: float) -> Step:
    """A session that waited only for a judgement."""
    waits = state.phase is Phase.WAITING and not state.missing
    return _instruct(state, now_s) if waits else (state, ())


def _nothing(state: State, happened: Input, now_s: float) -> Step:
    return state, ()


TRANSITIONS: Final[Mapping[tuple[Phase, type[object]], Handler]] = {
    (Phase.READY, Begin): _begin,
    (Phase.READY, Pause): _nothing,
    (Phase.OPEN_EYES, Tick): _timed(_after_open),
    (Phase.CLOSED_EYES, Tick): _timed(_after_closed),
    (Phase.INSTRUCT, Tick): _timed(_cue),
    (Phase.CUE, Tick): _timed(_respond),
    (Phase.RESPOND, Tick): _timed(_responded),
    (Phase.RATE, Rated): _rated,
    (Phase.REST, Tick): _timed(_rested),
    (Phase.BREAK, Tick): _timed(_instruct),
    (Phase.BREAK, Continue): _continue,
    (Phase.PAUSED, Continue): _continue,
    (Phase.PAUSED, Pause): _nothing,
}
#: What may happen in any phase that the table above does not name.
ANYWHERE: Final[Mapping[type[object], Handler]] = {
    Pause: _pause,
    Abort: _abort,
    Lost: _lost,
    Back: _back,
    Repeat: _repeat,
    Judged: _judged,
}
