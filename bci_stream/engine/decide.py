"""From a window to a prediction: the newest hop through the encoders, then the fusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bci_stream.engine.plan import StreamPlan
from bci_stream.messages import AUDIO, EEG, Flag, FloatArray, Latency, Prediction, StreamWindow, Window
from bci_stream.model.predictor import Hop, RawPrediction, StreamingPredictor

_BAD = Flag.NAN | Flag.RAIL | Flag.RANGE | Flag.FLAT


@dataclass(frozen=True, slots=True)
class _Part:
    """One modality of a hop at the model's door."""

    data: FloatArray | None
    valid: FloatArray | None


class Decider:
    """Feeds a predictor hop by hop and words its answers.

    ``stopwatch``: seconds, to time the inference; None leaves it NaN.
    """

    def __init__(
        self,
        plans: Mapping[str, StreamPlan],
        predictor: StreamingPredictor,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        self._plans = plans
        self._predictor = predictor
        self._stopwatch = stopwatch or (lambda: float("nan"))
        self._mix = None
        if EEG in plans and (matrix := plans[EEG].mix) is not None:
            from bci_stream.dsp.spatial import SpatialMix

            self._mix = SpatialMix(matrix)
        self._interpolated = plans[EEG].interpolated if EEG in plans else 0.0
        self._delay_s = _algorithmic_delay_s(plans)

    def reset(self) -> None:
        """Forget everything: what comes next is unconnected."""
        self._predictor.reset()

    def swap(self, predictor: StreamingPredictor) -> None:
        """Answer with another, already warm, predictor from now on."""
        self._predictor = predictor

    def hop(self, parts: Mapping[str, StreamWindow]) -> Hop:
        """The model's input for one hop from that hop's part of each stream."""
        eeg = self._eeg(parts[EEG]) if EEG in parts else _Part(None, None)
        audio = self._audio(parts[AUDIO]) if AUDIO in parts else _Part(None, None)
        return Hop(eeg.data, eeg.valid, audio.data, audio.valid)

    def decide(self, window: Window, hop_n: Mapping[str, int], *, fuse: bool = True) -> Prediction | None:
        """Encode the window's newest hop; fuse the window's tokens unless told not to."""
        began_s = self._stopwatch()
        tails = {role: _tail(part, hop_n[role]) for role, part in window.streams.items()}
        self._predictor.push(self.hop(tails))
        if not fuse:
            return None
        raw = self._predictor.predict()
        return self._worded(window, raw, (self._stopwatch() - began_s) * 1e3)

    def _eeg(self, part: StreamWindow) -> _Part:
        bad_share = ((part.marks & _BAD) != 0).mean(axis=1)
        valid = ((part.mask == 0) & (bad_share <= 0.5)).astype(np.float32)
        data = self._mix.step(part.data) if self._mix is not None else part.data
        return _Part(data, valid)

    def _audio(self, part: StreamWindow) -> _Part:
        valid = ((part.mask == 0) & (part.marks[:, 0] == 0)).astype(np.float32)
        return _Part(part.data[:, 0], valid)

    def _worded(self, window: Window, raw: RawPrediction, inference_ms: float) -> Prediction:
        contract = self._predictor.contract
        best = int(np.argmax(raw.probs))
        stood_on = tuple(role for role in (EEG, AUDIO) if raw.present[role])
        confidence = float(raw.probs[best]) if stood_on else 0.0
        return Prediction(
            index=window.index,
            t_start=window.t_start,
            t_end=window.t_end,
            classes=tuple(contract.classes),
            logits=tuple(raw.logits.tolist()),
            probs=tuple(raw.probs.tolist()),
            label=contract.classes[best] if stood_on else None,
            confidence=confidence,
            stood_on=stood_on,
            coverage=dict(raw.coverage),
            heads={EEG: tuple(raw.eeg_logits.tolist()), AUDIO: tuple(raw.audio_logits.tolist())},
            interpolated=self._interpolated if EEG in stood_on else 0.0,
            gate=raw.gate,
            bundle_sha256=self._predictor.sha256,
            latency=Latency(algorithmic_s=self._delay_s, inference_ms=inference_ms),
            tags=self._tags(window, stood_on),
        )

    def _tags(self, window: Window, stood_on: tuple[str, ...]) -> tuple[str, ...]:
        tags = []
        if not stood_on:
            tags.append("no decision")
        elif len(stood_on) == 1:
            tags.append(f"{stood_on[0]} only")
        if EEG in stood_on and self._interpolated:
            tags.append(f"interpolated {self._interpolated:.0%}")
        if any(part.gaps for part in window.streams.values()):
            tags.append("gap")
        return tuple(tags)


def _tail(part: StreamWindow, n: int) -> StreamWindow:
    data, mask, marks = part.data[-n:], part.mask[-n:], part.marks[-n:]
    t_start = part.t_end - n / part.sfreq
    return StreamWindow(part.role, part.sfreq, t_start, part.t_end, data, mask, marks, float("nan"), ())


def _algorithmic_delay_s(plans: Mapping[str, StreamPlan]) -> float:
    """The look-ahead of the interpolation plus the filter's group delay, of the slowest stream."""
    ahead = (p.zero_crossings / min(p.spec.sfreq, p.sfreq) + p.delay_s for p in plans.values())
    return max(ahead)
