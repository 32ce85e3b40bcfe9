"""The voice encoder: log-mel spectrogram, its statistics and strided convolutions, one token per 200 ms."""

import math
from typing import Final

import torch
from torch import Tensor, nn

from bci_stream.model.layers import (
    AttentionPooling,
    MaskedBatchNorm,
    RunningNorm,
    clean,
    constant,
    depthwise,
    mostly_valid,
    split_history,
)

SFREQ_HZ = 16000
N_FFT = 512
N_MELS = 64
FRAMES_PER_TOKEN = 20
LOG_MEL_MEAN, LOG_MEL_STD = -4.0, 4.0  # of speech at a usual level: where normalisation starts


def mel_filterbank(n_mels: int = N_MELS, low_hz: float = 20.0, high_hz: float = 8000.0) -> Tensor:
    """Triangular filters on the HTK mel scale, peak 1: (N_FFT // 2 + 1, n_mels).

    Young 2006, The HTK Book, section 5.4.
    """
    edges_mel = torch.linspace(_mel(low_hz), _mel(high_hz), n_mels + 2, dtype=torch.float64)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins_hz = torch.arange(N_FFT // 2 + 1, dtype=torch.float64).unsqueeze(1) * (SFREQ_HZ / N_FFT)
    rising = (bins_hz - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])
    return torch.minimum(rising, falling).clamp(min=0.0).float()


def _mel(hz: float) -> float:
    return 2595.0 * math.log10(1.0 + hz / 700.0)


class LogMel(nn.Module):
    """Causal log-mel frames: 25 ms every 10 ms, each ending with the hop that completes it."""

    frame: Final[int] = 400  #: samples: 25 ms
    frame_hop: Final[int] = 160  #: samples: 10 ms
    n_fft: Final[int] = N_FFT
    past: Final[int] = N_FFT - frame_hop  #: samples before the first hop
    window: Tensor
    filterbank: Tensor
    power_floor: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Zeros before the frame fill it up to the transform's length, which costs a copy otherwise.
        unused = torch.zeros(self.n_fft - self.frame)
        window = torch.cat((unused, torch.hann_window(self.frame, periodic=True)))
        self.register_buffer("window", window, persistent=False)
        # The frame's length, for the power is divided by the number of samples that were valid.
        self.register_buffer("filterbank", mel_filterbank() * self.frame, persistent=False)
        # Keeps the logarithm of digital silence finite.
        self.register_buffer("power_floor", constant(1e-6), persistent=False)

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of ``x`` (B, 352 + F * 160), of which ``valid`` (same shape) says what may be used.

        Returns log-mels (B, F, n_mels), zero where less than half of a frame was valid, and that
        validity (B, F).
        """
        spectrum = torch.fft.rfft(x.unfold(1, self.n_fft, self.frame_hop) * self.window)  # (B, F, 257)
        square = torch.view_as_real(spectrum).square()
        power = square.select(3, 0) + square.select(3, 1)
        unused = self.n_fft - self.frame
        valid = valid.narrow(1, unused, valid.size(1) - unused)
        n_valid = valid.unfold(1, self.frame, self.frame_hop).sum(2)  # (B, F)
        mel = torch.matmul(power, self.filterbank) / n_valid.clamp(min=0.5 * self.frame).unsqueeze(2)
        frame_valid = (n_valid >= 0.5 * self.frame).to(x.dtype)
        return torch.log(mel + self.power_floor) * frame_valid.unsqueeze(2), frame_valid


class SeparableConv(nn.Module):
    """Causal strided depthwise convolution, 1x1, batch norm, ReLU (Howard 2017)."""

    def __init__(self, n_in: int, n_out: int, n_taps: int, stride: int) -> None:
        super().__init__()
        self.n_in, self.n_taps, self.stride = n_in, n_taps, stride
        self.taps = nn.Parameter(torch.randn(n_taps, n_in) / math.sqrt(n_taps))
        self.pointwise = nn.Linear(n_in, n_out, bias=False)
        self.norm = MaskedBatchNorm(n_out)

    def forward(self, x: Tensor, valid: Tensor, history: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take ``x`` (B, n * stride, n_in), its ``valid``, and ``history`` (B, n_taps - stride, n_in).

        Returns (B, n, n_out), its validity (B, n), and the history of the next call.
        An output is valid when any instant of its stride was, and zero otherwise.
        """
        joined, history = split_history(x, history)
        y = depthwise(joined, self.taps, self.stride, 1)
        valid = valid.reshape(valid.size(0), -1, self.stride).amax(2)
        y = torch.relu(self.mix(y, valid)) * valid.unsqueeze(2)
        return y, valid, history

    def mix(self, y: Tensor, valid: Tensor) -> Tensor:
        """The 1x1 convolution and the batch norm; in evaluation they are one linear map."""
        if self.training:
            return self.mix_for_training(y, valid)
        scale, shift = self.norm.affine()
        return nn.functional.linear(y, self.pointwise.weight * scale.unsqueeze(1), shift)

    @torch.jit.unused
    def mix_for_training(self, y: Tensor, valid: Tensor) -> Tensor:
        """The same, normalised by the batch."""
        normalized: Tensor = self.norm(self.pointwise(y), valid)
        return normalized


