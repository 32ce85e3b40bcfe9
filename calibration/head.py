"""The classifier's last layer fitted to a person's trials in closed form: convex, quick, without a seed.

The logits of a trial are the means over its windows, so a change ``W h + c`` of the last layer, ``h`` being
the mean of what goes into it, is a logistic regression on trials about the network's own answer, pulled back
to it by an L2 penalty. Every pattern of presence counts alike, so that an absent modality is not forgotten.
The heads of each modality are fitted in the same way, on their pooled vectors.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bci_stream.model.network import FusionNetwork
from bci_stream.training.batches import collate
from bci_stream.training.evaluate import encode_parts, gather_windows, patterns
from bci_stream.training.metrics import Floats, Ints
from bci_stream.training.personal_head import fit_head, log_softmax
from bci_stream.training.sessions import UNLABELLED, Session

STRENGTH: Final = 1.0  #: of the penalty: a Gaussian prior of unit variance on features of unit size
_TRIALS_AT_ONCE = 16  # grouping changes no trial's numbers but for rounding


class _Rows(NamedTuple):
    """Of some trials at a time: log probabilities (n, K), what the layer is given (n, F), the class (n,)."""

    z: list[Floats]
    x: list[Floats]
    labels: list[Ints]


def with_fitted_head(base: FusionNetwork, trials: Sequence[Session]) -> FusionNetwork:
    """The base with its last layers fitted to these trials."""
    network = copy.deepcopy(base).eval()
    layers = _layers(network)
    rows = {name: _Rows([], [], []) for name in layers}
    for start in range(0, len(trials), _TRIALS_AT_ONCE):
        _add(network, trials[start : start + _TRIALS_AT_ONCE], layers, rows)
    for name, (layer, temperature) in layers.items():
        if rows[name].labels:
            _fit(layer, float(temperature), rows[name])
    return network


def _layers(network: FusionNetwork) -> dict[str, tuple[nn.Linear, Tensor]]:
    """The last layer of the fused answer, if it has one, and of each modality's; with their temperatures."""
    found: dict[str, tuple[nn.Linear, Tensor]] = {}
    fused = [module for module in network.classifier.modules() if isinstance(module, nn.Linear)]
    if fused:
        found[""] = fused[-1], network.temperatures[0]
    for i, (name, head) in enumerate(network.heads.items()):
        assert isinstance(head, nn.Linear)
        found[name] = head, network.temperatures[1 + i]
    return found


@torch.inference_mode()
def _add(
    network: FusionNetwork,
    trials: Sequence[Session],
    layers: dict[str, tuple[nn.Linear, Tensor]],
    rows: dict[str, _Rows],
) -> None:
    """What each layer is given in some trials, in every pattern of presence in which it answers."""
    tokens = encode_parts(network, collate(trials, [(0, trial.n_tokens) for trial in trials]))
    where = [np.flatnonzero(trial.labels != UNLABELLED) for trial in trials]
    counts = [len(ends) for ends in where]
    of_trial = torch.from_numpy(np.repeat(np.arange(len(trials)), counts))
    ends = torch.from_numpy(np.concatenate(where))
    windows, there = gather_windows(network.n_tokens, tokens, of_trial, ends)
    with _Given(network, layers) as given:
        for name, pattern in patterns(network.modalities).items():
            network.fuse(windows, there, torch.tensor([pattern]).expand(len(of_trial), -1))
            for of, (layer, temperature) in layers.items():
                if of not in ("", name):
                    continue  # a modality's own layer is asked once, when it is alone
                x = torch.stack([part.mean(0) for part in torch.split(given.to[of].double(), counts)])
                z = (x @ layer.weight.double().t() + layer.bias.double()) / temperature
                rows[of].z.append(log_softmax(z.numpy()))
                rows[of].x.append(x.numpy())
                rows[of].labels.append(np.array([trial.label for trial in trials], np.int64))


class _Given:
    """What layers are given when the network runs, by their names here; every modality's own run as one."""

    def __init__(self, network: FusionNetwork, layers: dict[str, tuple[nn.Linear, Tensor]]) -> None:
        self.to: dict[str, Tensor] = {}
        self._modalities = network.modalities
        self._hooks = [network.own_logits.register_forward_pre_hook(self._keep_own)]
        if "" in layers:
            self._hooks.append(layers[""][0].register_forward_pre_hook(self._keep_fused))

    def _keep_own(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        self.to |= dict(zip(self._modalities, given[0], strict=True))

    def _keep_fused(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        self.to[""] = given[0]

    def __enter__(self) -> _Given:
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()


def _fit(layer: nn.Linear, temperature: float, rows: _Rows) -> None:
    head = fit_head(np.concatenate(rows.z), np.concatenate(rows.x), np.concatenate(rows.labels), (STRENGTH,))
    change = temperature * head.weights[:-1] / head.scale  # (F, K)
    shift = temperature * head.weights[-1] - head.mean @ change
    with torch.no_grad():
        layer.weight.add_(torch.from_numpy(change.T.copy()).to(layer.weight.dtype))
        layer.bias.add_(torch.from_numpy(shift).to(layer.bias.dtype))
