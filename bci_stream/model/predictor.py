"""The streaming predictor: encode each hop once, fuse the last window's tokens on request.

It encodes one token (200 ms) at a time, from buffers of its own, so the same hops give the same bits
however the caller's arrays lie in memory. It holds no lock and reads no clock; whoever runs it sets
torch's threads to one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bci_stream.errors import BundleMismatchError
from bci_stream.messages import AUDIO, EEG, FloatArray
from bci_stream.model.bundle import Bundle

_HOP_NAMES = "eeg", "eeg_valid", "audio", "audio_valid"  # as StreamingPredictor.push has them
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

    ``logits``, ``probs``: (K,). ``heads``: (K,) logits by head, each modality's own first. ``gate``: weight
    of each modality, NaN where the fusion has none. ``attention``: (H, N, N), or empty. ``coverage``: share
    of good tokens per modality. ``stood_on``: the modalities that were used; if none, the probabilities
    mean nothing.
    """

    logits: FloatArray
    probs: FloatArray
    heads: Mapping[str, FloatArray]
    gate: Mapping[str, float]
    attention: FloatArray
    coverage: Mapping[str, float]
    stood_on: tuple[str, ...]


class _Track:
    """One modality: its encoder's state, its input of one token, and the tokens of the last window.

    The tokens lie in a buffer of two windows, along which the window moves, so that they are copied once a
    window and not once a hop. The arrays that end in ``_np`` share their memory with the tensors.
    """

    def __init__(
        self, encode: Encode, initial: list[Tensor], shape: tuple[int, ...], window: tuple[int, int]
    ):
        self.encode, self.initial, self.state = encode, initial, initial
        self.n_samples, self.n_tokens = shape[0], window[0]
        samples, self.valid = torch.zeros(shape), torch.zeros(1, self.n_samples)
        self.samples = (samples.t() if samples.dim() == 2 else samples).unsqueeze(0)
        self.samples_np, self.valid_np = samples.numpy(), self.valid.numpy()[0]
        tokens, valid = torch.zeros(1, 2 * window[0], window[1]), torch.zeros(1, 2 * window[0])
        self._tokens_np, self._token_valid_np = tokens.numpy()[0], valid.numpy()[0]
        self._windows = [tokens[:, i : i + self.n_tokens] for i in range(self.n_tokens + 1)]
        self._valid_windows = [valid[:, i : i + self.n_tokens] for i in range(self.n_tokens + 1)]
        self._start = 0

    @property
    def tokens(self) -> Tensor:
        """(1, N, D), those of the last window."""
        return self._windows[self._start]

    @property
    def token_valid(self) -> Tensor:
        """(1, N), 1 or 0."""
        return self._valid_windows[self._start]

    def reset(self, slow: Mapping[int, Tensor] | None = None) -> None:
        """Forget every sample, but for these parts of the state."""
        self.state = [(slow or {}).get(i, part) for i, part in enumerate(self.initial)]
        self._tokens_np.fill(0.0)
        self._token_valid_np.fill(0.0)

    def step(self, samples: FloatArray | None, valid: Validity | None) -> None:
        """Encode one token's samples; None: an invalid token."""
        if samples is None:
            self.samples_np.fill(0.0)
            self.valid_np.fill(0.0)
        else:
            np.copyto(self.samples_np, samples, casting="same_kind")
            np.copyto(self.valid_np, 1.0 if valid is None else valid, casting="unsafe")
        token, token_valid, self.state = self.encode(self.samples, self.valid, self.state)
        if self._start == self.n_tokens:
            self._start = 0
            self._tokens_np[: self.n_tokens] = self._tokens_np[self.n_tokens :]
            self._token_valid_np[: self.n_tokens] = self._token_valid_np[self.n_tokens :]
        self._tokens_np[self._start + self.n_tokens] = token.numpy()[0, 0]
        self._token_valid_np[self._start + self.n_tokens] = token_valid.numpy()[0, 0]
        self._start += 1

    @property
    def coverage(self) -> float:
        """Share of good tokens in the window."""
        window = self._token_valid_np[self._start : self._start + self.n_tokens]
        return float(np.count_nonzero(window) / self.n_tokens)


