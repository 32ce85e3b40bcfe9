"""``bci-stream mic``: a microphone of this computer as an LSL stream, with a level meter."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from apps.console import err, out, say, warn, write_line
from apps.live import stop_on_signal
from apps.live_streams import configure
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, Chunk
from bci_stream.sources.mic_level import CLIPPED_DBFS, SILENT_DBFS, Level

if TYPE_CHECKING:
    from bci_stream.sources.mic_devices import MicDevice
    from bci_stream.sources.mic_outlet import MicrophoneOutlet
    from bci_stream.sources.microphone import MicrophoneSource

_READ_S = 0.05
_TERMINAL_S, _PLAIN_S, _METER_S = 0.1, 10.0, 1.0
_BAR = 40
_FLOOR_DBFS = -60.0


@dataclass(frozen=True, slots=True)
class MicOptions:
    """The command's options, checked by the parser for type only."""

    device: str | None
    name: str
    rate_hz: float | None
    block_ms: float
    level_only: bool
    seconds: float | None
    scope: str | None
    session_id: str | None
    as_json: bool


def list_devices(as_json: bool) -> None:
    """Every microphone, by the name that ``--device`` takes."""
    from bci_stream.sources.microphone import find_inputs

    devices = find_inputs()
    if as_json:
        for device in devices:
            write_line(json.dumps({"kind": "microphone", **_record(device)}))
    elif devices:
        out.print(_table(devices))
    else:
        say("no microphone: this computer has no audio input device; plug one in")


def run(options: MicOptions) -> None:
    """Publish until the time is over or Ctrl-C; raises BciStreamError for what cannot start."""
    if options.seconds is not None and not options.seconds > 0:
        raise ConfigError(f"--seconds {options.seconds:g} makes no sense: give a number above 0")
    if not options.name.strip():
        raise ConfigError("the stream needs a name: --name Microphone")
    configure(options.scope, options.session_id)
    from bci_stream.sources.mic_outlet import MicrophoneOutlet
    from bci_stream.sources.microphone import MicrophoneSource

    source = MicrophoneSource(options.device, sfreq=options.rate_hz, block_s=options.block_ms / 1e3)
    info = source.open()[AUDIO].info
    outlet = None
    try:
        if not options.level_only:
            outlet = MicrophoneOutlet(info, options.name, source.description)
        doing = f"publishing {options.name!r}" if outlet else "listening"
        form = f"{info.n_channels} ch, {info.sfreq:g} Hz"
        say(f"{doing}: {source.device.words}, {form}, {source.stamps}; Ctrl-C stops")
        with stop_on_signal() as stop:
            _pump(source, outlet, options, stop.is_set)
    finally:
        source.close()
        if outlet is not None:
            outlet.close()
    _report(source, options.as_json)


def _pump(
    source: MicrophoneSource,
    outlet: MicrophoneOutlet | None,
    options: MicOptions,
    stopped: Callable[[], bool],
) -> None:
    """Hand on what comes, a block at a time, and show how loud it is."""
    view = MeterView(plain_every_s=_METER_S if options.level_only else _PLAIN_S)
    end_s = time.monotonic() + options.seconds if options.seconds is not None else float("inf")
    try:
        while not stopped() and time.monotonic() < end_s:
            for event in source.read({AUDIO: options.block_ms / 1e3}, _READ_S):
                if isinstance(event, Chunk) and outlet is not None:
                    outlet.push(event)
            view.update(source, time.monotonic())
    finally:
        view.close()


class MeterView:
    """One line that shows the level: in place on a terminal, now and then elsewhere; and what is wrong."""

    def __init__(self, plain_every_s: float) -> None:
        self._every_s = _TERMINAL_S if err.is_terminal else plain_every_s
        self._next_s = time.monotonic() + self._every_s
        self._status = err.status("") if err.is_terminal else None
        self._state, self._stamps = "live", ""
        if self._status is not None:
            self._status.start()

    def update(self, source: MicrophoneSource, now_s: float) -> None:
        """Redraw when it is time; a loss and a return are told at once."""
        status = source.status()[AUDIO]
        if status.state != self._state:
            self._state = status.state
            if status.state == "live":
                say(f"{status.name!r} is back")
            else:
                warn(status.note)
        if self._stamps and source.stamps != self._stamps:
            warn(f"{status.name!r} is now {source.stamps}")
        self._stamps = source.stamps
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        line = meter(source.level) if status.state == "live" else status.note
        if self._status is not None:
            self._status.update(escape(line))
        else:
            say(line)

    def close(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()


def meter(level: Level) -> str:
    """A level as a bar and in figures."""
    n_full = round(_BAR * (1.0 - max(level.rms_dbfs, _FLOOR_DBFS) / _FLOOR_DBFS))
    clipped = "  CLIPPED: turn the microphone down" if level.peak_dbfs >= CLIPPED_DBFS else ""
    if level.peak_dbfs <= SILENT_DBFS:
        return f"[{' ' * _BAR}] digital silence: is it muted?"
    bar = "#" * n_full + " " * (_BAR - n_full)
    return f"[{bar}] {level.rms_dbfs:6.1f} dBFS, peak {level.peak_dbfs:6.1f}{clipped}"


def _report(source: MicrophoneSource, as_json: bool) -> None:
    status = source.status()[AUDIO]
    if as_json:
        record = {
            "kind": "microphone",
            **_record(source.device),
            "rate_hz": source.sfreq,
            "stamps": source.stamps,
            "lost": source.n_lost,
            "overflows": source.n_overflows,
            "reconnects": status.n_reconnects,
        }
        write_line(json.dumps(record))
    else:
        lost = f"{source.n_lost} samples lost, {source.n_overflows} overflows"
        say(f"{lost}, {status.n_reconnects} reconnects")


def _record(device: MicDevice) -> dict[str, object]:
    return {
        "name": device.name,
        "host_api": device.host_api,
        "source": device.source,
        "channels": device.n_channels,
        "default_rate_hz": device.sfreq,
        "default": device.is_default,
    }


def _table(devices: list[MicDevice]) -> Table:
    table = Table("name", "host API", "source", "channels", "own rate", "")
    for device in devices:
        cells = (
            device.name,
            device.host_api,
            device.source,
            str(device.n_channels),
            f"{device.sfreq:g} Hz",
            "default" if device.is_default else "",
        )
        table.add_row(*(escape(cell) for cell in cells))
    return table
