"""Proof that two forms of a model are one function: the same random windows, masks included, through both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bci_stream.model.contract import Contract

PRESENCE = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))  # of EEG and voice, one sample each


def random_stretch(
    contract: Contract, n_tokens: int, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Arguments for ``forward``: a batch of four with gaps, one sample for each row of :data:`PRESENCE`."""
    generator = torch.Generator().manual_seed(seed)
    n_eeg, n_audio = round(contract.eeg.sfreq / 5) * n_tokens, 3200 * n_tokens
    eeg = 20 * torch.randn(4, len(contract.eeg.channels), n_eeg, generator=generator)
    audio = 0.1 * torch.randn(4, n_audio, generator=generator)
    eeg_valid = torch.ones(4, n_tokens, n_eeg // n_tokens)
    audio_valid = torch.ones(4, n_tokens, 3200)
    for valid in (eeg_valid, audio_valid):
        missing = torch.rand(4, n_tokens, generator=generator) < 0.2
        valid[missing] = 0.0
        valid[:, 0, : valid.size(2) // 3] = 0.0  # a gap within a token
    return eeg, eeg_valid.flatten(1), audio, audio_valid.flatten(1), torch.tensor(PRESENCE)


@torch.inference_mode()
def differences(first: Any, second: Any, contract: Contract, tolerance: float) -> list[str]:
    """Names of the outputs that differ by more than ``tolerance``; 0 asks for equal bits."""
    stretch = random_stretch(contract, contract.n_tokens + 2)
    wrong = _unequal(_whole(first, stretch), _whole(second, stretch), tolerance)
    one_token = random_stretch(contract, 1, seed=1)
    return wrong + _unequal(_step(first, one_token), _step(second, one_token), tolerance)


def _whole(model: Any, stretch: tuple[Tensor, ...]) -> dict[str, Tensor]:
    output = model(*stretch)
    names = ("logits", "probs", "eeg_logits", "audio_logits", "gate", "attention")
    return {name: getattr(output, name) for name in names}


def _step(model: Any, stretch: tuple[Tensor, ...]) -> dict[str, Tensor]:
    eeg, eeg_valid, audio, audio_valid, _ = stretch
    eeg_tokens, _, eeg_state = model.encode_eeg(eeg, eeg_valid, model.initial_eeg_state(4))
    audio_tokens, _, audio_state = model.encode_audio(audio, audio_valid, model.initial_audio_state(4))
    found = {"eeg_tokens": eeg_tokens, "audio_tokens": audio_tokens}
    states = [*eeg_state, *audio_state]
    return found | {f"state_{i}": state for i, state in enumerate(states)}


def _unequal(first: dict[str, Tensor], second: dict[str, Tensor], tolerance: float) -> list[str]:
    return [
        name
        for name, value in first.items()
        if value.shape != second[name].shape
        or not torch.allclose(value, second[name], rtol=0.0, atol=tolerance, equal_nan=True)
    ]
