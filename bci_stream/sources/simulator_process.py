"""A simulated person who publishes from a process of their own, as a device would."""

from __future__ import annotations

import multiprocessing
import signal
import time
from multiprocessing.synchronize import Event as ProcessEvent
from types import TracebackType
from typing import Any

from bci_stream.errors import StreamLostError
from bci_stream.sources.lsl_config import Scope, configure_lsl
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_faults import Faults


def run_publisher(
    settings: SimulatorSettings,
    options: dict[str, Any],
    lsl: tuple[str, Scope] | None,
    ready: ProcessEvent,
    stop: ProcessEvent,
) -> None:
    """The target of a process that publishes; ends by itself when its parent is gone.

    ``options`` go to :func:`publish`; ``lsl`` is (session id, scope), None for liblsl's own configuration.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; it then stops us
    if lsl is not None:
        configure_lsl(*lsl)
    from bci_stream.sources.simulator_lsl import publish

    parent = multiprocessing.parent_process()
    publish(
        settings,
        **options,
        ready=ready.set,
        stop=lambda: stop.is_set() or (parent is not None and not parent.is_alive()),
    )


class SimulatorProcess:
    """A simulated person in a process of its own; a context manager that starts and stops it.

    ``lsl`` is (session id, scope), None for liblsl's own configuration.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        duration_s: float = 3600.0,
        faults: Faults | None = None,
        name_prefix: str = "Sim",
        source_id: str = "bci-stream-simulator",
        lsl: tuple[str, Scope] | None = None,
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        options = {
            "duration_s": duration_s,
            "faults": faults,
            "name_prefix": name_prefix,
            "source_id": source_id,
        }
        self._ready, self._stop = spawn.Event(), spawn.Event()
        self._process = spawn.Process(
            target=run_publisher,
            args=(settings, options, lsl, self._ready, self._stop),
            name="bci-stream-simulator",
            daemon=True,
        )

    def start(self) -> None:
        """Start the process; it can be started once."""
        self._process.start()

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until its streams exist. Raises StreamLostError if it ended or took longer instead."""
        deadline = time.monotonic() + timeout_s
        while not self._ready.wait(0.05):
            if not self._process.is_alive() or time.monotonic() > deadline:
                raise StreamLostError(
                    f"the simulator's process published nothing within {timeout_s:g} s "
                    f"(exit code {self._process.exitcode}); see its own message above"
                )

    def terminate(self, timeout_s: float = 5.0) -> None:
        """Ask it to stop after the chunk at hand, and kill it if it does not."""
        self._stop.set()
        self._process.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a device that loses its battery."""
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """Its process id, None before the start."""
        return self._process.pid

    def __enter__(self) -> SimulatorProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.terminate()
