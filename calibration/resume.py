"""What an interrupted session left behind: the markers of its recording."""

from __future__ import annotations

from pathlib import Path

from bci_stream.errors import BciStreamError
from bci_stream.messages import Marker
from bci_stream.sources.xdf import XdfRecording, XdfSource
from calibration.protocol import Plan
from calibration.trials import MARKERS_NAME


def markers_of(path: Path) -> list[str]:
    """Our own markers of a recording, in the order of time; none where it has none or cannot be read."""
    try:
        with XdfRecording.open(path) as recording:
            keys = [info.key for info in recording.streams if info.name == MARKERS_NAME]
            if not keys:
                return []
            source = XdfSource(recording, {}, keys[:1])
            return [event.label for event in source.events() if isinstance(event, Marker)]
    except BciStreamError:  # a recording without a single sample is no session to go on with
        return []


def same_plan(path: Path, plan: Plan) -> bool:
    """Whether a recording is of this protocol and seed, and was not ended."""
    markers = markers_of(path)
    return f"begin:{plan.protocol.key}:{plan.seed}" in markers and "end" not in markers
