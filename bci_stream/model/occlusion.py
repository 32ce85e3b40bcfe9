"""What an answer owes to each electrode: it is silenced for the window, and the answer asked for again.

A silenced electrode is 0 µV for the learned front end; its band powers are their mean over the session so
far, so that only what changes is lost. The encoder's memory from before the window stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bci_stream.messages import EEG, FloatArray
from bci_stream.model.bundle import Bundle
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.eeg_fronts import BANDS, LearnedFront
from bci_stream.model.network import FusionNetwork

ELECTRODE: Final = "electrode"
BAND: Final = "band"


class Occlusion(NamedTuple):
    """What is taken away: columns of the EEG's features. ``kind``: :data:`ELECTRODE` or :data:`BAND`."""

    kind: str
    name: str
    columns: tuple[int, ...]


def occlusions(network: FusionNetwork, ch_names: Sequence[str]) -> list[Occlusion]:
    """Every electrode and, where the front end has fixed bands, every band; none without EEG."""
    if EEG not in network.modalities:
        return []
    front = cast(EegEncoder, network.encoders[EEG]).front
    n = len(ch_names)
    if isinstance(front, LearnedFront):
        return [Occlusion(ELECTRODE, name, (i,)) for i, name in enumerate(ch_names)]
    k = len(BANDS)
    electrodes = [
        Occlusion(ELECTRODE, name, tuple(range(i * k, (i + 1) * k))) for i, name in enumerate(ch_names)
    ]
    return electrodes + [Occlusion(BAND, name, tuple(range(i, n * k, k))) for i, name in enumerate(BANDS)]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A window as a predictor had it, by modality in the network's order where there are several.

    ``eeg``: (T, C) µV, whole tokens that end with the window, at least as many as it has; ``eeg_valid``:
    (T,); ``state``: of the EEG encoder before them. ``tokens``: (1, N, D) each; ``valid``: (1, N) each.
    ``presence``: 1 or 0 each. ``label``: number of the class that was named.
    """

    eeg: FloatArray
    eeg_valid: FloatArray
    state: Sequence[Tensor]
    tokens: Sequence[Tensor]
    valid: Sequence[Tensor]
    presence: Sequence[float]
    label: int


class Occluder:
    """Answers for one model; remembers the mean band powers of the session so far, if it needs them.

    ``at_once``: electrodes in one go: fewer leave others room to run. What it asks again and again is the
    bundle's program, which runs without Python's lock; only band powers need the network itself.
    """

    def __init__(self, bundle: Bundle, at_once: int = 2) -> None:
        network = bundle.network
        self._program, self._at_once = bundle.program, at_once
        self._temperature = float(network.temperatures[0])
        self._which = network.modalities.index(EEG)
        self._encoder = cast(EegEncoder, network.encoders[EEG])
        self._learned = isinstance(self._encoder.front, LearnedFront)
        self._total, self._count = torch.zeros(self._encoder.front.n_features), 0.0

    def drops(self, moment: Moment) -> NDArray[np.float64]:
        """(C,) nats of the label that silencing each electrode costs; below 0: it stood in the way."""
        return np.concatenate(list(self.pieces(moment)))

    def pieces(self, moment: Moment) -> Iterator[NDArray[np.float64]]:
        """The same bit by bit, a few electrodes at a time."""
        features = self._band_powers(moment)
        n_channels = moment.eeg.shape[1]
        before = self._log_prob(moment, moment.tokens[self._which])
        for first in range(0, n_channels, self._at_once):
            columns = range(first, min(first + self._at_once, n_channels))
            with torch.inference_mode():
                tokens = (
                    self._without_samples(moment, columns)
                    if features is None
                    else self._without_powers(moment, features, columns)
                )
            yield before - self._log_prob(moment, tokens)

    @torch.inference_mode()
    def _log_prob(self, moment: Moment, tokens: Tensor) -> NDArray[np.float64]:
        """Log probability (B,) of the label with these tokens (B, N, D) of the EEG."""
        n = len(tokens)
        mine = [part.expand(n, -1, -1) for part in moment.tokens]
        mine[self._which] = tokens
        valid = [part.expand(n, -1) for part in moment.valid]
        presence = torch.tensor([list(moment.presence)]).expand(n, -1)
        logits = self._program.fuse_plain(mine, valid, presence)[0]
        log_probs = torch.log_softmax(logits.double() / self._temperature, dim=1)
        return np.asarray(log_probs[:, moment.label].numpy())

    def _without_samples(self, moment: Moment, columns: range) -> Tensor:
        """Tokens (B, N, D) with each of these electrodes at 0 µV for the window."""
        n, n_tokens = len(columns), moment.tokens[self._which].size(1)
        x = torch.from_numpy(moment.eeg).t().repeat(n, 1, 1)  # (B, C, T)
        for row, column in enumerate(columns):
            x[row, column, -n_tokens * self._encoder.samples_per_token :] = 0.0
        valid = torch.from_numpy(moment.eeg_valid).expand(n, -1)
        state = [part.expand(n, *part.shape[1:]) for part in moment.state]
        tokens, _, _ = self._program.encode(self._which, x, valid, state)
        return cast(Tensor, tokens[:, -n_tokens:])

    @torch.inference_mode()
    def _band_powers(self, moment: Moment) -> tuple[Tensor, Tensor] | None:
        """Features (1, n, 5 C) and their validity (1, n), taken into the session's mean; None if learned."""
        if self._learned:
            return None
        x = torch.from_numpy(moment.eeg).t().unsqueeze(0)
        valid = torch.from_numpy(moment.eeg_valid).unsqueeze(0)
        n_front = len(moment.state) - len(self._encoder.histories)
        features, _ = self._encoder.front(x, valid, list(moment.state[:n_front]))
        there = valid.reshape(1, -1, self._encoder.samples_per_token).mean(2)
        there = (there >= 0.5).to(features.dtype)
        self._total += (features[0] * there[0, :, None]).sum(0)
        self._count += float(there.sum())
        return features, there

    def _without_powers(self, moment: Moment, given: tuple[Tensor, Tensor], columns: range) -> Tensor:
        """Tokens (B, N, D) with the band powers of each of these electrodes at their mean."""
        features, there = given
        n, k, n_tokens = len(columns), len(BANDS), moment.tokens[self._which].size(1)
        mean = self._total / max(self._count, 1.0)
        changed = features.repeat(n, 1, 1)
        for row, column in enumerate(columns):
            bands = slice(k * column, k * (column + 1))
            changed[row, -n_tokens:, bands] = mean[bands]
        n_front = len(moment.state) - len(self._encoder.histories)
        histories = [part.expand(n, *part.shape[1:]) for part in moment.state[n_front:]]
        tokens, _ = self._encoder.encode_features(changed, there.expand(n, -1), histories)
        return tokens[:, -n_tokens:]
