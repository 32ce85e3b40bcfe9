"""The state machine: whatever happens, every trial is whole, taken back, or done again; nothing hangs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.protocol import load_protocol, plan_session
from calibration.session import (
    TRIAL,
    TRIAL_END,
    VOID,
    Abort,
    Back,
    Begin,
    Continue,
    Judged,
    Lost,
    Mark,
    Pause,
    Phase,
    Rated,
    Repeat,
    Tick,
    advance,
    begin,
    resumed,
)


class Person:
    """Drives a session: time goes by, trials are judged good unless ``bad`` says otherwise."""

    def __init__(self, plan, bad=lambda number: None):
        self.state, self.now_s, self.bad = begin(plan), 100.0, bad
        self.marks: list[Mark] = []

    def do(self, happened):
        self.state, outputs = advance(self.state, happened, self.now_s)
        self.marks += [one for one in outputs if isinstance(one, Mark)]

    def wait(self, for_s, every_s=0.1):
        end_s = self.now_s + for_s
        while self.now_s < end_s and not self.state.over:
            self.now_s += every_s
            self.do(Tick())
            self.react()

    def react(self):
        if self.state.phase is Phase.RATE:
            self.do(Rated(5, 5))
        running = self.state.n_begun - 1 if self.state.phase in (Phase.RESPOND, Phase.RATE) else None
        for number in [n for n in self.state.open if n != running]:
            self.do(Judged(number, self.bad(number)))

    def finish(self):
        self.wait(5000, 0.25)
        return self.state

    @property
    def labels(self):
        return [mark.label for mark in self.marks]


def quick(seed=1):
    return plan_session(load_protocol("quick"), seed)


@pytest.mark.parametrize("name", ["quick", "recall", "conversation"])
def test_a_session_does_every_trial_of_its_plan(name):
    plan = plan_session(load_protocol(name), 3)
    person = Person(plan)
    person.do(Begin())
    assert person.finish().phase is Phase.DONE
    asked = [trial.label for trial in plan.trials if not trial.practice]
    assert [label.removeprefix(TRIAL) for label in person.labels if label.startswith(TRIAL)] == asked
    assert person.state.progress == 1.0
    assert list(person.state.done) == asked


def test_a_labelled_stretch_is_as_long_as_the_protocol_says_and_never_shorter():
    person = Person(quick())
    person.do(Begin())
    person.finish()
    begun = [mark.t_s for mark in person.marks if mark.label.startswith(TRIAL)]
    ended = [mark.t_s for mark in person.marks if mark.label == TRIAL_END]
    respond_s = person.state.plan.protocol.timing.respond_s
    lengths = [b - a for a, b in zip(begun, ended, strict=True)]
    assert min(lengths) >= respond_s - 1e-9
    assert max(lengths) <= respond_s + 0.25 + 1e-9


def test_a_bad_trial_is_taken_back_and_done_again_at_the_end_but_not_for_ever():
    person = Person(quick(), bad=lambda number: "silent")
    person.do(Begin())
    state = person.finish()
    protocol = state.plan.protocol
    n = len(protocol.classes) * (protocol.trials_per_class + protocol.repeats)
    assert state.n_begun == n
    assert not state.done
    assert sum(label.startswith(VOID) for label in person.labels) == n


def test_a_stream_that_is_lost_in_a_trial_costs_that_trial_only():
    person = Person(quick())
    person.do(Begin())
    while person.state.phase is not Phase.RESPOND:
        person.wait(0.1)
    person.do(Lost("eeg"))
    assert person.state.phase is Phase.WAITING
    person.wait(60)
    assert person.state.phase is Phase.WAITING
    person.do(Back())
    state = person.finish()
    assert f"{VOID}0:eeg lost" in person.labels
    assert sorted(state.done) == sorted(trial.label for trial in state.plan.trials)


def test_pausing_in_a_trial_does_that_trial_again():
    person = Person(quick())
    person.do(Begin())
    while person.state.phase is not Phase.RESPOND:
        person.wait(0.1)
    label = person.state.running.label
    person.do(Pause())
    person.wait(600)
    assert person.state.phase is Phase.PAUSED
    person.do(Continue())
    assert person.state.running.label == label
    state = person.finish()
    assert len(state.done) == 20


def test_a_rating_out_of_range_is_not_taken():
    person = Person(plan_session(load_protocol("recall"), 1))
    person.do(Begin())
    while person.state.phase is not Phase.RATE:
        person.now_s += 0.5
        person.do(Tick())
    person.do(Rated(0, 5))
    assert person.state.phase is Phase.RATE
    person.do(Rated(9, 1))
    assert person.state.phase is Phase.REST
    assert "rated:9:1" in person.labels


@pytest.mark.parametrize("n_marks", range(0, 130, 7))
def test_a_killed_session_goes_on_with_what_is_missing(n_marks):
    plan = quick()
    first = Person(plan, bad=lambda number: "noisy" if number == 2 else None)
    first.do(Begin())
    first.finish()
    kept = first.labels[:n_marks]
    second = Person(plan)
    second.state = resumed(plan, kept)
    n_before = len(second.state.done)
    whole = kept.count(TRIAL_END) - sum(label.startswith(VOID) for label in kept)
    just_ended = [label for label in kept if not label.startswith(VOID)][-1:] == [TRIAL_END]
    just_voided = kept and kept[-1].startswith(VOID)
    assert n_before in ((whole - 1, whole) if just_ended and just_voided else (whole - just_ended,))
    second.do(Begin())
    state = second.finish()
    assert state.phase is Phase.DONE
    assert sorted(state.done) == sorted(trial.label for trial in plan.trials)
    third = resumed(plan, kept + second.labels)
    assert third.phase is Phase.DONE


_INPUTS = st.one_of(
    st.just(Begin()),
    st.just(Pause()),
    st.just(Continue()),
    st.just(Repeat()),
    st.just(Back()),
    st.sampled_from([Lost("eeg"), Lost("audio")]),
    st.builds(Judged, st.integers(0, 12), st.sampled_from([None, "noisy", "silent"])),
    st.builds(Rated, st.integers(-1, 11), st.integers(-1, 11)),
    st.floats(0.05, 20.0),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(_INPUTS, max_size=60), name=st.sampled_from(["quick", "recall", "conversation"]))
def test_whatever_happens_trials_are_whole_and_the_session_can_end(steps, name):
    person = Person(plan_session(load_protocol(name), 5))
    for step in steps:
        if isinstance(step, float):
            person.now_s += step
            person.do(Tick())
        else:
            person.do(step)
        _check(person)
    person.do(Begin())
    for happened in (Back(), Continue()):
        person.do(happened)
    state = person.finish()
    _check(person)
    assert state.phase is Phase.DONE
    person.do(Begin())
    assert person.state is state


def _check(person):
    """Begun trials are running, ended, or taken back; times rise; markers and state agree."""
    times = [mark.t_s for mark in person.marks]
    assert times == sorted(times)
    labels = person.labels
    begun = [i for i, label in enumerate(labels) if label.startswith(TRIAL)]
    assert len(begun) == person.state.n_begun
    void = [int(label.split(":")[1]) for label in labels if label.startswith(VOID)]
    assert sorted(void) == sorted(person.state.voided)
    assert len(set(void)) == len(void)
    for number, place in enumerate(begun):
        nxt = begun[number + 1] if number + 1 < len(begun) else len(labels)
        ended = TRIAL_END in labels[place:nxt]
        running = number == len(begun) - 1 and person.state.phase is Phase.RESPOND
        assert ended or running or number in person.state.voided


def test_aborting_keeps_what_was_done():
    person = Person(quick())
    person.do(Begin())
    person.wait(60)
    person.do(Abort())
    assert person.state.phase is Phase.ABORTED
    n = len(person.state.done)
    assert n > 0
    assert len(resumed(person.state.plan, person.labels).done) >= n
    assert replace(person.state) == person.state
