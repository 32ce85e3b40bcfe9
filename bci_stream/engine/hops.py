"""From a window's arrays to what the model is fed: the newest hop, on the model's electrodes, aligned.

Live runs, replays and training all come through here, so they cannot differ. The alignment to a person is
slow state: it outlives gaps and models, and is dropped by :meth:`HopMaker.reset` for somebody else.
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
        self._alignment = None
        if EEG in plans and plans[EEG].align:
            from bci_stream.dsp.alignment import EuclideanAlignment

            n_channels = len(plans[EEG].spec.ch_names) if self._mix is None else self._mix.n_out
            self._alignment = EuclideanAlignment(n_channels, plans[EEG].sfreq)
        self._gate = None
        if AUDIO in plans and plans[AUDIO].voice_gate:
            from bci_stream.engine.gate import VoiceGate

            self._gate = VoiceGate(plans[AUDIO].sfreq)

    @property
    def gates_voice(self) -> bool:
        """Whether the voice counts only where somebody speaks."""
        return self._gate is not None

    def reset(self) -> None:
        """Somebody else: forget how this person's EEG was aligned, and the noise of the room."""
        if self._alignment is not None:
            self._alignment.reset()
        if self._gate is not None:
            self._gate.reset()

    def reconnect(self) -> None:
        """What comes next is unconnected, but of the same person in the same room."""
        if self._gate is not None:
            self._gate.interrupt()

    def newest(self, window: Window) -> Hop:
        """The last hop of a window; the alignment takes it in."""
        return self.hop({role: _tail(part, self._hop_n[role]) for role, part in window.streams.items()})

    def hop(self, parts: Mapping[str, StreamWindow], *, learn: bool = True) -> Hop:
        """One hop from exactly that hop's part of each stream; ``learn``: it is new to the slow state."""
        eeg, eeg_valid = self._eeg(parts[EEG], learn) if EEG in parts else (None, None)
        audio, audio_valid = self._audio(parts[AUDIO], learn) if AUDIO in parts else (None, None)
        return Hop(eeg, eeg_valid, audio, audio_valid)

    def _eeg(self, part: StreamWindow, learn: bool) -> tuple[FloatArray, FloatArray]:
        bad_share = ((part.marks & _BAD) != 0).mean(axis=1)
        valid = ((part.mask == 0) & (bad_share <= _BAD_SHARE)).astype(np.float32)
        data = self._mix.step(part.data) if self._mix is not None else part.data
        if self._alignment is not None:
            data = self._alignment.step(data, valid) if learn else self._alignment.apply(data)
        return data, valid

    def _audio(self, part: StreamWindow, learn: bool) -> tuple[FloatArray, FloatArray]:
        valid = ((part.mask == 0) & (part.marks[:, 0] == 0)).astype(np.float32)
        data = part.data[:, 0]
        if self._gate is not None:
            t_end = part.t_end
            speech = self._gate.newest(t_end, data, valid) if learn else self._gate.earlier(t_end)
            valid *= np.float32(speech)
        return data, valid


def _tail(part: StreamWindow, n: int) -> StreamWindow:
    data, mask, marks = part.data[-n:], part.mask[-n:], part.marks[-n:]
    t_start = part.t_end - n / part.sfreq
    return StreamWindow(part.role, part.sfreq, t_start, part.t_end, data, mask, marks, float("nan"), ())
