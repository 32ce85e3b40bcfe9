"""The rungs of a fine-tune: what of a network may move, from nothing to everything.

Every rung starts from the base and is pulled back to it (L2-SP, Li 2018), so that few trials move it
little. Below the last layers gradients move what may move, the classifier held; the last layers are then
fitted in closed form (:mod:`calibration.head`). Batches depend on the seed and the step alone, and dropout is
off: equal trials give equal weights on a CPU.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bci_stream.messages import AUDIO
from bci_stream.model.network import FusionNetwork
from bci_stream.training.batches import collate
from bci_stream.training.evaluate import Tokens, encode_parts, gather_windows, patterns
from bci_stream.training.fit import set_audio_normalization
from bci_stream.training.sessions import UNLABELLED, Session
from calibration.errors import CalibrationError
from calibration.head import with_fitted_head

AS_IT_IS: Final = "as it is"
TEMPERED: Final = "temperature and prior"
NORMALISED: Final = "normalisation statistics"
HEAD: Final = "classifier head"
FUSION: Final = "fusion"
LAST_BLOCK: Final = "last encoder block"
FULL: Final = "everything"
RUNGS: Final = (AS_IT_IS, TEMPERED, NORMALISED, HEAD, FUSION, LAST_BLOCK, FULL)
UP_TO: Final = {  # how a rung is called on a command line
    "temperature": TEMPERED,
    "normalisation": NORMALISED,
    "head": HEAD,
    "fusion": FUSION,
    "last-block": LAST_BLOCK,
    "everything": FULL,
}
LEARNED: Final = (HEAD, FUSION, LAST_BLOCK, FULL)  #: those that :func:`walk` goes
_ENCODERS_MOVE: Final = (LAST_BLOCK, FULL)


@dataclass(frozen=True, slots=True)
class StepSettings:
    """How a learned rung walks.

    ``checkpoints``: numbers of steps at which it may stop, rising. ``n_windows``: windows of a step.
    ``n_trials``: trials of a step where the encoders move. ``pull``: of the weights back to the base's.
    """

    checkpoints: tuple[int, ...] = (40,)
    learning_rate: float = 1e-3
    deep_learning_rate: float = 3e-4
    n_windows: int = 128
    n_trials: int = 8
    pull: float = 0.02
    head_weight: float = 0.5
    label_smoothing: float = 0.05
    seed: int = 0


def rungs_up_to(name: str) -> tuple[str, ...]:
    """The rungs from the lowest to that one.

    Raises:
        CalibrationError: it is none of :data:`UP_TO`.
    """
    if name not in UP_TO:
        raise CalibrationError(f"there is no rung {name}: choose one of {', '.join(UP_TO)}")
    return RUNGS[: RUNGS.index(UP_TO[name]) + 1]


class Stage(NamedTuple):
    """A rung after so many steps."""

    n_steps: int
    network: FusionNetwork


Cancelled = Callable[[], bool]


def never() -> bool:
    """Nobody cancels."""
    return False


def normalised(base: FusionNetwork, trials: Sequence[Session]) -> FusionNetwork:
    """The base with the voice's mean and spread of each mel band taken from these trials."""
    network = copy.deepcopy(base)
    if AUDIO in network.modalities and any(_heard(trial) for trial in trials):
        set_audio_normalization(network, [trial for trial in trials if _heard(trial)])
    return network.eval()


def _heard(trial: Session) -> bool:
    return bool((trial.parts[AUDIO].valid > 0.5).any())


def walk(
    base: FusionNetwork,
    rung: str,
    trials: Sequence[Session],
    settings: StepSettings,
    cancelled: Cancelled = never,
) -> Iterator[Stage]:
    """The network of a learned rung after each number of steps of ``settings.checkpoints``.

    The head alone takes no step. Ends early when cancelled.
    """
    if rung == HEAD:
        if not cancelled():
            yield Stage(0, _settled(base, trials))
        return
    network = copy.deepcopy(base).eval()
    moving = _free(network, rung)
    anchor = {name: p.detach().clone() for name, p in moving.items()}
    deep = rung in _ENCODERS_MOVE
    rate = settings.deep_learning_rate if deep else settings.learning_rate
    optimizer = torch.optim.AdamW(list(moving.values()), lr=rate, weight_decay=0.0)
    feed = _Feed(network, trials, settings, deep)
    for step in range(1, settings.checkpoints[-1] + 1):
        if cancelled():
            return
        change = torch.stack([(p - anchor[name]).square().sum() for name, p in moving.items()])
        loss = feed.loss(step) + settings.pull * change.sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(list(moving.values()), 1.0)
        optimizer.step()
        if step in settings.checkpoints:
            yield Stage(step, _settled(network, trials))


def _settled(network: FusionNetwork, trials: Sequence[Session]) -> FusionNetwork:
    return with_fitted_head(network, trials).requires_grad_(True)


def _free(network: FusionNetwork, rung: str) -> dict[str, nn.Parameter]:
    """The parameters that may move, by name; all others are held."""
    moving = {}
    for name, p in network.named_parameters():
        p.requires_grad_(_moves(network, rung, name))
        if p.requires_grad:
            moving[name] = p
    return moving


