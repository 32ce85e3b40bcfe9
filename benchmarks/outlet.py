"""The device: an EEG and an audio outlet in a process of their own, in chunks of 10 ms.

``python -m benchmarks.outlet JSON``. The instant before each push of an EEG chunk goes to a file that the
measured processes read: all are on one computer and so on one clock. Stamps are those of an ideal sample
clock, so a stamp tells which sample it belongs to. Ends when its standard input is closed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pylsl

from benchmarks.children import reply
from benchmarks.setups import CHUNK_S, Setup

_MAX_CHUNKS = 400_000  # over an hour
_LOOP_S = 4.0  # the same noise over and over


class PushLog:
    """When each chunk was pushed, by local clock; shared through a file."""

    def __init__(self, path: str | Path, sfreq: float, t0: float, mode: Any = "r") -> None:
        self._times = np.memmap(path, np.float64, mode, shape=(_MAX_CHUNKS,))
        self._per_chunk = round(sfreq * CHUNK_S)
        self._sfreq, self.t0 = sfreq, t0

    def note(self, chunk: int, t_s: float) -> None:
        """Chunk number ``chunk`` is about to be pushed."""
        self._times[chunk] = t_s

    def index(self, stamp: float) -> int:
        """Which sample has this raw stamp."""
        return round((stamp - self.t0) * self._sfreq)

    def pushed_s(self, sample: int) -> float:
        """When that sample was pushed; 0 if it was not yet."""
        return float(self._times[max(0, sample) // self._per_chunk])


def make_outlet(name: str, kind: str, labels: list[str], sfreq: float) -> pylsl.StreamOutlet:
    """A float32 outlet with a full header."""
    info = pylsl.StreamInfo(name, kind, len(labels), sfreq, "float32", f"{name}-id")
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts" if kind == "EEG" else "normalized")
        channel.append_child_value("type", kind)
    return pylsl.StreamOutlet(info)


def noise(sfreq: float, n_channels: int, scale: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(n, n_channels) float32 of a few seconds."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((int(_LOOP_S * sfreq), n_channels)) * scale).astype(np.float32)


def main() -> None:
    """Publish until the parent closes our standard input."""
    job = json.loads(sys.argv[1])
    setup = Setup(**job["setup"])
    eeg_outlet = make_outlet("BenchEEG", "EEG", setup.names(), setup.sfreq)
    audio_outlet = make_outlet("BenchAudio", "Audio", ["voice"], setup.audio_sfreq)
    eeg, audio = noise(setup.sfreq, setup.n_channels, 20.0), noise(setup.audio_sfreq, 1, 0.1)
    n_eeg, n_audio = round(setup.sfreq * CHUNK_S), round(setup.audio_sfreq * CHUNK_S)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    t0 = pylsl.local_clock()
    log = PushLog(job["log"], setup.sfreq, t0, "w+")
    reply({"t0": t0})
    for k in range(_MAX_CHUNKS):
        end_s = t0 + (k + 1) * CHUNK_S  # when the chunk's samples have all been taken
        time.sleep(max(0.0, end_s - pylsl.local_clock()))
        if ended.is_set():
            return
        i, j = k * n_eeg % len(eeg), k * n_audio % len(audio)
        log.note(k, pylsl.local_clock())
        eeg_outlet.push_chunk(eeg[i : i + n_eeg], end_s - 1 / setup.sfreq)
        audio_outlet.push_chunk(audio[j : j + n_audio], end_s - 1 / setup.audio_sfreq)


if __name__ == "__main__":
    main()
