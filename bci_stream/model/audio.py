"""The voice encoder: log-mel spectrogram and its slope, then strided convolutions, one token per 200 ms."""

import math
from typing import Final

import torch
from torch import Tensor, nn

from bci_stream.model.layers import AttentionPooling, MaskedBatchNorm, depthwise, share_valid, split_history

SFREQ_HZ = 16000
N_FFT = 512
N_MELS = 64


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
    """Causal log-mel frames: 25 ms every 10 ms, each ending with the hop that completes it.

    ``mean`` and ``std`` (n_mels,) normalise; training sets them from its data.
    """

    frame: Final[int] = 400  #: samples: 25 ms
    frame_hop: Final[int] = 160  #: samples: 10 ms
    n_fft: Final[int] = N_FFT
    power_floor: Final[float] = 1e-6  #: keeps the logarithm of digital silence finite
    window: Tensor
    filterbank: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(self.frame, periodic=True), persistent=False)
        self.register_buffer("filterbank", mel_filterbank(), persistent=False)
        self.register_buffer("mean", torch.full((N_MELS,), -4.0))
        self.register_buffer("std", torch.full((N_MELS,), 4.0))

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of ``x`` (B, 240 + F * 160), of which ``valid`` (same shape) says what may be used.

        Returns normalised log-mels (B, F, n_mels), zero where less than half of a frame was valid,
        and that validity (B, F).
        """
        frames = x.unfold(1, self.frame, self.frame_hop) * self.window  # (B, F, 400)
        share = valid.unfold(1, self.frame, self.frame_hop).mean(2)  # (B, F)
        spectrum = torch.fft.rfft(frames, self.n_fft)  # (B, F, 257)
        power = spectrum.real.square() + spectrum.imag.square()
        mel = torch.matmul(power, self.filterbank) / share.clamp(min=0.5).unsqueeze(2)
        frame_valid = (share >= 0.5).to(x.dtype)
        log_mel = (torch.log(mel + self.power_floor) - self.mean) * (1.0 / self.std)
        return log_mel * frame_valid.unsqueeze(2), frame_valid


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
        return torch.matmul(y, self.pointwise.weight.t() * scale) + shift

    @torch.jit.unused
    def mix_for_training(self, y: Tensor, valid: Tensor) -> Tensor:
        """The same, normalised by the batch."""
        normalized: Tensor = self.norm(self.pointwise(y), valid)
        return normalized


class AudioEncoder(nn.Module):
    """Mono voice at 16 kHz in [-1, 1] to one token per 200 ms.

    Args:
        width: size of a token.
    """

    samples_per_token: Final[int] = 3200
    n_mels: Final[int] = N_MELS
    slope_frames: Final[int] = 2  #: the slope is taken over 20 ms

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.width = width
        self.log_mel = LogMel()
        blocks = (
            SeparableConv(2 * N_MELS, 88, n_taps=5, stride=2),
            SeparableConv(88, 120, n_taps=5, stride=2),
            SeparableConv(120, width, n_taps=9, stride=5),
        )
        self.blocks = nn.ModuleList(blocks)
        self.histories = [(block.n_taps - block.stride, block.n_in) for block in blocks]
        self.pool = AttentionPooling(width)

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first sample: nothing was valid."""
        like = self.log_mel.mean
        state = [
            like.new_zeros([batch, self.log_mel.frame - self.log_mel.frame_hop]),
            like.new_zeros([batch, self.log_mel.frame - self.log_mel.frame_hop]),
            like.new_zeros([batch, self.slope_frames, self.n_mels + 1]),
        ]
        state.extend([like.new_zeros([batch, n_past, n_in]) for n_past, n_in in self.histories])
        return state

    def forward(self, x: Tensor, valid: Tensor, state: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Encode whole tokens.

        ``x``: (B, n * 3200) in [-1, 1]. ``valid``: (B, n * 3200), 1 or 0.
        Returns tokens (B, n, width), their validity (B, n) 1 or 0, and the state to go on from.
        """
        samples, sample_history = split_history(torch.where(valid > 0.5, x, 0.0), state[0])
        sample_valid, valid_history = split_history(valid, state[1])
        mel, frame_valid = self.log_mel(samples, sample_valid)
        y, mel_history = self.with_slope(mel, frame_valid, state[2])  # (B, 20 n, 128)
        new_state = [sample_history, valid_history, mel_history]
        for i, block in enumerate(self.blocks):
            y, frame_valid, history = block(y, frame_valid, state[3 + i])
            new_state.append(history)
        token_valid = (share_valid(valid, self.samples_per_token) >= 0.5).to(y.dtype)
        return y, token_valid, new_state

    def with_slope(self, mel: Tensor, frame_valid: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """Append the change since 20 ms ago, zero unless both frames are valid.

        ``history``: (B, 2, n_mels + 1), the two frames before and their validity.
        """
        joined, history = split_history(torch.cat((mel, frame_valid.unsqueeze(2)), dim=2), history)
        before = joined[:, : mel.size(1)]
        both = frame_valid.unsqueeze(2) * before[:, :, self.n_mels :]
        slope = (mel - before[:, :, : self.n_mels]) * both
        return torch.cat((mel, slope), dim=2), history
