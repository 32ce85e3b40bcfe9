"""``bci-stream live``: whatever is on the network, classified as it comes."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from apps.choice import ModelChoice, Prepared, StreamChoice, load_model, prepare
from apps.console import err, out, say, warn
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.session import Session, Snapshot
from bci_stream.engine.warm import warm_up
from bci_stream.errors import BciStreamError, StreamError, StreamNotFoundError
from bci_stream.messages import AUDIO, EEG
from bci_stream.sinks.base import SinkRunner
from bci_stream.sinks.jsonl import JsonLinesSink
from bci_stream.sinks.terminal import TerminalView, summary_table

if TYPE_CHECKING:
    from bci_stream.sources.binding import Binding
    from bci_stream.sources.combined import PartSource

_REDRAW_S = 0.1
_STALE_S = 1.0  # windows older than this, with newer ones due, are not fused


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The command's options, checked by the parser for type only."""

    streams: StreamChoice
    model: ModelChoice
    seconds: float | None
    wait_s: float
    lateness_s: float | None
    scope: str | None
    session_id: str | None
    publish: str | None
    windows: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """A live run that is over: for a closing summary."""

    pipeline: Pipeline
    session: Session
    snapshot: Snapshot
    rows: list[tuple[str, str]]
    eeg_header: str


def run(options: LiveOptions) -> None:
    """Run until the time is over or Ctrl-C; raises BciStreamError for what cannot start."""
    finished = run_live(options)
    if not options.as_json:
        err.print(summary_table(finished.rows))
    if finished.session.error is not None:
        raise StreamError(f"the session stopped: {finished.session.error}") from finished.session.error


def run_live(options: LiveOptions, on_outcome: Callable[[Outcome], None] | None = None) -> Finished:
    """One live session from resolving to the last prediction."""
    import pylsl

    configure(options.scope, options.session_id)
    with ThreadPoolExecutor(1) as pool:  # the model loads while the streams are looked for
        loading = pool.submit(load_model, options.model)
        source, bindings = open_source(options.streams, options.wait_s)
    try:
        bundle = loading.result()
        specs = {role: b.spec for role, b in bindings.items() if role in (EEG, AUDIO)}
        prepared = prepare(options.model, bundle, specs, options.lateness_s)
        for binding in bindings.values():
            for note in binding.notes:
                warn(note)
        warm_up(prepared.plans, prepared.settings)
        pipeline = Pipeline(
            prepared.plans,
            prepared.settings,
            prepared.predictor,
            stopwatch=pylsl.local_clock,
            stale_after_s=_STALE_S,
        )
        sinks = _sinks(options, prepared)
        session = Session(source, pipeline, sinks, pylsl.local_clock, on_outcome)
        _watch(session, source, options, prepared)
    finally:
        source.close()
    for sink in sinks:
        sink.close()
        if sink.error:
            warn(sink.error)
    snapshot = session.snapshot()
    header = bindings[EEG].info.xml if EEG in bindings else ""
    return Finished(pipeline, session, snapshot, summary_rows(session, snapshot, source), header)


def configure(scope: str | None, session_id: str | None) -> None:
    """Set LSL's scope and session id where one was asked for; else liblsl's own settings hold."""
    if scope is None and session_id is None:
        return
    from bci_stream.sources.lsl_config import configure_lsl

    configure_lsl(session_id or "default", scope or "machine")  # type: ignore[arg-type]


def open_source(choice: StreamChoice, wait_s: float) -> tuple[PartSource, dict[str, Binding]]:
    """Find and open the chosen streams; at least one of EEG and audio must be there."""
    from bci_stream.sources.lsl import LslRequest, LslSource

    requests = []
    if choice.want_eeg:
        requests.append(
            LslRequest(
                EEG,
                choice.eeg,
                required=choice.eeg is not None,
                channels=choice.channels,
                pick=choice.pick,
                unit=choice.unit,
            )
        )
    if choice.want_audio and choice.mic is None:
        requests.append(LslRequest(AUDIO, choice.audio, required=choice.audio is not None))
    requests.append(LslRequest("markers", None, required=False))
    source: PartSource
    source = network = LslSource(requests, resolve_s=wait_s)
    bindings = network.open()
    if choice.mic is not None:
        source, bindings = _with_microphone(network, bindings, choice.mic)
    if EEG not in bindings and AUDIO not in bindings:
        source.close()
        raise StreamNotFoundError(
            f"no EEG and no audio stream appeared within {wait_s:g} s; start the headset's LSL connector, "
            "look with `bci-stream streams`, or try `bci-stream demo`"
        )
    return source, bindings


def _with_microphone(
    network: PartSource, bindings: dict[str, Binding], name: str
) -> tuple[PartSource, dict[str, Binding]]:
    """A microphone of this computer beside the streams of the network."""
    from bci_stream.sources.combined import CombinedSource
    from bci_stream.sources.microphone import MicrophoneSource

    try:
        microphone = MicrophoneSource(name)
        bindings = bindings | microphone.open()
    except BciStreamError:
        network.close()
        raise
    say(f"voice from {microphone.device.words}, {microphone.stamps}")
    rates = {role: binding.sfreq for role, binding in bindings.items() if role in (EEG, AUDIO)}
    return CombinedSource([network, microphone], rates), bindings


def _sinks(options: LiveOptions, prepared: Prepared) -> list[SinkRunner]:
    sinks = []
    if options.as_json:
        windows = options.windows or prepared.predictor is None
        sinks.append(SinkRunner(JsonLinesSink(sys.stdout, windows=windows)))
    if options.publish is not None and prepared.bundle is not None:
        from bci_stream.sinks.lsl import LslPredictionSink

        contract = prepared.bundle.contract
        name = options.publish
        sinks.append(
            SinkRunner(LslPredictionSink(name, contract.classes, contract.hop_s, f"bci-stream-{name}"))
        )
    return sinks


def _watch(session: Session, source: PartSource, options: LiveOptions, prepared: Prepared) -> None:
    """Show the session until it is over."""
    classes = prepared.bundle.contract.classes if prepared.bundle else ()
    deadline_s = time.monotonic() + options.seconds if options.seconds is not None else None
    with stop_on_signal() as stop:
        session.start()
        view = None if options.as_json else TerminalView(out, classes)
        try:
            if view is not None:
                view.__enter__()
            while not stop.wait(_REDRAW_S) and session.running:
                if view is not None:
                    _redraw(view, session, source)
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    break
        finally:
            session.stop()
            if view is not None:
                view.close()


def _redraw(view: TerminalView, session: Session, source: PartSource) -> None:
    snapshot = session.snapshot()
    prediction, window = session.take_fresh()
    view.update(
        prediction,
        health_of(snapshot, source),
        {"windows": snapshot.n_windows, "skipped": snapshot.n_skipped, "late windows": snapshot.n_deadline},
        now_s=time.monotonic(),
        window=window,
    )


def health_of(snapshot: Snapshot, source: PartSource) -> dict[str, dict[str, Any]]:
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


def summary_rows(session: Session, snapshot: Snapshot, source: PartSource) -> list[tuple[str, str]]:
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