def means_by_token(kinds: list[Tensor], valid: Tensor, frames_per_token: int) -> Tensor:
    """Means over each token's valid frames, side by side; zeros where none is.

    ``kinds``: (B, n * f, F) each; ``valid``: (B, n * f). Returns (B, n, len(kinds) * F).
    """
    weights = valid.reshape(-1, 1, frames_per_token)  # (B n, 1, f)
    totals = [torch.bmm(weights, x.reshape(-1, frames_per_token, x.size(2))) for x in kinds]
    means = torch.cat(totals, dim=2) / weights.sum(2, keepdim=True).clamp(min=1.0)
    return means.view(valid.size(0), -1, means.size(2))


def change_since(lag: int, joined: Tensor, now: Tensor, valid: Tensor) -> Tensor:
    """Change (B, T, n_mels) of each band since ``lag`` frames ago, zero unless both frames are valid.

    ``joined``: (B, P + T, n_mels + 1), log-mels and their validity, the past (``lag`` or more) first.
    ``now``, ``valid``: the last T of them, (B, T, n_mels) and (B, T, 1).
    """
    before = joined.narrow(1, joined.size(1) - now.size(1) - lag, now.size(1))
    both = before.narrow(2, now.size(2), 1) * valid
    return (now - before.narrow(2, 0, now.size(2))) * both


class BandStatistics(nn.Module):
    """What each mel band did within a token, mapped linearly: its mean, extremes and rate of change.

    Functionals of acoustic features tell emotions apart across speakers (GeMAPS, Eyben 2016, IEEE Trans.
    Affective Computing 7:190). Here each is a mean over frames, so that its mean over tokens is that of the
    utterance: instead of percentiles, what lies more than a standard deviation above, and below.

    Args:
        n_bands: mel bands.
        n_out: features of a token.
        frames_per_token: frames of a token.
    """

    n_kinds: Final[int] = 5  #: of statistics
    extreme: Tensor

    def __init__(self, n_bands: int, n_out: int, frames_per_token: int) -> None:
        super().__init__()
        self.frames_per_token = frames_per_token
        self.register_buffer("extreme", constant(1.0), persistent=False)  # standard deviations
        self.norm = MaskedBatchNorm(self.n_kinds * n_bands)
        self.mix = nn.Linear(self.n_kinds * n_bands, n_out, bias=False)
        nn.init.normal_(self.mix.weight, std=(self.n_kinds * n_bands) ** -0.5)

    def forward(self, mel: Tensor, step: Tensor, slope: Tensor, valid: Tensor) -> Tensor:
        """Features (B, n, n_out) of standardised frames ``mel`` (B, n * f, n_bands); zero for no frame.

        ``step``, ``slope``: same shape, the change since one frame and since two. ``valid``: (B, n * f).
        """
        high, low = torch.relu(mel - self.extreme), torch.relu(-mel - self.extreme)
        kinds = means_by_token([mel, high, low, slope.abs(), step.abs()], valid, self.frames_per_token)
        token_valid = valid.reshape(valid.size(0), -1, self.frames_per_token).amax(2)
        mixed: Tensor = self.mix(self.norm(kinds, token_valid) * token_valid.unsqueeze(2))
        return mixed


