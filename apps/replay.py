"""``bci-stream replay``: a recording through the live pipeline, at any speed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from apps.choice import ModelChoice, Prepared, StreamChoice, load_model, prepare
from apps.console import err, out, say, warn, write_line
from apps.recorded_session import foreign_markers, recorded_session, replayed
from apps.recording import BoundRecording, bind_recording
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.session import replay
from bci_stream.errors import ConfigError, LedgerError
from bci_stream.messages import Event, Prediction, Window
from bci_stream.sinks.jsonl import prediction_record, window_record
from bci_stream.sinks.whole_file import check_free
from bci_stream.sources.recordings import Recording, open_recording
from bci_stream.sources.xdf import XdfSource

if TYPE_CHECKING:
    from bci_stream.model.bundle import Bundle

LATENESS_S = 2.0  # recorders store a stream's samples later than they came, by up to a second or two


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The command's options, checked by the parser for type only."""

    file: Path
    speed: str
    t_from_s: float | None
    t_to_s: float | None
    streams: StreamChoice
    model: ModelChoice
    lateness_s: float | None
    reanchor: bool
    windows: bool
    as_json: bool
    ledger: Path | None = None


def run(options: ReplayOptions, on_outcome: Callable[[Outcome], None] | None = None) -> None:
    """Replay and print; raises BciStreamError for what cannot be replayed."""
    speed = speed_of(options.speed)
    if options.ledger is not None:
        check_free(options.ledger, "ledger")
    bundle = load_model(options.model)
    with open_recording(options.file) as recording:
        bound = bind_recording(recording, options.streams, any_numeric=bundle is None)
        prepared, differences = fitted(options, bundle, recording, bound)
        markers = foreign_markers(recording, bound.markers)
        source = XdfSource(recording, bound.bindings, markers, reanchor=options.reanchor)
        for note in (
            *bound.notes,
            *(n for plan in prepared.plans.values() for n in plan.notes),
            *differences,
        ):
            warn(note)
        pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
        report = _JsonReport(options, prepared) if options.as_json else _TextReport(options, prepared, source)
        report.begin(source)
        events = (
            _with_progress(source, options)
            if speed is None
            else source.events(options.t_from_s, options.t_to_s)
        )
        with _noted(options.ledger, prepared, tuple(bound.bindings)) as take_note:
            for outcome in replay(events, replayed(pipeline), speed=speed):
                take_note(outcome)
                report.take(outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
        report.end(pipeline)
        for warning in source.warnings:
            warn(warning)


@contextmanager
def _noted(
    path: Path | None, prepared: Prepared, roles: tuple[str, ...]
) -> Iterator[Callable[[Outcome], None]]:
    """What takes each outcome for the ledger, if one is wanted."""
    if path is None:
        yield lambda outcome: None
        return
    from apps.live_ledger import LedgerRecorder

    ledger = LedgerRecorder(path, prepared, roles)
    try:
        yield ledger.take
    finally:
        ledger.close()
    if ledger.error is not None:
        raise LedgerError(ledger.error)


def fitted(
    options: ReplayOptions, bundle: Bundle | None, recording: Recording, bound: BoundRecording
) -> tuple[Prepared, list[str]]:
    """Fitted by the user's settings, then by those of the recorded session; and what differs from it."""
    specs = {role: binding.spec for role, binding in bound.bindings.items()}
    session = recorded_session(recording)
    choice, lateness_s = options.model, options.lateness_s
    if session is None:
        return prepare(choice, bundle, specs, LATENESS_S if lateness_s is None else lateness_s), []
    lateness_s = session.lateness_s if lateness_s is None else lateness_s
    prepared = prepare(session.completed(choice), bundle, specs, lateness_s)
    return prepared, list(session.differences(bundle, specs))


def speed_of(text: str) -> float | None:
    """Times real time; None for "max". Raises ConfigError for what is no speed."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise ConfigError(f"--speed {text!r} makes no sense: use a number above 0, such as 1 or 2.5, or max")
    return speed


def _with_progress(source: XdfSource, options: ReplayOptions) -> Iterator[Event]:
    """The events, with a bar on stderr while a person watches a long one."""
    events: Iterable[Event] = source.events(options.t_from_s, options.t_to_s)
    if not err.is_terminal or source.duration_s < 60:
        yield from events
        return
    columns = (
        TextColumn("replay"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("replay", total=1.0)
        for event in events:
            progress.update(task, completed=source.progress)
            yield event


class _JsonReport:
    """JSON lines: one ``session``, then ``window`` and ``prediction`` lines, then one ``summary``."""

    def __init__(self, options: ReplayOptions, prepared: Prepared) -> None:
        self._windows = options.windows or prepared.predictor is None
        self._prepared = prepared
        self._options = options

    def begin(self, source: XdfSource) -> None:
        bundle = self._prepared.bundle
        streams = {
            role: {"channels": list(p.spec.ch_names), "sfreq": p.spec.sfreq, "grid_sfreq": p.sfreq}
            for role, p in self._prepared.plans.items()
        }
        self._line(
            "session",
            {
                "file": self._options.file.name,
                "duration_s": source.duration_s,
                "streams": streams,
                "bundle_sha256": bundle.sha256 if bundle else None,
                "window_s": self._prepared.settings.window_s,
                "hop_s": self._prepared.settings.hop_s,
                "lateness_s": self._prepared.settings.lateness_s,
            },
        )

    def take(self, outcome: Outcome) -> None:
        if self._windows:
            self._line("window", window_record(outcome.window))
        if outcome.prediction is not None:
            self._line("prediction", prediction_record(outcome.prediction))

    def end(self, pipeline: Pipeline) -> None:
        for marker in pipeline.markers:
            self._line("marker", {"stream": marker.stream, "t": marker.timestamp, "label": marker.label})
        self._line("summary", summary_of(pipeline))

    def _line(self, kind: str, record: dict[str, object]) -> None:
        write_line(json.dumps({"kind": kind, **record}, allow_nan=False))


class _TextReport:
    """A line a second of the recording for a person, and a summary."""

    def __init__(self, options: ReplayOptions, prepared: Prepared, source: XdfSource) -> None:
        self._t0 = source.t_start
        self._every = max(1, round(1.0 / prepared.settings.hop_s))
        self._seen = 0
        self._labels: Counter[str] = Counter()

    def begin(self, source: XdfSource) -> None:
        say(f"{source.duration_s:.1f} s of recording")

    def take(self, outcome: Outcome) -> None:
        if outcome.prediction is not None:
            self._labels[outcome.prediction.label or "no decision"] += 1
        if self._seen % self._every == 0:
            line = outcome.prediction or outcome.window
            text = _predicted(line, self._t0) if isinstance(line, Prediction) else _windowed(line, self._t0)
            out.print(text, markup=False)
        self._seen += 1

    def end(self, pipeline: Pipeline) -> None:
        say(f"{pipeline.n_windows} windows, {pipeline.n_deadline} closed by lateness")
        for health in pipeline.health().values():
            say(
                f"{health.role}: {health.n_samples} samples at {health.rate_hz:.3f} Hz, "
                f"{health.n_gaps} gaps, {health.n_lost} lost, jitter {health.jitter_ms:.2f} ms, "
                f"clock drift {health.drift_ppm:.1f} ppm, "
                f"{health.n_clock_resets} clock resets"
            )
        if self._labels:
            total = sum(self._labels.values())
            say("said: " + ", ".join(f"{k} {v / total:.0%}" for k, v in self._labels.most_common()))


def _predicted(prediction: Prediction, t0: float) -> str:
    stood = ", ".join(f"{role} {prediction.coverage[role]:.0%}" for role in prediction.stood_on) or "nothing"
    label = prediction.label or "no decision"
    tags = f"  [{'; '.join(prediction.tags)}]" if prediction.tags else ""
    span = f"{prediction.t_start - t0:8.1f} to {prediction.t_end - t0:7.1f} s"
    return f"{span}  {label:<11} {prediction.confidence:4.0%}  on {stood}{tags}"


def _windowed(window: Window, t0: float) -> str:
    parts = []
    for role, part in window.streams.items():
        gaps = f", gaps {sum(g.t_end - g.t_start for g in part.gaps):.2f} s" if part.gaps else ""
        marked = float((part.marks != 0).any(axis=0).mean())
        parts.append(f"{role} {part.coverage:.0%} good{gaps}, {marked:.0%} of channels marked")
    return f"{window.t_start - t0:8.1f} to {window.t_end - t0:7.1f} s  " + "; ".join(parts)


def summary_of(pipeline: Pipeline) -> dict[str, object]:
    """Counters of a finished run, JSON-safe."""
    streams = {}
    for role, health in pipeline.health().items():
        figures = {
            name: getattr(health, name)
            for name in health.__dataclass_fields__
            if name not in ("role", "age_s", "newest_s")
        }
        streams[role] = {k: (v if v == v and abs(v) != float("inf") else None) for k, v in figures.items()}
    return {
        "n_windows": pipeline.n_windows,
        "n_deadline": pipeline.n_deadline,
        "n_empty": pipeline.n_empty,
        "n_skipped": pipeline.n_skipped,
        "streams": streams,
    }
