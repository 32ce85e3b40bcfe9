"""From hops to features: the part of each encoder that learns nothing, run once over a person's trials.

It is the very front end of the network that will be exported, given the very hops of the live pipeline.
Running normalisation goes on from one trial of a person to the next, as it would in a live session.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bci_stream.messages import AUDIO, EEG, FloatArray
from bci_stream.model.audio import AudioEncoder
from bci_stream.model.contract import Contract
from bci_stream.model.eeg_fronts import BandPowerFront, build_eeg_front
from bci_stream.model.predictor import Hop, Validity
from bci_stream.training.sessions import Part

_GOOD_SHARE = 0.5  # of a token's samples, as in the encoders
_BLOCK_TOKENS = 256  # a long session is taken in pieces of this


class FrontEnds:
    """Makes the parts of a session from its hops, one person after the other.

    Args:
        contract: of the network; its hop must be one token.
    """

    def __init__(self, contract: Contract) -> None:
        sizes = contract.architecture
        normalize = contract.eeg.normalization == "running"
        with torch.random.fork_rng(devices=[]):  # nothing learned is used: leave the caller's start alone
            front = build_eeg_front(
                sizes.eeg_front, len(contract.eeg.channels), contract.eeg.sfreq, 1, sizes.n_taps, normalize
            )
            self._audio = AudioEncoder(sizes.width, contract.audio.normalization == "running")
        self._power = front.eval() if isinstance(front, BandPowerFront) else None
        self._n_eeg, self._n_audio = contract.eeg_hop, contract.audio_hop
        self._n_channels = len(contract.eeg.channels)
        self._names = contract.modalities
        self.reset()

    def reset(self) -> None:
        """Somebody else: running normalisation starts anew."""
        self._audio_running = self._audio.initial_state(1)[2]
        self._power_running = self._power.initial_state(1)[2] if self._power is not None else torch.empty(0)

    @torch.inference_mode()
    def parts(self, hops: Sequence[Hop]) -> dict[str, Part]:
        """Each modality's part of a session that consists of ``hops``."""
        makers = {EEG: self._eeg_part, AUDIO: self._audio_part}
        return {name: makers[name](hops) for name in self._names}

    def _eeg_part(self, hops: Sequence[Hop]) -> Part:
        shape = (self._n_eeg, self._n_channels)
        samples = _stacked([hop.eeg for hop in hops], shape)  # (n, 25, C)
        valid = _stacked([_validity(hop.eeg, hop.eeg_valid) for hop in hops], shape[:1])
        there = (valid.mean(1) >= _GOOD_SHARE).astype(np.float32)
        if self._power is None:
            return Part(np.where(valid[..., None] > 0.5, samples, 0.0).astype(np.float32), valid, there)
        features = self._band_power(self._power, samples, valid)
        return Part(features, there, there)

    def _band_power(
        self, front: BandPowerFront, samples: np.ndarray, valid: np.ndarray
    ) -> np.ndarray:  # (n, 25, C), (n, 25) -> (n, 5 C)
        state = [*front.initial_state(1)[:2], self._power_running]
        rows = []
        for i in range(0, len(samples), _BLOCK_TOKENS):
            block = torch.from_numpy(samples[i : i + _BLOCK_TOKENS]).flatten(0, 1).t()[None]
            good = torch.from_numpy(valid[i : i + _BLOCK_TOKENS]).flatten()[None]
            features, state = front(block, good, state)
            rows.append(features[0])
        self._power_running = state[2]
        return _to_numpy(torch.cat(rows))

    def _audio_part(self, hops: Sequence[Hop]) -> Part:
        samples = _stacked([hop.audio for hop in hops], (self._n_audio,))
        valid = _stacked([_validity(hop.audio, hop.audio_valid) for hop in hops], (self._n_audio,))
        there = (valid.mean(1) >= _GOOD_SHARE).astype(np.float32)
        state = [*self._audio.initial_state(1)[:2], self._audio_running]
        frames, frame_valid = [], []
        for i in range(0, len(samples), _BLOCK_TOKENS):
            cut = slice(i, i + _BLOCK_TOKENS)
            block, good = (torch.from_numpy(x[cut]).flatten()[None] for x in (samples, valid))
            mel, mel_valid, state = self._audio.front(block, good, state)
            frames.append(mel[0])
            frame_valid.append(mel_valid[0])
        self._audio_running = state[2]
        n = len(hops)
        return Part(
            _to_numpy(torch.cat(frames).reshape(n, -1, self._audio.n_mels)),
            _to_numpy(torch.cat(frame_valid).reshape(n, -1)),
            there,
        )


def _validity(samples: FloatArray | None, valid: Validity | None) -> Validity | None:
    """None where there is nothing, ones where nothing was said."""
    return np.ones(len(samples), np.float32) if valid is None and samples is not None else valid


def _stacked(rows: Sequence[Validity | None], shape: tuple[int, ...]) -> np.ndarray:
    """(n, *shape) float32; zeros where a row is None."""
    out = np.zeros((len(rows), *shape), np.float32)
    for i, row in enumerate(rows):
        if row is not None:
            out[i] = row
    return out


def _to_numpy(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.numpy())
