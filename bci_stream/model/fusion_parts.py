"""What every way of fusing stands on: the modalities of a batch, side by side, and each feature's weight."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bci_stream.model.layers import constant


class Modalities(NamedTuple):
    """The modalities of a batch, in the network's order, ready to be joined; what is not valid is zero.

    ``tokens``: (M, B, N, D), scaled, or none (N = 0) for a mode that does not use them. ``valid``: (M, B, N),
    1 or 0, all 0 when a modality is absent.
    ``pooled``: (M, B, D), scaled. ``present``: (M, B, 1), 1 or 0. ``logits``: (M, B, K), each modality's own,
    over its temperature.
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
    the first modality's tokens to the second's (B, H, N, N), or an empty tensor. ``experts``: (E, B, K),
    what :meth:`experts` gave, over their temperatures.

    Args:
        names: the modalities, in order.
        width: size of a token.
    """

    gives_probs = False
    uses_tokens = False
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

    def experts(self, modalities: Modalities) -> Tensor:
        """Logits (E, B, K) of the answers that the mode chooses among beside the heads'; most have none."""
        return modalities.logits[:0]


def present_shares(modalities: Modalities) -> Tensor:
    """Equal weights of those present, (M, B, 1); zeros where none is."""
    present = modalities.present
    return present / present.sum(0, keepdim=True).clamp(min=1.0)


def no_weights(modalities: Modalities) -> Tensor:
    """(B, M) of a mode that weighs nothing against anything."""
    return torch.full_like(modalities.present, math.nan).squeeze(2).t()


class LowRankGate(nn.Module):
    """Weight of each modality, feature by feature, from all pooled vectors.

    A softmax over modalities, the first one's score being 0: a sigmoid when there are two.
    """

    least: Tensor

    def __init__(self, n_modalities: int, width: int, rank: int) -> None:
        super().__init__()
        self.n_modalities, self.width = n_modalities, width
        self.squeeze = nn.Linear(n_modalities * width, rank)
        self.expand = nn.Linear(rank, (n_modalities - 1) * width)
        self.register_buffer("least", constant(1e-6), persistent=False)

    def forward(self, pooled: Tensor, present: Tensor) -> Tensor:
        """(M, B, D), (M, B, 1) 1 or 0 -> (M, B, D); exactly 0 for an absent one, 1 for one that is alone."""
        scores = self.expand(self.squeeze(pooled.transpose(0, 1).flatten(1)))
        scores = scores.reshape(scores.size(0), self.n_modalities - 1, self.width).transpose(0, 1)
        scores = torch.cat((torch.zeros_like(pooled[:1]), scores))
        gate = (torch.softmax(scores, dim=0) + self.least) * present
        return gate / gate.sum(0, keepdim=True).clamp(min=1e-6)


def mean_weights(valid: Tensor) -> Tensor:
    """Weights of a mean over what is valid, along the last axis; zeros where nothing is."""
    return valid / valid.sum(-1, keepdim=True).clamp(min=1.0)
