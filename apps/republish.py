"""``bci-stream replay FILE --publish``: a recording as live LSL streams, for other programs to see."""

from __future__ import annotations

import threading
from pathlib import Path

import pylsl

from apps.console import say, warn
from apps.live import stop_on_signal
from apps.live_streams import configure
from bci_stream.errors import RecordingError
from bci_stream.sinks.republish import Republisher
from bci_stream.sources.recordings import open_recording
from bci_stream.sources.xdf_recording import SampleBlock

_LEAD_S = 1.0  # time for others to connect before the first sample
_BLOCK_S = 0.02


def run(file: Path, speed: float | None, scope: str | None, session_id: str | None) -> None:
    """Publish every stream that has samples, its stamps moved to now; Ctrl-C stops."""
    configure(scope, session_id)
    with open_recording(file) as recording, stop_on_signal() as stop:
        full = {info.key: info for info in recording.streams if recording.summary(info.key).n_samples}
        if not full:
            raise RecordingError(f"{file.name} has no stream with samples: nothing to publish")
        outlets = {key: Republisher(info) for key, info in full.items()}
        say("publishing " + ", ".join(f"{i.name!r} ({i.type})" for i in full.values()) + "; Ctrl-C stops")
        first_s = min(recording.local_time(key, recording.summary(key).first_stamp) for key in full)
        start_s = pylsl.local_clock() + _LEAD_S
        limits = {key: max(1, round(info.sfreq * _BLOCK_S)) for key, info in full.items()}
        for item in recording.blocks(limits):
            if not isinstance(item, SampleBlock):
                continue
            offset_s = recording.local_time(item.key, float(item.timestamps[0])) - float(item.timestamps[0])
            stamps = start_s + (item.timestamps + offset_s - first_s) / (speed or 1.0)
            if not _waited(float(stamps[-1]), stop):
                break
            outlets[item.key].push(item.values, stamps)
        for warning in recording.warnings:
            warn(warning)


def _waited(until_s: float, stop: threading.Event) -> bool:
    """Wait for an instant of the local clock; False when told to stop."""
    return not stop.wait(max(0.0, until_s - pylsl.local_clock()))
