"""Four ways to join EEG and voice. An absent modality is a mask here: its content changes nothing, exactly.

``late``
    Mean of the two heads' probabilities: the baseline to beat (Baltrusaitis 2018, section 6).
``concat``
    One linear layer over both pooled vectors.
``gated``
    A gated multimodal unit with a low-rank gate (Arevalo 2017).
``cross_attention``
    Tokens of each modality attend to those of the other along time, within one sample (Tsai 2019, MulT).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

FUSION_MODES = ("late", "concat", "gated", "cross_attention")


class Modality(NamedTuple):
    """One modality of a batch, ready to be joined; whatever is not valid is zero.

    ``tokens``: (B, N, D). ``valid``: (B, N) bool, all false when the modality is absent.
    ``pooled``: (B, D), scaled. ``present``: (B, 1), 1 or 0. ``logits``: (B, K), this modality's own.
    """

    tokens: Tensor
    valid: Tensor
    pooled: Tensor
    present: Tensor
    logits: Tensor


class Fusion(nn.Module):
    """What every mode has: a learned weight for each feature of each modality.

    ``forward(eeg, audio)`` returns the fused features (B, D), or (B, K) logits in ``late``; the weight
    of the voice (B,), NaN where the mode has none; and the attention map (B, H, N, N), or an empty tensor.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.eeg_scale = nn.Parameter(torch.ones(width))
        self.audio_scale = nn.Parameter(torch.ones(width))


class LateFusion(Fusion):
    """Mean of the probabilities of the modalities that are present; uniform when none is."""

    def forward(self, eeg: Modality, audio: Modality) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`; the logits are log probabilities."""
        total = (eeg.present + audio.present).clamp(min=1.0)
        eeg_weight, audio_weight = eeg.present / total, audio.present / total
        probs = eeg_weight * torch.softmax(eeg.logits, 1) + audio_weight * torch.softmax(audio.logits, 1)
        probs = probs + (1.0 - eeg_weight - audio_weight) / probs.size(1)
        return torch.log(probs.clamp(min=1e-8)), audio_weight.squeeze(1), probs.new_empty([0])


class ConcatFusion(Fusion):
    """relu(W [eeg; voice] + b)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(width)
        self.dropout = dropout
        self.mix = nn.Linear(2 * width, width)

    def forward(self, eeg: Modality, audio: Modality) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        fused = torch.relu(self.mix(torch.cat((eeg.pooled, audio.pooled), dim=1)))
        if self.training:
            fused = nn.functional.dropout(fused, self.dropout)
        return fused, torch.full_like(eeg.present.squeeze(1), math.nan), fused.new_empty([0])


class LowRankGate(nn.Module):
    """Weight of the voice, feature by feature, from both vectors; 0 or 1 when one modality is absent."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(2 * width, rank)
        self.expand = nn.Linear(rank, width)

    def forward(self, eeg: Tensor, audio: Tensor, eeg_present: Tensor, audio_present: Tensor) -> Tensor:
        """(B, D), (B, D), (B, 1), (B, 1) -> (B, D)."""
        gate = torch.sigmoid(self.expand(self.squeeze(torch.cat((eeg, audio), dim=1))))
        for_audio = (gate + 1e-6) * audio_present
        for_eeg = (1.0 - gate + 1e-6) * eeg_present
        return for_audio / (for_audio + for_eeg).clamp(min=1e-6)


class GatedFusion(Fusion):
    """Each modality's own features, weighed against each other by a gate."""

    def __init__(self, width: int, rank: int = 8) -> None:
        super().__init__(width)
        self.from_eeg = nn.Linear(width, width)
        self.from_audio = nn.Linear(width, width)
        self.gate = LowRankGate(width, rank)

    def forward(self, eeg: Modality, audio: Modality) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        gate = self.gate(eeg.pooled, audio.pooled, eeg.present, audio.present)
        fused = torch.lerp(
            torch.tanh(self.from_eeg(eeg.pooled)), torch.tanh(self.from_audio(audio.pooled)), gate
        )
        return fused, gate.mean(1), fused.new_empty([0])


class CrossAttention(nn.Module):
    """One direction: the query's tokens gather from the other modality's tokens of the same sample."""

    def __init__(self, width: int, inner: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads, self.head_width = n_heads, inner // n_heads
        self.norm_query = nn.LayerNorm(width)
        self.norm_source = nn.LayerNorm(width)
        self.query = nn.Linear(width, inner)
        self.key = nn.Linear(width, inner)
        self.value = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)

    def heads(self, x: Tensor) -> Tensor:
        """(B, N, inner) -> (B, H, N, head_width)."""
        return x.reshape(x.size(0), x.size(1), self.n_heads, self.head_width).transpose(1, 2)

    def forward(
        self, tokens: Tensor, source: Tensor, valid: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, N, D), (B, M, D), the source's ``valid`` (B, M) bool and ``present`` (B, 1).

        Returns what was gathered (B, N, D), zero when the source is absent, and the weights (B, H, N, M).
        """
        source = self.norm_source(source)
        query = self.heads(self.query(self.norm_query(tokens)))
        key, value = self.heads(self.key(source)), self.heads(self.value(source))
        score = torch.matmul(query, key.transpose(2, 3)) * (1.0 / math.sqrt(self.head_width))
        weights = torch.softmax(score.masked_fill(valid.logical_not()[:, None, None], -1e4), dim=3)
        gathered = torch.matmul(weights, value).transpose(1, 2).flatten(2)  # (B, N, inner)
        return self.out(gathered) * present.unsqueeze(2), weights * present[:, :, None, None]


class CrossAttentionFusion(Fusion):
    """Both directions of attention along time, means over time, and a gate between the two."""

    def __init__(self, width: int, inner: int = 32, n_heads: int = 4, rank: int = 16) -> None:
        super().__init__(width)
        self.eeg_to_audio = CrossAttention(width, inner, n_heads)
        self.audio_to_eeg = CrossAttention(width, inner, n_heads)
        self.gate = LowRankGate(width, rank)

    def forward(self, eeg: Modality, audio: Modality) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`; the map shows where in the voice each EEG token looked."""
        eeg_tokens, audio_tokens = eeg.tokens * self.eeg_scale, audio.tokens * self.audio_scale
        heard, attention = self.eeg_to_audio(eeg_tokens, audio_tokens, audio.valid, audio.present)
        felt, _ = self.audio_to_eeg(audio_tokens, eeg_tokens, eeg.valid, eeg.present)
        eeg_mean = _mean_over_valid(eeg_tokens + heard, eeg.valid)
        audio_mean = _mean_over_valid(audio_tokens + felt, audio.valid)
        gate = self.gate(eeg_mean, audio_mean, eeg.present, audio.present)
        return torch.lerp(eeg_mean, audio_mean, gate), gate.mean(1), attention


def _mean_over_valid(x: Tensor, valid: Tensor) -> Tensor:
    """(B, N, D), (B, N) bool -> (B, D); zeros where nothing is valid."""
    weights = valid.to(x.dtype)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1.0)
    return torch.bmm(weights.unsqueeze(1), x).squeeze(1)


def build_fusion(mode: str, width: int, dropout: float) -> Fusion:
    """Make the fusion called ``mode``.

    Raises:
        ValueError: it is none of :data:`FUSION_MODES`.
    """
    if mode == "late":
        return LateFusion(width)
    if mode == "concat":
        return ConcatFusion(width, dropout)
    if mode == "gated":
        return GatedFusion(width)
    if mode == "cross_attention":
        return CrossAttentionFusion(width)
    raise ValueError(f"fusion {mode!r} is not known; choose one of {', '.join(FUSION_MODES)}")
