"""Records in processes that are killed: ``python recording_child.py FOLDER N SEED N_AT_ONCE``.

Each child makes EEG (8 channels, 250 Hz), audio (16 kHz), a stream of 10 Hz and markers in real time, hands
them to a recorder, and notes in shared memory what it has handed over; SIGKILL comes at a random moment.
Prints one line of JSON for each: the file, and per stream the newest stamp that had been made.
"""

import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

import numpy as np

from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Marker, StreamInfo
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_received

STREAMS = {
    EEG: StreamInfo("1", "eeg", "EEG", 8, 250.0, "float32"),
    AUDIO: StreamInfo("2", "audio", "Audio", 1, 16_000.0, "float32"),
    "slow": StreamInfo("3", "slow", "Heart", 1, 10.0, "float32"),
    "markers": StreamInfo("4", "markers", "Markers", 1, 0.0, "string"),
}
MARKERS_HZ = 7.0
TURN_S = 0.02


def record(path, shared):
    recorder = XdfRecorder(path, [as_received(key, info) for key, info in STREAMS.items()])
    began_s = time.monotonic()
    for key in STREAMS:
        recorder.event(ClockOffset(key, began_s, 0.0))
    n_made = dict.fromkeys(STREAMS, 0)
    while True:
        time.sleep(TURN_S)
        now_s = time.monotonic()
        for position, (key, info) in enumerate(STREAMS.items()):
            rate = info.sfreq or MARKERS_HZ
            n = int((now_s - began_s) * rate)
            stamps = began_s + np.arange(n_made[key], n) / rate
            if not len(stamps):
                continue
            n_made[key] = n
            shared[8 * position : 8 * position + 8] = struct.pack("<d", stamps[-1])
            if key == "markers":
                for stamp in stamps.tolist():
                    recorder.event(Marker(key, stamp, f"cue at {stamp!r}"))
            else:
                values = np.repeat(stamps[:, None], info.n_channels, 1).astype(np.float32)
                recorder.event(Chunk(key, stamps, values))


def start(path):
    shared = mmap.mmap(-1, 8 * len(STREAMS))
    process = os.fork()
    if process == 0:
        try:
            record(path, shared)
        finally:
            os._exit(1)
    return process, shared


def main(folder, n, seed, n_at_once):
    rng = random.Random(seed)
    for begin in range(0, n, n_at_once):
        paths = [Path(folder) / f"killed{k}.xdf" for k in range(begin, min(begin + n_at_once, n))]
        children = [(path, *start(path)) for path in paths]
        due = sorted((rng.uniform(0.3, 1.3), number) for number in range(len(children)))
        began_s = time.monotonic()
        for delay_s, number in due:
            time.sleep(max(0.0, began_s + delay_s - time.monotonic()))
            path, process, shared = children[number]
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            made = struct.unpack(f"<{len(STREAMS)}d", shared[:])
            sys.stdout.write(
                json.dumps({"path": str(path), "made": dict(zip(STREAMS, made, strict=True))}) + "\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
