"""The converter of a virtual sound card: ``python -m benchmarks.speaker PIPE``.

Writes 48 kHz samples into the card's pipe, each block of 2 ms when its last sample is due by the local clock:
silence, or the sound file that a line ``play PATH`` on stdin asks for, after which it prints the instant at
which that file's first sample was converted. A card that is suspended or gone takes nothing, and what it does
not take is lost, as with a real one.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pylsl
from numpy.typing import NDArray

SFREQ = 48_000
BLOCK_S = 0.002
_N_BLOCK = round(BLOCK_S * SFREQ)
_SET_PIPE_SIZE, _LEAST_BYTES = 1031, 4096  # Linux: so that a suspended card keeps no more than 42 ms
_SLEEPS_S = 0.2


class Pipe:
    """The card's pipe, opened whenever it is there."""

    def __init__(self, path: Path) -> None:
        self._path, self._fd, self._next_look_s = path, -1, 0.0

    def write(self, samples: NDArray[np.int16]) -> None:
        """Hand a block to the card, or lose it."""
        if self._fd < 0:
            self._open()
        if self._fd < 0:
            return
        try:
            os.write(self._fd, samples.tobytes())
        except BlockingIOError:
            return  # the card does not run
        except OSError:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + _SLEEPS_S / 10
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            fcntl.fcntl(self._fd, _SET_PIPE_SIZE, _LEAST_BYTES)
        except OSError:
            return


def main() -> None:
    """Convert until stdin ends."""
    pipe, wishes = Pipe(Path(sys.argv[1])), _wishes()
    sound, at = np.zeros(0, np.int16), 0
    began_s, k = pylsl.local_clock(), 0
    while True:
        starts_s = began_s + k * BLOCK_S
        if pylsl.local_clock() - starts_s > _SLEEPS_S:  # held up: a real card would not make up for so much
            k += int(_SLEEPS_S / BLOCK_S)
            at += int(_SLEEPS_S / BLOCK_S) * _N_BLOCK
            continue
        if not wishes.empty():
            wish = wishes.get()
            if wish is None:
                return
            sound, at = wish, 0
            print(json.dumps({"began": starts_s}), flush=True)
        block = np.zeros(_N_BLOCK, np.int16)
        part = sound[at : at + _N_BLOCK]
        block[: len(part)] = part
        at += _N_BLOCK
        k += 1
        time.sleep(max(0.0, starts_s + BLOCK_S - pylsl.local_clock()))
        pipe.write(block)


def _wishes() -> queue.Queue[NDArray[np.int16] | None]:
    """Sounds asked for on stdin; None at its end."""
    found: queue.Queue[NDArray[np.int16] | None] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            found.put(_loaded(line.strip().removeprefix("play ")))
        found.put(None)

    threading.Thread(target=listen, daemon=True).start()
    return found


def _loaded(path: str) -> NDArray[np.int16]:
    import soundfile
    from scipy.signal import resample_poly

    samples, sfreq = soundfile.read(path, dtype="float64")
    factor = np.gcd(SFREQ, sfreq)
    wide = resample_poly(samples, SFREQ // factor, sfreq // factor) if sfreq != SFREQ else samples
    return np.clip(np.round(wide * 32_767), -32_768, 32_767).astype(np.int16)


if __name__ == "__main__":
    main()
