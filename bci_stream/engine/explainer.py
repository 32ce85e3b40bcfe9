"""What the model weighs, for a view: read off its weights once, and asked of its answers about once a second.

Silencing electrode after electrode takes far longer than an answer may. It is done in a thread of its own
and of low priority, a few electrodes at a time, and only for a moment after each answer, when the engine has
nothing to do for long; so many electrodes take several seconds. The engine's thread only copies hops and
hands over a window now and then. Attention comes for free with every answer.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bci_stream.engine.frame import Weights
from bci_stream.engine.lookback import Lookback
from bci_stream.heartbeat import Heart
from bci_stream.messages import EEG, FloatArray, Prediction

if TYPE_CHECKING:
    from bci_stream.engine.pipeline import Outcome, Pipeline
    from bci_stream.model.bundle import Bundle
    from bci_stream.model.occlusion import Moment, Occluder

EVERY_S = 1.0
_SLACK_SHARE = 0.1  # of a hop, after each answer
_NICENESS = 10


def weights_of(bundle: Bundle) -> Weights:
    """All that can be read off a bundle without any signal."""
    from bci_stream.dsp.mne_montages import places_of
    from bci_stream.model.weights import electrode_shares, scales_of

    contract = bundle.contract
    names = tuple(contract.eeg.channels) if EEG in contract.modalities else ()
    scales = {name: _frozen(values) for name, values in scales_of(bundle.network).items()}
    return Weights(
        scales=scales,
        ch_names=names,
        importance=_frozen(electrode_shares(bundle.network)),
        places=_frozen(places_of(names)),
        window_s=contract.window_s,
        fusion=contract.fusion,
        modalities=tuple(contract.modalities),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    bundle: Bundle
    moment: Moment | None
    label: str
    t_end: float


class Explainer:
    """Follows a session's answers; :meth:`weights` is what a frame shows. Survives a swapped bundle.

    Args:
        bundle: the model that begins; its weights are read here, before the session starts.
        every_s: at most one occlusion in so much time of the session.
        clock: seconds, to see how long the work takes after an answer.
    """

    def __init__(
        self, bundle: Bundle, *, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s, self._clock = every_s, clock
        self._lock = threading.Lock()
        self._bundle, self._weights = bundle, weights_of(bundle)
        self._shown = bundle  # the bundle that the weights are of
        self._lookback: Lookback | None = None
        self._due_s = -np.inf
        self._slack = threading.Event()
        self._slack_s = _SLACK_SHARE * bundle.contract.hop_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.heart = Heart(
            "explainer", "predictions go on; what the model weighs stays as it was", restart=self._begin
        )
        self.n_explained = 0
        self.error: str | None = None

    def weights(self) -> Weights | None:
        """The newest explanation; cheap, from any thread."""
        return self._weights

    def offer(self, pipeline: Pipeline, outcome: Outcome) -> None:
        """A new outcome, in the engine's thread."""
        predictor, hop, prediction = pipeline.predictor, pipeline.newest_hop, outcome.prediction
        if predictor is None or hop is None:
            return
        if self._lookback is None or predictor is not self._lookback.predictor:
            self._lookback = Lookback(predictor)
            self._bundle = predictor.bundle
        if EEG in predictor.bundle.contract.modalities:
            self._lookback.take(outcome.window.index, hop)
        if prediction is None:
            return
        said = pipeline.said
        if said is not None and said.attention.size:
            self._update(predictor.bundle, attention=_frozen(said.attention))
        self._slack.set()  # before new work, whose first piece ends it
        self._ask(self._lookback, prediction)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the thread; may be called twice."""
        self._stop.set()
        self._slack.set()
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(timeout_s)

    # -- the engine's side --------------------------------------------------------------------------------

    def _ask(self, lookback: Lookback, prediction: Prediction) -> None:
        """Hand over the window when it is time, and the last one is done."""
        new = self._bundle is not self._shown
        if self._busy.is_set() or self._stop.is_set() or not (new or prediction.t_end >= self._due_s):
            return
        moment = self._moment(lookback, prediction)
        if moment is None and not new:
            return
        self._due_s = prediction.t_end + self._every_s
        self._busy.set()
        self._jobs.put(_Job(self._bundle, moment, prediction.label or "", prediction.t_end))
        if self._thread is None:
            self._begin()

    @staticmethod
    def _moment(lookback: Lookback, prediction: Prediction) -> Moment | None:
        if prediction.label is None or EEG not in prediction.stood_on:
            return None
        names = lookback.predictor.bundle.contract.modalities
        presence = [float(name in prediction.stood_on) for name in names]
        return lookback.moment(prediction.classes.index(prediction.label), presence)

    def _begin(self) -> None:
        self._thread = threading.Thread(
            target=lambda: self.heart.live(self._work), name="bci-explainer", daemon=True
        )
        self._thread.start()

    # -- the worker's side --------------------------------------------------------------------------------

    def _work(self) -> None:
        _step_back()
        if self._jobs.empty():
            self._busy.clear()  # this thread begins anew after one that died
        occluder: Occluder | None = None
        while (job := self._next_job()) is not None and not self._stop.is_set():
            try:
                if job.bundle is not self._shown:
                    self._show_bundle(job.bundle)
                    occluder = None
                if job.moment is not None:
                    occluder = occluder or _occluder(job.bundle)
                    self._explain(occluder, job)
            except (RuntimeError, ValueError) as error:  # torch's words for what does not fit
                self.error = f"electrodes cannot be explained: {error}"
                self._stop.set()
            self._busy.clear()

    def _next_job(self) -> _Job | None:
        self.heart.rest()
        job = self._jobs.get()
        self.heart.work()
        return job

    def _show_bundle(self, bundle: Bundle) -> None:
        found = weights_of(bundle)
        with self._lock:
            self._weights, self._shown = found, bundle

    def _explain(self, occluder: Occluder, job: _Job) -> None:
        assert job.moment is not None
        pieces = []
        until_s = self._clock() + self._slack_s
        for piece in occluder.pieces(job.moment):
            pieces.append(piece)
            if self._clock() >= until_s:
                self._slack.clear()
                if not self._stop.is_set():  # whoever stops sets it first, and then gives slack
                    self.heart.rest()
                    self._slack.wait()
                self.heart.work()
                until_s = self._clock() + self._slack_s
            if self._stop.is_set():
                return
        electrodes = _frozen(np.concatenate(pieces))
        self._update(
            job.bundle, electrodes=electrodes, electrodes_t_end=job.t_end, electrodes_label=job.label
        )
        self.n_explained += 1

    def _update(self, bundle: Bundle, **changes: Any) -> None:
        """Change the weights, unless they are of another bundle by now."""
        with self._lock:
            if bundle is self._shown:
                self._weights = replace(self._weights, **changes)


def _occluder(bundle: Bundle) -> Occluder:
    from bci_stream.model.occlusion import Occluder

    return Occluder(bundle)


def _step_back() -> None:
    """Let the engine and the window go first. Only Linux gives a priority to a thread alone."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _frozen(values: Any) -> FloatArray:
    copy = np.array(values, np.float32)
    copy.flags.writeable = False
    return copy
