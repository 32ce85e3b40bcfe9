"""Ways to join modalities. An absent modality is a mask here: its content changes nothing, exactly.

``late``
    Mean of the heads' calibrated probabilities: the baseline to beat (Baltrusaitis 2018, section 6).
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
from typing import NamedTuple

import torch
from torch import Tensor, nn

FUSION_MODES = ("late", "concat", "gated", "cross_attention", "bottleneck", "adaptive")


class Modality(NamedTuple):
    """One modality of a batch, ready to be joined; whatever is not valid is zero.

    ``tokens``: (B, N, D), scaled. ``valid``: (B, N) bool, all false when the modality is absent.
    ``pooled``: (B, D), scaled. ``present``: (B, 1), 1 or 0. ``logits``: (B, K), this modality's own, over
    its temperature.
    """

    tokens: Tensor
    valid: Tensor
    pooled: Tensor
    present: Tensor
    logits: Tensor


class Fusion(nn.Module):
    """What every mode has: a learned weight for each feature of each modality, ``eeg_scale`` and so on.

    ``forward(modalities, experts)`` returns the fused features (B, D), or log probabilities (B, K) where
    ``gives_probs``; the weight of each modality (B, M), NaN where the mode has none; and the attention of
    the first modality's tokens to the second's (B, H, N, N), or an empty tensor. ``experts``: (B, E, K),
    what :meth:`experts` gave, over their temperatures.

    Args:
        names: the modalities, in order.
        width: size of a token.
    """

    gives_probs = False
    expert_names: tuple[str, ...] = ()

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__()
        for name in names:
            self.register_parameter(f"{name}_scale", nn.Parameter(torch.ones(width)))
        #: The same parameters as a list, which a script can index.
        self.scales: list[Tensor] = [getattr(self, f"{name}_scale") for name in names]

    def scale(self, which: int) -> Tensor:
        """The weights (D,) of modality ``which``."""
        return self.scales[which]

    def experts(self, modalities: list[Modality]) -> Tensor:
        """Logits (B, E, K) of the answers that the mode chooses among beside the heads'; most have none."""
        logits = modalities[0].logits
        return logits.new_empty([logits.size(0), 0, logits.size(1)])


def present_shares(modalities: list[Modality]) -> Tensor:
    """Equal weights of those present, (B, M); zeros where none is."""
    present = torch.cat([modality.present for modality in modalities], dim=1)
    return present / present.sum(1, keepdim=True).clamp(min=1.0)


def _no_weights(modalities: list[Modality]) -> Tensor:
    return torch.full_like(present_shares(modalities), math.nan)


