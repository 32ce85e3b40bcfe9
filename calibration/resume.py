"""What an interrupted session left behind: the markers of its recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bci_stream.errors import BciStreamError
from bci_stream.messages import Marker
from bci_stream.sinks.xdf_recovery import finish_all
from bci_stream.sources.xdf import XdfRecording, XdfSource
from calibration.profile import ProfileStore
from calibration.protocol import Plan
from calibration.session import TRIAL, State, resumed
from calibration.trials import MARKERS_NAME


@dataclass(frozen=True, slots=True)
class Earlier:
    """What there is of a plan already. ``recordings``: those with a trial, oldest first.

    ``state``: where the session goes on. ``ended``: whether it came to its end.
    """

    recordings: tuple[Path, ...]
    state: State
    ended: bool


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


def earlier(store: ProfileStore, name: str, plan: Plan) -> Earlier:
    """All recordings of this very plan; those of a killed program are finished first."""
    finish_all(store.path(name) / "recordings")
    begun = f"begin:{plan.protocol.key}:{plan.seed}"
    found: list[tuple[Path, Sequence[str]]] = []
    for path in store.recordings(name):
        markers = markers_of(path)
        if begun in markers:
            found.append((path, markers))
    labels = [label for _, markers in found for label in markers]
    with_trials = tuple(path for path, markers in found if any(one.startswith(TRIAL) for one in markers))
    return Earlier(with_trials, resumed(plan, labels), "end" in labels)
