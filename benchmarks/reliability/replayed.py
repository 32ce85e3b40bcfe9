"""A recorded session in chaos, over real LSL, against a replay of its own recording: every window, every bit.

The headset is stopped and goes on, is killed and comes back, has gaps and lost packets; the voice dies and
comes back. Then ``bci-stream verify`` replays the recording and holds each window to the session's ledger.
"""

from __future__ import annotations

import io
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from apps.choice import ModelChoice
from apps.live import run_live
from apps.live_recording import RecordingChoice
from apps.outputs import OutputChoice
from apps.verify import VerifyOptions, verify
from bci_stream.engine.pipeline import Outcome
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_faults import Faults, Outage, StreamFaults
from bci_stream.sources.simulator_process import SimulatorProcess
from benchmarks.reliability.consumers import live_options
from benchmarks.reliability.isolation import session
from benchmarks.reliability.row import Row, command
from benchmarks.reliability.sigstop import wait_until

_GOAL = "bit-identical"
_FAULTS = Faults(
    eeg=StreamFaults(
        drift_ppm=50.0,
        burst_n=5,
        jitter_s=1e-3,
        loss=0.01,
        gaps=tuple(Outage(6.0 + 9.0 * k, 0.4) for k in range(60)),
    )
)


class Chaos:
    """Two processes, and what is done to them."""

    def __init__(self, session_id: str, prefix: str) -> None:
        self._session_id, self._prefix = session_id, prefix
        self.headset = self._person("")
        self.voice = self._person("V", seed=1)
        self.n_windows = 0
        self.error: BaseException | None = None

    def _person(self, suffix: str, seed: int = 0) -> SimulatorProcess:
        name = self._prefix + suffix
        process = SimulatorProcess(
            SimulatorSettings(seed=seed),
            name_prefix=name,
            source_id=name,
            lsl=(self._session_id, "machine"),
            faults=_FAULTS if not suffix else None,
        )
        process.start()
        process.wait_ready(120.0)
        return process

    def count(self, outcome: Outcome) -> None:
        """As a session's callback."""
        self.n_windows += 1

    def act(self, n_rounds: int) -> None:
        """All of it, then the session is told to end."""
        try:
            for _ in range(n_rounds):
                self._windows(30)
                self._freeze(1.7)
                self._windows(20)
                self.headset.kill()
                self._windows(15)
                self.headset = self._person("")
                self._windows(30)
                self.voice.kill()
                self._windows(15)
                self.voice = self._person("V", seed=1)
            self._windows(30)
        except BaseException as error:
            self.error = error
            raise
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    def _windows(self, n: int) -> None:
        until = self.n_windows + n
        wait_until(lambda: self.n_windows >= until)

    def _freeze(self, for_s: float) -> None:
        assert self.headset.pid is not None
        os.kill(self.headset.pid, signal.SIGSTOP)
        threading.Event().wait(for_s)
        os.kill(self.headset.pid, signal.SIGCONT)

    def end(self) -> None:
        """No process stays behind."""
        self.headset.kill()
        self.voice.kill()


def measure(short: bool = False) -> Row:
    """Four rounds, or one."""
    prefix = f"Chaos{os.getpid()}"
    chaos = Chaos(session(), prefix)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chaos.xdf"
        options = live_options(prefix, OutputChoice(jsonl=Path(folder) / "said.jsonl"))
        options = replace(
            options,
            streams=replace(options.streams, audio=f"{prefix}VAudio", markers=f"{prefix}Markers"),
            recording=RecordingChoice(path, audio=True),
            as_json=True,
        )
        act: Callable[[], None] = lambda: chaos.act(1 if short else 4)  # noqa: E731 - a thread's target
        acting = threading.Thread(target=act, daemon=True)
        acting.start()
        with redirect_stdout(io.StringIO()):
            finished = run_live(options, chaos.count)
        acting.join(60.0)
        chaos.end()
        if chaos.error is not None:
            raise chaos.error
        found = verify(VerifyOptions(path, None, ModelChoice(None, voice_gate=False), None, True, False))
    status = finished.snapshot
    figure = f"{found.n_same} of {found.n_windows} windows the same, bit for bit"
    figure += f"; {status.health['eeg'].n_gaps} gaps, {status.n_deadline} deadlines"
    if found.index is not None:
        figure += f"; window {found.index} differs: {', '.join(found.why)}"
    return Row("live vs replay of its own recording under chaos", figure, _GOAL, found.is_same)


if __name__ == "__main__":
    command(measure)
