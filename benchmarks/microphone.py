"""From sound to window: a microphone read in this process, on a virtual PortAudio device.

Another process stands for the converter: it writes samples into the sound server's virtual card when they
are due, clicks among them. Two figures add up: how much later than it was converted a click is stamped, and
how old a window's last sample is, by the stamps, when the window is in hand.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pylsl
from numpy.typing import NDArray

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.messages import AUDIO, Chunk
from bci_stream.timeline.windows import WindowSettings
from benchmarks.recorder import cpu_s
from benchmarks.report import Report, Table
from benchmarks.speaker import SFREQ
from benchmarks.virtual_mic import SOURCE, VirtualMic, missing

COLUMNS = ("block", "p50 ms", "p95 ms", "p99 ms", "CPU %", "n")
BLOCKS_MS = (2.5, 5.0)
_SETTLE_S = 2.0
_REACH_S = 0.1
_EVERY_S = 0.25
_CLICK = (0.5 * np.hanning(48) * 32_767).astype(np.int16)  # 1 ms, its peak in the middle


@dataclass
class _Heard:
    """What came out of one run."""

    ages_ms: list[float] = field(default_factory=list)
    stamps: list[NDArray[np.float64]] = field(default_factory=list)
    samples: list[NDArray[np.float32]] = field(default_factory=list)
    cpu_share: float = 0.0


def run(seconds: float, blocks_ms: tuple[float, ...] = BLOCKS_MS) -> Report:
    """Measure each block length; a table without rows where this machine has no virtual device."""
    if lacking := missing():
        return Report([Table("Microphone", COLUMNS, [], [f"not measured: {lacking}"])], {"missing": lacking})
    rows, figures = [], {}
    with _virtual_microphone() as mic:
        for block_ms in blocks_ms:
            heard, clicks = _measure(mic, block_ms, seconds)
            delays_ms = _delays_ms(heard, clicks)
            late = np.percentile(delays_ms, 50) + np.percentile(heard.ages_ms, (50, 95, 99))
            rows.append([f"{block_ms:g} ms", *late.tolist(), heard.cpu_share * 100, len(heard.ages_ms)])
            figures[f"{block_ms:g}"] = {
                "click_to_stamp_ms": np.percentile(delays_ms, (5, 50, 95)).tolist(),
                "stamp_to_window_ms": np.percentile(heard.ages_ms, (50, 95, 99)).tolist(),
                "converted_to_window_ms": late.tolist(),
                "cpu_share": heard.cpu_share,
            }
    notes = [
        f"{key} ms: click to stamp {each['click_to_stamp_ms'][1]:.1f} ms (5 to 95 %: "
        f"{each['click_to_stamp_ms'][0]:.1f} to {each['click_to_stamp_ms'][2]:.1f}), "
        f"stamp to window {each['stamp_to_window_ms'][0]:.1f} ms"
        for key, each in figures.items()
    ]
    title = "Microphone: sample converted to window in hand, 16 kHz, 1 s / 0.1 s (goal: under 40 ms)"
    return Report([Table(title, COLUMNS, rows, notes)], figures)


@contextmanager
def _virtual_microphone() -> Iterator[VirtualMic]:
    """A daemon of our own that this process talks to."""
    before = os.environ.get("PULSE_SERVER")
    with tempfile.TemporaryDirectory() as folder:
        mic = VirtualMic(Path(folder))
        os.environ["PULSE_SERVER"] = mic.server
        try:
            yield mic
        finally:
            mic.close()
            os.environ.pop("PULSE_SERVER")
            if before is not None:
                os.environ["PULSE_SERVER"] = before


def _measure(mic: VirtualMic, block_ms: float, seconds: float) -> tuple[_Heard, list[float]]:
    """One run, and the instants at which clicks were converted meanwhile."""
    import soundfile

    n_clicks = int((seconds + 10.0) / _EVERY_S)
    sound = np.zeros(int(n_clicks * _EVERY_S * SFREQ), np.int16)
    at = (np.arange(n_clicks) * _EVERY_S * SFREQ).astype(int)
    for start in at:
        sound[start : start + len(_CLICK)] = _CLICK
    path = mic.folder / "clicks.wav"
    soundfile.write(path, sound, SFREQ, subtype="PCM_16")
    began_s = mic.play(path)
    heard = _listen(block_ms / 1e3, seconds)
    return heard, (began_s + (at + len(_CLICK) / 2) / SFREQ).tolist()


def _listen(block_s: float, seconds: float) -> _Heard:
    """Windows of a microphone, in the rhythm of the engine."""
    from bci_stream.sources.microphone import MicrophoneSource

    heard = _Heard()
    source = MicrophoneSource(SOURCE, block_s=block_s)
    pipeline = Pipeline(plan_without_model({AUDIO: source.open()[AUDIO].spec}), WindowSettings(1.0, 0.1))
    settled_s = pylsl.local_clock() + _SETTLE_S / 2
    began, until_s = None, settled_s + seconds

    def keep(outcomes: Iterator[Outcome]) -> None:
        for outcome in outcomes:
            now_s = pylsl.local_clock()
            if now_s > settled_s:
                heard.ages_ms.append((now_s - outcome.window.t_end) * 1e3)

    while (now_s := pylsl.local_clock()) < until_s:
        if began is None and now_s > settled_s:
            began = (now_s, cpu_s())
        for event in source.read(pipeline.missing_s(), 0.1):
            if isinstance(event, Chunk):
                heard.stamps.append(event.timestamps)
                heard.samples.append(event.data[:, 0])
            keep(pipeline.step(event))
        keep(pipeline.wait(pylsl.local_clock()))
    if began is not None:
        heard.cpu_share = (cpu_s() - began[1]) / (pylsl.local_clock() - began[0])
    source.close()
    return heard


def _delays_ms(heard: _Heard, clicks: list[float]) -> NDArray[np.float64]:
    """How much later than it was converted each click is stamped."""
    stamps, samples = np.concatenate(heard.stamps), np.abs(np.concatenate(heard.samples))
    delays = []
    for click_s in clicks:
        a, b = np.searchsorted(stamps, (click_s - _REACH_S, click_s + _REACH_S))
        if b - a > _REACH_S * 16_000 and samples[a:b].max() > 0.1:
            delays.append((stamps[a + int(np.argmax(samples[a:b]))] - click_s) * 1e3)
    return np.array(delays or [np.nan])
