"""A live session beside the calibration of its person: what changed, for whoever shows it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.messages import EEG
from calibration.drift import BANDS, Drift, DriftWatch, from_bytes
from calibration.profile import ProfileStore

if TYPE_CHECKING:
    from apps.choice import Prepared

ADVICE = "if it stays, recalibrate in two minutes: bci-stream calibrate {name} --protocol quick"


class LiveDrift:
    """The watch of one session. Fed by the engine's thread, asked by any other."""

    def __init__(self, watch: DriftWatch) -> None:
        self._watch = watch
        self._said: deque[Drift] = deque()

    def on_outcome(self, outcome: Outcome, pipeline: Pipeline) -> None:
        """Look at the newest hop."""
        if (hop := pipeline.newest_hop) is not None:
            self._said.extend(self._watch.step(hop, outcome.prediction, outcome.window.t_end))

    def new(self) -> list[Drift]:
        """What was not asked for before."""
        found = []
        while self._said:
            found.append(self._said.popleft())
        return found


def watch_of(name: str | None, prepared: Prepared, store: ProfileStore | None = None) -> LiveDrift | None:
    """The watch for a person; None: nobody was named, or their calibration does not say what is normal.

    Raises:
        ProfileError: there is no such profile, or what is normal cannot be read.
    """
    if name is None or prepared.bundle is None:
        return None
    normal = (store or ProfileStore()).normal(name)
    if normal is None:
        return None
    data, model, _ = normal
    reference, contract = from_bytes(data), prepared.bundle.contract
    if EEG in reference.parts and reference.parts[EEG].n_features != len(BANDS) * len(contract.eeg.channels):
        return None  # of another base, with other electrodes
    there = tuple(role for role in contract.modalities if role in prepared.plans)
    return LiveDrift(DriftWatch(reference, model, there, ADVICE.format(name=name)))


def record_of(drift: Drift) -> dict[str, Any]:
    """For a program."""
    return {"kind": "drift", **drift._asdict()}
