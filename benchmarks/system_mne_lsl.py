"""mne-lsl as its users write it: two StreamLSL with the default acquisition delay, polled for a new hop."""

from __future__ import annotations

import time
from pathlib import Path

from mne_lsl.stream import StreamLSL

from benchmarks.recorder import Recorder
from benchmarks.setups import WINDOWS, Setup, Task
from benchmarks.whole_window import WholeWindow

_POLL_S = 0.001  # as often as it acquires


class MneLsl:
    """A result is due with the sample that is one hop after the newest one of the result before."""

    def __init__(self, setup: Setup, task: Task, bundle: Path) -> None:
        self._setup, self._task = setup, task
        self._model = WholeWindow(setup, bundle) if task.name != WINDOWS.name else None

    def measure(self, recorder: Recorder) -> dict[str, float]:
        """Connect and run until the recorder has enough."""
        task = self._task
        eeg = StreamLSL(task.window_s, name="BenchEEG").connect(timeout=20.0)
        audio = StreamLSL(task.window_s, name="BenchAudio").connect(timeout=20.0)
        hop = round(task.hop_s * self._setup.sfreq)
        last: int | None = None
        goes_on = True
        while goes_on:
            if eeg.n_new_samples < hop:
                time.sleep(_POLL_S)
                continue
            data, stamps = eeg.get_data()
            voice, _ = audio.get_data()
            if self._model is not None:
                self._model.classify(data.T, voice[0])
            newest = recorder.log.index(stamps[-1])
            if last is not None:
                goes_on = recorder.take(last + hop, float(stamps[-1]) + 1 / self._setup.sfreq)
            last = newest
        eeg.disconnect()
        audio.disconnect()
        return {}