def _moves(network: FusionNetwork, rung: str, name: str) -> bool:
    if name.startswith(("classifier.", "heads.")):
        return False
    if rung == FULL:
        return True
    if name.startswith("fusion.") or (name.startswith("encoders.") and ".pool." in name):
        return True
    return rung == LAST_BLOCK and name.startswith(_last_blocks(network))


def _last_blocks(network: FusionNetwork) -> tuple[str, ...]:
    found = []
    for modality, encoder in network.encoders.items():
        blocks = encoder.blocks
        assert isinstance(blocks, nn.ModuleList)
        found.append(f"encoders.{modality}.blocks.{len(blocks) - 1}.")
    return tuple(found)


class _Feed:
    """Windows of the trials, some at each step; tokens are made once where the encoders are held."""

    def __init__(
        self, network: FusionNetwork, trials: Sequence[Session], settings: StepSettings, deep: bool
    ) -> None:
        self._network, self._trials, self._settings = network, trials, settings
        self._patterns = torch.tensor(list(patterns(network.modalities).values()))
        self._tokens = None if deep else _encoded(network, trials)
        self._ends = [np.flatnonzero(trial.labels != UNLABELLED) for trial in trials]

    def loss(self, step: int) -> Tensor:
        """Of the windows of one step, every pattern of presence alike."""
        rng = np.random.default_rng([self._settings.seed, step])
        tokens, chosen = self._of_step(rng)
        rows, ends, labels = self._windows(chosen, rng)
        windows, there = gather_windows(self._network.n_tokens, tokens, rows, ends)
        presence = self._patterns[torch.from_numpy(rng.integers(len(self._patterns), size=len(rows)))]
        output = self._network.fuse(windows, there, presence)
        smooth = 0.0 if self._network.fusion.gives_probs else self._settings.label_smoothing
        loss = nn.functional.cross_entropy(output.logits, labels, label_smoothing=smooth)
        for i in range(output.heads.shape[1]):
            alone = i < len(self._network.modalities)
            used = (presence[:, i] if alone else presence.amax(1)) > 0.5
            if bool(used.any()):
                own = nn.functional.cross_entropy(output.heads[used, i], labels[used])
                loss = loss + self._settings.head_weight * own
        return loss

    def _of_step(self, rng: np.random.Generator) -> tuple[Tokens, list[int]]:
        """Tokens, and which trial each of their rows is."""
        if self._tokens is not None:
            return self._tokens, list(range(len(self._trials)))
        n = min(self._settings.n_trials, len(self._trials))
        chosen = sorted(rng.choice(len(self._trials), n, replace=False).tolist())
        return _encode(self._network, [self._trials[i] for i in chosen]), chosen

    def _windows(self, chosen: Sequence[int], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Row, last token and class of the windows of a step; each trial as often, whatever its length."""
        rows = rng.integers(len(chosen), size=self._settings.n_windows)
        ends = np.array([rng.choice(self._ends[chosen[row]]) for row in rows])
        labels = np.array(
            [self._trials[chosen[row]].labels[end] for row, end in zip(rows, ends, strict=True)]
        )
        return torch.from_numpy(rows), torch.from_numpy(ends), torch.from_numpy(labels)


@torch.no_grad()
def _encoded(network: FusionNetwork, trials: Sequence[Session]) -> Tokens:
    return _encode(network, trials)


def _encode(network: FusionNetwork, trials: Sequence[Session]) -> Tokens:
    return encode_parts(network, collate(trials, [(0, trial.n_tokens) for trial in trials]))


def with_temperature_and_prior(base: FusionNetwork, temperature: float, bias: np.ndarray) -> FusionNetwork:
    """The base that answers ``softmax(z / temperature + bias)``, z being its own log probabilities.

    Where the fusion ends in probabilities there is no layer that a bias could go into, and it is left out.
    """
    network = copy.deepcopy(base)
    with torch.no_grad():
        network.temperatures[0] *= temperature
        last = None if network.fusion.gives_probs else _last_linear(network.classifier)
        if last is not None:
            last.bias.add_(network.temperatures[0] * torch.from_numpy(bias).to(last.bias.dtype))
    return network.eval()


def _last_linear(classifier: nn.Module) -> nn.Linear:
    found = [module for module in classifier.modules() if isinstance(module, nn.Linear)]
    return found[-1]


def moved(base: FusionNetwork, other: FusionNetwork) -> Mapping[str, float]:
    """How far each part of the network went: norm of the change over the norm of the base's weights."""
    theirs = dict(other.named_parameters())
    change: dict[str, list[float]] = {}
    for name, p in base.named_parameters():
        part = ".".join(name.split(".")[:2]) if name.startswith("encoders.") else name.split(".")[0]
        sums = change.setdefault(part, [0.0, 0.0])
        sums[0] += float((theirs[name] - p).detach().square().sum())
        sums[1] += float(p.detach().square().sum())
    return {part: (a / b) ** 0.5 if b else 0.0 for part, (a, b) in change.items()}
