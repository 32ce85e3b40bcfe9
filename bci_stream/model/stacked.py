"""Maps of the same shape, one for each modality, done as one product.

The maps stay the modules that they are, under their own names in the state dict; here they are only looked
at. On an exported program the stacking is done once, when it is frozen.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Stacked(nn.Module):
    """Linear maps, each for its own slice: (M, B, in) -> (M, B, out)."""

    weights: list[Tensor]
    biases: list[Tensor]

    def __init__(self, linears: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weights = [linear.weight for linear in linears]
        self.biases = [linear.bias for linear in linears]

    def forward(self, x: Tensor) -> Tensor:
        """Map slice i of ``x`` by linear i."""
        weight = torch.stack(self.weights).transpose(1, 2)  # (M, in, out)
        return torch.baddbmm(torch.stack(self.biases).unsqueeze(1), x, weight)


def behind_norm(weights: Tensor, biases: Tensor, scales: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor]:
    """Linear maps behind layer norms, whose own scale and shift become part of the maps.

    ``weights``: (P, out, in). ``biases``: (P, out). ``scales``, ``shifts``: (P, in), of the norms. What is
    returned, in the shapes of the first two, maps an x less its mean over its spread; so several norms of
    one x are computed once.
    """
    moved = torch.bmm(weights, shifts.unsqueeze(2)).squeeze(2)
    return weights * scales.unsqueeze(1), biases + moved
