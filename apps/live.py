"""``bci-stream live``: whatever is on the network, classified as it comes."""

from __future__ import annotations

import json
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from apps.agreeing import Agreeing
from apps.choice import Prepared
from apps.console import err, out, say, warn, write_line
from apps.listening import listening_words
from apps.live_streams import LiveOptions, StatusSource, connect, live_pipeline
from apps.outputs import Outputs
from apps.supervised import supervisor_of
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.session import Session, Snapshot
from bci_stream.errors import StreamError
from bci_stream.messages import EEG
from bci_stream.sinks.freshness import LATE, is_over, taken_back
from bci_stream.sinks.terminal import TerminalView, summary_table
from calibration.session import WRONG, WRONG_S

if TYPE_CHECKING:
    from rich.console import Console

    from apps.live_drift import LiveDrift
    from apps.live_recording import LiveRecording

Edges = tuple[Outputs, "LiveRecording | None", "LiveDrift | None"]

_REDRAW_S = 0.1


@dataclass(frozen=True, slots=True)
class Finished:
    """A live run that is over: for a closing summary."""

    pipeline: Pipeline
    session: Session
    snapshot: Snapshot
    rows: list[tuple[str, str]]
    eeg_header: str
    outputs: Outputs
    recording: LiveRecording | None


def run(options: LiveOptions) -> None:
    """Run until the time is over or Ctrl-C; raises BciStreamError for what cannot start."""
    finished = run_live(options)
    if options.as_json:
        write_line(json.dumps(_summary(finished), allow_nan=False))
    else:
        err.print(summary_table(finished.rows))
    if finished.session.error is not None:
        raise StreamError(f"the session stopped: {finished.session.error}") from finished.session.error
    if finished.recording is not None and finished.recording.error is not None:
        raise StreamError(f"the recording is not whole: {finished.recording.error}")


def run_live(options: LiveOptions, on_outcome: Callable[[Outcome], None] | None = None) -> Finished:
    """One live session from resolving to the last prediction."""
    import pylsl

    from apps.live_drift import watch_of

    wanted = options.outputs
    if options.as_json:
        wanted = replace(wanted, stdout=sys.stdout, windows=options.windows)
    wanted.check(options.model.wanted)
    destination = options.recording.destination() if options.recording is not None else None
    source, bindings, prepared = connect(options)
    outputs, recording = Outputs(pylsl.local_clock), None
    try:
        drift = watch_of(options.person, prepared)
        for binding in bindings.values():
            for note in binding.notes:
                warn(note)
        outputs.open(wanted, prepared)
        if heard := listening_words():
            say(heard)
        if destination is not None and options.recording is not None:
            from apps.live_recording import begin

            recording = begin(
                destination,
                source,
                bindings,
                prepared,
                audio=options.recording.audio,
                keyboard=_hears_keys(options, prepared),
            )
            outputs.add("recorded outcomes", recording.sink)
        pipeline = live_pipeline(prepared, pylsl.local_clock)
        session = _session(source, pipeline, outputs, recording, _takers(pipeline, drift, on_outcome))
        _watch(session, source, options, prepared, (outputs, recording, drift))
    finally:
        source.close()
        outputs.close()
        if recording is not None:
            recording.close()
    snapshot = session.snapshot()
    header = bindings[EEG].info.xml if EEG in bindings else ""
    rows = summary_rows(session, snapshot, source) + outputs.rows()
    rows += [recording.row()] if recording is not None else []
    return Finished(pipeline, session, snapshot, rows, header, outputs, recording)


def _takers(
    pipeline: Pipeline, drift: LiveDrift | None, on_outcome: Callable[[Outcome], None] | None
) -> Callable[[Outcome], None] | None:
    """Everybody who looks at an outcome, as one."""
    if drift is None:
        return on_outcome

    def take(outcome: Outcome) -> None:
        drift.on_outcome(outcome, pipeline)
        if on_outcome is not None:
            on_outcome(outcome)

    return take


def _session(
    source: StatusSource,
    pipeline: Pipeline,
    outputs: Outputs,
    recording: LiveRecording | None,
    on_outcome: Callable[[Outcome], None] | None,
) -> Session:
    import pylsl

    sinks, clock = outputs.runners, pylsl.local_clock
    if recording is None:
        return Session(source, pipeline, sinks, clock, on_outcome)
    ledger = recording.ledger

    def take(outcome: Outcome) -> None:
        ledger.take(outcome)
        if on_outcome is not None:
            on_outcome(outcome)

    return Session(recording.source, recording.pipeline(pipeline), sinks, clock, take)


def _hears_keys(options: LiveOptions, prepared: Prepared) -> bool:
    """Whether a person at a terminal can say that an answer was wrong."""
    return prepared.bundle is not None and not options.as_json and sys.stdin.isatty()


