"""From a window to a prediction: the newest hop through the encoders, then the fusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bci_stream.engine.hops import HopMaker
from bci_stream.engine.plan import StreamPlan
from bci_stream.errors import BundleMismatchError
from bci_stream.messages import AUDIO, EEG, Flag, Latency, Prediction, StreamWindow, Window
from bci_stream.model.predictor import Hop, RawPrediction, StreamingPredictor

FRESH_S = 0.1  # a modality whose newest samples of a window are older than that does not count in it


class Decider:
    """Feeds a predictor hop by hop and words its answers.

    ``hop_n``: role to grid samples per hop. ``stopwatch``: seconds, to time the inference; None leaves
    it NaN. ``validity_s``: how long after a window's end its prediction holds, NaN for ever.
    """

    def __init__(
        self,
        plans: Mapping[str, StreamPlan],
        hop_n: Mapping[str, int],
        predictor: StreamingPredictor,
        stopwatch: Callable[[], float] | None = None,
        validity_s: float = float("nan"),
    ) -> None:
        self._validity_s = validity_s
        self._hops = HopMaker(plans, hop_n)
        self._predictor = predictor
        self._stopwatch = stopwatch or (lambda: float("nan"))
        self._interpolated = plans[EEG].interpolated if EEG in plans else 0.0
        self._delay_s = algorithmic_delay_s(plans)
        self._beside: StreamingPredictor | None = None
        self.newest_hop: Hop | None = None  # as the predictor was given it
        self.said: RawPrediction | None = None  # of the newest window; None when it was not fused
        self.shadow_said: RawPrediction | None = None  # by the model beside, of the newest window

    @property
    def predictor(self) -> StreamingPredictor:
        """The predictor that answers now."""
        return self._predictor

    def reset(self) -> None:
        """What comes next is unconnected, but of the same person."""
        self._predictor.reconnect()
        self._hops.reconnect()

    def swap(self, predictor: StreamingPredictor, hops: list[Mapping[str, StreamWindow]]) -> None:
        """Answer with another predictor from now on, once it is warm from these recent hops.

        Raises:
            BundleMismatchError: its bundle wants other signals or windows than this session makes.
        """
        self._check_fit(predictor)
        predictor.warm_up([self._hops.hop(parts, learn=False) for parts in hops], self._predictor)
        self._predictor = predictor

    def shadow(self, predictor: StreamingPredictor | None, hops: list[Mapping[str, StreamWindow]]) -> None:
        """Let another predictor answer beside this one, warm from these recent hops; None: no longer.

        Raises:
            BundleMismatchError: as :meth:`swap`.
        """
        self.shadow_said = None
        if predictor is not None:
            self._check_fit(predictor)
            predictor.warm_up([self._hops.hop(parts, learn=False) for parts in hops], self._predictor)
        self._beside = predictor

    def answer_beside(self) -> None:
        """Give the newest hop to the predictor beside, if there is one."""
        if self._beside is not None and (hop := self.newest_hop) is not None:
            self._beside.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
            self.shadow_said = self._beside.predict()

    def _check_fit(self, predictor: StreamingPredictor) -> None:
        mine, other = self._predictor.bundle.contract, predictor.bundle.contract
        for part in ("eeg", "audio", "window_s", "hop_s", "modalities"):
            if getattr(mine, part) != getattr(other, part):
                raise BundleMismatchError(
                    f"cannot swap to {predictor.bundle.path}: its {part} differs from this session's bundle;"
                    " end the session and start one with it"
                )

    def decide(self, window: Window, *, fuse: bool = True) -> Prediction | None:
        """Encode the window's newest hop; fuse the window's tokens unless told not to."""
        began_s = self._stopwatch()
        hop = self.newest_hop = self._hops.newest(window)
        self._predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        self.said = None
        if not fuse:
            return None
        old = [role for role, part in window.streams.items() if part.t_end - delivered_until(part) > FRESH_S]
        raw = self.said = self._predictor.predict(without=old)
        return self._worded(window, raw, (self._stopwatch() - began_s) * 1e3)

    def _worded(self, window: Window, raw: RawPrediction, inference_ms: float) -> Prediction:
        bundle = self._predictor.bundle
        classes, stood_on = bundle.contract.classes, raw.stood_on
        best = int(np.argmax(raw.probs))
        return Prediction(
            index=window.index,
            t_start=window.t_start,
            t_end=window.t_end,
            classes=tuple(classes),
            logits=tuple(raw.logits.tolist()),
            probs=tuple(raw.probs.tolist()),
            label=classes[best] if stood_on else None,
            confidence=float(raw.probs[best]) if stood_on else 0.0,
            stood_on=stood_on,
            coverage=dict(raw.coverage),
            heads={name: tuple(logits.tolist()) for name, logits in raw.heads.items()},
            interpolated=self._interpolated if EEG in stood_on else 0.0,
            gate=raw.gate.get(AUDIO, float("nan")),
            bundle_sha256=bundle.sha256,
            latency=Latency(algorithmic_s=self._delay_s, inference_ms=inference_ms),
            tags=self._tags(window, stood_on),
            valid_until=window.t_end + self._validity_s,
            data_until=min((delivered_until(window.streams[m]) for m in stood_on), default=float("nan")),
        )

    def _tags(self, window: Window, stood_on: tuple[str, ...]) -> tuple[str, ...]:
        tags = []
        if not stood_on:
            tags.append("no decision")
        elif len(stood_on) == 1:
            tags.append(f"{stood_on[0]} only")
        if AUDIO not in stood_on and self._unspoken(window):
            tags.append("no speech")
        if EEG in stood_on and self._interpolated:
            tags.append(f"interpolated {self._interpolated:.0%}")
        if any(part.gaps for part in window.streams.values()):
            tags.append("gap")
        return tuple(tags)

    def _unspoken(self, window: Window) -> bool:
        """Whether the voice would have been used, had anybody spoken."""
        if not self._hops.gates_voice or AUDIO not in window.streams:
            return False
        contract = self._predictor.bundle.contract
        return AUDIO in contract.modalities and window.streams[AUDIO].coverage >= contract.min_coverage


def delivered_until(part: StreamWindow) -> float:
    """Up to when samples of a stream came in a window: its end, or where a gap at the end begins."""
    if not len(part.mask) or not part.mask[-1] & Flag.GAP:
        return part.t_end
    return part.gaps[-1].t_start if part.gaps else part.t_start


def algorithmic_delay_s(plans: Mapping[str, StreamPlan]) -> float:
    """The look-ahead of the interpolation plus the filter's group delay, of the slowest stream."""
    ahead = (p.zero_crossings / min(p.spec.sfreq, p.sfreq) + p.delay_s for p in plans.values())
    return max(ahead)
