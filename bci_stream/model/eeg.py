"""The EEG encoder: log power, then causal temporal convolutions, one token per 200 ms."""

import math
from typing import Final

import torch
from torch import Tensor, nn

from bci_stream.model.eeg_fronts import LearnedFront, build_eeg_front
from bci_stream.model.layers import AttentionPooling, depthwise, mostly_valid, split_history

DILATIONS = (1, 1, 2, 2)  #: of the residual blocks: together they reach 5 s back


class ResidualBlock(nn.Module):
    """Channel norm, causal dilated depthwise convolution, 1x1, GELU, and the way past them (Bai 2018)."""

    n_taps: Final[int] = 5

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.dropout = dropout
        self.norm = nn.LayerNorm(width)
        self.taps = nn.Parameter(torch.randn(self.n_taps, width) / math.sqrt(self.n_taps))
        self.pointwise = nn.Linear(width, width)
        nn.init.zeros_(self.pointwise.weight)  # a block begins as nothing (He 2019): near linear
        nn.init.zeros_(self.pointwise.bias)

    def forward(self, x: Tensor, valid: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, D), ``valid`` (B, n, 1), (B, 4 * dilation, D) -> the same shapes without ``valid``."""
        joined, history = split_history(self.norm(x) * valid, history)
        y = nn.functional.gelu(
            self.pointwise(depthwise(joined, self.taps, 1, self.dilation)), approximate="tanh"
        )
        if self.training:
            y = nn.functional.dropout(y, self.dropout)
        return x + y, history


class EegEncoder(nn.Module):
    """EEG in µV to one token per 200 ms.

    Args:
        n_channels: electrodes, in the contract's order.
        sfreq: sampling rate in Hz, a multiple of 5.
        n_filters: spatial-temporal filters of the learned front end.
        n_taps: length of the front end's temporal filters in samples.
        width: size of a token.
        dropout: within the residual blocks, in training.
        front: one of :data:`~bci_stream.model.eeg_fronts.EEG_FRONTS`.
        normalize: running normalisation of band powers.
    """

    def __init__(
        self,
        n_channels: int,
        sfreq: float = 125.0,
        n_filters: int = 96,
        n_taps: int = 63,
        width: int = 128,
        dropout: float = 0.2,
        front: str = "learned",
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.width = width
        self.front = build_eeg_front(front, n_channels, sfreq, n_filters, n_taps, normalize)
        self.samples_per_token = self.front.samples_per_token
        self.project = nn.Linear(self.front.n_features, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, dilation, dropout) for dilation in DILATIONS)
        self.histories = [(ResidualBlock.n_taps - 1) * dilation for dilation in DILATIONS]
        #: Tokens before one that it still depends on, running normalisation aside.
        self.reach_tokens = sum(self.histories) + self.front.reach_tokens
        #: Which parts of the state know the person rather than the last seconds.
        self.slow_states = [2] if front == "bandpower" else []
        self.pool = AttentionPooling(width)

    @torch.jit.export
    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first sample: nothing was valid; the front end's, then the blocks'."""
        state = self.front.initial_state(batch)
        like = self.project.weight
        state.extend([like.new_zeros([batch, n_past, self.width]) for n_past in self.histories])
        return state

    def forward(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Encode whole tokens.

        ``x``: (B, C, n * samples_per_token) µV. ``valid``: (B, n * samples_per_token), 1 or 0.
        Returns tokens (B, n, width), their validity (B, n) 1 or 0, and the state to go on from.
        """
        n_front = len(state) - len(self.histories)
        features, new_state = self.front(x, valid, state[:n_front])
        token_valid = mostly_valid(valid, self.samples_per_token)
        tokens, histories = self.encode_features(features, token_valid, state[n_front:])
        new_state.extend(histories)
        return tokens, token_valid, new_state

    def encode_features(
        self, features: Tensor, token_valid: Tensor, histories: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """What comes after the front end: (B, n, F), (B, n), the blocks' states -> (B, n, width), states."""
        tokens = self.project(features)  # (B, n, width)
        new_histories: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            tokens, history = block(tokens, token_valid.unsqueeze(2), histories[i])
            new_histories.append(history)
        return tokens, new_histories

    def encode_prepared(self, features: Tensor, valid: Tensor, there: Tensor) -> Tensor:
        """Tokens (B, n, width) of whole sessions whose fixed part was done before, for training.

        ``features``: (B, n, samples_per_token, C) µV, zero where not valid, or band powers (B, n, 5 C);
        ``valid``: the same without the last axis; ``there``: (B, n). See :class:`training.sessions.Part`.
        """
        state = self.initial_state(features.size(0))
        n_front = len(state) - len(self.histories)
        if isinstance(self.front, LearnedFront):
            features, _ = self.front.log_power(features.flatten(1, 2), valid.flatten(1), state[:n_front])
        tokens, _ = self.encode_features(features, there, state[n_front:])
        return tokens
