"""bci_stream as ``bci-stream live`` composes it; user code is ``on_outcome``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pylsl

from apps.choice import ModelChoice, StreamChoice, load_model, prepare
from apps.live_streams import open_source
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.session import Session
from bci_stream.engine.warm import warm_up
from bci_stream.messages import AUDIO, EEG, Chunk, Event
from bci_stream.sources.lsl import LslSource
from benchmarks.recorder import Recorder
from benchmarks.setups import WINDOWS, Setup, Task


class _Watched:
    """The source, with the stamp of the newest EEG sample it has handed out."""

    def __init__(self, source: LslSource) -> None:
        self._source = source
        self.newest_stamp = float("nan")

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        events = self._source.read(missing_s, timeout_s)
        for event in events:
            if isinstance(event, Chunk) and event.stream == EEG:
                self.newest_stamp = float(event.timestamps[-1])
        return events

    def close(self) -> None:
        self._source.close()


class Ours:
    """The whole live path. A result is due with the newest EEG sample that was pulled before it."""

    def __init__(self, setup: Setup, task: Task, bundle: Path) -> None:
        wanted = task.name != WINDOWS.name
        self._choice = ModelChoice(bundle, wanted, window_s=task.window_s, hop_s=task.hop_s)
        self._bundle = load_model(self._choice)

    def measure(self, recorder: Recorder) -> dict[str, float]:
        """Connect, run until the recorder has enough; what the method itself waits for, in ms."""
        source, bindings = open_source(StreamChoice("name=BenchEEG", "name=BenchAudio"), 5.0)
        specs = {role: b.spec for role, b in bindings.items() if role in (EEG, AUDIO)}
        prepared = prepare(self._choice, self._bundle, specs)
        warm_up(prepared.plans, prepared.settings)
        clock = pylsl.local_clock
        pipeline = Pipeline(
            prepared.plans, prepared.settings, prepared.predictor, stopwatch=clock, stale_after_s=1.0
        )
        watched, done, inference_ms = _Watched(source), threading.Event(), []

        def on_outcome(outcome: Outcome) -> None:
            sample = recorder.log.index(watched.newest_stamp)
            if not done.is_set() and not recorder.take(sample, outcome.window.t_end):
                done.set()
            if outcome.prediction is not None:
                inference_ms.append(outcome.prediction.latency.inference_ms)

        session = Session(watched, pipeline, [], clock, on_outcome)
        session.start()
        done.wait(recorder.settle_s + recorder.seconds + 15.0)
        session.stop()
        if session.error is not None:
            raise session.error
        plan = prepared.plans[EEG]
        ahead_ms = plan.zero_crossings / min(plan.spec.sfreq, plan.sfreq if plan.antialias else 1e9) * 1e3
        middle = sorted(inference_ms)[len(inference_ms) // 2] if inference_ms else 0.0
        return {
            "lookahead_ms": ahead_ms,
            "filter_delay_ms": plan.delay_s * 1e3,
            "inference_p50_ms": middle,
            "n_deadline": pipeline.n_deadline,
            "n_skipped": pipeline.n_skipped,
        }
