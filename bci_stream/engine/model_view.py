"""What the model was given, kept for a view: its electrodes, filtered, referenced and aligned; its voice.

Without a model it is what the windows hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from bci_stream.engine.frame import TraceHistory
from bci_stream.engine.history import History, capacity_of
from bci_stream.engine.pipeline import Pipeline
from bci_stream.messages import AUDIO, EEG, Flag, FloatArray, MaskArray, StreamWindow, Window
from bci_stream.timeline.windows import row_at


class ModelView:
    """Histories of the hops, by role; written in the engine's thread."""

    def __init__(self, pipeline: Pipeline, kept_s: float) -> None:
        self._pipeline = pipeline
        self._hop_s = pipeline.settings.hop_s
        self._histories: dict[str, History] = {}
        names = _names(pipeline)
        for role, plan in pipeline.plans.items():
            capacity = capacity_of(len(names[role]), plan.sfreq, kept_s)
            self._histories[role] = History(role, names[role], plan.sfreq, capacity)
        self.traces: Mapping[str, TraceHistory] = MappingProxyType(self._histories)

    @property
    def n_bytes(self) -> int:
        """Memory taken."""
        return sum(history.n_bytes for history in self._histories.values())

    def take(self, window: Window) -> None:
        """The newest hop of a window."""
        hop = self._pipeline.newest_hop
        given: dict[str, tuple[FloatArray | None, object]] = {}
        if hop is not None:
            given = {EEG: (hop.eeg, hop.eeg_valid), AUDIO: (hop.audio, hop.audio_valid)}
        for role, part in window.streams.items():
            data, valid = given.get(role, (None, None))
            self._write(role, part, data, valid)

    def _write(self, role: str, part: StreamWindow, data: FloatArray | None, valid: object) -> None:
        n, history = hop_rows(part, self._hop_s), self._histories[role]
        mask: MaskArray = part.mask[-n:]
        if data is None:
            data, marks = part.data[-n:], part.marks[-n:]
        else:
            data = data.reshape(n, -1)
            marks = np.zeros(data.shape, np.uint8)
            if isinstance(valid, np.ndarray):
                mask = np.where(valid > 0, np.uint8(0), np.uint8(Flag.GAP))
        history.write(row_at(part.t_end, part.sfreq) - n, data, mask, marks)


def hop_rows(part: StreamWindow, hop_s: float) -> int:
    """Rows of the newest hop of a window, which without a model need not be the same number each time."""
    return row_at(part.t_end, part.sfreq) - row_at(part.t_end - hop_s, part.sfreq)


def _names(pipeline: Pipeline) -> dict[str, tuple[str, ...]]:
    names = {role: plan.spec.ch_names for role, plan in pipeline.plans.items()}
    predictor = pipeline.predictor
    if predictor is not None and EEG in names:
        names[EEG] = tuple(predictor.bundle.contract.eeg.channels)
    return names
