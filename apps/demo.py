"""``bci-stream demo``: a simulated headset and voice over real LSL, from another process, classified live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.choice import ModelChoice, StreamChoice
from apps.console import err, say
from apps.live import run_live
from apps.live_streams import LiveOptions
from bci_stream.engine.pipeline import Outcome
from bci_stream.errors import StreamError
from bci_stream.messages import Prediction
from bci_stream.sinks.terminal import summary_table
from bci_stream.sources.lsl_config import private_session
from bci_stream.sources.simulator import Segment, Simulator, SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess

_LEAD_S = 60.0  # the simulator outlives the session: imports and resolving take their time


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The command's options."""

    seconds: float
    seed: int
    person: int
    as_json: bool


def run(options: DemoOptions) -> None:
    """Start the simulator, classify it live, and compare with its truth."""
    settings = SimulatorSettings(seed=options.seed, person=options.person)
    session_id = private_session("bci-demo")
    say("a simulated person with a 16-channel headset and a microphone, over real LSL on this machine only")
    predictions: list[Prediction] = []

    def keep(outcome: Outcome) -> None:
        if outcome.prediction is not None:
            predictions.append(outcome.prediction)

    person = SimulatorProcess(settings, duration_s=options.seconds + _LEAD_S, lsl=(session_id, "machine"))
    live = LiveOptions(
        streams=StreamChoice(eeg="SimEEG", audio="SimAudio"),
        model=ModelChoice(),
        seconds=options.seconds,
        wait_s=30.0,
        lateness_s=None,
        scope="machine",
        session_id=session_id,
        windows=False,
        as_json=options.as_json,
    )
    with person:
        finished = run_live(live, keep)
    truth = Simulator(settings).truth(options.seconds + _LEAD_S)
    rows = score_rows(predictions, truth, _t0_of(finished.eeg_header)) + finished.rows
    if not options.as_json:
        err.print(summary_table(rows, title="Demo summary"))
        say("The data are simulated: these figures say nothing about people.")
    if finished.session.error is not None:
        raise StreamError(f"the demo stopped: {finished.session.error}") from finished.session.error


def _t0_of(header: str) -> float:
    """When the simulation began, as its stream's header says."""
    return float(header.partition("<t0>")[2].partition("</t0>")[0])


def score_rows(
    predictions: Sequence[Prediction], truth: Sequence[Segment], t0: float
) -> list[tuple[str, str]]:
    """Accuracy against the simulator's truth, over the windows that lie inside one emotion."""
    inside = [(p, label) for p in predictions if p.label is not None if (label := _label(p, truth, t0))]
    if not inside:
        return [("accuracy", "no window lay inside one emotion: run longer")]
    right = sum(p.label == label for p, label in inside)
    confidence = sum(p.confidence for p, _ in inside) / len(inside)
    return [
        ("accuracy against truth", f"{right / len(inside):.0%} of {len(inside)} windows inside one emotion"),
        ("mean confidence", f"{confidence:.0%}"),
    ]


def _label(prediction: Prediction, truth: Sequence[Segment], t0: float) -> str | None:
    for segment in truth:
        if t0 + segment.t_start <= prediction.t_start and prediction.t_end <= t0 + segment.t_end:
            return segment.label
    return None
