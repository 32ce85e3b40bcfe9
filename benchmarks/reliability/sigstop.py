"""A real outlet process that is stopped (SIGSTOP) and goes on 1 to 40 s later: what every sink then says.

The whole session is real: an outlet process, LSL, the demo bundle, and LSL, OSC, WebSocket, JSON lines and
window frames as a consumer gets them. Whatever is labelled is held against the newest instant of its data.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pylsl

from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from benchmarks.reliability.consumers import Consumers
from benchmarks.reliability.isolation import session
from benchmarks.reliability.peers import freezing, said
from benchmarks.reliability.row import Row, command

LIVE_S = 0.5
_GOAL = "0 predictions labelled live from data older than 0.5 s"
FREEZES_S = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
SHORT_S = (2.5,)


@dataclass
class Tally:
    """What was seen, and when the outlet was frozen: (from, until) on the local clock."""

    limit_s: float
    frozen: list[tuple[float, float]] = field(default_factory=list)
    n_labels: dict[str, int] = field(default_factory=dict)
    n_stale: int = 0
    worst_s: float = 0.0

    def heard(self, sink: str, t_end: float) -> None:
        """A label that a consumer takes for live, of the window that ends at ``t_end``."""
        now_s = pylsl.local_clock()
        newest_s = t_end
        for from_s, until_s in list(self.frozen):
            if from_s <= now_s < until_s:
                newest_s = min(newest_s, from_s)
        self.n_labels[sink] = self.n_labels.get(sink, 0) + 1
        self.n_stale += now_s - newest_s > self.limit_s
        self.worst_s = max(self.worst_s, now_s - newest_s)


def wait_until(condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Poll; raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.01)


@contextmanager
def person(session_id: str, prefix: str, **fields: Any) -> Iterator[SimulatorProcess]:
    """A simulated person in a process of their own."""
    settings = SimulatorSettings(**fields)
    with SimulatorProcess(
        settings, name_prefix=prefix, source_id=prefix, lsl=(session_id, "machine")
    ) as process:
        process.wait_ready(120.0)
        yield process


def freeze(process: SimulatorProcess, tally: Tally, for_s: float) -> None:
    """Stop an outlet's process, and let it go on."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    tally.frozen.append((pylsl.local_clock(), float("inf")))
    threading.Event().wait(for_s)
    tally.frozen[-1] = (tally.frozen[-1][0], pylsl.local_clock())
    os.kill(process.pid, signal.SIGCONT)


def measure(short: bool = False) -> Row:
    """Every freeze, of headset and voice together. The short one allows for a busy machine."""
    session_id = session()
    tally = Tally(LIVE_S + (0.5 if short else 0.0))
    freezes = SHORT_S if short else FREEZES_S
    prefix = f"Stop{os.getpid()}"
    with (
        person(session_id, prefix) as both,
        tempfile.TemporaryDirectory() as folder,
        Consumers(prefix, Path(folder), tally.heard) as consumers,
    ):
        for freeze_s in freezes:
            wait_until(lambda: consumers.is_live)
            freeze(both, tally, freeze_s)
            threading.Event().wait(1.0)
        wait_until(lambda: consumers.is_live)
        wait_until(lambda: len(tally.n_labels) == len(Consumers.NAMES))
    n = sum(tally.n_labels.values())
    figure = (
        f"{tally.n_stale} of {n:,} labels at {', '.join(Consumers.NAMES)} stood on data older than 0.5 s "
        f"(oldest {tally.worst_s:.2f} s); frozen for {', '.join(f'{s:g}' for s in freezes)} s"
    )
    peers = "" if short else _peers(session_id)
    return Row("SIGSTOP 1-40 s", figure, _GOAL, tally.n_stale == 0, peers)


def _peers(session_id: str) -> str:
    """The same person and freezes once more, with the readers of peers on the headset."""
    prefix = f"StopPeers{os.getpid()}"

    def freezes() -> list[tuple[float, float]]:
        tally = Tally(LIVE_S)
        for freeze_s in FREEZES_S:
            threading.Event().wait(2.0)
            freeze(both, tally, freeze_s)
        threading.Event().wait(2.0)
        return tally.frozen

    with person(session_id, prefix) as both:
        return said(lambda: freezing.words(session_id, f"{prefix}EEG", freezes, LIVE_S))


if __name__ == "__main__":
    command(measure)
