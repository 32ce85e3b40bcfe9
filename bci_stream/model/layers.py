"""Layers that both encoders are made of. Everything is causal and time-major: (batch, time, features).

Each layer keeps the past that it needs in a state tensor which the caller hands in and gets back, so
a stretch may be encoded whole or in pieces. Instants that are not valid are zero wherever they enter
a convolution. What is written with ``@torch.jit.unused`` runs in eager training only; the exported
program is for inference.
"""

import math

import torch
from torch import Tensor, nn


def split_history(x: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
    """Put the past before ``x``; return it with the history for the next call, of the same length.

    ``x``: (B, T) or (B, T, F). ``history``: the same with P instants.
    """
    joined = torch.cat((history, x), dim=1)  # (B, P + T, ...)
    return joined, joined.narrow(1, x.size(1), history.size(1))


def depthwise(x: Tensor, taps: Tensor, stride: int, dilation: int, short: int = 32) -> Tensor:
    """Correlate every feature with its own taps, without padding.

    ``x``: (B, T, F). ``taps``: (K, F), the newest instant last. Returns (B, n, F) with
    n = (T - dilation * (K - 1) - 1) // stride + 1. A stride and a dilation are not combined.
    Up to ``short`` outputs a sum over shifted views beats the convolution kernel (CPU, one thread).
    """
    n_taps = taps.size(0)
    n_out = (x.size(1) - dilation * (n_taps - 1) - 1) // stride + 1
    if n_out > short:
        image = x.transpose(1, 2).unsqueeze(2)  # (B, F, 1, T), channels last in memory: no copy
        kernel = taps.t().unsqueeze(1).unsqueeze(1)  # (F, 1, 1, K)
        out = nn.functional.conv2d(image, kernel, None, [1, stride], [0, 0], [1, dilation], x.size(2))
        return out.squeeze(2).transpose(1, 2)
    if dilation > 1:
        shifted = x.unfold(1, n_out, dilation).transpose(2, 3)  # (B, K, n, F)
    else:
        shifted = x.unfold(1, n_taps, stride).permute(0, 3, 1, 2)  # (B, K, n, F)
    return (shifted * taps.unsqueeze(1)).sum(1)


def depthwise_fft(x: Tensor, taps: Tensor) -> Tensor:
    """What :func:`depthwise` gives with stride 1, by FFT: for many taps its backward pass is 4x quicker."""
    n_time, n_taps = x.size(1), taps.size(0)
    n_fft = min(m * 2 ** max(0, math.ceil(math.log2(n_time / m))) for m in (1, 3, 5, 9, 15, 25, 45, 75))
    kernel = torch.fft.rfft(taps.flip(0).t(), n_fft)  # (F, n_fft // 2 + 1)
    out: Tensor = torch.fft.irfft(torch.fft.rfft(x.transpose(1, 2), n_fft) * kernel, n_fft)
    return out[..., n_taps - 1 : n_time].transpose(1, 2)


def share_valid(valid: Tensor, n_samples: int) -> Tensor:
    """Share of valid samples in each run of ``n_samples``: (B, n * n_samples) -> (B, n)."""
    return valid.reshape(valid.size(0), -1, n_samples).mean(2)


class MaskedBatchNorm(nn.Module):
    """Batch normalisation whose statistics come from valid instants only.

    In evaluation it is an affine map, ``(scale, shift)``, for the neighbouring linear layer to absorb
    (Ioffe and Szegedy 2015).
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_features: int, momentum: float = 0.05, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))
        self.register_buffer("running_mean", torch.zeros(n_features))
        self.register_buffer("running_var", torch.ones(n_features))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Scale and shift, (F,) each, that evaluation applies."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Normalise ``x`` (B, T, F) by the statistics of the instants where ``valid`` (B, T) is 1."""
        if self.training:
            return self.normalize_batch(x, valid)
        scale, shift = self.affine()
        return torch.addcmul(shift, x, scale)

    @torch.jit.unused
    def normalize_batch(self, x: Tensor, valid: Tensor) -> Tensor:
        """Normalise by this batch's statistics and let the running ones follow."""
        n_valid = valid.sum()
        if n_valid < 2:  # nothing to learn from
            scale, shift = self.affine()
            return torch.addcmul(shift, x, scale)
        weights = (valid / n_valid).reshape(1, -1)
        mean = (weights @ x.reshape(-1, x.size(2))).squeeze(0)
        centered = x - mean
        var = (weights @ centered.square().reshape(-1, x.size(2))).squeeze(0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (n_valid / (n_valid - 1)), self.momentum)
        return centered * (self.weight * torch.rsqrt(var + self.eps)) + self.bias


class AttentionPooling(nn.Module):
    """Weighted mean of the valid tokens plus some of their spread; the weights come from the tokens.

    Lin 2017 (one hop) and, for the spread, Okabe 2018, here added feature by feature instead of appended.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.spread = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Pool (B, N, D) by ``valid`` (B, N) bool to (B, D); zeros where no token is valid.

        Tokens that are not valid must be zero already (they may have been anything before).
        """
        score = self.score(tokens).squeeze(2)
        weights = torch.softmax(score.masked_fill(valid.logical_not(), -1e4), dim=1)
        mean = torch.bmm(weights.unsqueeze(1), tokens).squeeze(1)
        square = torch.bmm(weights.unsqueeze(1), tokens.square()).squeeze(1)
        spread = torch.sqrt((square - mean.square()).clamp(min=0.0) + 1e-6) - 1e-3
        return mean + self.spread * spread


class RunningNorm(nn.Module):
    """Each feature by its mean and spread in this session so far, forgetting slowly.

    Causal: the statistics of a token's frames include that token and nothing after it. They begin at
    ``prior_mean`` and ``prior_std``, which count like ``prior_tokens`` of signal, so that the first
    seconds are not blown up. A new person starts from a new state. (Viikki and Laurila 1998, section 3,
    with a prior.)

    Args:
        n_features: features, each on its own.
        frames_per_token: frames of one token; its statistics move once a token.
        prior_mean: where the mean starts.
        prior_std: where the spread starts.
        prior_tokens: weight of that start.
        memory_tokens: time constant of forgetting; 1500 tokens are five minutes, longer than most moods.
    """

    def __init__(
        self,
        n_features: int,
        frames_per_token: int,
        prior_mean: float,
        prior_std: float,
        prior_tokens: float = 25.0,
        memory_tokens: float = 1500.0,
    ) -> None:
        super().__init__()
        self.n_features, self.frames_per_token = n_features, frames_per_token
        self.prior_mean, self.prior_std, self.prior_tokens = prior_mean, prior_std, prior_tokens
        self.log_keep = -1.0 / memory_tokens
        self.forgotten = 1.0 - math.exp(self.log_keep)  # share of the past, with each token

    def forward(self, x: Tensor, valid: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise ``x`` (B, n * f, F), f frames to a token, of which ``valid`` (B, n * f) may be used.

        ``history``: (B, 1, 2 F + 1): weighted sums, sums of squares and the weight so far.
        Returns the same shape as ``x``, zero where not valid, and the history for the next call.
        """
        frames_per_token = self.frames_per_token
        n_batch, n_tokens = x.size(0), x.size(1) // frames_per_token
        frames = x.reshape(n_batch, n_tokens, frames_per_token, self.n_features) - self.prior_mean
        weight = valid.reshape(n_batch, n_tokens, frames_per_token, 1) / frames_per_token
        parts = ((frames * weight).sum(2), (frames.square() * weight).sum(2), weight.sum(2))
        added = torch.cat(parts, dim=2)  # (B, n, 2 F + 1)
        total = self.accumulate(added, history)  # (B, n, 2 F + 1)
        count = total[:, :, -1:]
        own_mean = total[:, :, : self.n_features] / count.clamp(min=1e-6)  # of what was seen, less prior_mean
        own_square = total[:, :, self.n_features : -1] / count.clamp(min=1e-6)
        prior = self.prior_tokens * (1.0 - count * self.forgotten).clamp(min=0.0)  # it is forgotten too
        trust = count / (count + prior)
        spread = trust * (own_square - own_mean.square()) + (1.0 - trust) * self.prior_std**2
        mean, scale = trust * own_mean, torch.rsqrt(spread.clamp(min=1e-4))
        y = (frames - mean.unsqueeze(2)) * scale.unsqueeze(2)
        return y.reshape(x.shape) * valid.unsqueeze(2), total[:, -1:]

    def accumulate(self, added: Tensor, history: Tensor) -> Tensor:
        """What was added up to each token, (B, n, 2 F + 1), older fainter; absent tokens forget nothing."""
        log_kept = added[:, :, -1:] * self.log_keep  # (B, n, 1)
        if added.size(1) == 1:  # live: the same, in a third of the calls
            return added + torch.exp(log_kept) * history
        log_kept = log_kept.cumsum(1)
        age = (log_kept - log_kept.transpose(1, 2)).tril()  # (B, n, n)
        kept = torch.exp(age).tril()
        return torch.bmm(kept, added) + torch.exp(log_kept) * history