class StreamingPredictor:
    """Predictions from hops.

    Args:
        bundle: the model; to swap it, make a new predictor, :meth:`warm_up` it, and use that from then on.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        contract, program = bundle.contract, bundle.program
        self._names, self._head_names = contract.modalities, bundle.network.head_names
        self._min_coverage, self._tokens_per_hop = contract.min_coverage, contract.tokens_per_hop
        eeg_shape, audio_shape = (contract.eeg_hop, len(contract.eeg.channels)), (contract.audio_hop,)
        self._hop_shapes = eeg_shape, eeg_shape[:1], audio_shape, audio_shape
        window = (contract.n_tokens, contract.architecture.width)
        shapes: dict[str, tuple[int, ...]] = {
            EEG: (contract.eeg_hop // contract.tokens_per_hop, len(contract.eeg.channels)),
            AUDIO: (contract.audio_hop // contract.tokens_per_hop,),
        }
        self._tracks = {
            name: _Track(partial(program.encode, i), program.initial_state(i, 1), shapes[name], window)
            for i, name in enumerate(self._names)
        }
        self._fuse = program.fuse_plain
        self._presence = {
            row: torch.tensor([row]) for row in itertools.product((0.0, 1.0), repeat=len(self._names))
        }
        for _ in range(WARM_UP_CALLS):
            self.push(None, None, None, None)
            self.predict()
        self.reset()

    def reset(self) -> None:
        """Forget every sample, as at the start of a session."""
        for track in self._tracks.values():
            track.reset()

    def reconnect(self, earlier: StreamingPredictor | None = None) -> None:
        """Forget the last seconds, but not the person: running normalisation goes on.

        After a long silence, or from ``earlier``, the predictor of a model that this one replaces.
        """
        source = earlier or self
        for name, track in self._tracks.items():
            theirs = source._tracks[name].state
            numbers = cast(list[int], self.bundle.network.encoders[name].slow_states)
            fitting = {i: theirs[i] for i in numbers if i < len(theirs)}
            fitting = {i: part for i, part in fitting.items() if part.shape == track.initial[i].shape}
            track.reset(fitting)

    def push(
        self,
        eeg: FloatArray | None,
        eeg_valid: Validity | None = None,
        audio: FloatArray | None = None,
        audio_valid: Validity | None = None,
    ) -> None:
        """Encode one hop; see :class:`Hop`. The arrays are not kept and not modified.

        What the model does not use is checked and left aside.

        Raises:
            BundleMismatchError: an array's shape is not one hop of the contract.
        """
        arrays = eeg, eeg_valid, audio, audio_valid
        for name, array, shape in zip(_HOP_NAMES, arrays, self._hop_shapes, strict=True):
            if array is not None and array.shape != shape:
                raise BundleMismatchError(
                    f"{name} has shape {array.shape}, one hop of this bundle is {shape}"
                )
        given = {EEG: (eeg, eeg_valid), AUDIO: (audio, audio_valid)}
        with torch.inference_mode():
            for i in range(self._tokens_per_hop):
                for name, track in self._tracks.items():
                    samples, valid = given[name]
                    part = slice(i * track.n_samples, (i + 1) * track.n_samples)
                    track.step(
                        None if samples is None else samples[part], None if valid is None else valid[part]
                    )

    def rehearse(self) -> None:
        """Do a hop's work and forget it: nothing changes, but code and weights are in the caches."""
        with torch.inference_mode():
            for track in self._tracks.values():
                track.encode(track.samples, track.valid, track.state)
        self.predict()

    def warm_up(self, hops: Iterable[Hop], earlier: StreamingPredictor | None = None) -> None:
        """Start from these hops instead of from nothing; of ``earlier`` take over what knows the person.

        After the last :attr:`warm_up_hops` hops of a session it is as if it had run from the start, but for
        running normalisation, which remembers longer than any encoder reaches.
        """
        if earlier is None:
            self.reset()
        else:
            self.reconnect(earlier)
        for hop in hops:
            self.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)

    @property
    def warm_up_hops(self) -> int:
        """Hops of a window and of what the encoders reach back to before it."""
        contract, network = self.bundle.contract, self.bundle.network
        reach = max(cast(int, encoder.reach_tokens) for encoder in network.encoders.values())
        return math.ceil((contract.n_tokens + reach) / contract.tokens_per_hop)

    def state(self, modality: str) -> Sequence[Tensor]:
        """What an encoder goes on from after the last hop, () without it; these tensors change no more."""
        return tuple(part for name, track in self._tracks.items() if name == modality for part in track.state)

    def window(self) -> tuple[list[Tensor], list[Tensor]]:
        """Copies of each modality's tokens (1, N, D) and their validity (1, N)."""
        tracks = self._tracks.values()
        return [track.tokens.clone() for track in tracks], [track.token_valid.clone() for track in tracks]

    def predict(self, without: Collection[str] = ()) -> RawPrediction:
        """Classify the window that ends with the last hop, ``without`` modalities that are not to count."""
        coverage: dict[str, float] = {name: track.coverage for name, track in self._tracks.items()}
        stood_on = tuple(name for name in self._names if name not in without and self._enough(coverage[name]))
        presence = self._presence[tuple(float(name in stood_on) for name in self._names)]
        with torch.inference_mode():
            tracks = self._tracks.values()
            tokens, valid = [track.tokens for track in tracks], [track.token_valid for track in tracks]
            outputs = self._fuse(tokens, valid, presence)
        logits, probs, heads, gate, attention = (output.numpy() for output in outputs)
        return RawPrediction(
            logits=logits[0],
            probs=probs[0],
            heads=dict(zip(self._head_names, heads[0], strict=True)),
            gate=dict(zip(self._names, gate[0].tolist(), strict=True)),
            attention=attention[0] if attention.ndim > 1 else attention,
            coverage=coverage,
            stood_on=stood_on,
        )

    def _enough(self, coverage: float) -> bool:
        return coverage > 0.0 and coverage >= self._min_coverage
