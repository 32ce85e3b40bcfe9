"""What a window is drawn from: follows a session in the engine's thread, and makes a Frame of it for anybody.

The engine's side (:meth:`Monitor.on_outcome` and the taps of the streams) only copies; whatever takes time is
done when a view asks, at most a few times a second, in the view's thread. All memory is bounded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np

from bci_stream.engine.decision import DecisionRule, DecisionTrack
from bci_stream.engine.electrodes import ElectrodeWatch
from bci_stream.engine.frame import Decision, Frame, Recording, StreamState, Weights
from bci_stream.engine.happenings import EventLog, SourceStatus, StreamFacts, StreamWatch
from bci_stream.engine.history import History, capacity_of
from bci_stream.engine.model_view import ModelView
from bci_stream.engine.past import PastPredictions, no_past
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.messages import EEG, Marker, Prediction, StreamSpec

_LOOK_EVERY_S = 0.2
_CPU_EVERY_S = 1.0
_KEPT_S = 300.0
_KEPT_MARKERS = 500


class WeightSource(Protocol):
    """Explains predictions at its own low rate."""

    def weights(self) -> Weights | None:
        """The newest explanation; cheap, from any thread."""

    def offer(self, pipeline: Pipeline, outcome: Outcome) -> None:
        """A new outcome, in the engine's thread; must return at once."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is watched: names for people, and how streams report on themselves.

    ``streams``: facts by role. ``status``: by role, from any thread. ``bundle``: the model's name.
    """

    streams: Mapping[str, StreamFacts]
    status: Callable[[], Mapping[str, SourceStatus]] = dict
    bundle: str = ""
    classes: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rule: DecisionRule = field(default_factory=DecisionRule)


class Monitor:
    """Watches one pipeline.

    Args:
        pipeline: not yet running; its streams are tapped.
        subject: what it is about.
        t0_s: local time at which the session's time is 0.
        log: where happenings go.
        explainer: gives the weights of a frame.
        kept_s: how much of the signals is kept, memory permitting.
        cpu_s: processor seconds of this process so far.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        subject: Subject,
        t0_s: float,
        *,
        log: EventLog | None = None,
        explainer: WeightSource | None = None,
        kept_s: float = _KEPT_S,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        self.log = log or EventLog()
        self.t0_s = t0_s
        self.subject = subject
        self.bundle = subject.bundle  # the name of the model that answers
        self._pipeline, self._explainer, self._cpu_s = pipeline, explainer, cpu_s
        settings, plans = pipeline.settings, pipeline.plans
        self._traces = {role: _history(role, plan.spec, kept_s) for role, plan in plans.items()}
        for role, history in self._traces.items():
            pipeline.tap(role, history.push)
        self._model_view = ModelView(pipeline, kept_s)
        self._electrodes = ElectrodeWatch(plans[EEG], settings.hop_s) if EEG in plans else None
        self._watches = {role: StreamWatch(role, subject.streams[role]) for role in plans}
        self._track = DecisionTrack(settings.hop_s + settings.lateness_s, subject.rule)
        self._past = (
            PastPredictions(subject.classes, subject.heads, hop_s=settings.hop_s) if subject.classes else None
        )
        self._window: tuple[float, float] | None = None
        self._prediction: Prediction | None = None
        self._n_predictions = 0
        self._markers: tuple[Marker, ...] = ()
        self._coming: list[Marker] = []  # of a recording, which is read a little ahead
        self._streams: tuple[StreamState, ...] = ()
        self._looking = threading.Lock()
        self._looked_s = (-np.inf, -np.inf)
        self._n_markers = 0
        self._is_fresh: bool | None = None  # whether predictions come; None before the first
        self._cpu = (-np.inf, 0.0, 0.0)  # measured at, processor seconds then, share

    def on_outcome(self, outcome: Outcome) -> None:
        """Take one outcome; in the engine's thread."""
        window, prediction = outcome.window, outcome.prediction
        self._window = (window.t_start, window.t_end)
        self._model_view.take(window)
        if self._electrodes is not None and EEG in window.streams:
            self._electrodes.take(window.streams[EEG])
        if prediction is not None:
            decision = self._track.take(prediction)
            if self._past is not None and prediction.classes == self.subject.classes:
                self._past.add(prediction, decision)
            self._prediction = prediction
            self._n_predictions += 1
        if self._explainer is not None:
            self._explainer.offer(self._pipeline, outcome)

    def frame(
        self,
        now_s: float,
        state: str = "running",
        error: str | None = None,
        recording: Recording | None = None,
    ) -> Frame:
        """The session at local time ``now_s``; cheap, from any thread."""
        self._look(now_s)
        decision = self._decision(now_s, state)
        return Frame(
            state=state,
            t0_s=self.t0_s,
            now_s=now_s,
            traces=MappingProxyType(self._traces),
            model_traces=self._model_view.traces,
            window=self._window,
            markers=self._markers,
            streams=self._streams,
            prediction=self._prediction,
            decision=decision,
            history=self._past.arrays() if self._past is not None else no_past(),
            weights=self._explainer.weights() if self._explainer is not None else None,
            log=self.log.entries(),
            recording=recording,
            bundle=self.bundle,
            n_windows=self._pipeline.n_windows,
            n_predictions=self._n_predictions,
            n_skipped=self._pipeline.n_skipped,
            latency_ms=_latency(self._prediction),
            cpu_share=self._cpu[2],
            error=error,
        )

    @property
    def n_bytes(self) -> int:
        """Memory of the histories."""
        return sum(h.n_bytes for h in self._traces.values()) + self._model_view.n_bytes

    def _decision(self, now_s: float, state: str) -> Decision:
        if state in ("failed", "stopped") and self._prediction is not None:
            age_s = now_s - self._prediction.t_end
            return Decision("stale", None, 0.0, "the session has ended", age_s)
        if not self.subject.classes:
            return Decision("none", None, 0.0, "no model: signals only", float("nan"))
        decision = self._track.current(now_s, self.t0_s, "the first window is filling")
        if decision.state == "stale" and self._is_fresh:
            self.log.add(now_s - self.t0_s, "bad", "model", "predictions stopped coming")
        elif decision.state in ("decided", "uncertain") and self._is_fresh is False:
            self.log.add(now_s - self.t0_s, "good", "model", "predictions come again")
        if decision.state == "stale" and self._is_fresh is not None:
            self._is_fresh = False
        elif decision.state in ("decided", "uncertain"):
            self._is_fresh = True
        return decision

    def _look(self, now_s: float) -> None:
        wall_s = time.monotonic()  # a recording's time may stand still
        soon = abs(now_s - self._looked_s[0]) < _LOOK_EVERY_S and wall_s - self._looked_s[1] < _LOOK_EVERY_S
        if soon or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked_s = (now_s, wall_s)
            self._look_at_streams(now_s)
            self._look_at_markers(now_s)
            self._measure_cpu()
        finally:
            self._looking.release()

    def _look_at_streams(self, now_s: float) -> None:
        health, status = self._pipeline.health(now_s), self.subject.status()
        channels = self._electrodes.channels if self._electrodes is not None else ()
        lights = []
        for role, watch in self._watches.items():
            light, said = watch.look(health[role], status.get(role), channels if role == EEG else ())
            lights.append(light)
            for level, words in said:
                self.log.add(now_s - self.t0_s, level, role, words)
        self._streams = tuple(lights)

    def _look_at_markers(self, now_s: float) -> None:
        known = self._pipeline.n_markers
        if known != self._n_markers:
            recent = self._pipeline.recent_markers()
            self._coming += recent[max(0, len(recent) - (known - self._n_markers)) :]
            self._n_markers = known
        due = [marker for marker in self._coming if marker.timestamp <= now_s]
        if not due:
            return
        self._coming = [marker for marker in self._coming if marker.timestamp > now_s]
        self._markers = (*self._markers, *due)[-_KEPT_MARKERS:]
        for marker in due:
            self.log.add(marker.timestamp - self.t0_s, "good", "markers", marker.label)

    def _measure_cpu(self) -> None:
        wall_s, (then_s, spent_s, _) = time.monotonic(), self._cpu
        if wall_s - then_s < _CPU_EVERY_S:
            return
        now_spent_s = self._cpu_s()
        share = (now_spent_s - spent_s) / (wall_s - then_s) if then_s > -np.inf else 0.0
        self._cpu = (wall_s, now_spent_s, share)


def _history(role: str, spec: StreamSpec, kept_s: float) -> History:
    capacity = capacity_of(len(spec.ch_names), spec.sfreq, kept_s)
    return History(role, spec.ch_names, spec.sfreq, capacity)


def _latency(prediction: Prediction | None) -> Mapping[str, float]:
    """By part, and their sum as ``total``; only what was measured."""
    if prediction is None:
        return {}
    split = prediction.latency
    parts = {
        "method": split.algorithmic_s * 1e3,
        "arrival": split.acquisition_ms,
        "queue": split.queue_ms,
        "model": split.inference_ms,
        "output": split.output_ms,
    }
    known = {name: value for name, value in parts.items() if value == value}
    return {**known, "total": sum(known.values())}