class AudioEncoder(nn.Module):
    """Mono voice at 16 kHz in [-1, 1] to one token per 200 ms: statistics of its spectrum, and convolutions.

    Three quarters of a token are :class:`BandStatistics`, the rest comes from :class:`SeparableConv` blocks.
    ``mean`` and ``std`` (n_mels,) normalise what comes out of the front end; training sets them from data.

    Args:
        width: size of a token.
        normalize: give each mel band by its running mean and spread first.
        dropout: of tokens' features, in training.
    """

    samples_per_token: Final[int] = 3200
    n_mels: Final[int] = N_MELS
    frames_per_token: Final[int] = FRAMES_PER_TOKEN
    slope_frames: Final[int] = 2  #: the slope is taken over 20 ms
    n_front_states: Final[int] = 3  #: of the state: the part of what learns nothing
    mean: Tensor
    std: Tensor

    def __init__(self, width: int = 128, normalize: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.width, self.normalize, self.dropout = width, normalize, dropout
        self.log_mel = LogMel()
        self.running = RunningNorm(N_MELS, FRAMES_PER_TOKEN, LOG_MEL_MEAN, LOG_MEL_STD)
        self.register_buffer("mean", torch.full((N_MELS,), 0.0 if normalize else LOG_MEL_MEAN))
        self.register_buffer("std", torch.full((N_MELS,), 1.0 if normalize else LOG_MEL_STD))
        n_moving = width // 4
        blocks = (
            SeparableConv(2 * N_MELS, 32, n_taps=5, stride=2),
            SeparableConv(32, 32, n_taps=5, stride=2),
            SeparableConv(32, n_moving, n_taps=9, stride=5),
        )
        self.statistics = BandStatistics(N_MELS, width - n_moving, FRAMES_PER_TOKEN)
        self.blocks = nn.ModuleList(blocks)
        self.histories = [(block.n_taps - block.stride, block.n_in) for block in blocks]
        #: Tokens before one that it still depends on, running normalisation aside.
        self.reach_tokens = 2
        #: Which parts of the state know the person rather than the last seconds.
        self.slow_states = [2]
        self.pool = AttentionPooling(width)

    @torch.jit.export
    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first sample: the front end's three, the slope's, the blocks'."""
        like = self.mean
        state = [
            like.new_zeros([batch, self.log_mel.past]),
            like.new_zeros([batch, self.log_mel.past]),
            like.new_zeros([batch, 1, 2 * self.n_mels + 1]),
            like.new_zeros([batch, self.slope_frames, self.n_mels + 1]),
        ]
        state.extend([like.new_zeros([batch, n_past, n_in]) for n_past, n_in in self.histories])
        return state

    def forward(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Encode whole tokens.

        ``x``: (B, n * 3200) in [-1, 1]. ``valid``: (B, n * 3200), 1 or 0.
        Returns tokens (B, n, width), their validity (B, n) 1 or 0, and the state to go on from.
        """
        mel, frame_valid, new_state = self.front(x, valid, state)
        tokens, histories = self.encode_features(mel, frame_valid, state[self.n_front_states :])
        new_state.extend(histories)
        token_valid = mostly_valid(valid, self.samples_per_token)
        return tokens, token_valid, new_state

    @torch.jit.export
    def front(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """What learns nothing: samples and validity as in :meth:`forward` to log-mel frames (B, 20 n, 64).

        Returns them, their validity (B, 20 n), and the next state of this part.
        """
        samples, sample_history = split_history(clean(x, valid), state[0])
        sample_valid, valid_history = split_history(valid, state[1])
        mel, frame_valid = self.log_mel(samples, sample_valid)
        running = state[2]
        if self.normalize:
            mel, running = self.running(mel, frame_valid, running)
        return mel, frame_valid, [sample_history, valid_history, running]

    def encode_features(
        self, mel: Tensor, frame_valid: Tensor, histories: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """What comes after the front end: frames (B, 20 n, 64), validity, states -> (B, n, width), states."""
        there = frame_valid.unsqueeze(2)
        mel = torch.addcmul(-self.mean / self.std, mel, 1.0 / self.std) * there
        joined, history = split_history(torch.cat((mel, there), dim=2), histories[0])
        step = change_since(1, joined, mel, there)
        slope = change_since(self.slope_frames, joined, mel, there)
        new_histories = [history]
        statistics = self.statistics(mel, step, slope, frame_valid)
        y = torch.cat((mel, slope), dim=2)  # (B, 20 n, 128)
        for i, block in enumerate(self.blocks):
            y, frame_valid, history = block(y, frame_valid, histories[1 + i])
            new_histories.append(history)
        tokens = torch.cat((statistics, y), dim=2)
        if self.training:
            tokens = nn.functional.dropout(tokens, self.dropout)
        return tokens, new_histories

    def encode_prepared(self, features: Tensor, valid: Tensor, there: Tensor) -> Tensor:
        """Tokens (B, n, width) of whole sessions whose front end was run before, for training.

        ``features``: (B, n, 20, 64) log-mel frames, ``valid``: (B, n, 20), ``there``: (B, n).
        """
        state = self.initial_state(features.size(0))[self.n_front_states :]
        tokens, _ = self.encode_features(features.flatten(1, 2), valid.flatten(1), state)
        return tokens