def _watch(
    session: Session, source: StatusSource, options: LiveOptions, prepared: Prepared, edges: Edges
) -> None:
    """Show the session until it is over."""
    classes = prepared.bundle.contract.classes if prepared.bundle else ()
    deadline_s = time.monotonic() + options.seconds if options.seconds is not None else None
    recording = edges[1]

    def typed(line: str) -> None:
        if recording is not None:
            _correct(line, classes, recording, view)

    view = None if options.as_json else TerminalView(out, classes)
    agreeing = Agreeing(source, typed)
    told: queue.SimpleQueue[tuple[str, str, str]] = queue.SimpleQueue()
    supervisor = supervisor_of(
        session,
        source,
        edges[0].runners,
        lambda: [recording.recorder.heart] if recording is not None else [],
        lambda *line: told.put(line),
    )
    if recording is not None and _hears_keys(options, prepared):
        keys = ", ".join(f"{i} {name}" for i, name in enumerate(classes, 1))
        say(f"a wrong answer? type what the last {WRONG_S:g} s were, and Enter: {keys}")
    with stop_on_signal() as stop:
        session.start()
        supervisor.start()
        try:
            if view is not None:
                view.__enter__()
            while not stop.wait(_REDRAW_S) and session.running and session.error is None:
                if view is not None:
                    _redraw(view, session, source, recording, supervisor.troubles)
                _tell_troubles(view, edges)
                agreeing.look()
                for role, status in source.status().items():
                    if status.can_agree and (offer := agreeing.offer(role, status.note)):
                        warn(offer, _console(view))
                _tell_deeds(view, told, options.as_json)
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    break
        finally:
            supervisor.close()
            session.stop()
            if view is not None:
                view.close()
            _tell_deeds(None, told, options.as_json)


def _console(view: TerminalView | None) -> Console:
    """Where a line goes while a session runs: above the picture, not into it."""
    return out if view is not None and view.is_picture else err


def _tell_deeds(
    view: TerminalView | None, told: queue.SimpleQueue[tuple[str, str, str]], as_json: bool
) -> None:
    """What the supervisor found and did, at once: for people, and for a program."""
    while not told.empty():
        level, worker, words = told.get()
        if as_json:
            write_line(json.dumps({"kind": "trouble", "level": level, "source": worker, "text": words}))
        elif level == "good":
            say(f"{worker}: {words}")
        else:
            warn(words, _console(view))


def _correct(line: str, classes: Sequence[str], recording: LiveRecording, view: TerminalView | None) -> None:
    """A person says what the last seconds were; it is recorded as a marker, and nothing else changes."""
    import pylsl

    number = line.strip()
    if number in {str(i) for i in range(1, len(classes) + 1)}:
        label = classes[int(number) - 1]
        recording.mark(f"{WRONG}{label}", pylsl.local_clock())
        say(f"kept: the last {WRONG_S:g} s were {label}", _console(view))


def _redraw(
    view: TerminalView,
    session: Session,
    source: StatusSource,
    recording: LiveRecording | None,
    troubles: tuple[str, ...],
) -> None:
    snapshot = session.snapshot()
    prediction, window = session.take_fresh()
    if prediction is not None and is_over(prediction, now_s := session.now_s()):
        prediction = taken_back(prediction, now_s, LATE)
    view.update(
        prediction,
        health_of(snapshot, source) | {f"program {n}": _red(words) for n, words in enumerate(troubles, 1)},
        {"windows": snapshot.n_windows, "skipped": snapshot.n_skipped, "late windows": snapshot.n_deadline},
        now_s=time.monotonic(),
        window=window,
        recording=recording.words() if recording is not None else "",
    )


def _tell_troubles(view: TerminalView | None, edges: Edges) -> None:
    """What an output or the recording has to complain of, at once and once; predictions go on."""
    outputs, recording, drift = edges
    troubles = outputs.new_troubles() + (recording.new_troubles() if recording is not None else [])
    for trouble in troubles:
        warn(trouble, _console(view))
    for drifted in drift.new() if drift is not None else ():
        from apps.live_drift import record_of

        outputs.note(record_of(drifted))
        (warn if drifted.level == "warn" else say)(drifted.words, _console(view))


def _red(words: str) -> dict[str, Any]:
    return {"state": "lost", "note": words}


def health_of(snapshot: Snapshot, source: StatusSource) -> dict[str, dict[str, Any]]:
    """Per stream: what the pipeline measured, and how the inlet is."""
    status = source.status()
    merged = {}
    for role, health in snapshot.health.items():
        merged[role] = asdict(health)
        if role in status:
            merged[role] |= {
                "state": status[role].state,
                "n_reconnects": status[role].n_reconnects,
                "note": status[role].note,
            }
            if (counted := status[role].n_lost) is not None:  # the device's own word
                merged[role]["n_lost"] = counted
    return merged


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that everything is flushed before the end."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _summary(finished: Finished) -> dict[str, Any]:
    """The end of a session as one record, for a program."""
    snapshot = finished.snapshot
    return {
        "kind": "summary",
        "n_windows": snapshot.n_windows,
        "n_predictions": snapshot.n_predictions,
        "n_skipped": snapshot.n_skipped,
        "n_deadline": snapshot.n_deadline,
        "outputs": finished.outputs.records(),
        "recording": finished.recording.record() if finished.recording is not None else None,
    }


def summary_rows(session: Session, snapshot: Snapshot, source: StatusSource) -> list[tuple[str, str]]:
    """What to say of a finished session."""
    rows = [("windows", f"{snapshot.n_windows}, {snapshot.n_deadline} closed by lateness")]
    latencies = sorted(session.latencies_ms)
    if latencies:
        middle, tail = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.95)]
        rows.append(("last sample to prediction", f"p50 {middle:.2f} ms, p95 {tail:.2f} ms"))
    rows.append(("skipped", str(snapshot.n_skipped)))
    for role, health in health_of(snapshot, source).items():
        share = health["n_lost"] / max(1, health["n_samples"] + health["n_lost"])
        rows.append(
            (
                role,
                f"{health['n_samples']} samples at {health['rate_hz']:.2f} Hz, {share:.2%} lost, "
                f"{health['n_gaps']} gaps, jitter {health['jitter_ms']:.2f} ms, "
                f"{health.get('n_reconnects', 0)} reconnects",
            )
        )
    return rows