class LateFusion(Fusion):
    """Mean of the probabilities of the modalities that are present; uniform when none is."""

    gives_probs = True

    def forward(self, modalities: list[Modality], experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`; the logits are log probabilities."""
        weights = present_shares(modalities)
        probs = torch.stack([torch.softmax(modality.logits, 1) for modality in modalities], dim=1)
        mean = torch.bmm(weights.unsqueeze(1), probs).squeeze(1)
        mean = mean + (1.0 - weights.sum(1, keepdim=True)) / mean.size(1)
        return torch.log(mean.clamp(min=1e-8)), weights, mean.new_empty([0])


class Concat(nn.Module):
    """relu(W [one; two; …] + b)."""

    def __init__(self, n_modalities: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.mix = nn.Linear(n_modalities * width, width)

    def forward(self, modalities: list[Modality]) -> Tensor:
        """Fused features (B, D)."""
        fused = torch.relu(self.mix(torch.cat([modality.pooled for modality in modalities], dim=1)))
        if self.training:
            fused = nn.functional.dropout(fused, self.dropout)
        return fused


class ConcatFusion(Fusion):
    """All pooled vectors, one linear layer."""

    def __init__(self, names: Sequence[str], width: int, dropout: float) -> None:
        super().__init__(names, width)
        self.concat = Concat(len(names), width, dropout)

    def forward(self, modalities: list[Modality], experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        return self.concat(modalities), _no_weights(modalities), experts.new_empty([0])


class LowRankGate(nn.Module):
    """Weight of each modality, feature by feature, from all pooled vectors.

    A softmax over modalities, the first one's score being 0: a sigmoid when there are two.
    """

    def __init__(self, n_modalities: int, width: int, rank: int) -> None:
        super().__init__()
        self.n_modalities, self.width = n_modalities, width
        self.squeeze = nn.Linear(n_modalities * width, rank)
        self.expand = nn.Linear(rank, (n_modalities - 1) * width)

    def forward(self, pooled: Tensor, present: Tensor) -> Tensor:
        """(B, M, D), (B, M) 1 or 0 -> (B, M, D); exactly 0 for an absent one, 1 for one that is alone."""
        scores = self.expand(self.squeeze(pooled.flatten(1)))
        scores = scores.reshape(pooled.size(0), self.n_modalities - 1, self.width)
        scores = torch.cat((torch.zeros_like(pooled[:, :1]), scores), dim=1)
        gate = (torch.softmax(scores, dim=1) + 1e-6) * present.unsqueeze(2)
        return gate / gate.sum(1, keepdim=True).clamp(min=1e-6)


class Gated(nn.Module):
    """Each modality's own features, weighed against each other by a gate (Arevalo 2017)."""

    def __init__(self, n_modalities: int, width: int, rank: int = 8) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, width) for _ in range(n_modalities))
        self.gate = LowRankGate(n_modalities, width, rank)

    def forward(self, modalities: list[Modality]) -> tuple[Tensor, Tensor]:
        """Fused features (B, D), and the gate (B, M, D)."""
        features: list[Tensor] = []
        for i, project in enumerate(self.projections):
            features.append(torch.tanh(project(modalities[i].pooled)))
        pooled = torch.stack([modality.pooled for modality in modalities], dim=1)
        present = torch.cat([modality.present for modality in modalities], dim=1)
        gate = self.gate(pooled, present)
        return (torch.stack(features, dim=1) * gate).sum(1), gate


class GatedFusion(Fusion):
    """A gate between the modalities' own features."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__(names, width)
        self.gated = Gated(len(names), width)

    def forward(self, modalities: list[Modality], experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        fused, gate = self.gated(modalities)
        return fused, gate.mean(2), fused.new_empty([0])


class CrossAttention(nn.Module):
    """One direction: the query's tokens gather from another modality's tokens of the same sample."""

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
    """Every direction of attention along time, means over time, and a gate between the modalities."""

    def __init__(
        self, names: Sequence[str], width: int, inner: int = 32, n_heads: int = 4, rank: int = 16
    ) -> None:
        super().__init__(names, width)
        self.n_modalities = len(names)
        pairs = [(i, j) for i in range(len(names)) for j in range(len(names)) if i != j]
        self.queries, self.sources = [i for i, _ in pairs], [j for _, j in pairs]
        self.directions = nn.ModuleList(CrossAttention(width, inner, n_heads) for _ in pairs)
        self.gate = LowRankGate(len(names), width, rank)

    def forward(self, modalities: list[Modality], experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        tokens = [modality.tokens for modality in modalities]
        attention = tokens[0].new_empty([0])
        for k, direction in enumerate(self.directions):
            query, source = self.queries[k], modalities[self.sources[k]]
            mine = modalities[query].tokens
            gathered, weights = direction(mine, source.tokens, source.valid, source.present)
            tokens[query] = tokens[query] + gathered
            if k == 0:
                attention = weights
        means = [mean_over_valid(tokens[i], modalities[i].valid) for i in range(self.n_modalities)]
        pooled = torch.stack(means, dim=1)  # (B, M, D)
        present = torch.cat([modality.present for modality in modalities], dim=1)
        gate = self.gate(pooled, present)
        return (pooled * gate).sum(1), gate.mean(2), attention


def mean_over_valid(x: Tensor, valid: Tensor) -> Tensor:
    """(B, N, D), (B, N) bool -> (B, D); zeros where nothing is valid."""
    weights = valid.to(x.dtype)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1.0)
    return torch.bmm(weights.unsqueeze(1), x).squeeze(1)


class BottleneckLayer(nn.Module):
    """One pre-norm transformer layer over a modality's tokens and the bottleneck (Xiong 2020)."""

    def __init__(self, inner: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.attend = CrossAttention(inner, inner, n_heads)
        self.norm = nn.LayerNorm(inner)
        self.widen = nn.Linear(inner, 2 * inner)
        self.narrow = nn.Linear(2 * inner, inner)

    def forward(self, x: Tensor, valid: Tensor, always: Tensor) -> Tensor:
        """(B, N, inner), (B, N) bool, ones (B, 1) -> (B, N, inner)."""
        gathered, _ = self.attend(x, x, valid, always)
        x = x + gathered
        y = self.narrow(nn.functional.gelu(self.widen(self.norm(x)), approximate="tanh"))
        if self.training:
            y = nn.functional.dropout(y, self.dropout)
        out: Tensor = x + y
        return out


class BottleneckFusion(Fusion):
    """Modalities see each other only through ``n_shared`` tokens, layer by layer."""

    def __init__(
        self,
        names: Sequence[str],
        width: int,
        dropout: float,
        inner: int = 32,
        n_heads: int = 4,
        n_shared: int = 4,
        n_layers: int = 2,
    ) -> None:
        super().__init__(names, width)
        self.n_shared = n_shared
        self.doors = nn.ModuleList(nn.Linear(width, inner) for _ in names)
        self.shared = nn.Parameter(0.5 * torch.randn(n_shared, inner))
        self.layers = nn.ModuleList(BottleneckLayer(inner, n_heads, dropout) for _ in range(n_layers))
        self.out = nn.Linear(n_shared * inner, width)

    def forward(self, modalities: list[Modality], experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        shares = present_shares(modalities)
        n_batch, n_modalities = shares.size(0), shares.size(1)
        doors: list[Tensor] = []
        for i, door in enumerate(self.doors):
            doors.append(door(modalities[i].tokens))
        mine = torch.cat(doors)  # (M B, N, inner): the layers treat all modalities alike, so in one go
        valid = torch.cat([modality.valid for modality in modalities])
        valid = torch.cat((valid, valid.new_ones([valid.size(0), self.n_shared])), dim=1)
        always = mine.new_ones([mine.size(0), 1])
        shared = self.shared.expand(n_batch, -1, -1)  # (B, S, inner)
        for layer in self.layers:
            x = layer(torch.cat((mine, shared.repeat(n_modalities, 1, 1)), dim=1), valid, always)
            mine = x[:, : -self.n_shared]
            heard = x[:, -self.n_shared :].reshape(n_modalities, n_batch, self.n_shared, -1)
            shared = (heard * shares.t()[:, :, None, None]).sum(0)
        fused = torch.relu(self.out(shared.flatten(1)))
        return fused, _no_weights(modalities), fused.new_empty([0])


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

    def experts(self, modalities: list[Modality]) -> Tensor:
        """Logits of the two fused experts: (B, 2, K)."""
        gated, _ = self.gated(modalities)
        return torch.stack((self.from_concat(self.concat(modalities)), self.from_gated(gated)), dim=1)

    def forward(self, modalities: list[Modality], experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`; the logits are log probabilities."""
        own = torch.stack([modality.logits for modality in modalities], dim=1)
        log_probs = torch.log_softmax(torch.cat((own, experts), dim=1), dim=2)  # (B, M + 2, K)
        probs = torch.exp(log_probs)
        entropy = -(probs * log_probs).sum(2) / math.log(log_probs.size(2))  # (B, M + 2), 0..1
        present = torch.cat([modality.present for modality in modalities], dim=1)
        there = present.amax(1, keepdim=True).expand(-1, 2)
        usable = torch.cat((present, there), dim=1) > 0.5
        scores = self.trust - nn.functional.softplus(self.sharpness) * 4.0 * entropy
        weights = torch.softmax(scores.masked_fill(usable.logical_not(), -1e4), dim=1) * there[:, :1]
        mean = torch.bmm(weights.unsqueeze(1), probs).squeeze(1)
        mean = mean + (1.0 - there[:, :1]) / mean.size(1)
        alone = weights[:, : self.n_modalities]
        shared = weights[:, self.n_modalities :].sum(1, keepdim=True) * present_shares(modalities)
        return torch.log(mean.clamp(min=1e-8)), alone + shared, mean.new_empty([0])


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
