"""The two ways to join modalities token by token, along time within one sample.

A mean over tokens is linear, and so is what follows attention. So where only the mean of what is gathered
is asked for, the mean is taken of the weights, and nothing is computed token by token behind them.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bci_stream.model.fusion_parts import (
    Fusion,
    LowRankGate,
    Modalities,
    mean_weights,
    no_weights,
    present_shares,
)
from bci_stream.model.layers import score_mask
from bci_stream.model.stacked import Stacked, behind_norm


class Attention(nn.Module):
    """The maps of one way to attend: queries from one side's tokens, keys and values from another's.

    ``norm_query`` and ``norm_source`` stand before them (pre-norm, Xiong 2020).
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm_query = nn.LayerNorm(width)
        self.norm_source = nn.LayerNorm(width)
        self.query = nn.Linear(width, inner)
        self.key = nn.Linear(width, inner)
        self.value = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)


class AttentionMaps(nn.Module):
    """Queries, keys and values of several :class:`Attention`, packed for one product.

    The queries come out over the square root of a head's width. ``order``: which attention's keys and
    values stand beside each one's queries.
    """

    order: Tensor
    query_scales: list[Tensor]
    query_shifts: list[Tensor]
    source_scales: list[Tensor]
    source_shifts: list[Tensor]
    weights: list[Tensor]
    biases: list[Tensor]

    def __init__(self, ways: Sequence[Attention], n_heads: int, order: Sequence[int]) -> None:
        super().__init__()
        self.scale = 1.0 / math.sqrt(ways[0].query.out_features // n_heads)
        self.query_scales = [way.norm_query.weight for way in ways]
        self.query_shifts = [way.norm_query.bias for way in ways]
        self.source_scales = [way.norm_source.weight for way in ways]
        self.source_shifts = [way.norm_source.bias for way in ways]
        maps = [linear for way in ways for linear in (way.query, way.key, way.value)]
        self.weights = [linear.weight for linear in maps]
        self.biases = [linear.bias for linear in maps]
        self.register_buffer("order", torch.tensor(order), persistent=False)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Weights (P, 3 inner, in) and biases (P, 3 inner) of query, key and value."""
        n = len(self.query_scales)
        weights, biases = torch.stack(self.weights), torch.stack(self.biases)  # (3 P, inner, in or none)
        query = torch.stack(self.query_scales), torch.stack(self.query_shifts)
        source = torch.stack(self.source_scales), torch.stack(self.source_shifts)
        scales = torch.stack((query[0], source[0], source[0]), dim=1).flatten(0, 1)  # (3 P, in)
        shifts = torch.stack((query[1], source[1], source[1]), dim=1).flatten(0, 1)
        weights, biases = behind_norm(weights, biases, scales, shifts)
        weights = weights.view(n, 3, weights.size(1), weights.size(2))
        biases = biases.view(n, 3, biases.size(1))
        from_source = weights.narrow(1, 1, 2).index_select(0, self.order)
        source_biases = biases.narrow(1, 1, 2).index_select(0, self.order)
        weights = torch.cat((weights.narrow(1, 0, 1) * self.scale, from_source), dim=1)
        biases = torch.cat((biases.narrow(1, 0, 1) * self.scale, source_biases), dim=1)
        return weights.flatten(1, 2), biases.flatten(1, 2)


def key_mask(valid: Tensor, n_heads: int) -> Tensor:
    """What :func:`attention_weights` adds to every score of a key: (G, S) 1 or 0 -> (G H, 1, S)."""
    return score_mask(valid)[:, None, None].expand(-1, n_heads, -1, -1).flatten(0, 1)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """Softmax of scores: (G H, N, d), (G H, S, d), (G H, 1, S) -> (G H, N, S)."""
    return torch.softmax(torch.baddbmm(mask, query, key.transpose(1, 2)), dim=2)


class CrossAttentionFusion(Fusion):
    """Every direction of attention along time, means over time, and a gate between the modalities."""

    uses_tokens = True
    sources: Tensor

    def __init__(
        self, names: Sequence[str], width: int, inner: int = 32, n_heads: int = 4, rank: int = 16
    ) -> None:
        super().__init__(names, width)
        self.n_modalities, self.width, self.n_heads = len(names), width, n_heads
        pairs = list(itertools.permutations(range(len(names)), 2))
        # Beside a direction's queries stand the keys of the one that goes the other way.
        reverse = [pairs.index((j, i)) for i, j in pairs]
        self.register_buffer("sources", torch.tensor([j for _, j in pairs]), persistent=False)
        self.directions = nn.ModuleList(Attention(width, inner) for _ in pairs)
        ways = [way for way in self.directions if isinstance(way, Attention)]
        self.maps = AttentionMaps(ways, n_heads, reverse)
        self.out = Stacked([way.out for way in ways])
        self.gate = LowRankGate(len(names), width, rank)

    def forward(self, modalities: Modalities, experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`."""
        tokens, valid, present = modalities.tokens, modalities.valid, modalities.present
        n_batch, n_tokens = tokens.size(1), tokens.size(2)
        over_time = mean_weights(valid)  # (M, B, N)
        heard, weights = self.listen(tokens, valid, over_time)  # (P, B, D), (P B H, N, N)
        heard = heard * present.index_select(0, self.sources)
        heard = heard.view(self.n_modalities, -1, n_batch, self.width).sum(1)  # (M, B, D)
        own = torch.bmm(over_time.flatten(0, 1).unsqueeze(1), tokens.flatten(0, 1)).view_as(heard)
        pooled = own + heard * present
        gate = self.gate(pooled, present)
        first = weights[: n_batch * self.n_heads].view(n_batch, self.n_heads, n_tokens, n_tokens)
        attention = first * present[1].unsqueeze(2).unsqueeze(3)
        return (pooled * gate).sum(0), gate.mean(2).t(), attention

    def listen(self, tokens: Tensor, valid: Tensor, over_time: Tensor) -> tuple[Tensor, Tensor]:
        """What each direction gathers, its mean over time by the weights ``over_time`` (M, B, N).

        Returns it, (P, B, D), and the weights of attention, (P B H, N, N).
        """
        n_batch, n_tokens = tokens.size(1), tokens.size(2)
        query, key, value = self.project(tokens)  # (P B H, N, head) each
        mask = key_mask(valid.index_select(0, self.sources).flatten(0, 1), self.n_heads)  # (P B H, 1, N)
        weights = attention_weights(query, key, mask)
        mean_query = over_time.view(self.n_modalities, 1, n_batch, 1, n_tokens)
        mean_query = mean_query.expand(-1, self.n_modalities - 1, -1, self.n_heads, -1)
        seen = torch.bmm(mean_query.reshape(-1, 1, n_tokens), weights)  # (P B H, 1, N)
        gathered = torch.bmm(seen, value).view(len(self.sources), n_batch, -1)
        return self.out(gathered), weights

    def project(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(M, B, N, D) -> queries, keys and values (P B H, N, head), direction by direction."""
        n_batch, n_tokens = tokens.size(1), tokens.size(2)
        others = self.n_modalities - 1
        weight, bias = self.maps()  # (P, 3 inner, D), (P, 3 inner)
        weight = weight.view(self.n_modalities, -1, self.width).transpose(1, 2)
        bias = bias.view(self.n_modalities, 1, -1)
        level = nn.functional.layer_norm(tokens, [self.width]).flatten(1, 2)  # (M, B N, D)
        packed = torch.baddbmm(bias, level, weight)  # (M, B N, others * 3 * inner)
        packed = packed.view(self.n_modalities, n_batch, n_tokens, others, 3, self.n_heads, -1)
        packed = packed.permute(4, 0, 3, 1, 5, 2, 6).flatten(1, 2)  # (3, P, B, H, N, head)
        key, value = packed[1:].index_select(1, self.maps.order).flatten(1, 3).unbind(0)
        return packed[0].flatten(0, 2), key, value


class BottleneckLayer(nn.Module):
    """One pre-norm transformer layer over a modality's tokens and the bottleneck (Xiong 2020)."""

    def __init__(self, inner: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.inner, self.n_heads, self.dropout = inner, n_heads, dropout
        self.attend = Attention(inner, inner)
        self.maps = AttentionMaps([self.attend], n_heads, [0])
        self.norm = nn.LayerNorm(inner)
        self.widen = nn.Linear(inner, 2 * inner)
        self.narrow = nn.Linear(2 * inner, inner)

    def forward(self, x: Tensor, mask: Tensor, n_wanted: int) -> Tensor:
        """(G, S, inner), (G H, 1, S) of :func:`key_mask` -> its last ``n_wanted`` tokens, (G, n, inner)."""
        n_groups, n_tokens = x.size(0), x.size(1)
        weight, bias = self.maps()
        level = nn.functional.layer_norm(x, [self.inner])
        packed = nn.functional.linear(level, weight[0], bias[0])  # (G, S, 3 inner)
        packed = packed.view(n_groups, n_tokens, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = packed.flatten(1, 2).unbind(0)  # (G H, S, head)
        weights = attention_weights(query.narrow(1, n_tokens - n_wanted, n_wanted), key, mask)
        gathered = torch.bmm(weights, value).view(n_groups, self.n_heads, n_wanted, -1)
        x = x.narrow(1, n_tokens - n_wanted, n_wanted)
        x = x + self.attend.out(gathered.transpose(1, 2).flatten(2))
        y = self.narrow(nn.functional.gelu(self.widen(self.norm(x)), approximate="tanh"))
        if self.training:
            y = nn.functional.dropout(y, self.dropout)
        out: Tensor = x + y
        return out


class BottleneckFusion(Fusion):
    """Modalities see each other only through ``n_shared`` tokens, layer by layer."""

    uses_tokens = True

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
        self.n_modalities, self.n_shared = len(names), n_shared
        self.n_layers, self.n_heads = n_layers, n_heads
        self.doors = nn.ModuleList(nn.Linear(width, inner) for _ in names)
        self.enter = Stacked([door for door in self.doors if isinstance(door, nn.Linear)])
        self.shared = nn.Parameter(0.5 * torch.randn(n_shared, inner))
        self.layers = nn.ModuleList(BottleneckLayer(inner, n_heads, dropout) for _ in range(n_layers))
        self.out = nn.Linear(n_shared * inner, width)

    def forward(self, modalities: Modalities, experts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Fusion`. The layers treat all modalities alike, so in one go."""
        shares = present_shares(modalities).unsqueeze(3)  # (M, B, 1, 1)
        n_tokens = modalities.tokens.size(2)
        mine = self.enter(modalities.tokens.flatten(1, 2))  # (M, B N, inner)
        mine = mine.view(-1, n_tokens, mine.size(2))  # (M B, N, inner)
        valid = modalities.valid.flatten(0, 1)
        valid = torch.cat((valid, valid.new_ones([valid.size(0), self.n_shared])), dim=1)
        mask = key_mask(valid, self.n_heads)
        shared = self.shared.expand(shares.size(1), -1, -1)  # (B, S, inner)
        for i, layer in enumerate(self.layers):
            told = shared.expand(self.n_modalities, -1, -1, -1).flatten(0, 1)  # (M B, S, inner)
            wanted = self.n_shared if i == self.n_layers - 1 else n_tokens + self.n_shared
            x = layer(torch.cat((mine, told), dim=1), mask, wanted)
            mine = x[:, : -self.n_shared]
            heard = x[:, -self.n_shared :].view(self.n_modalities, -1, self.n_shared, x.size(2))
            shared = (heard * shares).sum(0)
        fused = torch.relu(self.out(shared.flatten(1)))
        return fused, no_weights(modalities), fused.new_empty([0])
