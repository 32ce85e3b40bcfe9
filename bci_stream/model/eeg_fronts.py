"""Two ways from EEG to log power, one row of features per 200 ms; both causal, both streaming.

``learned``
    A filter bank that learns where (a 1x1 spatial filter) and in which band (a depthwise temporal
    filter) to look: a learnable form of differential entropy (Duan 2013), in the order of ShallowConvNet
    (Schirrmeister 2017) with the spatial filter first, which is the same function at a fraction of the cost.
``bandpower``
    Log power in the five classical bands at every electrode: differential entropy of a Gaussian signal but
    for a constant (Duan 2013), each feature by its running mean and spread if asked for.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn

from bci_stream.model.layers import (
    MaskedBatchNorm,
    RunningNorm,
    clean,
    constant,
    depthwise,
    depthwise_fft,
    split_history,
)

TOKEN_HZ = 5  #: tokens per second, of every modality
SCALE_PER_UV = 0.1  #: brings EEG of some 10 µV to about 1
EEG_FRONTS = ("learned", "bandpower")
#: The classical bands, Hz, half open.
BANDS: Final = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
POWER_TOKENS = 5  #: power is averaged over this many tokens: one second
POWER_FLOOR = 1e-4  #: keeps the logarithm of a flat channel finite


def gabor_bank(
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


def band_bank(n_taps: int, sfreq: float) -> Tensor:
    """Windowed-sinc band-pass filters of :data:`BANDS`, gain 1 at each centre: (n_taps, 5)."""
    time_s = (torch.arange(n_taps, dtype=torch.float64) - (n_taps - 1) / 2).unsqueeze(1) / sfreq
    low, high = (torch.tensor([band[i] for band in BANDS.values()], dtype=torch.float64) for i in (0, 1))
    ideal = 2 * high * torch.sinc(2 * high * time_s) - 2 * low * torch.sinc(2 * low * time_s)
    window = torch.hamming_window(n_taps, periodic=False, dtype=torch.float64).unsqueeze(1)
    taps = window * ideal
    taps = taps - window * (taps.sum(0) / window.sum())  # no gain at 0 Hz
    carrier = torch.cos(math.pi * (low + high) * time_s)
    return (taps / (taps * carrier).sum(0)).float()


def token_bank(bank: Tensor, n_samples: int) -> Tensor:
    """``bank`` (K, F) for a whole token at once: (K - 1 + n_samples, n_samples * F), shifted copies of it."""
    n_taps, n_filters = bank.shape
    shifted = bank.new_zeros([n_taps - 1 + n_samples, n_samples, n_filters])
    for i in range(n_samples):
        shifted[i : i + n_taps, i] = bank
    return shifted.flatten(1)


def mean_power(y: Tensor, valid: Tensor, history: Tensor, samples_per_token: int) -> tuple[Tensor, Tensor]:
    """Mean square over the valid samples of each token and those of the history.

    ``y``: (B, n * samples_per_token, F). ``history``: (B, 4, F + 1), energy and count of the tokens before.
    Returns (B, n, F) and the next history.
    """
    n_batch, n_features = y.size(0), y.size(2)
    weights = valid.reshape(-1, 1, samples_per_token)  # (B n, 1, samples)
    energy = torch.bmm(weights, y.square().reshape(-1, samples_per_token, n_features))  # (B n, 1, F)
    energy = torch.cat((energy, weights.sum(2, keepdim=True)), dim=2).reshape(n_batch, -1, n_features + 1)
    joined, history = split_history(energy, history)
    total = joined.unfold(1, joined.size(1) - energy.size(1) + 1, 1).sum(3)  # (B, n, F + 1)
    count = total.narrow(2, n_features, 1).clamp(min=1.0)
    return total.narrow(2, 0, n_features) / count, history


class LearnedFront(nn.Module):
    """Learned sub-band log power.

    Args:
        n_channels: electrodes.
        sfreq: sampling rate in Hz, a multiple of 5.
        n_filters: spatial-temporal filters.
        n_taps: length of the temporal filters in samples.
    """

    power_tokens: Final[int] = POWER_TOKENS
    power_floor: Tensor
    scale_per_uv: Tensor

    def __init__(self, n_channels: int, sfreq: float, n_filters: int, n_taps: int) -> None:
        super().__init__()
        self.n_channels, self.n_features, self.n_taps = n_channels, n_filters, n_taps
        self.samples_per_token = round(sfreq / TOKEN_HZ)
        self.register_buffer("power_floor", constant(POWER_FLOOR), persistent=False)
        self.register_buffer("scale_per_uv", torch.tensor(SCALE_PER_UV))
        self.spatial = nn.Parameter(torch.randn(n_channels, n_filters) / math.sqrt(n_channels))
        self.temporal = nn.Parameter(gabor_bank(n_filters, n_taps, sfreq))
        self.norm = MaskedBatchNorm(n_filters)
        self.reach_tokens = POWER_TOKENS - 1 + math.ceil((n_taps - 1) / self.samples_per_token)

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first sample: nothing was valid."""
        like = self.spatial
        return [
            like.new_zeros([batch, self.n_taps - 1, self.n_features]),
            like.new_zeros([batch, self.power_tokens - 1, self.n_features + 1]),
        ]

    def forward(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(B, C, T) µV, (B, T) 1 or 0, state -> log powers (B, n, n_filters), the next state."""
        x = clean(x, valid.unsqueeze(1)).transpose(1, 2)  # (B, T, C)
        return self.log_power(x, valid, state)

    def log_power(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The same from (B, T, C), zero where not valid."""
        y = torch.matmul(x, self.spatial * self.scale_per_uv)  # (B, T, filters)
        y, filter_history = split_history(y, state[0])
        y = self.filter_in_time(y, valid)  # (B, T, filters)
        power, energy_history = mean_power(y, valid, state[1], self.samples_per_token)  # (B, n, filters)
        return torch.log(power + self.power_floor), [filter_history, energy_history]

    def filter_in_time(self, y: Tensor, valid: Tensor) -> Tensor:
        """Band-pass and normalise: (B, n_taps - 1 + T, filters) -> (B, T, filters)."""
        if self.training:
            return self.filter_for_training(y, valid)
        scale, shift = self.norm.affine()
        return depthwise(y, self.temporal * scale, 1, 1, bias=shift)

    @torch.jit.unused
    def filter_for_training(self, y: Tensor, valid: Tensor) -> Tensor:
        """The same by FFT, normalised by the batch."""
        normalized: Tensor = self.norm(depthwise_fft(y, self.temporal), valid)
        return normalized


class BandPowerFront(nn.Module):
    """Log power in five bands at every electrode; nothing in it is learned.

    Args:
        n_channels: electrodes.
        sfreq: sampling rate in Hz, a multiple of 5, above 90.
        n_taps: length of the band filters in samples.
        normalize: give each feature by its running mean and spread.
    """

    power_tokens: Final[int] = POWER_TOKENS
    n_bands: Final[int] = len(BANDS)
    power_floor: Tensor
    bank: Tensor

    def __init__(self, n_channels: int, sfreq: float, n_taps: int, normalize: bool) -> None:
        super().__init__()
        self.n_channels, self.n_taps, self.normalize = n_channels, n_taps, normalize
        self.n_features = len(BANDS) * n_channels
        self.samples_per_token = round(sfreq / TOKEN_HZ)
        self.register_buffer("power_floor", constant(POWER_FLOOR), persistent=False)
        bank = band_bank(n_taps, sfreq) * SCALE_PER_UV
        #: Six times quicker than sample by sample, for the signal is not copied once for each tap.
        self.register_buffer("bank", token_bank(bank, self.samples_per_token), persistent=False)
        self.running = RunningNorm(self.n_features, 1, prior_mean=-1.0, prior_std=1.5)
        self.reach_tokens = POWER_TOKENS - 1 + math.ceil((n_taps - 1) / self.samples_per_token)

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first sample: nothing was valid."""
        like = self.bank
        return [
            like.new_zeros([batch, self.n_taps - 1, self.n_channels]),
            like.new_zeros([batch, self.power_tokens - 1, self.n_features + 1]),
            like.new_zeros([batch, 1, 2 * self.n_features + 1]),
        ]

    def forward(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(B, C, T) µV, (B, T) 1 or 0, state -> log powers (B, n, 5 C), the next state."""
        x = clean(x, valid.unsqueeze(1)).transpose(1, 2)  # (B, T, C)
        joined, sample_history = split_history(x, state[0])
        reach = self.n_taps - 1 + self.samples_per_token
        tokens = joined.transpose(1, 2).unfold(2, reach, self.samples_per_token)  # (B, C, n, reach)
        bands = torch.mm(tokens.reshape(-1, reach), self.bank)  # (B C n, samples x 5)
        bands = bands.view(x.size(0), self.n_channels, -1, self.n_bands).transpose(1, 2)
        bands = bands.flatten(2)  # (B, T, 5 C)
        power, energy_history = mean_power(bands, valid, state[1], self.samples_per_token)  # (B, n, 5 C)
        features = torch.log(power + self.power_floor)
        history = state[2]
        if self.normalize:
            there = valid.reshape(valid.size(0), -1, self.samples_per_token).amax(2)
            features, history = self.running(features, there, history)
        return features, [sample_history, energy_history, history]


EegFront = LearnedFront | BandPowerFront


def build_eeg_front(
    name: str, n_channels: int, sfreq: float, n_filters: int, n_taps: int, normalize: bool
) -> EegFront:
    """Make the front end called ``name``.

    Raises:
        ValueError: it is none of :data:`EEG_FRONTS`.
    """
    if name == "learned":
        return LearnedFront(n_channels, sfreq, n_filters, n_taps)
    if name == "bandpower":
        return BandPowerFront(n_channels, sfreq, n_taps, normalize)
    raise ValueError(f"EEG front end {name!r} is not known; choose one of {', '.join(EEG_FRONTS)}")
