"""A peer's reader in a process of its own.

``python -m benchmarks.reliability.peers.reader PEER NAME BUFFER_S`` reads whatever a stream's channel 0
carries and answers the lines on its standard input, in JSON:

- ``marks``: for each multiple of 5,000 that channel 0 was near: when it was first seen, and the stamp;
- ``pulls``: when each pull that brought something was done, and the stamp of its newest sample;
- ``sleep``: does nothing until the next line (threads of the peer's own go on);
- ``numbers N``: reads until channel 0 has counted to N, and tells how many different numbers it has seen;
- ``header``: what the peer takes the stream for, and whether it thinks itself connected.

What a person would see in a terminal goes to standard error, all of it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
MARK = 5000.0
_POLL_S = 0.01
_CONNECT_S = 30.0
_NOTHING = np.empty(0)


class Peer(Protocol):
    """What reads."""

    def pull(self) -> tuple[Values, Values]:
        """Channel 0 of what is new (n,), and its stamps (n,)."""

    def header(self) -> dict[str, Any]:
        """What it takes the stream for."""


class Pylsl:
    """A plain inlet, as tutorials make it: it recovers by itself, which is liblsl's default."""

    def __init__(self, name: str, buffer_s: int) -> None:
        import pylsl

        found = pylsl.resolve_byprop("name", name, 1, _CONNECT_S)
        self._inlet = pylsl.StreamInlet(found[0], max_buflen=buffer_s)
        self._inlet.open_stream(_CONNECT_S)

    def pull(self) -> tuple[Values, Values]:
        """All that waits."""
        rows, stamps = self._inlet.pull_chunk(0.0, 4_096, as_numpy=True)
        return (np.array(rows, float)[:, 0], np.array(stamps)) if len(stamps) else (_NOTHING, _NOTHING)

    def header(self) -> dict[str, Any]:
        """Asked anew."""
        info = self._inlet.info(_CONNECT_S)
        return {"labels": info.get_channel_labels() or [], "sfreq": info.nominal_srate()}


class MneLsl:
    """A StreamLSL; ``delay_s``: how often its own thread reads, None where it reads only when told to."""

    def __init__(self, name: str, buffer_s: int, delay_s: float | None = 0.001) -> None:
        from mne_lsl.stream import StreamLSL

        self._stream = StreamLSL(buffer_s, name=name)
        self._stream.connect(acquisition_delay=delay_s, timeout=_CONNECT_S)
        self._by_hand = delay_s is None
        self._newest_s, self._n_told = 0.0, 0

    def pull(self) -> tuple[Values, Values]:
        """What is new in its buffer, by the stamps."""
        if self._by_hand:
            self._stream.acquire()
        n_new = self._stream.n_new_samples
        if not n_new:
            return _NOTHING, _NOTHING
        data, stamps = self._stream.get_data()
        fresh = stamps > self._newest_s
        self._newest_s = float(stamps[-1])
        self._n_told += max(0, n_new - int(fresh.sum()))
        return np.array(data[0, fresh], float), np.array(stamps[fresh])

    def header(self) -> dict[str, Any]:
        """``n_told``: how many samples it said had come that its buffer did not hold."""
        if not self._stream.connected:
            return {"connected": False, "n_told": self._n_told}
        names, sfreq = list(self._stream.ch_names), self._stream.info["sfreq"]
        return {"connected": True, "labels": names, "sfreq": sfreq, "n_told": self._n_told}


PEERS: dict[str, Callable[[str, int], Peer]] = {
    "pylsl": Pylsl,
    "mne_lsl": MneLsl,
    "mne_lsl_by_hand": lambda name, buffer_s: MneLsl(name, buffer_s, None),
}


class Desk:
    """Reads all the time, and answers to ``out``."""

    def __init__(self, peer: Peer, out: TextIO) -> None:
        self._peer, self._out = peer, out
        self._asked: queue.Queue[str | None] = queue.Queue()
        self._marks: dict[str, tuple[float, float]] = {}
        self._pulls: list[tuple[float, float]] = []
        self._numbers: list[Values] = []
        self._answers: dict[str, Callable[[str], Any]] = {
            "marks": lambda _: self._marks,
            "pulls": lambda _: self._pulls,
            "header": lambda _: self._peer.header(),
            "sleep": self._sleep,
            "numbers": self._until,
        }
        threading.Thread(target=self._listen, daemon=True).start()

    def run(self) -> None:
        """Until the input ends."""
        self.say("ready")
        while True:
            try:
                asked = self._asked.get(timeout=_POLL_S)
            except queue.Empty:
                self._read()
                continue
            if asked is None:
                return
            word, _, argument = asked.partition(" ")
            self.say(self._answers[word](argument))

    def say(self, answer: object) -> None:
        """One line."""
        self._out.write(json.dumps(answer) + "\n")
        self._out.flush()

    def _listen(self) -> None:
        for line in sys.stdin:
            self._asked.put(line.strip())
        self._asked.put(None)

    def _read(self) -> None:
        values, stamps = self._peer.pull()
        if not len(values):
            return
        now_s = time.monotonic()  # liblsl's local clock, on Linux
        self._numbers.append(values)
        self._pulls.append((now_s, float(stamps[-1])))
        near = np.round(values / MARK)
        for mark in np.unique(near):
            self._marks.setdefault(f"{mark * MARK:g}", (now_s, float(stamps[np.argmax(near == mark)])))

    def _sleep(self, _: str) -> str:
        self.say("asleep")
        return "awake" if self._asked.get() is not None else "gone"

    def _until(self, last: str) -> int:
        while not self._numbers or self._numbers[-1].max() < float(last):
            self._read()
            time.sleep(_POLL_S)
        return len(np.unique(np.concatenate(self._numbers)))


def main() -> None:
    """Connect, say so, and serve."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    name, stream, buffer_s = sys.argv[1:]
    Desk(PEERS[name](stream, int(buffer_s)), out).run()


if __name__ == "__main__":
    main()
