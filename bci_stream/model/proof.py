"""Proof that two forms of a model are one function: the same random windows, masks included, through both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bci_stream.model.contract import Contract

Stretch = tuple[list[Tensor], list[Tensor], Tensor]


def presence_patterns(n_modalities: int) -> Tensor:
    """Every combination of modalities being there, one a row, all of them first: (2 ** M, M)."""
    return torch.cartesian_prod(*[torch.tensor([1.0, 0.0])] * n_modalities).reshape(-1, n_modalities)


def random_stretch(contract: Contract, n_tokens: int, seed: int = 0) -> Stretch:
    """Arguments for ``forward``: gaps everywhere, one sample for each row of :func:`presence_patterns`."""
    generator = torch.Generator().manual_seed(seed)
    presence = presence_patterns(len(contract.modalities))
    n_batch = len(presence)
    shapes = {
        "eeg": ((len(contract.eeg.channels),), round(contract.eeg.sfreq / 5), 20.0),
        "audio": ((), 3200, 0.1),
    }
    inputs, valid = [], []
    for name in contract.modalities:
        leading, n_samples, size = shapes[name]
        inputs.append(size * torch.randn(n_batch, *leading, n_samples * n_tokens, generator=generator))
        good = torch.ones(n_batch, n_tokens, n_samples)
        good[torch.rand(n_batch, n_tokens, generator=generator) < 0.2] = 0.0
        good[:, 0, : n_samples // 3] = 0.0  # a gap within a token
        valid.append(good.flatten(1))
    return inputs, valid, presence


@torch.inference_mode()
def differences(first: Any, second: Any, contract: Contract, tolerance: float) -> list[str]:
    """Names of the outputs that differ by more than ``tolerance``; 0 asks for equal bits."""
    stretch = random_stretch(contract, contract.n_tokens + 2)
    wrong = _unequal(_whole(first, stretch), _whole(second, stretch), tolerance)
    one_token = random_stretch(contract, 1, seed=1)
    return wrong + _unequal(_step(first, one_token), _step(second, one_token), tolerance)


def _whole(model: Any, stretch: Stretch) -> dict[str, Tensor]:
    output = model(*stretch)
    return {name: getattr(output, name) for name in ("logits", "probs", "heads", "gate", "attention")}


def _step(model: Any, stretch: Stretch) -> dict[str, Tensor]:
    inputs, valid, presence = stretch
    found = {}
    for i in range(len(inputs)):
        tokens, _, state = model.encode(i, inputs[i], valid[i], model.initial_state(i, len(presence)))
        found[f"tokens_{i}"] = tokens
        found |= {f"state_{i}_{k}": part for k, part in enumerate(state)}
    return found


def _unequal(first: dict[str, Tensor], second: dict[str, Tensor], tolerance: float) -> list[str]:
    return [
        name
        for name, value in first.items()
        if value.shape != second[name].shape
        or not torch.allclose(value, second[name], rtol=0.0, atol=tolerance, equal_nan=True)
    ]
