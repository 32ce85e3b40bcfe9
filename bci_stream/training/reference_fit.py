"""Fitting a reference network to windows; what is kept did best on people who were not trained on."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bci_stream.errors import ConfigError
from bci_stream.training.baseline_windows import Windows
from bci_stream.training.reference_nets import SFREQ_HZ, EEGNet, build_reference

_TOKEN_N = round(0.2 * SFREQ_HZ)
_AT_ONCE = 64  # windows that are answered together


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    """``min_steps``: batches in an epoch at least. ``patience``: epochs without a better validation loss."""

    n_epochs: int = 40
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int = 32
    min_steps: int = 30
    patience: int = 8
    seed: int = 0


class ReferenceModel:
    """A network of :mod:`~bci_stream.training.reference_nets`, fitted.

    Equal arguments and an equal number of torch threads give equal bits on a CPU.

    Args:
        name: which.
        train: to fit to.
        valid: of other people, or other trials; decides when to stop.
        n_classes: K.

    Raises:
        ConfigError: the name is unknown, or there are no windows.
    """

    def __init__(
        self,
        name: str,
        train: Windows,
        valid: Windows,
        n_classes: int,
        settings: ReferenceSettings = ReferenceSettings(),
        device: str = "cpu",
    ) -> None:
        if not len(train) or not len(valid):
            raise ConfigError(f"{name}: {len(train)} windows to train, {len(valid)} to validate; need both")
        self._device, self._settings = torch.device(device), settings
        self._scale = _scale(train)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            n_channels = train.eeg(np.array([0])).shape[1]
            self._net = build_reference(name, n_channels, train.n_tokens * _TOKEN_N, n_classes)
            self._net.to(self._device)
            self._fit(train, valid)

    @torch.inference_mode()
    def logits(self, windows: Windows) -> NDArray[np.float64]:
        """(n, K) of each window."""
        self._net.eval()
        blocks = [
            self._net(self._batch(windows, np.arange(i, min(i + _AT_ONCE, len(windows))))).double().cpu()
            for i in range(0, len(windows), _AT_ONCE)
        ]
        return torch.cat(blocks).numpy()

    def _fit(self, train: Windows, valid: Windows) -> None:
        s = self._settings
        optimizer = torch.optim.AdamW(self._net.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
        best, best_loss, waited = copy.deepcopy(self._net.state_dict()), float("inf"), 0
        for epoch in range(s.n_epochs):
            for which in _batches(len(train), s, epoch):
                self._step(train, which, optimizer)
            loss = self._loss(valid)
            waited = 0 if loss < best_loss else waited + 1
            if loss < best_loss:
                best, best_loss = copy.deepcopy(self._net.state_dict()), loss
            if waited >= s.patience:
                break
        self._net.load_state_dict(best)

    def _step(self, train: Windows, which: NDArray[np.int64], optimizer: torch.optim.Optimizer) -> None:
        self._net.train()
        labels = torch.from_numpy(train.labels[which]).to(self._device)
        loss = nn.functional.cross_entropy(self._net(self._batch(train, which)), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if isinstance(self._net, EEGNet):
            self._net.constrain()

    def _loss(self, valid: Windows) -> float:
        logits = torch.from_numpy(self.logits(valid))
        return float(nn.functional.cross_entropy(logits, torch.from_numpy(valid.labels)))

    def _batch(self, windows: Windows, which: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(windows.eeg(which) / self._scale).to(self._device)


def _batches(n: int, settings: ReferenceSettings, epoch: int) -> list[NDArray[np.int64]]:
    """Every window once, or several times where there are few; no batch of one, which has no statistics."""
    rng = np.random.default_rng([settings.seed, epoch])
    n_steps = max(settings.min_steps, -(-n // settings.batch_size))
    n_rounds = -(-n_steps * settings.batch_size // n)
    order = np.concatenate([rng.permutation(n) for _ in range(n_rounds)])
    return np.split(order[: n_steps * settings.batch_size], n_steps)


def _scale(train: Windows) -> np.float32:
    """RMS of the training windows: the networks begin with numbers about 1."""
    total = sum(
        float(np.square(train.eeg(np.array([i])).astype(np.float64)).mean()) for i in range(len(train))
    )
    return np.float32(max(np.sqrt(total / len(train)), 1e-6))
