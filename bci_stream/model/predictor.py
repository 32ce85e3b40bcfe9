"""The streaming predictor: encode each hop once, fuse the last window's tokens on request.

It encodes one token (200 ms) at a time, from buffers of its own, so the same hops give the same bits
however the caller's arrays lie in memory. It holds no lock and reads no clock; whoever runs it sets
torch's threads to one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bci_stream.errors import BundleMismatchError
from bci_stream.messages import AUDIO, EEG, FloatArray
from bci_stream.model.bundle import Bundle

WARM_UP_CALLS = 5  # TorchScript specialises a program during its first calls

Encode = Callable[[Tensor, Tensor, list[Tensor]], tuple[Tensor, Tensor, list[Tensor]]]
Validity = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of samples, time first; None where a stream has nothing.

    ``eeg``: (hop, C) µV. ``audio``: (hop,) in [-1, 1]. Validity: (hop,), 1 where good;
    None where all is good.
    """

    eeg: FloatArray | None = None
    eeg_valid: Validity | None = None
    audio: FloatArray | None = None
    audio_valid: Validity | None = None


@dataclass(frozen=True, slots=True)
class RawPrediction:
    """What the network says of the last window.

    ``logits``, ``probs``, ``eeg_logits``, ``audio_logits``: (K,). ``gate``: weight of the voice, NaN where
    the fusion has none. ``attention``: (H, N, N), or empty. ``coverage``: share of good tokens per
    modality. ``stood_on``: the modalities that were used; if none, the probabilities mean nothing.
    """

    logits: FloatArray
    probs: FloatArray
    eeg_logits: FloatArray
    audio_logits: FloatArray
    gate: float
    attention: FloatArray
    coverage: Mapping[str, float]
    stood_on: tuple[str, ...]


class _Track:
    """One modality: its encoder's state, its input of one token, and the tokens of the last window.

    The arrays that end in ``_np`` share their memory with the tensors that the model is given.
    """

    def __init__(
        self, encode: Encode, initial: list[Tensor], shape: tuple[int, ...], window: tuple[int, int]
    ):
        self.encode, self.initial, self.state = encode, initial, initial
        self.n_samples = shape[0]
        samples, self.valid = torch.zeros(shape), torch.zeros(1, self.n_samples)
        self.samples = (samples.t() if samples.dim() == 2 else samples).unsqueeze(0)
        self.samples_np, self.valid_np = samples.numpy(), self.valid.numpy()[0]
        self.tokens, self.token_valid = torch.zeros(1, *window), torch.zeros(1, window[0])
        self.tokens_np, self.token_valid_np = self.tokens.numpy()[0], self.token_valid.numpy()[0]

    def reset(self) -> None:
        """Forget every sample."""
        self.state = self.initial
        self.tokens_np.fill(0.0)
        self.token_valid_np.fill(0.0)

    def step(self, samples: FloatArray | None, valid: Validity | None) -> None:
        """Encode one token's samples; None: an invalid token."""
        if samples is None:
            self.samples_np.fill(0.0)
            self.valid_np.fill(0.0)
        else:
            np.copyto(self.samples_np, samples, casting="same_kind")
            np.copyto(self.valid_np, 1.0 if valid is None else valid, casting="unsafe")
        token, token_valid, self.state = self.encode(self.samples, self.valid, self.state)
        self.tokens_np[:-1] = self.tokens_np[1:]
        self.tokens_np[-1] = token.numpy()[0, 0]
        self.token_valid_np[:-1] = self.token_valid_np[1:]
        self.token_valid_np[-1] = token_valid.numpy()[0, 0]

    @property
    def coverage(self) -> float:
        """Share of good tokens in the window."""
        return float(self.token_valid_np.mean(dtype=np.float64))


