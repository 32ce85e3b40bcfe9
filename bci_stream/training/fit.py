"""Fitting a network to labelled sessions.

Whole stretches are encoded once and many windows of them are fused, as in a live run. A modality is left
out of some windows (ModDrop, Neverova 2016), so that each answers alone through the same network, and each
has a head and a loss of its own (Wang 2020). What is kept is the running mean of the weights that did best
on people who were not trained on. A training that is killed goes on from its last whole epoch, to the same
bits on a CPU.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO
from bci_stream.model.audio import AudioEncoder
from bci_stream.model.network import FusionNetwork
from bci_stream.training.batches import Batch, BatchMaker, DrawSettings
from bci_stream.training.evaluate import accuracies, encode_parts, gather_windows, score_sessions
from bci_stream.training.sessions import UNLABELLED, Session

_LOG_FLOOR_STD = 0.5  # a mel band that hardly moves is not blown up
_BALANCED = 1.05  # classes whose numbers differ by less are not weighted


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How to train.

    ``n_epochs``: passes over the sessions. ``patience``: epochs without a better validation loss before
    stopping; 0 never stops. ``head_weight``: of each head's own loss. ``mean_decay``: of the running mean of
    the weights, per step. ``mixup``: parameter of the Beta distribution by which windows are mixed (Zhang
    2018, on tokens as Verma 2019); 0: not. ``warm_share``: of the steps in which the rate rises.
    """

    n_epochs: int = 30
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05
    head_weight: float = 0.5
    mixup: float = 0.2
    mean_decay: float = 0.99
    patience: int = 8
    warm_share: float = 0.1
    clip_norm: float = 1.0
    seed: int = 0
    draw: DrawSettings = field(default_factory=DrawSettings)


@dataclass(frozen=True, slots=True)
class Epoch:
    """How an epoch ended: losses, validation accuracy by pattern of presence, whether it is the best yet."""

    number: int
    n_epochs: int
    train_loss: float
    valid_loss: float
    accuracy: dict[str, float]
    best: bool
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The best network found, its epoch, and its accuracy and loss on the validation sessions."""

    network: FusionNetwork
    epoch: int
    accuracy: dict[str, float]
    loss: float
    history: tuple[Epoch, ...]


class Checkpoint(Protocol):
    """Where a training's state is kept; see :mod:`bci_stream.training.checkpoint`."""

    def load(self) -> dict[str, object] | None:
        """The last state, or None."""
        ...

    def save(self, state: dict[str, object]) -> None:
        """Keep this one."""
        ...


Progress = Callable[[Epoch], None]


def fit(
    network: FusionNetwork,
    train: Sequence[Session],
    valid: Sequence[Session],
    settings: FitSettings,
    *,
    progress: Progress = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    same_people: bool = False,
) -> Fitted:
    """Train ``network`` in place; return a copy of it at its best on ``valid``, temperatures not set.

    Equal arguments and an equal number of torch threads give equal bits on a CPU, interrupted or not.
    ``same_people``: the protocol has the same people in both, at other times.

    Raises:
        ConfigError: there is nothing to train on, or the same people are in ``train`` and ``valid``.
    """
    if not train or not valid:
        raise ConfigError(f"{len(train)} sessions to train on, {len(valid)} to validate on: both are needed")
    shared = {session.person for session in train} & {session.person for session in valid}
    if shared and not same_people:
        raise ConfigError(f"{', '.join(sorted(shared))}: in training and in validation; they must differ")
    with torch.random.fork_rng(devices=[]):
        if AUDIO in network.modalities:
            set_audio_normalization(network, train)
        network.to(device or torch.device("cpu"))
        return _Fit(network, train, settings, device or torch.device("cpu")).run(valid, progress, checkpoint)


