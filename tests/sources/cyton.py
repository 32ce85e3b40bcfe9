"""A Cyton at the other end of a serial line (a pseudo-terminal), as its firmware documents the protocol.

``v`` resets, ``b`` begins, ``s`` stops; a packet is 0xA0, a counter, 8 x int24 and 6 bytes of acceleration,
big endian, and 0xC0. A count is 4.5 V / 24 / (2^23 - 1).
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty

import numpy as np

UV_PER_COUNT = 4.5e6 / 24 / (2**23 - 1)
SFREQ = 250


class Cyton:
    """Plugged in at ``path`` until :meth:`unplug`; channel k carries a sine of 5 + k Hz, 50 µV."""

    def __init__(self, path):
        self.path = path
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave = slave  # held, so that the line stays up between opens
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(slave))
        self._streaming = False
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._answer, self._send)]
        for thread in self._threads:
            thread.start()

    def unplug(self):
        self._stop.set()
        self.path.unlink(missing_ok=True)
        for thread in self._threads:
            thread.join()
        for fd in (self._slave, self._master):
            os.close(fd)

    def _answer(self):
        with contextlib.suppress(OSError):  # unplugged
            while not self._stop.is_set():
                if not select.select([self._master], [], [], 0.05)[0]:
                    continue
                for letter in os.read(self._master, 64).decode("latin1"):
                    if letter == "b":
                        self._streaming = True
                    elif letter == "s":
                        self._streaming = False
                    elif letter == "v":
                        self._streaming = False
                        os.write(self._master, b"OpenBCI V3 8-16 channel\nFirmware: v3.1.2\n$$$")
                    elif letter == "d":
                        os.write(self._master, b"updating channel settings to default$$$")

    def _send(self):
        n, began = 0, time.monotonic()
        with contextlib.suppress(OSError):
            while not self._stop.wait(0.02):
                due = int((time.monotonic() - began) * SFREQ)
                if self._streaming:
                    os.write(self._master, b"".join(packet(i) for i in range(n, due)))
                n = due


def packet(i):
    counts = np.round(signal_uv(i) / UV_PER_COUNT).astype(int)
    body = b"".join(int(c).to_bytes(3, "big", signed=True) for c in counts)
    return bytes([0xA0, i % 256]) + body + bytes(6) + b"\xc0"


def signal_uv(i):
    return 50 * np.sin(2 * np.pi * (5 + np.arange(8)) * i / SFREQ)
