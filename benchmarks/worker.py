"""A measured system in a process of its own: prepared once, then connected anew for every round."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Protocol

from benchmarks.children import reply
from benchmarks.outlet import PushLog
from benchmarks.recorder import Recorder
from benchmarks.setups import Setup, Task


class System(Protocol):
    """Something that makes windows or predictions of the outlet's streams."""

    def measure(self, recorder: Recorder) -> dict[str, float]:
        """Connect, run until the recorder has enough, disconnect; more figures."""


def build(name: str, setup: Setup, task: Task, bundle: Path) -> System:
    """The system of that name; imports only what it needs."""
    if name == "ours":
        from benchmarks.system_ours import Ours

        return Ours(setup, task, bundle)
    if name == "mne-lsl":
        from benchmarks.system_mne_lsl import MneLsl

        return MneLsl(setup, task, bundle)
    from benchmarks.system_pylsl import PlainLoop

    return PlainLoop(setup, task, bundle, as_numpy=name == "pylsl numpy")


def main() -> None:
    """Answer jobs until standard input is closed."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    setup = Setup(**job["setup"])
    system = build(job["system"], setup, Task(**job["task"]), Path(job["bundle"]))
    reply({"ready": True})
    for line in sys.stdin:
        round_ = json.loads(line)
        log = PushLog(round_["log"], setup.sfreq, round_["t0"])
        recorder = Recorder(log, round_["settle_s"], round_["seconds"])
        more = system.measure(recorder)
        reply(recorder.answer() | more)


if __name__ == "__main__":
    main()
