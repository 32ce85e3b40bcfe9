"""A plain pylsl and numpy loop, as tutorials teach it: block for a hop, roll a buffer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pylsl

from benchmarks.recorder import Recorder
from benchmarks.setups import WINDOWS, Setup, Task
from benchmarks.whole_window import WholeWindow

_AUDIO_MAX = 48_000


def inlet(name: str) -> pylsl.StreamInlet:
    """Connect to the stream of that name."""
    found = pylsl.resolve_byprop("name", name, 1, 5.0)
    return pylsl.StreamInlet(found[0], max_buflen=12)


class PlainLoop:
    """One thread. A result is due with the last EEG sample of its pull. ``as_numpy``: pull arrays."""

    def __init__(self, setup: Setup, task: Task, bundle: Path, *, as_numpy: bool = False) -> None:
        self._setup, self._task, self._as_numpy = setup, task, as_numpy
        self._model = WholeWindow(setup, bundle) if task.name != WINDOWS.name else None

    def measure(self, recorder: Recorder) -> dict[str, float]:
        """Connect and run until the recorder has enough."""
        setup, task = self._setup, self._task
        eeg_inlet, audio_inlet = inlet("BenchEEG"), inlet("BenchAudio")
        hop = round(task.hop_s * setup.sfreq)
        eeg = np.zeros((round(task.window_s * setup.sfreq), setup.n_channels), np.float32)
        audio = np.zeros(round(task.window_s * setup.audio_sfreq), np.float32)
        eeg_inlet.open_stream(5.0)
        audio_inlet.open_stream(5.0)
        goes_on = True
        while goes_on:
            rows, stamps = eeg_inlet.pull_chunk(1.0, hop, as_numpy=self._as_numpy)
            voice, _ = audio_inlet.pull_chunk(0.0, _AUDIO_MAX, as_numpy=self._as_numpy)
            if len(stamps) < hop:
                continue
            eeg = np.roll(eeg, -hop, axis=0)
            eeg[-hop:] = rows
            if len(voice):
                audio = np.roll(audio, -len(voice))
                audio[-len(voice) :] = np.asarray(voice, np.float32)[:, 0]
            if self._model is not None:
                self._model.classify(eeg, audio)
            sample = recorder.log.index(stamps[-1])
            goes_on = recorder.take(sample, float(stamps[-1]) + 1 / setup.sfreq)
        eeg_inlet.close_stream()
        audio_inlet.close_stream()
        return {}
