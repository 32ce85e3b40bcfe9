"""An exception and a hang of 10 s in each worker of a session: how soon the state is red and says which.

Real threads: the engine, an output, the recorder, the explainer, and the keeper of a real LSL stream.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bci_stream.engine.explainer import Explainer
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.session import Session
from bci_stream.engine.supervision import Supervisor
from bci_stream.heartbeat import Heart
from bci_stream.messages import EEG, Event, Marker, StreamSpec
from bci_stream.sinks.base import SinkRunner
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_file import ChunkFile
from bci_stream.sinks.xdf_headers import RecordedStream, own_stream
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.lsl_config import configure_lsl, private_session
from bci_stream.timeline.windows import WindowSettings
from benchmarks.reliability.row import Row, command

HANG_S = 10.0
_GOAL = "red <= 1 s"
_RATE = 50.0


class OrderedError(Exception):
    """What nobody foresaw."""


class Fault:
    """What is ordered to go wrong at the next step of a worker; ``let_go`` ends a hang early."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.ordered = threading.Event()
        self.struck_s = float("nan")
        self.let_go = threading.Event()

    def strike(self) -> None:
        """At every step of the worker: nothing, until it is ordered."""
        if not self.ordered.is_set() or self.struck_s == self.struck_s:
            return
        self.struck_s = time.monotonic()
        if self.kind == "exception":
            raise OrderedError("a fault was ordered")
        self.let_go.wait(HANG_S)


Worker = tuple[Heart, Callable[[], None]]  # and what has it do a step


@contextmanager
def engine(fault: Fault) -> Iterator[Worker]:
    """A session whose source breaks."""

    class Source:
        def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
            fault.strike()
            time.sleep(0.02)
            return []

        def close(self) -> None:
            """Nothing is open."""

    plans = plan_without_model({EEG: StreamSpec(EEG, ("Cz",), 250.0)})
    session = Session(Source(), Pipeline(plans, WindowSettings()), [], time.monotonic)
    session.start()
    yield session.heart, lambda: None
    session.stop()


@contextmanager
def output(fault: Fault) -> Iterator[Worker]:
    """A sink that breaks."""

    class Broken:
        def put(self, prediction: object, window: object) -> None:
            fault.strike()

        def close(self) -> None:
            """Nothing is open."""

    runner = SinkRunner(Broken())
    yield runner.heart, lambda: runner.put(None)
    runner.close()


@contextmanager
def recorder(fault: Fault) -> Iterator[Worker]:
    """A recorder whose file breaks."""

    class BrokenFile(ChunkFile):
        def write(self, chunk: bytes) -> None:
            fault.strike()
            super().write(chunk)

    with tempfile.TemporaryDirectory() as folder:
        stream: RecordedStream = own_stream("notes", "Markers", ("note",), "", dtype="string")
        made = XdfRecorder(Path(folder) / "broken.xdf", [stream], opened=BrokenFile)
        yield made.heart, lambda: made.event(Marker(stream.key, time.monotonic(), "x"))
        made.close()


@contextmanager
def explainer(fault: Fault) -> Iterator[Worker]:
    """An explainer that is given a bundle in which looking breaks."""
    from apps.choice import ModelChoice, load_model
    from bci_stream.engine import explainer as module

    class Trap:
        @property
        def contract(self) -> Any:
            fault.strike()
            raise ValueError("no bundle")

    bundle = load_model(ModelChoice(None))
    assert bundle is not None
    made = Explainer(bundle)
    made._begin()  # else it begins with the first prediction
    job: Any = module._Job(Trap(), None, "", 0.0)  # type: ignore[arg-type]
    yield made.heart, lambda: made._jobs.put(job)
    made.close()


@contextmanager
def keeper(fault: Fault) -> Iterator[Worker]:
    """The thread that keeps an LSL stream, whose clock cannot be measured."""
    configure_lsl(private_session("workers"))
    import pylsl

    name = f"workers-{os.getpid()}-{fault.kind}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", 1, _RATE, pylsl.cf_float32, name))
    source = LslSource([LslRequest(EEG, name, channels=("Cz",))], resolve_s=60.0)
    source.open()
    inlet = source._inlets[EEG]
    assert inlet._connection is not None
    inlet._connection.measure_clock = fault.strike  # type: ignore[method-assign]
    yield inlet.heart, inlet._wake.set
    source.close()
    del outlet


WORKERS = {"engine": engine, "output": output, "recorder": recorder, "explainer": explainer, "keeper": keeper}


def red_after_s(name: str, kind: str) -> tuple[float, str]:
    """(seconds from the fault until the state is red, what is said)."""
    fault = Fault(kind)
    said: list[str] = []
    with WORKERS[name](fault) as (heart, step):
        supervisor = Supervisor(lambda: [heart], say=lambda *line: said.append(line[2]), stop=said.append)
        supervisor.start()
        fault.ordered.set()
        deadline_s = time.monotonic() + 60.0
        while not said and time.monotonic() < deadline_s:
            step()
            time.sleep(0.005)
        red_s = time.monotonic()
        supervisor.close()
        fault.let_go.set()
    return red_s - fault.struck_s, said[0] if said else ""


def measure(short: bool = False) -> Row:
    """Every worker, both faults."""
    worst, names = 0.0, []
    for name in WORKERS:
        for kind in ("exception", "hang"):
            with suppress(OSError):
                after_s, words = red_after_s(name, kind)
                worst = max(worst, after_s if words else float("inf"))
                names.append(name)
    n = 2 * len(WORKERS)
    figure = f"red after at most {worst:.2f} s, {len(names)} of {n} faults in {', '.join(WORKERS)}"
    return Row("fault in each worker", figure, _GOAL, worst <= 1.0 and len(names) == n)


if __name__ == "__main__":
    command(measure)
