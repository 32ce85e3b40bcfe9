"""What can be read off a network's weights: scales of modalities, and what is learned of electrodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import EEG
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.eeg_fronts import BANDS, LearnedFront
from bci_stream.model.network import FusionNetwork

Floats = NDArray[np.float64]


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


def electrode_shares(network: FusionNetwork) -> Floats:
    """Each electrode's share (C,) in the first layer that learns; sums to 1. Empty without EEG.

    That is the spatial filters, or the layer that reads the band powers of every electrode; every filter or
    output is counted alike. See :func:`spatial_shares` for what it does not say.
    """
    encoder = dict(network.encoders.items()).get(EEG)
    if not isinstance(encoder, EegEncoder):
        return np.zeros(0)
    if isinstance(encoder.front, LearnedFront):
        square = encoder.front.spatial.detach().double().square()  # (C, filters)
    else:
        columns = encoder.project.weight.detach().double().square()  # (width, 5 C)
        square = columns.reshape(len(columns), -1, len(BANDS)).sum(2).t()  # (C, width)
    return np.asarray((square / square.sum(0).clamp(min=1e-12)).mean(1).numpy())