def set_audio_normalization(network: FusionNetwork, sessions: Sequence[Session]) -> None:
    """Mean and standard deviation of every mel band over the valid frames of ``sessions``."""
    total, square, count = np.zeros(64), np.zeros(64), 0.0
    for session in sessions:
        part = session.parts[AUDIO]
        frames = np.asarray(part.features, np.float64).reshape(-1, 64)
        good = part.valid.reshape(-1) > 0.5
        total += frames[good].sum(0)
        square += np.square(frames[good]).sum(0)
        count += float(good.sum())
    mean = total / max(count, 1.0)
    spread = np.sqrt(np.maximum(square / max(count, 1.0) - mean**2, 0.0))
    encoder = cast(AudioEncoder, network.encoders[AUDIO])
    encoder.mean.copy_(torch.from_numpy(mean))
    encoder.std.copy_(torch.from_numpy(np.maximum(spread, _LOG_FLOOR_STD)))


def class_weights(sessions: Sequence[Session], n_classes: int) -> Tensor | None:
    """Weights that make unbalanced classes count alike; None where they are balanced already."""
    labels = np.concatenate([session.labels[session.labels != UNLABELLED] for session in sessions])
    counts = np.bincount(labels, minlength=n_classes).astype(float)
    there = counts > 0
    if counts[there].max() <= _BALANCED * counts[there].min():
        return None
    weights = np.where(there, counts.sum() / np.maximum(counts, 1.0) / there.sum(), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


class _Fit:
    """One training: optimiser, schedule and the running mean of the weights."""

    def __init__(
        self, network: FusionNetwork, train: Sequence[Session], settings: FitSettings, device: torch.device
    ) -> None:
        self._network, self._settings, self._device = network, settings, device
        self._batches = BatchMaker(train, settings.draw)
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        n_steps = settings.n_epochs * self._batches.n_steps
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, _WarmCosine(n_steps, settings.warm_share)
        )
        self._mean = AveragedModel(network, multi_avg_fn=_RunningMean(settings.mean_decay), use_buffers=True)
        weights = class_weights(train, network.n_classes)
        self._weights = None if weights is None else weights.to(device)
        self._history: list[Epoch] = []
        self._best: dict[str, Tensor] = {}

    def run(self, valid: Sequence[Session], progress: Progress, checkpoint: Checkpoint | None) -> Fitted:
        state = checkpoint.load() if checkpoint is not None else None
        if state is not None:
            self._restore(state)
            for epoch in self._history:
                progress(epoch)
        while len(self._history) < self._settings.n_epochs and not self._exhausted():
            number = len(self._history)
            losses = [self._step(number, step) for step in range(self._batches.n_steps)]
            progress(self._check(number, float(np.mean(losses)), valid))
            if checkpoint is not None:
                checkpoint.save(self._state())
        best = next(epoch for epoch in reversed(self._history) if epoch.best)
        network = copy.deepcopy(self._network)
        network.load_state_dict(self._best)
        network = network.cpu().eval()
        return Fitted(network, best.number, best.accuracy, best.valid_loss, tuple(self._history))

    def _exhausted(self) -> bool:
        if not self._settings.patience or not self._history:
            return False
        best = next(epoch for epoch in reversed(self._history) if epoch.best)
        return self._history[-1].number - best.number >= self._settings.patience

    def _step(self, epoch: int, step: int) -> float:
        seed = np.random.SeedSequence([self._settings.seed, epoch, step]).generate_state(1, np.uint64)
        torch.manual_seed(int(seed[0] >> np.uint64(1)))
        batch = self._batches.draw(epoch, step)
        if not len(batch.rows):
            return math.nan
        self._network.train()
        fast = self._device.type == "cuda"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=fast):
            loss = self._batch_loss(batch.to(self._device))
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.clip_norm)
        self._optimizer.step()
        self._schedule.step()
        self._mean.update_parameters(self._network)
        return float(loss.detach())

    def _batch_loss(self, batch: Batch) -> Tensor:
        tokens = encode_parts(self._network, batch.parts)
        windows, there = gather_windows(self._network.n_tokens, tokens, batch.rows, batch.ends, batch.shifts)
        targets = nn.functional.one_hot(batch.labels, self._network.n_classes).to(windows[0].dtype)
        presence = batch.presence
        if self._settings.mixup and len(targets) > 1:
            windows, there, targets, presence = self._mixed(windows, there, targets, presence)
        output = self._network.fuse(windows, there, presence)
        loss = self._loss(output.logits, targets, smooth=not self._network.fusion.gives_probs)
        for i in range(output.heads.shape[1]):
            alone = i < len(self._network.modalities)
            used = (presence[:, i] if alone else presence.amax(1)) > 0.5
            if bool(used.any()):
                loss = loss + self._settings.head_weight * self._loss(output.heads[used, i], targets[used])
        return loss

    def _mixed(
        self, windows: list[Tensor], there: list[Tensor], targets: Tensor, presence: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
        """Each window with some of another one; tokens that only one of them has are left out."""
        other = torch.randperm(len(targets)).to(targets.device)
        beta = torch.distributions.Beta(self._settings.mixup, self._settings.mixup)
        share = beta.sample((len(targets),)).to(targets)
        share = torch.maximum(share, 1.0 - share)
        both = [good * good[other] for good in there]
        able = torch.stack([good.amax(1) for good in both], dim=1) * presence * presence[other]
        share = torch.where((able == presence).all(1), share, torch.ones_like(share))  # else stays as it is
        alone = (share == 1.0)[:, None]
        there = [torch.where(alone, good, common) for good, common in zip(there, both, strict=True)]
        weight = share[:, None, None]
        windows = [weight * mine + (1.0 - weight) * mine[other] for mine in windows]
        return windows, there, share[:, None] * targets + (1.0 - share[:, None]) * targets[other], presence

    def _loss(self, logits: Tensor, targets: Tensor, smooth: bool = True) -> Tensor:
        return nn.functional.cross_entropy(
            logits.float(),
            targets,
            self._weights,
            label_smoothing=self._settings.label_smoothing if smooth else 0.0,
        )

    def _check(self, number: int, train_loss: float, valid: Sequence[Session]) -> Epoch:
        network = self._mean.module
        assert isinstance(network, FusionNetwork)
        scores = score_sessions(network, valid, self._device)
        valid_loss = float(np.mean([part.loss() for part in scores.values()]))
        best = not self._history or valid_loss < min(epoch.valid_loss for epoch in self._history)
        if best:
            self._best = {name: value.clone() for name, value in network.state_dict().items()}
        rate = float(self._optimizer.param_groups[0]["lr"])
        epoch = Epoch(number, self._settings.n_epochs, train_loss, valid_loss, accuracies(scores), best, rate)
        self._history.append(epoch)
        return epoch

    def _state(self) -> dict[str, object]:
        return {
            "network": self._network.state_dict(),
            "mean": self._mean.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "best": self._best,
            "history": [[getattr(epoch, name) for name in Epoch.__slots__] for epoch in self._history],
        }

    def _restore(self, state: dict[str, object]) -> None:
        self._network.load_state_dict(state["network"])  # type: ignore[arg-type]
        self._mean.load_state_dict(state["mean"])  # type: ignore[arg-type]
        self._optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self._schedule.load_state_dict(state["schedule"])  # type: ignore[arg-type]
        self._best = dict(state["best"])  # type: ignore[call-overload]
        self._history = [Epoch(*fields) for fields in state["history"]]  # type: ignore[attr-defined]


class _RunningMean:
    """Exponential mean of the weights that forgets quickly at first, while they are still far from good."""

    def __init__(self, decay: float) -> None:
        self._decay = decay

    @torch.no_grad()
    def __call__(self, mean: Sequence[Tensor], current: Sequence[Tensor], n: Tensor | int) -> None:
        decay = min(self._decay, (1.0 + float(n)) / (10.0 + float(n)))
        for kept, new in zip(mean, current, strict=True):
            if kept.is_floating_point():  # the others number things
                kept.lerp_(new, 1.0 - decay)


class _WarmCosine:
    """Learning rate as a share: a short rise, then a cosine down to a hundredth (Loshchilov 2017)."""

    def __init__(self, n_steps: int, warm_share: float) -> None:
        self._n_steps, self._n_warm = n_steps, max(1, round(warm_share * n_steps))

    def __call__(self, step: int) -> float:
        if step < self._n_warm:
            return (step + 1) / self._n_warm
        done = (step - self._n_warm) / max(1, self._n_steps - self._n_warm)
        return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
