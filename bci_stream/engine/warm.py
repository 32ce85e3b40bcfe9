"""Everything compiled and loaded before the first real sample."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import StreamPlan
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, StreamSpec
from bci_stream.timeline.windows import WindowSettings

_SECONDS = 1.5


def warm_up(plans: Mapping[str, StreamPlan], settings: WindowSettings) -> None:
    """Run a second of zeros with a gap in it through a throwaway pipeline of the same plans.

    The numba kernels compile on their first call (seconds, once per installation) and load from their
    cache after that (tens of milliseconds): better now than while samples wait.
    """
    pipeline = Pipeline(plans, settings)
    for role, plan in plans.items():
        times = np.arange(int(_SECONDS * plan.spec.sfreq)) / plan.spec.sfreq
        times[len(times) // 2 :] += 0.5
        data = np.zeros((len(times), len(plan.spec.ch_names)), np.float32)
        pipeline.feed(ClockOffset(role, 0.0, 0.0))
        pipeline.feed(Chunk(role, times, data))
    pipeline.finish()
    for plan in plans.values():
        if plan.mix is not None:
            from bci_stream.dsp.spatial import SpatialMix

            SpatialMix(plan.mix).step(np.zeros((1, plan.mix.shape[1]), np.float32))
        if plan.voice_gate:
            from bci_stream.dsp.voice import VoiceActivity

            VoiceActivity(plan.sfreq).step(np.zeros(1, np.float32))


def warm_installation() -> None:
    """Compile every kernel once, for a set-up script."""
    from bci_stream.dsp.filters import design_sos

    eeg = StreamSpec(EEG, ("Fz", "Cz"), 250.0)
    plans = {
        EEG: StreamPlan(eeg, 125.0, 4, antialias=False, sos=design_sos(250.0), mix=np.eye(2)),
        AUDIO: StreamPlan(StreamSpec(AUDIO, ("voice",), 16_000.0), 16_000.0, 12, voice_gate=True),
    }
    warm_up(plans, WindowSettings())


if __name__ == "__main__":
    warm_installation()
