"""A converter that hears clicks: ``python -m benchmarks.speaker PIPE SECONDS``.

Writes 48 kHz samples into the pipe of a virtual sound card, each block of 5 ms when its last sample is due,
and prints one JSON line: the local clock at which each click was converted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pylsl

SFREQ = 48_000
BLOCK_S = 0.005
EVERY_S = 0.25
CLICK = (0.5 * np.hanning(48) * 32_767).astype("<i2")  # 1 ms, its peak in the middle


def main() -> None:
    """Convert until the time is over."""
    pipe, seconds = Path(sys.argv[1]), float(sys.argv[2])
    clicks: list[float] = []
    n_block, every = round(BLOCK_S * SFREQ), round(EVERY_S / BLOCK_S)
    with open(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0) as out:
        began_s = pylsl.local_clock()
        for k in range(int(seconds / BLOCK_S)):
            block = np.zeros(n_block, "<i2")
            due_s = began_s + (k + 1) * BLOCK_S
            if k % every == every - 1:
                block[: len(CLICK)] = CLICK
                clicks.append(due_s - BLOCK_S + len(CLICK) / 2 / SFREQ)
            time.sleep(max(0.0, due_s - pylsl.local_clock()))
            with suppress(BlockingIOError):  # while nobody listens the card does not run
                out.write(block.tobytes())
    print(json.dumps({"clicks": clicks}))


if __name__ == "__main__":
    main()
