"""``bci-stream record``: streams of the network into an XDF file, no model needed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.console import err, say, warn, write_line
from apps.live import stop_on_signal
from apps.live_streams import configure
from bci_stream.errors import ConfigError, StreamError
from bci_stream.sinks.bids_name import BidsName
from bci_stream.sinks.whole_file import check_free
from bci_stream.sinks.xdf import RecorderStatus, XdfRecorder
from bci_stream.sinks.xdf_recovery import finish_all

if TYPE_CHECKING:
    from apps.record_streams import NetworkStreams

FOLDER = Path("recordings")
LOW_S = 300.0
_REDRAW_S = 1.0
_PLAIN_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a recording goes: a file by name, or a folder and the entities of a name in BIDS' manner."""

    folder: Path = FOLDER
    file: Path | None = None
    subject: str = "unknown"
    session: str | None = None
    task: str = "recording"
    run: int | None = None

    def path(self) -> Path:
        """A path that is free now. Raises ConfigError for a name that cannot be, or is taken."""
        path = self.file
        if path is None:
            name = BidsName(self.subject, self.task, self.session, self.run).next_free(self.folder)
            path = name.path(self.folder)
        if path.suffix != ".xdf":
            raise ConfigError(f"a recording is an .xdf file: name it {path.with_suffix('.xdf').name}")
        check_free(path, "recording")
        return path

    @property
    def root(self) -> Path:
        """The folder in which unfinished recordings are looked for."""
        return self.folder if self.file is None else self.file.parent


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """The command's options, checked by the parser for type only."""

    destination: Destination
    streams: tuple[str, ...]
    audio: bool
    seconds: float | None
    wait_s: float
    scope: str | None
    session_id: str | None
    as_json: bool


def run(options: RecordOptions) -> None:
    """Record until the time is over or Ctrl-C; raises BciStreamError for what cannot start."""
    if options.seconds is not None and not options.seconds > 0:
        raise ConfigError(f"--seconds {options.seconds:g} makes no sense: give a number above 0")
    path = options.destination.path()
    finish_earlier(options.destination.root)
    configure(options.scope, options.session_id)
    from apps.record_streams import NetworkStreams, choose
    from bci_stream.sources.lsl_discovery import Directory

    directory = Directory()
    infos, notes = choose(directory, options.streams, options.audio, options.wait_s)
    for note in notes:
        warn(note)
    with stop_on_signal() as stop:
        streams = NetworkStreams(infos, directory)
        try:
            recorder = XdfRecorder(path, streams.recorded)
            say(f"recording {', '.join(repr(s.name) for s in streams.recorded)} to {path}; Ctrl-C stops")
            _record(streams, recorder, stop.wait, options.seconds)
        finally:
            streams.close()
    _report(recorder.status(), options.as_json)


def _record(
    streams: NetworkStreams, recorder: XdfRecorder, stopped: Callable[[float], bool], seconds: float | None
) -> None:
    from apps.record_streams import PULL_S

    view, began_s = StatusView(), time.monotonic()
    try:
        while not stopped(PULL_S) and recorder.error is None:
            streams.drain(recorder)
            now_s = time.monotonic()
            if seconds is not None and now_s - began_s >= seconds:
                break
            view.update(recorder, streams.troubles, now_s)
        streams.drain(recorder)
    finally:
        recorder.close()
        view.close()


def finish_earlier(folder: Path) -> None:
    """Finish what a killed program has left in a folder, and say so."""
    finished, problems = finish_all(folder) if folder.is_dir() else ([], [])
    for done in finished:
        n_cut = f"; {done.n_cut_bytes} bytes of a cut chunk taken off" if done.n_cut_bytes else ""
        say(f"finished an earlier recording: {done.path} ({sum(done.n_samples.values())} samples{n_cut})")
    for problem in problems:
        warn(problem)


class StatusView:
    """One line that tells how a recording stands: in place on a terminal, now and then elsewhere."""

    def __init__(self) -> None:
        self._every_s = _REDRAW_S if err.is_terminal else _PLAIN_EVERY_S
        self._next_s = time.monotonic() + self._every_s
        self._status = err.status("recording …") if err.is_terminal else None
        self._troubles: dict[str, str] = {}
        self._warned = False
        if self._status is not None:
            self._status.start()

    def update(self, recorder: XdfRecorder, troubles: Callable[[], dict[str, str]], now_s: float) -> None:
        """Redraw when it is time."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        status = recorder.status()
        if self._status is not None:
            self._status.update(status_line(status))
        else:
            say(status_line(status))
        found = troubles()
        for key, note in found.items():
            if key not in self._troubles:  # what is known is not said again
                warn(note)
        self._troubles = found
        if status.left_s < LOW_S and not self._warned:
            self._warned = True
            warn(f"the disk is full in {status.left_s / 60:.0f} min: free some space")

    def close(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()


def status_line(status: RecorderStatus) -> str:
    """Duration, size and free space in one line."""
    minutes, seconds = divmod(int(status.duration_s), 60)
    line = (
        f"{minutes}:{seconds:02d} recorded, {_megabytes(status.n_bytes)}, "
        f"{_megabytes(status.n_free_bytes)} free"
    )
    if status.left_s < 100 * 3600:
        line += f" (enough for {status.left_s / 3600:.1f} h)"
    if lost := sum(status.n_dropped.values()):
        line += f"; {lost} samples lost to a slow disk"
    return line


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def recording_record(status: RecorderStatus) -> dict[str, object]:
    """A finished recording for a program."""
    return {
        "kind": "recording",
        "file": str(status.path),
        "bytes": status.n_bytes,
        "duration_s": status.duration_s,
        "samples": dict(status.n_samples),
        "dropped": dict(status.n_dropped),
        "error": status.error,
    }


def _report(status: RecorderStatus, as_json: bool) -> None:
    if as_json:
        write_line(json.dumps(recording_record(status)))
    else:
        counts = ", ".join(f"{name} {n} samples" for name, n in status.n_samples.items())
        say(f"{status.path}: {status_line(status)}; {counts}")
    if status.error is not None:
        raise StreamError(status.error)