class StreamingPredictor:
    """Predictions from hops.

    Args:
        bundle: the model; to swap it, make a new predictor, :meth:`warm_up` it, and use that from then on.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        contract, program = bundle.contract, bundle.program
        window = (contract.n_tokens, contract.architecture.width)
        n_eeg, n_channels = contract.eeg_hop // contract.tokens_per_hop, len(contract.eeg.channels)
        n_audio = contract.audio_hop // contract.tokens_per_hop
        eeg_state, audio_state = program.initial_eeg_state(1), program.initial_audio_state(1)
        self._eeg = _Track(program.encode_eeg, eeg_state, (n_eeg, n_channels), window)
        self._audio = _Track(program.encode_audio, audio_state, (n_audio,), window)
        self._fuse = program.fuse_plain
        self._presence = {pair: torch.tensor([pair]) for pair in itertools.product((0.0, 1.0), repeat=2)}
        for _ in range(WARM_UP_CALLS):
            self.push(None, None, None, None)
            self.predict()
        self.reset()

    def reset(self) -> None:
        """Forget every sample, as at the start of a session."""
        self._eeg.reset()
        self._audio.reset()

    def push(
        self,
        eeg: FloatArray | None,
        eeg_valid: Validity | None = None,
        audio: FloatArray | None = None,
        audio_valid: Validity | None = None,
    ) -> None:
        """Encode one hop; see :class:`Hop`. The arrays are not kept and not modified.

        Raises:
            BundleMismatchError: an array's shape is not one hop of the contract.
        """
        contract = self.bundle.contract
        _check("eeg", eeg, (contract.eeg_hop, len(contract.eeg.channels)))
        _check("eeg_valid", eeg_valid, (contract.eeg_hop,))
        _check("audio", audio, (contract.audio_hop,))
        _check("audio_valid", audio_valid, (contract.audio_hop,))
        with torch.inference_mode():
            for i in range(contract.tokens_per_hop):
                for track, samples, valid in ((self._eeg, eeg, eeg_valid), (self._audio, audio, audio_valid)):
                    part = slice(i * track.n_samples, (i + 1) * track.n_samples)
                    track.step(
                        None if samples is None else samples[part], None if valid is None else valid[part]
                    )

    def rehearse(self) -> None:
        """Do a hop's work and forget it: nothing changes, but code and weights are in the caches."""
        with torch.inference_mode():
            for track in (self._eeg, self._audio):
                track.encode(track.samples, track.valid, track.state)
        self.predict()

    def warm_up(self, hops: Iterable[Hop]) -> None:
        """Start from these hops instead of from nothing.

        After the last :attr:`warm_up_hops` hops of a session it is as if it had run from the start.
        """
        self.reset()
        for hop in hops:
            self.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)

    @property
    def warm_up_hops(self) -> int:
        """Hops of a window and of what the EEG encoder reaches back to before it."""
        contract = self.bundle.contract
        return math.ceil((contract.n_tokens + self.bundle.network.eeg.reach_tokens) / contract.tokens_per_hop)

    def predict(self) -> RawPrediction:
        """Classify the window that ends with the last hop."""
        coverage = {EEG: self._eeg.coverage, AUDIO: self._audio.coverage}
        stood_on = tuple(name for name in self.bundle.contract.modalities if self._enough(coverage[name]))
        presence = self._presence[float(EEG in stood_on), float(AUDIO in stood_on)]
        eeg, audio = self._eeg, self._audio
        with torch.inference_mode():
            outputs = self._fuse(eeg.tokens, eeg.token_valid, audio.tokens, audio.token_valid, presence)
        logits, probs, eeg_logits, audio_logits, gate, attention = (output.numpy() for output in outputs)
        return RawPrediction(
            logits=logits[0],
            probs=probs[0],
            eeg_logits=eeg_logits[0],
            audio_logits=audio_logits[0],
            gate=float(gate[0]),
            attention=attention[0] if attention.ndim > 1 else attention,
            coverage=coverage,
            stood_on=stood_on,
        )

    def _enough(self, coverage: float) -> bool:
        return coverage > 0.0 and coverage >= self.bundle.contract.min_coverage


def _check(name: str, array: NDArray[np.generic] | None, shape: tuple[int, ...]) -> None:
    if array is not None and array.shape != shape:
        raise BundleMismatchError(f"{name} has shape {array.shape}, one hop of this bundle is {shape}")
