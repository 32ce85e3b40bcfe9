"""What can be read off a network's weights: scales, spatial filters, and attention by lag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bci_stream.messages import EEG
from bci_stream.model.contract import TOKEN_S
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.eeg_fronts import LearnedFront
from bci_stream.model.network import FusionNetwork
from bci_stream.training.metrics import Floats


def lag_shares(attention: Tensor, query_there: Tensor, key_there: Tensor) -> tuple[Tensor, Tensor]:
    """Attention (M, H, N, N) by the lag of the key behind the query, in tokens from 1 - N to N - 1.

    Returns its shares (M, H, 2 N - 1), and those of attending to all tokens alike (M, 2 N - 1); both sum to
    1. ``query_there``, ``key_there``: (M, N), 1 or 0; only queries that are there count. A window without any
    query or key gets zeros.
    """
    n = attention.shape[2]
    at = torch.arange(n)
    lag_of = torch.nn.functional.one_hot(at[None, :] - at[:, None] + n - 1, 2 * n - 1)  # (N, N, 2 N - 1)
    lag_of = lag_of.flatten(0, 1).double()
    share = query_there.double() / query_there.sum(1, keepdim=True).clamp(min=1)  # (M, N)
    keys = key_there.double() / key_there.sum(1, keepdim=True).clamp(min=1)
    even = (share[:, :, None] * keys[:, None, :]).flatten(1) @ lag_of
    found = (share[:, None, :, None] * attention.double()).flatten(2) @ lag_of
    return found, even


def lags_s(n_lags: int) -> Floats:
    """Seconds of each lag."""
    return np.asarray((np.arange(n_lags) - n_lags // 2) * TOKEN_S)


def scales_of(network: FusionNetwork) -> dict[str, Floats]:
    """``eeg_scale`` and so on, (D,) each; all were 1 when training began."""
    return {
        f"{name}_scale": network.fusion.scale(i).detach().double().numpy()
        for i, name in enumerate(network.modalities)
    }


def spatial_shares(network: FusionNetwork, ch_names: Sequence[str]) -> dict[str, float]:
    """How much of the learned spatial filters each electrode has, every filter counted alike; sums to 1.

    Empty where nothing spatial is learned. Weights are no sources: a filter also uses electrodes to cancel
    noise (Haufe 2014, doi 10.1016/j.neuroimage.2013.10.067).
    """
    encoder = dict(network.encoders.items()).get(EEG)
    front = encoder.front if isinstance(encoder, EegEncoder) else None
    if not isinstance(front, LearnedFront):
        return {}
    square = front.spatial.detach().double().square()  # (C, filters)
    share = (square / square.sum(0).clamp(min=1e-12)).mean(1)
    return dict(zip(ch_names, share.tolist(), strict=True))
