"""A reader that does nothing for a minute: what the buffer could not hold is counted, and is recorded.

A real outlet of 1,024 channels at 500 Hz; liblsl's buffer is bounded to half a minute of it. The minute is in
the stamps: liblsl takes it as fast as it is pushed.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pylsl

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.session import Session
from bci_stream.messages import EEG, FloatArray, MaskArray, TimeArray
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, prediction_streams
from bci_stream.sinks.xdf_session import LOST, RecordedPipeline, RecordedSource, a_second
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.xdf_recording import XdfRecording
from bci_stream.timeline.windows import WindowSettings
from benchmarks.reliability.isolation import session
from benchmarks.reliability.peers import said, starving
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.sigstop import wait_until

SFREQ, N_CHANNELS = 500.0, 1024
_PUSHED = 250
_GOAL = "lost count exact; marker in the recording"


class Numbers:
    """The numbers of the samples that came out."""

    def __init__(self) -> None:
        self.seen: list[FloatArray] = []

    def tap(self, times: TimeArray, data: FloatArray, marks: MaskArray, breaks: object) -> None:
        """As a pipeline's tap."""
        self.seen.append(data[:, 0].copy())

    @property
    def n(self) -> int:
        """How many."""
        return sum(map(len, self.seen))


def outlet_of(name: str) -> pylsl.StreamOutlet:
    """A wide one."""
    header = pylsl.StreamInfo(name, "EEG", N_CHANNELS, SFREQ, pylsl.cf_float32, name)
    return pylsl.StreamOutlet(header, max_buffered=360)


def push(outlet: pylsl.StreamOutlet, t0: float, first: int, stop: int, pause_s: float = 0.0) -> None:
    """Samples with these numbers, which count in channel 0; a pause after each half second of them."""
    block = np.zeros((_PUSHED, N_CHANNELS), np.float32)
    for at in range(first, stop, _PUSHED):
        numbers = np.arange(at, min(at + _PUSHED, stop))
        block[: len(numbers), 0] = numbers
        outlet.push_chunk(block[: len(numbers)], (t0 + numbers / SFREQ).tolist())
        if pause_s:
            time.sleep(pause_s)


def measure(short: bool = False) -> Row:
    """A minute; the short one is the same."""
    session()
    n_before, n_starved, n_after = int(5 * SFREQ), int(60 * SFREQ), int(10 * SFREQ)
    name = f"starved-{os.getpid()}"
    outlet = outlet_of(name)
    names = tuple(f"ch{n}" for n in range(N_CHANNELS))
    source = LslSource([LslRequest(EEG, name, channels=names)], resolve_s=60.0)
    binding = source.open()[EEG]
    t0 = pylsl.local_clock() - 80.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "starved.xdf"
        streams = [as_bound(binding.info, binding.spec), *prediction_streams("bci", (), (EEG,), {})]
        recorder = XdfRecorder(path, streams)
        pipeline = Pipeline(plan_without_model({EEG: binding.spec}), WindowSettings(1.0, 0.2))
        numbers = Numbers()
        pipeline.tap(EEG, numbers.tap)
        recorded: Pipeline = RecordedPipeline(pipeline, recorder)  # type: ignore[assignment]
        run = Session(
            RecordedSource(source, recorder, a_second({EEG: SFREQ})), recorded, [], pylsl.local_clock
        )
        run.start()
        wait_until(outlet.have_consumers)
        push(outlet, t0, 0, n_before)
        wait_until(lambda: numbers.n >= n_before - SFREQ)
        fed = threading.Event()
        run.ask(lambda _: fed.wait() and None)  # the engine's thread does nothing
        push(outlet, t0, n_before, n_before + n_starved)
        fed.set()
        n_sent = n_before + n_starved + n_after
        push(outlet, t0, n_before + n_starved, n_sent)
        wait_until(lambda: numbers.seen[-1][-1] >= n_sent - 1)
        run.stop()
        recorder.close()
        notes = _notes(path)
    n_lost = n_sent - numbers.n
    counted = pipeline.lost()[EEG]
    noted = any(f"{LOST}{n_lost} samples of {EEG}" in note for note in notes)
    figure = (
        f"{n_lost:,} lost of {n_sent:,}, counted {counted:,}, {'in' if noted else 'NOT in'} the recording"
    )
    met = n_lost > 0 and counted == n_lost and noted
    counts = [n_before, n_starved, n_after]
    peers = "" if short else said(lambda: starving.words(session(), outlet_of, push, counts))
    return Row("reader starved 60 s", figure, _GOAL, met, peers)


def _notes(path: Path) -> list[str]:
    with XdfRecording.open(path) as recording:
        keys = [info.key for info in recording.streams if info.dtype == "string"]
        blocks = [b for b in recording.blocks(dict.fromkeys(keys, 64)) if hasattr(b, "values")]
        return [str(row[0]) for block in blocks for row in block.values]


if __name__ == "__main__":
    command(measure)
