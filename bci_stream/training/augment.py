"""Variations that recordings have anyway: gains, noise, lost electrodes, gaps, masked bands and moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bci_stream.messages import AUDIO, EEG
from bci_stream.model.eeg_fronts import BANDS

if TYPE_CHECKING:
    from bci_stream.training.batches import Prepared


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much to vary.

    ``eeg_gain_db``, ``voice_gain_db``: standard deviation of a stretch's gain. ``eeg_noise_uv``: at most
    this much white noise. ``feature_noise``: standard deviation, on band powers. ``lost_channels``: share of
    electrodes silenced. ``gap_share``: of the stretches, per modality, with a gap of up to ``gap_tokens``.
    ``mel_masks``, ``mel_width``, ``time_masks``, ``time_frames``: SpecAugment (Park 2019), where a mask in
    time is never longer than ``time_share`` of its stretch. ``mel_warp``: the mel axis is stretched by up to
    this share, as by another vocal tract (Jaitly and Hinton 2013).
    """

    eeg_gain_db: float = 1.0
    eeg_noise_uv: float = 1.0
    feature_noise: float = 0.1
    lost_channels: float = 0.03
    voice_gain_db: float = 1.0
    gap_share: float = 0.1
    gap_tokens: int = 12
    mel_masks: int = 2
    mel_width: int = 8
    time_masks: int = 2
    time_frames: int = 30
    mel_warp: float = 0.1
    time_share: float = 0.1


#: For corpora of hundreds of short trials: what the voice's statistics stand on is seldom masked.
MILD = Augmentation(mel_masks=1, mel_width=6, time_masks=1, time_share=0.05)
NOTHING = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, 0.0)


def augment(
    parts: Mapping[str, Prepared], settings: Augmentation, rng: np.random.Generator
) -> dict[str, Prepared]:
    """Vary each modality of a batch; what was not valid stays zero."""
    varied = dict(parts)
    for name in parts:
        part = parts[name]
        if name == EEG:
            eeg = _vary_samples if part.features.dim() == 4 else _vary_powers
            part = part._replace(features=eeg(part.features, settings, rng))
        elif name == AUDIO:
            part = part._replace(features=_vary_frames(part.features, settings, rng))
        varied[name] = _with_gaps(part, settings, rng)
    return varied


def _vary_samples(x: Tensor, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """Gain, noise and lost electrodes of (B, n, samples, C) µV."""
    n, n_channels = x.shape[0], x.shape[3]
    gain = 10 ** (rng.normal(0.0, settings.eeg_gain_db, (n, 1, 1, 1)) / 20)
    gain = gain * (rng.random((n, 1, 1, n_channels)) >= settings.lost_channels)
    x = x * _tensor(gain)
    if settings.eeg_noise_uv:
        noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        x = x + _tensor(rng.uniform(0.0, settings.eeg_noise_uv, (n, 1, 1, 1))) * noise
    return x


def _vary_powers(x: Tensor, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """Noise and lost electrodes of band powers (B, n, 5 C), electrode by electrode, bands within."""
    n, n_channels = x.shape[0], x.shape[2] // len(BANDS)
    kept = rng.random((n, 1, n_channels)) >= settings.lost_channels
    x = x * _tensor(np.repeat(kept, len(BANDS), axis=2))
    if settings.feature_noise:
        x = x + settings.feature_noise * torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    return x


def _vary_frames(x: Tensor, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """Vocal tract, level, masked bands and moments of (B, n, 20, 64) log-mels; a mask is the mean."""
    n_batch, n_tokens, per_token, n_mels = x.shape
    frames = _warped(x.flatten(1, 2), rng.uniform(1 - settings.mel_warp, 1 + settings.mel_warp, n_batch))
    louder = rng.normal(0.0, settings.voice_gain_db * np.log(10) / 10, (n_batch, 1, 1))
    masked = np.zeros((n_batch, n_tokens * per_token, n_mels), bool)
    longest = min(settings.time_frames, int(settings.time_share * n_tokens * per_token))
    for row in masked:
        for _ in range(settings.mel_masks):
            start, width = rng.integers(n_mels), rng.integers(settings.mel_width + 1)
            row[:, start : start + width] = True
        for _ in range(settings.time_masks):
            start, width = rng.integers(len(row)), rng.integers(longest + 1)
            row[start : start + width] = True
    mean = frames.mean(dim=(1, 2), keepdim=True)
    frames = torch.where(torch.from_numpy(masked), mean, frames) + _tensor(louder)
    return frames.reshape(x.shape)


def _warped(frames: Tensor, stretch: np.ndarray) -> Tensor:
    """(B, F, 64) read at mel bands further apart or closer, (B,) times as far."""
    n_mels = frames.shape[2]
    at = np.minimum(np.arange(n_mels) * stretch[:, None], n_mels - 1.0)
    low = np.minimum(at.astype(np.int64), n_mels - 2)
    share = _tensor(at - low)[:, None]
    below, above = (torch.from_numpy(i)[:, None].expand_as(frames) for i in (low, low + 1))
    return frames.gather(2, below) * (1.0 - share) + frames.gather(2, above) * share


def _with_gaps(part: Prepared, settings: Augmentation, rng: np.random.Generator) -> Prepared:
    n_batch, n_tokens = part.there.shape
    there = np.ones((n_batch, n_tokens), np.float32)
    for row in np.flatnonzero(rng.random(n_batch) < settings.gap_share).tolist():
        start = int(rng.integers(n_tokens))
        there[row, start : start + int(rng.integers(1, settings.gap_tokens + 1))] = 0.0
    kept = torch.from_numpy(there)
    valid = part.valid * kept.reshape(kept.shape + (1,) * (part.valid.dim() - 2))
    features = part.features * valid.reshape(valid.shape + (1,) * (part.features.dim() - valid.dim()))
    return part._replace(features=features, valid=valid, there=part.there * kept)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
