"""What a network says of sessions: with everything, and with each modality alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from bci_stream.model.audio import AudioEncoder
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.network import FusionNetwork, FusionOutput
from bci_stream.training.batches import Prepared, collate
from bci_stream.training.sessions import UNLABELLED, Session

Encoder = EegEncoder | AudioEncoder
_SESSIONS_AT_ONCE = 16
_TOKENS_AT_ONCE = 4000


def patterns(modalities: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Which modalities the network may use: "both" (all of several), then each alone."""
    each = {name: tuple(float(other == name) for other in modalities) for name in modalities}
    return ({"both": (1.0,) * len(modalities)} | each) if len(modalities) > 1 else each


def main_pattern(modalities: Sequence[str]) -> str:
    """The pattern in which everything is used."""
    return "both" if len(modalities) > 1 else modalities[0]


class Tokens(NamedTuple):
    """Tokens (B, N, D) of each modality, and whether each counts (B, N)."""

    tokens: list[Tensor]
    there: list[Tensor]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a network said of ``n`` windows.

    ``logits``: (n, K). ``heads``: (n, H, K), in the order of the network's ``head_names``. ``gate``:
    (n, M). ``labels``: (n,). ``persons``: who. ``trials``: (n,) which trial of theirs. ``ends``: (n,) the
    window's last token, counted from the start of the session.
    """

    logits: Tensor
    heads: Tensor
    gate: Tensor
    labels: Tensor
    persons: tuple[str, ...]
    trials: Tensor
    ends: Tensor

    @property
    def n(self) -> int:
        """Windows."""
        return self.labels.numel()

    @property
    def n_trials(self) -> int:
        """Trials that the windows lie in: windows of one are far from independent."""
        return len(set(zip(self.persons, self.trials.tolist(), strict=True)))

    def accuracy(self) -> float:
        """Share of windows that were named right."""
        return float((self.logits.argmax(1) == self.labels).double().mean())

    def loss(self) -> float:
        """Mean negative log likelihood, nats."""
        return float(torch.nn.functional.cross_entropy(self.logits, self.labels))

    def confusion(self) -> np.ndarray:
        """(K, K) counts, a row for each true class."""
        k = self.logits.shape[1]
        return torch.bincount(self.labels * k + self.logits.argmax(1), minlength=k * k).reshape(k, k).numpy()


def encode_parts(network: FusionNetwork, parts: Mapping[str, Prepared]) -> Tokens:
    """Encode prepared stretches from nothing, every modality."""
    encoders = cast(Mapping[str, Encoder], network.encoders)
    tokens = [encoders[name].encode_prepared(*parts[name]) for name in network.modalities]
    return Tokens(tokens, [parts[name].there for name in network.modalities])


def fuse_windows(
    network: FusionNetwork,
    tokens: Tokens,
    rows: Tensor,
    ends: Tensor,
    presence: Tensor,
    shifts: Tensor | None = None,
) -> FusionOutput:
    """Fuse the windows that end with token ``ends`` (M,) of row ``rows`` (M,), given ``presence`` (M, n).

    A window that begins before its stretch has nothing there. ``shifts``: (M, n) tokens by which each
    modality is read later.
    """
    return network.fuse(*gather_windows(network.n_tokens, tokens, rows, ends, shifts), presence)


def gather_windows(
    n_tokens: int, tokens: Tokens, rows: Tensor, ends: Tensor, shifts: Tensor | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """(M, n_tokens, D) and (M, n_tokens) of each modality; zeros outside the stretch."""
    steps = ends[:, None] + torch.arange(1 - n_tokens, 1, device=ends.device)  # (M, window)
    windows, there = [], []
    for i, (mine, good) in enumerate(zip(tokens.tokens, tokens.there, strict=True)):
        at = steps if shifts is None else steps + shifts[:, i : i + 1]
        inside = (at >= 0) & (at < mine.shape[1])
        index = at.clamp(0, mine.shape[1] - 1)
        windows.append(mine[rows[:, None], index])
        there.append(good[rows[:, None], index] * inside)
    return windows, there


@torch.inference_mode()
def score_sessions(
    network: FusionNetwork,
    sessions: Sequence[Session],
    device: torch.device | None = None,
    asked: Mapping[str, tuple[float, ...]] | None = None,
) -> dict[str, Scores]:
    """Scores of every labelled window, by pattern of presence."""
    network.eval()
    asked = patterns(network.modalities) if asked is None else asked
    found: dict[str, list[Scores]] = {name: [] for name in asked}
    for group in _groups(sessions):
        tokens = _encode_group(network, group, device)
        for name, pattern in asked.items():
            found[name].append(_score_group(network, group, tokens, pattern))
    return {name: join_scores(parts) for name, parts in found.items()}


def _groups(sessions: Sequence[Session]) -> Iterator[list[Session]]:
    """Neighbours, a few at a time; padding and order change no score."""
    group: list[Session] = []
    for session in sessions:
        tokens = session.n_tokens + sum(other.n_tokens for other in group)
        if group and (len(group) == _SESSIONS_AT_ONCE or tokens > _TOKENS_AT_ONCE):
            yield group
            group = []
        group.append(session)
    if group:
        yield group


def _encode_group(network: FusionNetwork, group: Sequence[Session], device: torch.device | None) -> Tokens:
    parts = collate(group, [(0, session.n_tokens) for session in group])
    if device is not None:
        parts = {name: Prepared(*(x.to(device) for x in part)) for name, part in parts.items()}
    return encode_parts(network, parts)


def _score_group(
    network: FusionNetwork, group: Sequence[Session], tokens: Tokens, pattern: tuple[float, ...]
) -> Scores:
    where = [np.flatnonzero(session.labels != UNLABELLED) for session in group]
    rows = torch.from_numpy(np.repeat(np.arange(len(group)), [len(ends) for ends in where]))
    ends = torch.from_numpy(np.concatenate(where))
    device = tokens.tokens[0].device
    presence = torch.tensor([pattern], device=device).expand(len(ends), len(pattern))
    output = fuse_windows(network, tokens, rows.to(device), ends.to(device), presence)
    pairs = list(zip(group, where, strict=True))
    return Scores(
        output.logits.cpu(),
        output.heads.cpu(),
        output.gate.cpu(),
        torch.from_numpy(np.concatenate([session.labels[at] for session, at in pairs])),
        tuple(session.person for session, at in pairs for _ in at),
        torch.from_numpy(np.concatenate([session.segments[at] for session, at in pairs])),
        ends,
    )


def join_scores(parts: Sequence[Scores]) -> Scores:
    """One after the other."""
    joined = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("logits", "heads", "gate", "labels", "trials", "ends")
    }
    return Scores(persons=tuple(person for part in parts for person in part.persons), **joined)


def accuracies(scores: Mapping[str, Scores]) -> dict[str, float]:
    """Accuracy by pattern."""
    return {name: part.accuracy() for name, part in scores.items()}


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature of least negative log likelihood, found on a fine logarithmic grid 0.2 to 5."""
    candidates = torch.logspace(-0.7, 0.7, 141, dtype=torch.float64)
    losses = [torch.nn.functional.cross_entropy(logits.double() / t, labels) for t in candidates]
    return float(candidates[int(torch.stack(losses).argmin())])


def set_temperatures(network: FusionNetwork, sessions: Sequence[Session]) -> None:
    """Fit a temperature per head on people who were not trained on, then that of the fused answer (Guo 2017).

    In this order, because some modes fuse by the heads' calibrated confidence.
    """
    network.temperatures.fill_(1.0)
    main = main_pattern(network.modalities)
    everything = {main: patterns(network.modalities)[main]}
    before = score_sessions(network, sessions, asked=everything)[main]
    for i in range(before.heads.shape[1]):
        network.temperatures[1 + i] = fit_temperature(before.heads[:, i], before.labels)
    after = score_sessions(network, sessions, asked=everything)[main]
    network.temperatures[0] = fit_temperature(after.logits, after.labels)
