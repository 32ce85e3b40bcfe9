"""The last window of a predictor, kept so that somebody may ask for it again with something taken away.

Pure: the engine's thread writes; a :class:`~bci_stream.model.occlusion.Moment` that was taken out changes no
more and may go to another thread.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from bci_stream.messages import EEG, FloatArray
from bci_stream.model.occlusion import Moment
from bci_stream.model.predictor import Hop, StreamingPredictor


class Lookback:
    """Keeps one window's hops of one predictor, and where its EEG encoder stood after each."""

    def __init__(self, predictor: StreamingPredictor) -> None:
        contract = predictor.bundle.contract
        self.predictor = predictor
        self._shape = contract.eeg_hop, len(contract.eeg.channels)
        self._n_hops = math.ceil(contract.n_tokens / contract.tokens_per_hop)
        self._hops: deque[tuple[FloatArray, FloatArray, Sequence[Tensor]]] = deque(maxlen=self._n_hops + 1)
        self._index = -1

    def take(self, index: int, hop: Hop) -> None:
        """The hop that the predictor has just been given, of window ``index``."""
        if index != self._index + 1:  # something lies between: what is kept does not lead here
            self._hops.clear()
        self._index = index
        self._hops.append((*self._copied(hop), self.predictor.state(EEG)))

    def moment(self, label: int, presence: Sequence[float]) -> Moment | None:
        """The window as it stands; None until a whole one has been seen."""
        if len(self._hops) <= self._n_hops:
            return None
        (_, _, state), *hops = self._hops
        tokens, valid = self.predictor.window()
        eeg = np.concatenate([eeg for eeg, _, _ in hops])
        eeg_valid = np.concatenate([valid for _, valid, _ in hops])
        return Moment(eeg, eeg_valid, state, tokens, valid, presence, label)

    def _copied(self, hop: Hop) -> tuple[FloatArray, FloatArray]:
        """The hop's EEG and its validity, to keep: what the engine hands out are views."""
        if hop.eeg is None:
            return np.zeros(self._shape, np.float32), np.zeros(self._shape[0], np.float32)
        given = hop.eeg_valid
        valid = np.ones(self._shape[0], np.float32) if given is None else given.astype(np.float32)
        return hop.eeg.astype(np.float32), valid
