"""Attention by lag."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bci_stream.model.contract import TOKEN_S
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
