"""Fitting a network to labelled sessions.

Whole stretches are encoded once and many windows of them are fused, as in a live run. A modality is
left out of some windows (ModDrop, Neverova 2016), so that each answers alone through the same network,
and each has a head and a loss of its own (Wang 2020). What is kept is the running mean of the weights
that did best on people who were not trained on.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bci_stream.errors import ConfigError
from bci_stream.model.network import FusionNetwork
from bci_stream.training.batches import Batch, BatchMaker
from bci_stream.training.corpus import Session
from bci_stream.training.evaluate import PATTERNS, accuracies, encode_stretch, fuse_windows, score_sessions

Report = Callable[[str], None]
_LOG_FLOOR_STD = 0.5  # a mel band that hardly moves is not blown up


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How to train. ``n_steps`` of ``batch_size`` stretches of ``stretch_s`` seconds each.

    ``n_checks``: how often the validation people are looked at. ``ends_per_stretch``: windows fused of
    each stretch. ``drop_modality``: share of windows without EEG, and as many without voice.
    ``head_weight``: of each modality's own loss. ``mean_decay``: of the running mean of the weights.
    """

    n_steps: int = 1500
    batch_size: int = 8
    stretch_s: float = 20.0
    ends_per_stretch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05
    drop_modality: float = 0.2
    head_weight: float = 0.5
    mean_decay: float = 0.99
    n_checks: int = 10
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fitted:
    """The best network found, when, and its accuracy on the validation people by what it was given."""

    network: FusionNetwork
    step: int
    accuracy: dict[str, float]
    loss: float


def fit(
    network: FusionNetwork,
    train: Sequence[Session],
    valid: Sequence[Session],
    settings: FitSettings,
    report: Report = lambda line: None,
) -> Fitted:
    """Train ``network`` in place; return a copy of it at its best on ``valid``, temperatures not set.

    Equal arguments and an equal number of torch threads give equal bits.

    Raises:
        ConfigError: people are in both ``train`` and ``valid``, or a session is shorter than a stretch.
    """
    shared = {session.person for session in train} & {session.person for session in valid}
    if shared:
        raise ConfigError(f"persons {sorted(shared)} are in training and validation; they must differ")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        set_audio_normalization(network, train)
        return _Fit(network, settings).run(train, valid, report)


def set_audio_normalization(network: FusionNetwork, sessions: Sequence[Session]) -> None:
    """Mean and standard deviation of every mel band over the valid frames of ``sessions``."""
    n_valid = sum(float(s.frame_valid.double().sum()) for s in sessions)
    mean = torch.stack([s.log_mel.double().sum(0) for s in sessions]).sum(0) / max(n_valid, 1.0)
    square = torch.stack([s.log_mel.double().square().sum(0) for s in sessions]).sum(0) / max(n_valid, 1.0)
    network.audio.log_mel.mean.copy_(mean)
    network.audio.log_mel.std.copy_((square - mean.square()).clamp(min=0.0).sqrt().clamp(min=_LOG_FLOOR_STD))


class _Fit:
    """One training: optimiser, schedule and the running mean of the weights."""

    def __init__(self, network: FusionNetwork, settings: FitSettings) -> None:
        self._network, self._settings = network, settings
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            settings.learning_rate,
            total_steps=settings.n_steps + 1,
            pct_start=0.1,
            cycle_momentum=False,
        )
        mean = get_ema_multi_avg_fn(settings.mean_decay)  # type: ignore[no-untyped-call]
        self._mean = AveragedModel(network, multi_avg_fn=mean, use_buffers=True)
        self._loss = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)

    def run(self, train: Sequence[Session], valid: Sequence[Session], report: Report) -> Fitted:
        settings = self._settings
        batches = BatchMaker(train, self._network.n_tokens, settings)
        checks = set(np.linspace(0, settings.n_steps, settings.n_checks + 1).round()[1:].astype(int).tolist())
        best: Fitted | None = None
        for step in range(1, settings.n_steps + 1):
            loss = self._step(batches.draw())
            if step in checks:
                best = self._check(step, loss, valid, best, report)
        assert best is not None
        return best

    def _step(self, batch: Batch) -> float:
        self._network.train()
        loss = self._batch_loss(batch)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._mean.update_parameters(self._network)
        return float(loss.detach())

    def _batch_loss(self, batch: Batch) -> Tensor:
        tokens = encode_stretch(self._network, batch.stretch)
        output = fuse_windows(self._network, tokens, batch.rows, batch.ends, batch.presence)
        if self._network.fusion_mode == "late":  # already log probabilities
            fused = nn.functional.nll_loss(output.logits, batch.labels)
        else:
            fused = self._loss(output.logits, batch.labels)
        heads = [
            self._loss(logits[present], batch.labels[present])
            for logits, present in zip(
                (output.eeg_logits, output.audio_logits), batch.presence.T > 0.5, strict=True
            )
            if bool(present.any())
        ]
        return fused + self._settings.head_weight * torch.stack(heads).sum()

    def _check(
        self, step: int, loss: float, valid: Sequence[Session], best: Fitted | None, report: Report
    ) -> Fitted:
        network = cast(FusionNetwork, self._mean.module)
        scores = score_sessions(network, valid)
        accuracy = accuracies(scores)
        valid_loss = float(np.mean([scores[name].loss() for name in PATTERNS]))
        shown = ", ".join(f"{name} {share:.1%}" for name, share in accuracy.items())
        report(f"step {step}/{self._settings.n_steps}  loss {loss:.3f}  validation {valid_loss:.3f}: {shown}")
        if best is not None and best.loss <= valid_loss:
            return best
        return Fitted(copy.deepcopy(network).eval(), step, accuracy, valid_loss)
