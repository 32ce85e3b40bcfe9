"""A hypothesis state machine over all that can happen to a session; 2,000 sequences of 50 steps.

Push, burst, drop, jump, impossible stamps and values, kill, restart as the same or another, twin, stop and
continue, microphone lost, xrun, disk full, save, load, swap. What must hold is in
:mod:`benchmarks.reliability.world`: windows in order and never over a gap unmasked, samples at their place,
stamps that go up, no live label on old data, bounded memory, and a recording that says the very same.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.choice import ModelChoice, Prepared, load_model, prepare
from bci_stream.messages import AUDIO, EEG, StreamSpec
from bci_stream.model.predictor import StreamingPredictor
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.world import World

_GOAL = "0 violations in 2,000 x 50 steps"
ROLES = st.sampled_from([EEG, AUDIO])
_COUNTS = {"sequences": 0, "steps": 0, "windows": 0}
_LIVE_RATE = 8_000.0


@functools.cache
def with_model() -> tuple[Prepared, StreamingPredictor]:
    """The demo bundle, once a process."""
    bundle = load_model(ModelChoice(None))
    assert bundle is not None
    specs = {
        EEG: StreamSpec(EEG, tuple(bundle.contract.eeg.channels), 250.0),
        AUDIO: StreamSpec(AUDIO, ("audio",), 16_000.0),
    }
    prepared = prepare(ModelChoice(None, voice_gate=False), bundle, specs, 0.3)
    assert prepared.predictor is not None
    return prepared, prepared.predictor


@functools.cache
def without_model() -> Prepared:
    """Windows of the raw signals, small ones."""
    specs = {
        EEG: StreamSpec(EEG, ("Fz", "Cz"), 250.0),
        AUDIO: StreamSpec(AUDIO, ("audio",), _LIVE_RATE),
    }
    return prepare(ModelChoice(wanted=False, window_s=2.0, hop_s=0.2), None, specs, 0.3)


class Machine(RuleBasedStateMachine):
    """One session."""

    @initialize(model=st.sampled_from([False, False, False, True]))
    def begin(self, model: bool) -> None:
        """With a model now and then."""
        self._folder = tempfile.TemporaryDirectory()
        predictor: StreamingPredictor | None = None
        if model:
            prepared, predictor = with_model()
            predictor.reset()
        else:
            prepared = without_model()
        self.world = World(prepared, predictor, Path(self._folder.name) / "session.xdf")
        self.world.run(1.0)

    @rule(seconds=st.sampled_from([0.1, 0.2, 0.5, 1.0]))
    def push(self, seconds: float) -> None:
        """All is well."""
        self.world.run(seconds)

    @rule(role=ROLES, seconds=st.sampled_from([0.2, 0.4, 1.0]))
    def burst(self, role: str, seconds: float) -> None:
        """Samples wait, and come at once."""
        self.world.devices[role].burst = True
        self.world.run(seconds)
        self.world.deliver_all()
        self.world.run(0.1)

    @rule(role=ROLES, seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def drop(self, role: str, seconds: float) -> None:
        """The stream lives, its samples are lost."""
        self.world.devices[role].silent_until = self.world.now + seconds
        self.world.run(seconds + 0.1)

    @rule(role=ROLES, by_s=st.sampled_from([3.0, 12.0, -3.0, -12.0, -800.0]))
    def jump(self, role: str, by_s: float) -> None:
        """The device's clock jumps or is reset."""
        self.world.jump(role, by_s)
        self.world.run(0.3)

    @rule(role=ROLES, kind=st.sampled_from(["nan", "huge", "negative", "same"]))
    def bad_stamps(self, role: str, kind: str) -> None:
        """A few stamps that are no times."""
        self.world.devices[role].bad_stamps = kind
        self.world.run(0.1)

    @rule(role=ROLES)
    def bad_values(self, role: str) -> None:
        """A few values that are no numbers."""
        self.world.devices[role].bad_values = True
        self.world.devices[role].disturbed = self.world.now + 0.2
        self.world.run(0.1)

    @rule(role=ROLES, seconds=st.sampled_from([0.3, 1.0, 4.0]))
    def kill(self, role: str, seconds: float) -> None:
        """Its program dies; for the voice, the microphone is lost."""
        self.world.kill(role)
        self.world.run(seconds)

    @rule(role=ROLES)
    def restart(self, role: str) -> None:
        """The same program again."""
        if not self.world.devices[role].connected:
            assert self.world.restart(role, {}), "the same stream was not taken back"
            self.world.run(0.3)

    @rule(
        role=ROLES,
        changes=st.sampled_from(
            [{"sfreq": 500.0}, {"n_channels": 9}, {"dtype": "int16"}, {"hostname": "elsewhere"}]
        ),
    )
    def restart_as_other(self, role: str, changes: dict[str, Any]) -> None:
        """Something else with the same ids is refused."""
        if not self.world.devices[role].connected:
            assert not self.world.restart(role, changes), f"{changes} was taken for the same stream"

    @rule(role=ROLES)
    def twin(self, role: str) -> None:
        """Two that could be it are refused."""
        if not self.world.devices[role].connected:
            assert not self.world.restart(role, {}, n_twins=2), "one of two was taken"

    @rule(role=ROLES, seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def stop_and_continue(self, role: str, seconds: float) -> None:
        """A program is stopped, and goes on with what it had."""
        device = self.world.devices[role]
        if device.connected:
            device.frozen = True
            self.world.run(seconds)
            device.frozen = False
            self.world.run(0.2)

    @rule()
    def xrun(self) -> None:
        """The sound card loses a block."""
        self.world.devices[AUDIO].silent_until = self.world.now + 0.1
        self.world.run(0.2)

    @rule(really=st.sampled_from([False, False, False, True]))
    def disk_full(self, really: bool) -> None:
        """Nothing more fits on the disk; predictions go on."""
        if really:
            self.world.fill_disk()
            self.world.run(0.2)

    @rule()
    def save(self) -> None:
        """What is on disk by now opens."""
        self.world.check_file()

    @rule()
    def swap(self) -> None:
        """A bundle is loaded and answers from now on."""
        self.world.swap()

    @invariant()
    def bounded(self) -> None:
        """After every step."""
        if hasattr(self, "world"):
            _COUNTS["steps"] += 1
            self.world.check_memory()

    def teardown(self) -> None:
        """The end of a session."""
        if hasattr(self, "world"):
            _COUNTS["sequences"] += 1
            _COUNTS["windows"] += len(self.world.said)
            try:
                self.world.finish()
            finally:
                self.world.recorder.close()
                self._folder.cleanup()


def options(n_sequences: int, n_steps: int) -> settings:
    """Seeded, without a clock."""
    return settings(
        max_examples=n_sequences,
        stateful_step_count=n_steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
    )


def measure(short: bool = False) -> Row:
    """2,000 sequences, or as many as ``--sequences N`` says; 8 short ones."""
    n_sequences, n_steps = (8, 15) if short else (2_000, 50)
    if "--sequences" in sys.argv:
        n_sequences = int(sys.argv[sys.argv.index("--sequences") + 1])
    for key in _COUNTS:
        _COUNTS[key] = 0
    violation = ""
    try:
        run_state_machine_as_test(Machine, settings=options(n_sequences, n_steps))
    except (AssertionError, ExceptionGroup) as error:
        violation = " ".join(str(error).split())[:200] or "assertion"
        traceback.print_exception(error)  # with the shortest steps that lead to it
    found = f"1 violation: {violation}" if violation else "0 violations"
    figure = f"{found} in {_COUNTS['sequences']:,} sequences, {_COUNTS['steps']:,} steps, "
    figure += f"{_COUNTS['windows']:,} windows"
    return Row("state machine", figure, _GOAL, not violation)


if __name__ == "__main__":
    command(measure)
