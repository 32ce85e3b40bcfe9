"""What recording costs: the writer alone, and ``bci-stream record`` from a real outlet to the disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil

from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, StreamInfo
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_received
from benchmarks.children import Child
from benchmarks.recorder import cpu_s
from benchmarks.recording import noise
from benchmarks.report import Report, Table
from benchmarks.setups import LARGE, REPOSITORY, SMALL, Corner, Setup, private_corner

COLUMNS = ("what", "CPU, % of a core", "MB/s", "samples left out")
_TURN_S = 0.05  # how often the record command hands over
_OFFSET_S = 5.0


def run(seconds: float) -> Report:
    """Both setups, each for ``seconds``."""
    report = Report()
    with private_corner() as corner:
        for number, setup in enumerate((SMALL, LARGE)):
            rows = [
                ["writer", *_writer(setup, corner.folder / f"writer{number}.xdf", seconds)],
                ["bci-stream record", *_command(setup, corner, corner.folder / f"own{number}.xdf", seconds)],
            ]
            note = "the command's figure holds liblsl's share: two inlets that receive the samples"
            report.tables.append(Table(f"Recording {setup.label}", COLUMNS, rows, (note,)))
            report.figures[setup.label] = {str(row[0]): row[1:] for row in rows}
    return report


def _writer(setup: Setup, path: Path, seconds: float) -> tuple[float, float, int]:
    """(CPU in percent, MB/s, samples left out) of the recorder fed in real time, less the feeding itself."""
    infos = [
        StreamInfo(
            EEG, "Amp", "EEG", setup.n_channels, setup.sfreq, "float32", ch_names=tuple(setup.names())
        ),
        StreamInfo(AUDIO, "Mic", "Audio", 1, setup.audio_sfreq, "float32"),
    ]
    feeding = _fed(setup, None, seconds / 2)
    recorder = XdfRecorder(path, [as_received(info.key, info) for info in infos])
    share = _fed(setup, recorder, seconds)
    recorder.close()
    status = recorder.status()
    return 100 * (share - feeding), status.n_bytes / 1e6 / seconds, sum(status.n_dropped.values())


def _fed(setup: Setup, recorder: XdfRecorder | None, seconds: float) -> float:
    """Hand over what a device makes, turn by turn; this process' share of a core meanwhile."""
    arrays = dict(zip((EEG, AUDIO), noise(setup), strict=True))
    rates = {EEG: setup.sfreq, AUDIO: setup.audio_sfreq}
    n_done = dict.fromkeys(rates, 0)
    began_s, cpu_began_s, offset_due_s = time.monotonic(), cpu_s(), 0.0
    while (now_s := time.monotonic() - began_s) < seconds:
        for key, rate in rates.items():
            n, data = int(now_s * rate), arrays[key]
            stamps = began_s + np.arange(n_done[key], n) / rate
            values = data[np.arange(n_done[key], n) % len(data)]
            n_done[key] = n
            if recorder is not None:
                recorder.event(Chunk(key, stamps, values))
                if now_s >= offset_due_s:
                    recorder.event(ClockOffset(key, now_s, 0.0))
        offset_due_s += _OFFSET_S * (now_s >= offset_due_s)
        time.sleep(_TURN_S)
    return (cpu_s() - cpu_began_s) / (time.monotonic() - began_s)


def _command(setup: Setup, corner: Corner, path: Path, seconds: float) -> tuple[float, float, int]:
    """The same of the command in its own process, once it has begun."""
    job = json.dumps({"setup": asdict(setup), "log": str(corner.folder / "push.log")})
    with Child(corner, "benchmarks.outlet", job) as outlet:
        outlet.answer()
        command = [sys.executable, "-m", "bci_stream", "record", "--audio", "--json", "--out", str(path)]
        with subprocess.Popen(
            [*command, "--session-id", corner.session_id, "--scope", "machine"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
            env=corner.environment,
        ) as process:
            while not (path.exists() and path.stat().st_size > 100_000):
                time.sleep(0.05)
            share, rate = _watched(psutil.Process(process.pid), path, seconds)
            process.terminate()
            assert process.stdout is not None
            said = json.loads(process.stdout.read())
    return 100 * share, rate, sum(said["dropped"].values())


def _watched(process: psutil.Process, path: Path, seconds: float) -> tuple[float, float]:
    """Share of a core and MB/s of a process that writes."""
    began_s, n_began, before = time.monotonic(), path.stat().st_size, process.cpu_times()
    time.sleep(seconds)
    after, wall_s = process.cpu_times(), time.monotonic() - began_s
    cpu = after.user + after.system - before.user - before.system
    return cpu / wall_s, (path.stat().st_size - n_began) / 1e6 / wall_s
