"""The child of the fuzz runner: reads every file it is told as the product does, and says how that went."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from apps.choice import StreamChoice
from apps.recording import bind_recording
from bci_stream.errors import BciStreamError, RecordingError
from bci_stream.messages import Chunk, ClockOffset
from bci_stream.sources import kernels
from bci_stream.sources.overview import survey
from bci_stream.sources.xdf import XdfRecording, XdfSource
from tests.fuzz.peak import forget_peak, peak_mb


def main() -> None:
    """Answer one line for each path on standard input."""
    _warm_up()
    _say({"mb": peak_mb()})
    for line in sys.stdin:
        forget_peak()
        answer = read(Path(line.rstrip("\n")))
        _say(answer | {"mb": peak_mb()})


def read(path: Path) -> dict[str, Any]:
    """A file read by all who read: its samples, a replay, ``info``; the longest time counts."""
    began_s = time.process_time()
    try:
        recording = XdfRecording.open(path)
    except RecordingError as error:
        return {"outcome": "RecordingError", "lines": [str(error)], "cpu_s": time.process_time() - began_s}
    with recording:
        answer: dict[str, Any] = {"outcome": "read", "streams": _digests(recording)}
        read_s, lines = time.process_time() - began_s, [*recording.warnings]
    began_s = time.process_time()
    with XdfRecording.open(path) as recording:
        try:
            answer["n_events"] = _n_events(recording)
        except BciStreamError as error:
            answer |= {"refused": type(error).__name__}
            lines.append(str(error))
        lines += recording.warnings
    replay_s, began_s = time.process_time() - began_s, time.process_time()
    with XdfRecording.open(path) as recording:
        survey(recording)
    look_s = time.process_time() - began_s
    return answer | {"lines": lines, "cpu_s": max(read_s, replay_s, look_s)}


def _digests(recording: XdfRecording) -> dict[str, str]:
    """What was read of each stream: number of samples, and a hash of stamps and values."""
    hashes = {info.key: hashlib.sha256() for info in recording.streams}
    counts = dict.fromkeys(hashes, 0)
    for info in recording.streams:
        summary = recording.summary(info.key)
        recording.local_time(info.key, summary.first_stamp)
    for item in recording.blocks(dict.fromkeys(hashes, 1 << 16)):
        if isinstance(item, ClockOffset):
            continue
        counts[item.key] += len(item.timestamps)
        values = item.values
        hashes[item.key].update(item.timestamps.tobytes())
        if isinstance(values, np.ndarray):
            hashes[item.key].update(values)
        else:
            for row in values:
                hashes[item.key].update("\0".join(row).encode())
    return {key: f"{counts[key]} {hashes[key].hexdigest()[:16]}" for key in hashes}


def _n_events(recording: XdfRecording) -> int:
    bound = bind_recording(recording, StreamChoice(), any_numeric=True)
    source = XdfSource(recording, bound.bindings, bound.markers)
    n = 0
    for event in source.events():
        if isinstance(event, Chunk):
            assert event.data.dtype == np.float32
            assert len(event.data) == len(event.timestamps)
        n += 1
    return n


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _warm_up() -> None:
    content = np.frombuffer(bytes(4), np.uint8)  # read only, as files are
    kernels.walk_samples(content, 1, 1, 1.0, 0.0, np.empty(1), np.empty((1, 1), np.uint8))


if __name__ == "__main__":
    main()
