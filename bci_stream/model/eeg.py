"""The EEG encoder: learned sub-band log-power, then causal temporal convolutions, one token per 200 ms.

The front end is a filter bank that learns where (a 1x1 spatial filter) and in which band (a depthwise
temporal filter) to look, followed by the logarithm of the power over the last second: a learnable form
of differential entropy (Duan 2013), in the order of ShallowConvNet (Schirrmeister 2017) with the spatial
filter first, which is the same function at a fraction of the cost.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn

from bci_stream.model.layers import (
    AttentionPooling,
    MaskedBatchNorm,
    depthwise,
    depthwise_fft,
    share_valid,
    split_history,
)

TOKEN_HZ = 5  #: tokens per second, of both modalities
SCALE_PER_UV = 0.1  #: brings EEG of some 10 µV to about 1
DILATIONS = (1, 1, 2, 2)  #: of the residual blocks: together they reach 5 s back


def bandpass_bank(
    n_filters: int, n_taps: int, sfreq: float, low_hz: float = 4.0, high_hz: float = 45.0
) -> Tensor:
    """Gabor-like filters of unit gain, centres spaced evenly in log frequency: (n_taps, n_filters)."""
    centres_hz = torch.logspace(math.log10(low_hz), math.log10(high_hz), n_filters)
    time_s = (torch.arange(n_taps) - (n_taps - 1) / 2).unsqueeze(1) / sfreq
    window = torch.hann_window(n_taps + 2, periodic=False)[1:-1].unsqueeze(1)
    carrier = torch.cos(2 * math.pi * time_s * centres_hz)
    taps = window * carrier
    taps = taps - window * (taps.sum(0) / window.sum())  # no gain at 0 Hz
    return taps / (taps * carrier).sum(0)


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
        n_filters: spatial-temporal filters.
        n_taps: length of the temporal filters in samples.
        width: size of a token.
        dropout: within the residual blocks, in training.
    """

    power_tokens: Final[int] = 5  #: power is averaged over this many tokens: one second
    power_floor: Final[float] = 1e-4  #: keeps the logarithm of a flat channel finite
    scale_per_uv: Tensor

    def __init__(
        self,
        n_channels: int,
        sfreq: float = 125.0,
        n_filters: int = 96,
        n_taps: int = 63,
        width: int = 128,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.n_channels, self.n_filters, self.n_taps, self.width = n_channels, n_filters, n_taps, width
        self.samples_per_token = round(sfreq / TOKEN_HZ)
        self.register_buffer("scale_per_uv", torch.tensor(SCALE_PER_UV))
        self.spatial = nn.Parameter(torch.randn(n_channels, n_filters) / math.sqrt(n_channels))
        self.temporal = nn.Parameter(bandpass_bank(n_filters, n_taps, sfreq))
        self.norm = MaskedBatchNorm(n_filters)
        self.project = nn.Linear(n_filters, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, dilation, dropout) for dilation in DILATIONS)
        self.histories = [(ResidualBlock.n_taps - 1) * dilation for dilation in DILATIONS]
        #: Tokens before one that it still depends on.
        self.reach_tokens = sum(self.histories) + self.power_tokens - 1
        self.reach_tokens += math.ceil((n_taps - 1) / self.samples_per_token)
        self.pool = AttentionPooling(width)

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first sample: nothing was valid."""
        like = self.spatial
        state = [
            like.new_zeros([batch, self.n_taps - 1, self.n_filters]),
            like.new_zeros([batch, self.power_tokens - 1, self.n_filters + 1]),
        ]
        state.extend([like.new_zeros([batch, n_past, self.width]) for n_past in self.histories])
        return state

    def forward(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Encode whole tokens.

        ``x``: (B, C, n * samples_per_token) µV. ``valid``: (B, n * samples_per_token), 1 or 0.
        Returns tokens (B, n, width), their validity (B, n) 1 or 0, and the state to go on from.
        """
        good = valid > 0.5
        x = torch.where(good.unsqueeze(1), x, 0.0).transpose(1, 2)  # (B, T, C)
        y = torch.matmul(x, self.spatial * self.scale_per_uv)  # (B, T, filters)
        y, filter_history = split_history(y, state[0])
        y = self.filter_in_time(y, valid)  # (B, T, filters)
        power, energy_history = self.mean_power(y, valid, state[1])  # (B, n, filters)
        tokens = self.project(torch.log(power + self.power_floor))  # (B, n, width)
        token_valid = (share_valid(valid, self.samples_per_token) >= 0.5).to(tokens.dtype)
        new_state = [filter_history, energy_history]
        for i, block in enumerate(self.blocks):
            tokens, history = block(tokens, token_valid.unsqueeze(2), state[2 + i])
            new_state.append(history)
        return tokens, token_valid, new_state

    def filter_in_time(self, y: Tensor, valid: Tensor) -> Tensor:
        """Band-pass and normalise: (B, n_taps - 1 + T, filters) -> (B, T, filters)."""
        if self.training:
            return self.filter_for_training(y, valid)
        scale, shift = self.norm.affine()
        return depthwise(y, self.temporal * scale, 1, 1) + shift

    @torch.jit.unused
    def filter_for_training(self, y: Tensor, valid: Tensor) -> Tensor:
        """The same by FFT, normalised by the batch."""
        normalized: Tensor = self.norm(depthwise_fft(y, self.temporal), valid)
        return normalized

    def mean_power(self, y: Tensor, valid: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """Mean square over the valid samples of the second that ends with each token.

        ``history``: (B, 4, filters + 1), the energy and the count of the four tokens before.
        """
        per_token = valid.reshape(valid.size(0), -1, 1, self.samples_per_token)  # (B, n, 1, samples)
        square = y.square().reshape(per_token.size(0), per_token.size(1), self.samples_per_token, y.size(2))
        energy = torch.matmul(per_token, square).squeeze(2)  # (B, n, filters)
        energy = torch.cat((energy, per_token.sum(3)), dim=2)  # (B, n, filters + 1)
        joined, history = split_history(energy, history)
        total = joined.unfold(1, self.power_tokens, 1).sum(3)  # (B, n, filters + 1)
        count = total.narrow(2, self.n_filters, 1).clamp(min=1.0)
        return total.narrow(2, 0, self.n_filters) / count, history
