"""What stands before the person while a session runs, in words and shares. No Qt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.gui.strings import tr
from apps.gui.viewmodels.words import duration_words
from calibration.protocol import said
from calibration.session import Phase, Show, State

#: The parts of a session as the person meets them, for the line of steps.
BASELINE, PRACTICE, TRIALS = "Baseline", "Practice", "Trials"
_TRIAL_PHASES: Final = (Phase.INSTRUCT, Phase.CUE, Phase.RESPOND)


@dataclass(frozen=True, slots=True)
class Cue:
    """``head``: what to do now. ``large``: the one word that must be seen. ``words``: the cue.

    ``level``: "now" while the person acts, "ready" while they read, "rest" between, "wait" if a key is
    awaited, "bad" when something is missing. ``left_share``, ``left``: of the present part.
    """

    head: str
    large: str
    words: str
    level: str
    left_share: float = 0.0
    left: str = ""


def cue(
    state: State,
    shown: Show | None,
    texts: Mapping[str, str],
    now_s: float,
    *,
    half_rated: bool,
    refused: Sequence[str] = (),
) -> Cue:
    """The session at local time ``now_s``.

    ``half_rated``: the first number of a self-report is given. ``refused``: streams that came back changed.
    """
    share, left = _left(state, shown, now_s)
    if state.phase in _TRIAL_PHASES and state.running is not None:
        emotion = said(texts, f"emotion.{state.running.label}")
        words = said(texts, state.running.cue)
        head, level = _trial_words(state)
        return Cue(head, emotion, words, level, share, left)
    if state.phase is Phase.WAITING and state.missing and refused:
        words = tr("A: take it as it is. The trial then comes again from its start.")
        return Cue(". ".join(refused), tr("Is it the same?"), words, "bad")
    head, large, words, level = _between(state, shown, texts, half_rated)
    return Cue(head, large, words, level, share, left)


def _trial_words(state: State) -> tuple[str, str]:
    assert state.running is not None
    speak = state.plan.protocol.speech
    words = {
        Phase.INSTRUCT: (tr("Next"), "ready"),
        Phase.CUE: (tr("Read, and put yourself in that mood"), "ready"),
        Phase.RESPOND: (tr("Now: speak") if speak else tr("Now"), "now"),
    }
    head, level = words[state.phase]
    return (tr("Practice: {what}").format(what=head) if state.running.practice else head), level


def _between(
    state: State, shown: Show | None, texts: Mapping[str, str], half_rated: bool
) -> tuple[str, str, str, str]:
    protocol = state.plan.protocol
    instruction = said(texts, protocol.instruction)
    why = shown.words if shown is not None else ""
    again = tr("The trial then comes again from its start.")
    table = {
        Phase.READY: (said(texts, protocol.title), tr("Space: begin"), instruction, "wait"),
        Phase.OPEN_EYES: (
            tr("Baseline"),
            "+",
            tr("Eyes open. Sit still and look at the cross."),
            "now",
        ),
        Phase.CLOSED_EYES: (
            tr("Baseline"),
            tr("Close your eyes"),
            tr("Sit still. A sound tells you when to open them."),
            "now",
        ),
        Phase.REST: (tr("Rest"), "", tr("Relax and blink. The next one comes by itself."), "rest"),
        Phase.BREAK: (tr("A break"), tr("Space: go on"), tr("Stretch, drink something."), "wait"),
        Phase.PAUSED: (tr("Paused"), tr("Space: go on"), again, "wait"),
        Phase.RATE: _rate_words(half_rated),
        Phase.DONE: (tr("Done"), tr("Thank you"), "", "rest"),
        Phase.ABORTED: (tr("Ended"), "", tr("What was recorded is kept."), "rest"),
    }
    if state.phase is Phase.WAITING and state.missing:
        return tr("Waiting"), why, f"{tr('Switch it on again, or come closer.')} {again}", "bad"
    if state.phase is Phase.WAITING:
        return tr("One moment"), "", tr("The last trial is looked at."), "rest"
    return table[state.phase]


def _rate_words(half_rated: bool) -> tuple[str, str, str, str]:
    if half_rated:
        return tr("How stirred were you?"), "", tr("1: very calm … 9: very stirred. 0: back"), "wait"
    return tr("How did it feel?"), "", tr("1: very unpleasant … 9: very pleasant"), "wait"


def _left(state: State, shown: Show | None, now_s: float) -> tuple[float, str]:
    """Share and words of what is left of the present part; nothing where a key is awaited."""
    if shown is None or not math.isfinite(state.until_s) or state.over:
        return 0.0, ""
    left_s = max(0.0, state.until_s - now_s)
    whole_s = _length_s(state)
    return (min(1.0, left_s / whole_s) if whole_s > 0 else 0.0), f"{math.ceil(left_s)} s"


def _length_s(state: State) -> float:
    t, rest = state.plan.protocol.timing, state.plan.protocol.baseline
    lengths = {
        Phase.OPEN_EYES: rest.open_s,
        Phase.CLOSED_EYES: rest.closed_s,
        Phase.INSTRUCT: t.instruct_s,
        Phase.CUE: t.cue_s,
        Phase.RESPOND: t.respond_s,
        Phase.REST: t.rest_s + t.jitter_s,
        Phase.BREAK: state.plan.protocol.breaks.length_s,
    }
    return lengths.get(state.phase, 0.0)


def step_of(state: State) -> str:
    """Which part of the session it is."""
    if state.phase in (Phase.OPEN_EYES, Phase.CLOSED_EYES):
        return BASELINE
    if state.phase is Phase.READY:
        rest = state.plan.protocol.baseline
        if rest.open_s + rest.closed_s > 0 and not state.done:
            return BASELINE
    return PRACTICE if state.running is not None and state.running.practice else TRIALS


def progress_words(state: State) -> str:
    """How many trials, how long still, and what was taken back."""
    n_ended = len(state.done) + len(state.open)
    n_to_come = sum(not trial.practice for trial in state.queue)
    real = state.running is not None and not state.running.practice
    if real and state.phase in (Phase.RESPOND, Phase.RATE):  # it counts as open, and heads the queue
        n_ended -= 1
    n_done, n_all = n_ended, n_ended + n_to_come
    if real and state.phase in (*_TRIAL_PHASES, Phase.RATE):
        words = tr("trial {i} of {n}").format(i=n_done + 1, n=n_all)
    else:
        words = tr("{i} of {n} trials done").format(i=n_done, n=n_all)
    words += ", " + tr("about {time} left").format(time=duration_words(state.left_s))
    return words + "".join(f"; {n} x {tr('again')}: {reason}" for reason, n in taken_back(state))


def taken_back(state: State) -> list[tuple[str, int]]:
    """Why trials were taken back, and how many for each reason."""
    return sorted(Counter(state.voided.values()).items())
