"""Three published EEG networks as yardsticks, re-stated from their papers for 125 Hz: windows in, logits out.

Sizes in time are kept (a kernel of 100 ms stays one), so kernels have half the taps of the papers' 250 Hz.
They are compared with, never exported: they are neither causal nor streaming. Every one takes (B, C, T)
and gives (B, K). Parameter counts below are of C = 16 electrodes, T = 625 (5 s), K = 5 classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from bci_stream.errors import ConfigError

SFREQ_HZ: Final = 125.0


class EEGNet(nn.Module):
    """EEGNet-8,2 (Lawhern 2018, doi 10.1088/1741-2552/aace8c): 2,861 parameters.

    Temporal filters of half a second, a spatial filter pair for each (norm at most 1), then a separable
    convolution of half a second; average pools by 4 and 8.

    Args:
        n_channels: C.
        n_samples: T, 32 or more.
        n_classes: K.
    """

    def __init__(self, n_channels: int, n_samples: int, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        n_temporal, depth = 8, 2
        n_filters = n_temporal * depth
        self.spatial = nn.Conv2d(n_temporal, n_filters, (n_channels, 1), groups=n_temporal, bias=False)
        self.features = nn.Sequential(
            nn.Conv2d(1, n_temporal, (1, 63), padding=(0, 31), bias=False),
            nn.BatchNorm2d(n_temporal),
            self.spatial,
            nn.BatchNorm2d(n_filters),
            nn.ELU(),
            nn.AvgPool2d((1, 4)),
            nn.Dropout(dropout),
            nn.Conv2d(n_filters, n_filters, (1, 15), padding=(0, 7), groups=n_filters, bias=False),
            nn.Conv2d(n_filters, n_filters, 1, bias=False),
            nn.BatchNorm2d(n_filters),
            nn.ELU(),
            nn.AvgPool2d((1, 8)),
            nn.Dropout(dropout),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(n_filters * (n_samples // 4 // 8), n_classes)

    def forward(self, eeg: Tensor) -> Tensor:
        """(B, C, T) -> (B, K)."""
        logits: Tensor = self.classifier(self.features(eeg[:, None]))
        return logits

    @torch.no_grad()
    def constrain(self) -> None:
        """Hold the norms that the paper sets: 1 of a spatial filter, 0.25 of a class's weights."""
        self.spatial.weight.copy_(torch.renorm(self.spatial.weight, 2, 0, 1.0))
        self.classifier.weight.copy_(torch.renorm(self.classifier.weight, 2, 0, 0.25))


class ShallowConvNet(nn.Module):
    """ShallowConvNet (Schirrmeister 2017, doi 10.1002/hbm.23730): 42,845 parameters.

    Temporal filters of 100 ms, spatial filters over all of them, square, mean over 300 ms, log: learned log
    band power.

    Args:
        n_channels: C.
        n_samples: T, 49 or more.
        n_classes: K.
    """

    def __init__(self, n_channels: int, n_samples: int, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        n_filters = 40
        self.filters = nn.Sequential(
            nn.Conv2d(1, n_filters, (1, 13)),
            nn.Conv2d(n_filters, n_filters, (n_channels, 1), bias=False),
            nn.BatchNorm2d(n_filters),
        )
        self.pool = nn.AvgPool2d((1, 37), stride=(1, 7))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(n_filters * _n_pooled(n_samples), n_classes)

    def forward(self, eeg: Tensor) -> Tensor:
        """(B, C, T) -> (B, K)."""
        power = self.pool(self.filters(eeg[:, None]).square())
        logits: Tensor = self.classifier(self.dropout(power.clamp_min(1e-6).log()).flatten(1))
        return logits


class EEGConformer(nn.Module):
    """EEG Conformer (Song 2022, doi 10.1109/TNSRE.2022.3230250), small: 173,837 parameters.

    The convolutions of ShallowConvNet make tokens of 40 numbers; two layers of self-attention with 5 heads
    (the paper: six with 10) and two fully connected layers follow.

    Args:
        n_channels: C.
        n_samples: T, 49 or more.
        n_classes: K.
    """

    def __init__(self, n_channels: int, n_samples: int, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        width = 40
        self.patches = nn.Sequential(
            nn.Conv2d(1, width, (1, 13)),
            nn.Conv2d(width, width, (n_channels, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ELU(),
            nn.AvgPool2d((1, 37), stride=(1, 7)),
            nn.Dropout(dropout),
            nn.Conv2d(width, width, 1),
        )
        layers = [
            nn.TransformerEncoderLayer(
                width, 5, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(2)
        ]
        self.attention = nn.Sequential(*layers, nn.LayerNorm(width))
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width * _n_pooled(n_samples), 32),
            nn.ELU(),
            nn.Dropout(dropout),
            nn.Linear(32, n_classes),
        )

    def forward(self, eeg: Tensor) -> Tensor:
        """(B, C, T) -> (B, K)."""
        tokens = self.patches(eeg[:, None])[:, :, 0].transpose(1, 2)  # (B, N, 40)
        logits: Tensor = self.classifier(self.attention(tokens))
        return logits


REFERENCE_NETS: Final[dict[str, Callable[[int, int, int], nn.Module]]] = {
    "eegnet": EEGNet,
    "shallow": ShallowConvNet,
    "conformer": EEGConformer,
}


def build_reference(name: str, n_channels: int, n_samples: int, n_classes: int) -> nn.Module:
    """A network of :data:`REFERENCE_NETS`, its start decided by torch's generator.

    Raises:
        ConfigError: the name is unknown, or the window is too short for its pools.
    """
    if name not in REFERENCE_NETS:
        raise ConfigError(
            f"reference network {name!r} is not known; choose one of {', '.join(REFERENCE_NETS)}"
        )
    if n_samples < 49:
        raise ConfigError(f"{name}: a window of {n_samples / SFREQ_HZ:g} s is too short; use 0.4 s or more")
    return REFERENCE_NETS[name](n_channels, n_samples, n_classes)


def _n_pooled(n_samples: int) -> int:
    """Tokens that the temporal convolution and the pool leave."""
    return (n_samples - 12 - 37) // 7 + 1
