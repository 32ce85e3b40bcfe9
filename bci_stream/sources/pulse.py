"""The sound server behind ALSA's one device, where there is one: PulseAudio, or PipeWire in its place.

PortAudio sees a sound server as a single device that stands for whichever microphone is the default, and when
the one in use is unplugged the server moves the recording to another without a word. So the microphone is
pinned by the server's own name for it (``PULSE_SOURCE``, which its client library heeds when it connects),
and :class:`Watch` tells when it is gone or the recording was moved. Both use the server's tool ``pactl``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from typing import Any, Final

from bci_stream.sources.mic_devices import PulseSource

_TIMEOUT_S: Final = 2.0
_PIN: Final = "PULSE_SOURCE"


def available() -> bool:
    """Whether the server's tool is here."""
    return shutil.which("pactl") is not None


def sources() -> list[PulseSource]:
    """The server's sources; none where no server answers."""
    default = (_ask("get-default-source") or "").strip()
    found = _listed("sources") or []
    return [PulseSource(s["name"], s.get("description") or s["name"], s["name"] == default) for s in found]


def pin(source: str) -> None:
    """Have this process record from this source and no other, from its next connection on."""
    os.environ[_PIN] = source


def unpin() -> None:
    """Have this process record from whatever is the default."""
    os.environ.pop(_PIN, None)


def is_recording_from(source: str) -> bool:
    """Whether the source is there, and this process, if it records at all, does so from it.

    Where the server does not answer nothing is known against it: the capture itself will end.
    """
    there = _listed("sources")
    if there is None:
        return True
    indices = {s["index"] for s in there if s["name"] == source}
    if not indices:
        return False
    own = str(os.getpid())
    used = [
        output["source"]
        for output in _listed("source-outputs") or []
        if output.get("properties", {}).get("application.process.id") == own
    ]
    return all(index in indices for index in used)


class Watch:
    """Calls ``on_gone`` once, from its own thread, when the source is gone or the recording was moved."""

    def __init__(self, source: str, on_gone: Callable[[], None]) -> None:
        self._source, self._on_gone = source, on_gone
        self._process = subprocess.Popen(
            ["pactl", "subscribe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(),
        )
        self._thread = threading.Thread(target=self._listen, name="pulse-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._process.kill()
        self._thread.join(_TIMEOUT_S)
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            if not is_recording_from(self._source):  # moved before anybody watched
                self._on_gone()
                return
            for line in lines:
                concerns = " on source" in line and "'new' on source " not in line
                if concerns and not is_recording_from(self._source):
                    self._on_gone()
                    return


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _ask(*arguments: str) -> str | None:
    """What ``pactl`` says; None where there is no tool or no server."""
    if not available():
        return None
    try:
        done = subprocess.run(
            ["pactl", *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            env=_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _listed(kind: str) -> list[dict[str, Any]] | None:
    """The server's objects of a kind; with names alone from a tool that knows no JSON (before version 16)."""
    try:
        found = json.loads(_ask("-f", "json", "list", kind) or "null")
    except json.JSONDecodeError:
        found = None
    if found is not None or kind != "sources":
        return found if found is None else [each for each in found if isinstance(each, dict)]
    if (short := _ask("list", "short", kind)) is None:
        return None
    rows = [line.split("\t") for line in short.splitlines()]
    return [{"index": int(row[0]), "name": row[1]} for row in rows if len(row) > 1 and row[0].isdigit()]
