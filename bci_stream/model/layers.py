"""Layers that both encoders are made of. Everything is causal and time-major: (batch, time, features).

Each layer keeps the past that it needs in a state tensor which the caller hands in and gets back, so
a stretch may be encoded whole or in pieces. Instants that are not valid are zero wherever they enter
a convolution. What is written with ``@torch.jit.unused`` runs in eager training only; the exported
program is for inference.
"""

import math

import torch
from torch import Tensor, nn


def constant(number: float) -> Tensor:
    """``number`` as a tensor of one element: live, an operation on a Python number takes twice as long."""
    return torch.tensor([number])


def split_history(x: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
    """Put the past before ``x``; return it with the history for the next call, of the same length.

    ``x``: (B, T) or (B, T, F). ``history``: the same with P instants.
    """
    joined = torch.cat((history, x), dim=1)  # (B, P + T, ...)
    return joined, joined.narrow(1, x.size(1), history.size(1))


def depthwise(
    x: Tensor, taps: Tensor, stride: int, dilation: int, few: int = 250_000, bias: Tensor | None = None
) -> Tensor:
    """Correlate every feature with its own taps, without padding, and add ``bias`` (F,).

    ``x``: (B, T, F). ``taps``: (K, F), the newest instant last. Returns (B, n, F) with
    n = (T - dilation * (K - 1) - 1) // stride + 1. A stride and a dilation are not combined.
    Up to ``few`` products a sum over shifted views beats the convolution kernel, which takes 70 µs to begin.
    """
    n_taps = taps.size(0)
    n_out = (x.size(1) - dilation * (n_taps - 1) - 1) // stride + 1
    if x.size(0) * n_out * taps.numel() > few:
        image = x.transpose(1, 2).unsqueeze(2)  # (B, F, 1, T), channels last in memory: no copy
        kernel = taps.t().unsqueeze(1).unsqueeze(1)  # (F, 1, 1, K)
        out = nn.functional.conv2d(image, kernel, bias, [1, stride], [0, 0], [1, dilation], x.size(2))
        return out.squeeze(2).transpose(1, 2)
    if dilation > 1:
        shifted = x.unfold(1, n_out, dilation).transpose(2, 3)  # (B, K, n, F)
    else:
        shifted = x.unfold(1, n_taps, stride).permute(0, 3, 1, 2)  # (B, K, n, F)
    out = (shifted * taps.unsqueeze(1)).sum(1)
    return out if bias is None else out + bias


def depthwise_fft(x: Tensor, taps: Tensor) -> Tensor:
    """What :func:`depthwise` gives with stride 1, by FFT: for many taps its backward pass is 4x quicker."""
    n_time, n_taps = x.size(1), taps.size(0)
    n_fft = min(m * 2 ** max(0, math.ceil(math.log2(n_time / m))) for m in (1, 3, 5, 9, 15, 25, 45, 75))
    kernel = torch.fft.rfft(taps.flip(0).t(), n_fft)  # (F, n_fft // 2 + 1)
    out: Tensor = torch.fft.irfft(torch.fft.rfft(x.transpose(1, 2), n_fft) * kernel, n_fft)
    return out[..., n_taps - 1 : n_time].transpose(1, 2)


def clean(x: Tensor, valid: Tensor) -> Tensor:
    """``x`` with zeros where ``valid``, which broadcasts to it, is 0; what is no number is zero as well.

    A fifth of the time of ``torch.where``, which makes a mask of booleans first.
    """
    return torch.nan_to_num(x) * valid


def mostly_valid(valid: Tensor, n_samples: int) -> Tensor:
    """Whether half or more of each run of ``n_samples`` is valid: (B, n * n_samples) -> (B, n), 1 or 0."""
    n_valid = valid.reshape(valid.size(0), -1, n_samples).sum(2)
    return (n_valid >= 0.5 * n_samples).to(valid.dtype)


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


def score_mask(valid: Tensor) -> Tensor:
    """What to add to scores before a softmax, so that nothing is left of those where ``valid`` is 0.

    Added, not filled in: what changes a tensor in place keeps TorchScript from folding constants.
    """
    return nn.functional.threshold(valid, 0.5, -1e4)


def attention_pool(tokens: Tensor, valid: Tensor, weight: Tensor, bias: Tensor, spread: Tensor) -> Tensor:
    """Several poolings at once: weighted mean of the valid tokens plus ``spread`` of their deviation.

    ``tokens``: (M, B, N, D), zero where not valid. ``valid``: (M, B, N), 1 or 0. ``weight``, ``spread``:
    (M, D), ``bias``: (M, 1); the weight of a token is a softmax over time of what the first and the last
    make of it. Returns (M, B, D), zeros where nothing is valid.
    """
    n_poolings, n_batch = tokens.size(0), tokens.size(1)
    flat = tokens.flatten(0, 1)  # (M B, N, D)
    all_scores = torch.mm(tokens.flatten(0, 2), weight.t()).view(n_poolings, -1, n_poolings)
    own = all_scores.diagonal(0, 0, 2).t()  # (M, B N): one product for all is quicker than one for each
    scores = (own + bias).reshape(valid.shape) + score_mask(valid)
    weights = torch.softmax(scores, dim=2).flatten(0, 1).unsqueeze(1)  # (M B, 1, N)
    mean = torch.bmm(weights, flat).view(n_poolings, n_batch, -1)
    square = torch.bmm(weights, flat.square()).view_as(mean)
    deviation = torch.sqrt(torch.addcmul(square, mean, mean, value=-1.0).clamp(min=0.0) + 1e-6) - 1e-3
    return torch.addcmul(mean, spread.unsqueeze(1), deviation)


class AttentionPooling(nn.Module):
    """Weighted mean of the valid tokens plus some of their spread; the weights come from the tokens.

    Lin 2017 (one hop) and, for the spread, Okabe 2018, here added feature by feature instead of appended.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.spread = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Pool (B, N, D) by ``valid`` (B, N), 1 or 0, to (B, D); zeros where no token is valid.

        Tokens that are not valid must be zero already (they may have been anything before).
        """
        weight, bias = self.score.weight, self.score.bias.unsqueeze(0)
        one = attention_pool(tokens[None], valid[None], weight, bias, self.spread[None])
        return one.squeeze(0)


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

    prior_mean: Tensor
    prior_var: Tensor
    prior_tokens: Tensor
    log_keep: Tensor
    share: Tensor

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
        numbers = {
            "prior_mean": prior_mean,
            "prior_var": prior_std**2,
            "prior_tokens": prior_tokens,
            "log_keep": -1.0 / memory_tokens,
            "share": 1.0 / frames_per_token,  # of a token, that a frame is
        }
        for name, number in numbers.items():
            self.register_buffer(name, constant(number), persistent=False)
        self.prior_loss = prior_tokens * (1.0 - math.exp(-1.0 / memory_tokens))  # with each token

    def forward(self, x: Tensor, valid: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise ``x`` (B, n * f, F), f frames to a token, of which ``valid`` (B, n * f) may be used.

        ``history``: (B, 1, 2 F + 1): weighted sums, sums of squares and the weight so far.
        Returns the same shape as ``x``, zero where not valid, and the history for the next call.
        """
        n_batch, n_features = x.size(0), self.n_features
        frames = x.reshape(n_batch, -1, self.frames_per_token, n_features) - self.prior_mean
        weight = valid.reshape(n_batch, -1, self.frames_per_token, 1) * self.share
        weighted = frames * weight
        added = torch.cat((weighted, weighted * frames, weight), dim=3).sum(2)  # (B, n, 2 F + 1)
        total = self.accumulate(added, history)  # (B, n, 2 F + 1)
        count = total.narrow(2, 2 * n_features, 1)
        seen = total.narrow(2, 0, 2 * n_features) / count.clamp(min=1e-6)  # means, and means of squares
        own_mean = seen.narrow(2, 0, n_features)  # less prior_mean
        own_var = torch.addcmul(seen.narrow(2, n_features, n_features), own_mean, own_mean, value=-1.0)
        prior = torch.sub(self.prior_tokens, count, alpha=self.prior_loss).clamp(min=0.0)  # is forgotten too
        trust = count / (count + prior)
        mean = trust * own_mean
        scale = torch.rsqrt(torch.lerp(self.prior_var, own_var, trust).clamp(min=1e-4))
        y = (frames - mean.unsqueeze(2)) * scale.unsqueeze(2)
        return y.reshape(x.shape) * valid.unsqueeze(2), total.narrow(1, total.size(1) - 1, 1)

    def accumulate(self, added: Tensor, history: Tensor) -> Tensor:
        """What was added up to each token, (B, n, 2 F + 1), older fainter; absent tokens forget nothing."""
        log_kept = added.narrow(2, 2 * self.n_features, 1) * self.log_keep  # (B, n, 1)
        if added.size(1) == 1:  # live: the same, in a third of the calls
            return torch.addcmul(added, torch.exp(log_kept), history)
        log_kept = log_kept.cumsum(1)
        age = (log_kept - log_kept.transpose(1, 2)).tril()  # (B, n, n)
        kept = torch.exp(age).tril()
        return torch.baddbmm(torch.exp(log_kept) * history, kept, added)
