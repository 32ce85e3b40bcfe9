"""Ways to join modalities. An absent modality is a mask here: its content changes nothing, exactly.

``late``
    Mean of the heads' softened probabilities: the baseline to beat (Baltrusaitis 2018, section 6).
``concat``
    One linear layer over all pooled vectors.
``gated``
    A gated multimodal unit with a low-rank gate (Arevalo 2017).
``cross_attention``
    Tokens of each modality attend to those of the others along time, within one sample (Tsai 2019, MulT).
``bottleneck``
    A small transformer in which modalities exchange through a few shared tokens only (Nagrani 2021, MBT).
``adaptive``
    For each sample, a choice among the heads, ``concat`` and ``gated`` by calibrated uncertainty (after
    Zhang 2023, QMF).

Every mode takes a list of modalities, in the network's order; a third one is an encoder and a name.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from bci_stream.model.fusion_attention import BottleneckFusion, CrossAttentionFusion
from bci_stream.model.fusion_parts import Fusion, LowRankGate, Modalities, no_weights, present_shares
from bci_stream.model.stacked import Stacked

FUSION_MODES = ("late", "concat", "gated", "cross_attention", "bottleneck", "adaptive")


class LateFusion(Fusion):
    """Mean of the probabilities of the modalities that are present; uniform when none is.

    The mean is taken of probabilities at ``softness`` times their temperature, and sharpened as much again:
    a modality alone answers as it would, and where two disagree it counts more what both hold possible than
    in a plain mean. On generated people that is worth two points.
    """

    gives_probs = True
    softness: Final[float] = 4.0

    def forward(self, modalities: Modalities, experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`; the logits are log probabilities."""
        weights = present_shares(modalities)  # (M, B, 1)
        mean = (weights * torch.softmax(modalities.logits / self.softness, dim=2)).sum(0)
        mean = mean + (1.0 - weights.sum(0)) / mean.size(1)
        log_probs = torch.log_softmax(self.softness * torch.log(mean.clamp(min=1e-8)), dim=1)
        return log_probs, weights.squeeze(2).t(), mean.new_empty([0])


class Concat(nn.Module):
    """relu(W [one; two; …] + b)."""

    def __init__(self, n_modalities: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.mix = nn.Linear(n_modalities * width, width)

    def forward(self, pooled: Tensor) -> Tensor:
        """(M, B, D) -> (B, D)."""
        fused = torch.relu(self.mix(pooled.transpose(0, 1).flatten(1)))
        if self.training:
            fused = nn.functional.dropout(fused, self.dropout)
        return fused


class ConcatFusion(Fusion):
    """All pooled vectors, one linear layer."""

    def __init__(self, names: Sequence[str], width: int, dropout: float) -> None:
        super().__init__(names, width)
        self.concat = Concat(len(names), width, dropout)

    def forward(self, modalities: Modalities, experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        return self.concat(modalities.pooled), no_weights(modalities), experts.new_empty([0])


class Gated(nn.Module):
    """Each modality's own features, weighed against each other by a gate (Arevalo 2017)."""

    def __init__(self, n_modalities: int, width: int, rank: int = 8) -> None:
        super().__init__()
        projections = [nn.Linear(width, width) for _ in range(n_modalities)]
        self.projections = nn.ModuleList(projections)
        self.project = Stacked(projections)
        self.gate = LowRankGate(n_modalities, width, rank)

    def forward(self, pooled: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """(M, B, D), (M, B, 1) -> fused features (B, D), and the gate (M, B, D)."""
        gate = self.gate(pooled, present)
        return (torch.tanh(self.project(pooled)) * gate).sum(0), gate


class GatedFusion(Fusion):
    """A gate between the modalities' own features."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__(names, width)
        self.gated = Gated(len(names), width)

    def forward(self, modalities: Modalities, experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        fused, gate = self.gated(modalities.pooled, modalities.present)
        return fused, gate.mean(2).t(), fused.new_empty([0])


class AdaptiveFusion(Fusion):
    """A choice, sample by sample, among the heads and two fused experts, by calibrated uncertainty.

    An answer's weight falls with the entropy of its calibrated probabilities; ``sharpness`` says how
    steeply and ``trust`` how much each is believed at all.
    """

    gives_probs = True
    expert_names = ("concat", "gated")

    def __init__(self, names: Sequence[str], width: int, n_classes: int, dropout: float) -> None:
        super().__init__(names, width)
        self.n_modalities = len(names)
        self.concat = Concat(len(names), width, dropout)
        self.gated = Gated(len(names), width)
        self.from_concat = nn.Linear(width, n_classes)
        self.from_gated = nn.Linear(width, n_classes)
        self.sharpness = nn.Parameter(torch.tensor(1.0))
        self.trust = nn.Parameter(torch.zeros(len(names) + 2))

    def experts(self, modalities: Modalities) -> Tensor:
        """Logits of the two fused experts: (2, B, K)."""
        gated, _ = self.gated(modalities.pooled, modalities.present)
        return torch.stack((self.from_concat(self.concat(modalities.pooled)), self.from_gated(gated)))

    def forward(self, modalities: Modalities, experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`; the logits are log probabilities."""
        present, n = modalities.present, self.n_modalities
        log_probs = torch.log_softmax(torch.cat((modalities.logits, experts)), dim=2)  # (M + 2, B, K)
        probs = torch.exp(log_probs)
        entropy = -(probs * log_probs).sum(2, keepdim=True) / math.log(log_probs.size(2))  # 0..1
        there = present.amax(0, keepdim=True)  # (1, B, 1)
        usable = torch.cat((present, there, there)) > 0.5
        scores = self.trust[:, None, None] - nn.functional.softplus(self.sharpness) * 4.0 * entropy
        weights = torch.softmax(scores.masked_fill(usable.logical_not(), -1e4), dim=0) * there
        mean = (weights * probs).sum(0)
        mean = mean + (1.0 - there[0]) / mean.size(1)
        shared = weights[n:].sum(0, keepdim=True) * present_shares(modalities)
        gate = (weights[:n] + shared).squeeze(2).t()
        return torch.log(mean.clamp(min=1e-8)), gate, mean.new_empty([0])


def build_fusion(mode: str, names: Sequence[str], width: int, n_classes: int, dropout: float) -> Fusion:
    """Make the fusion called ``mode`` of the modalities ``names``; with a single one, ``concat`` serves all.

    Raises:
        ValueError: it is none of :data:`FUSION_MODES`.
    """
    if mode not in FUSION_MODES:
        raise ValueError(f"fusion {mode!r} is not known; choose one of {', '.join(FUSION_MODES)}")
    if mode == "late":
        return LateFusion(names, width)
    if mode == "concat" or len(names) == 1:
        return ConcatFusion(names, width, dropout)
    if mode == "gated":
        return GatedFusion(names, width)
    if mode == "cross_attention":
        return CrossAttentionFusion(names, width)
    if mode == "bottleneck":
        return BottleneckFusion(names, width, dropout)
    return AdaptiveFusion(names, width, n_classes, dropout)
