"""From a window's arrays to what the model is fed: the newest hop, on the model's electrodes.

Live runs, replays and training all come through here, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bci_stream.engine.plan import StreamPlan
from bci_stream.messages import AUDIO, EEG, Flag, FloatArray, StreamWindow, Window
from bci_stream.model.predictor import Hop

_BAD = Flag.NAN | Flag.RAIL | Flag.RANGE | Flag.FLAT
_BAD_SHARE = 0.5  # an instant at which more electrodes than this are bad is not used


class HopMaker:
    """Makes the model's input of one hop.

    ``hop_n``: role to grid samples per hop.
    """

    def __init__(self, plans: Mapping[str, StreamPlan], hop_n: Mapping[str, int]) -> None:
        self._hop_n = hop_n
        self._mix = None
        if EEG in plans and (matrix := plans[EEG].mix) is not None:
            from bci_stream.dsp.spatial import SpatialMix

            self._mix = SpatialMix(matrix)

    def newest(self, window: Window) -> Hop:
        """The last hop of a window."""
        return self.hop({role: _tail(part, self._hop_n[role]) for role, part in window.streams.items()})

    def hop(self, parts: Mapping[str, StreamWindow]) -> Hop:
        """One hop from exactly that hop's part of each stream."""
        eeg, eeg_valid = self._eeg(parts[EEG]) if EEG in parts else (None, None)
        audio, audio_valid = _audio(parts[AUDIO]) if AUDIO in parts else (None, None)
        return Hop(eeg, eeg_valid, audio, audio_valid)

    def _eeg(self, part: StreamWindow) -> tuple[FloatArray, FloatArray]:
        bad_share = ((part.marks & _BAD) != 0).mean(axis=1)
        valid = ((part.mask == 0) & (bad_share <= _BAD_SHARE)).astype(np.float32)
        return (self._mix.step(part.data) if self._mix is not None else part.data), valid


def _audio(part: StreamWindow) -> tuple[FloatArray, FloatArray]:
    valid = ((part.mask == 0) & (part.marks[:, 0] == 0)).astype(np.float32)
    return part.data[:, 0], valid


def _tail(part: StreamWindow, n: int) -> StreamWindow:
    data, mask, marks = part.data[-n:], part.mask[-n:], part.marks[-n:]
    t_start = part.t_end - n / part.sfreq
    return StreamWindow(part.role, part.sfreq, t_start, part.t_end, data, mask, marks, float("nan"), ())
