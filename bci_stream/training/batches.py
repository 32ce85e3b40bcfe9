"""Batches of sessions with windows in them, a little varied each time they are drawn.

A batch is decided by (seed, epoch, step) alone, so that a training that was killed goes on as if it had not
been, and by nothing that other batches did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bci_stream.messages import AUDIO, EEG
from bci_stream.training.augment import Augmentation, augment
from bci_stream.training.sessions import UNLABELLED, Part, Session


class Prepared(NamedTuple):
    """One modality of a batch: :class:`~bci_stream.training.sessions.Part` with a batch axis before it."""

    features: Tensor
    valid: Tensor
    there: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """``B`` stretches of sessions and ``M`` windows of them.

    ``parts``: each modality's. ``rows``, ``ends``: (M,) which stretch, and the window's last token.
    ``shifts``: (M, n_modalities) tokens by which each modality is read later. ``labels``: (M,) class.
    ``presence``: (M, n_modalities), 1 or 0, never all 0.
    """

    parts: Mapping[str, Prepared]
    rows: Tensor
    ends: Tensor
    shifts: Tensor
    labels: Tensor
    presence: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        parts = {name: Prepared(*(x.to(device) for x in part)) for name, part in self.parts.items()}
        rest = (self.rows, self.ends, self.shifts, self.labels, self.presence)
        return Batch(parts, *(x.to(device) for x in rest))


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """How batches are drawn.

    ``batch_size``: stretches. ``min_steps``: batches in an epoch at least; few sessions come several times.
    ``stretch_s``: the most that is taken of one session, at a random place. ``ends_per_stretch``: windows of
    each. ``drop_modality``: share of windows without EEG, and as many without voice (ModDrop, Neverova 2016).
    ``shift_s``: the voice is read up to this much earlier or later, so that a little misalignment does no
    harm.
    """

    batch_size: int = 8
    min_steps: int = 25
    stretch_s: float = 20.0
    ends_per_stretch: int = 8
    drop_modality: float = 0.2
    shift_s: float = 0.4
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


def collate(sessions: Sequence[Session], spans: Sequence[tuple[int, int]]) -> dict[str, Prepared]:
    """The parts of ``sessions`` within ``spans`` of tokens as one batch; shorter ones end in nothing."""
    longest = max(stop - start for start, stop in spans)
    parts = {}
    for name in sessions[0].parts:
        cuts = [Part(*(x[a:b] for x in s.parts[name])) for s, (a, b) in zip(sessions, spans, strict=True)]
        parts[name] = Prepared(*(_padded(arrays, longest) for arrays in zip(*cuts, strict=True)))
    return parts


def _padded(arrays: Sequence[np.ndarray], n: int) -> Tensor:
    out = np.zeros((len(arrays), n, *arrays[0].shape[1:]), np.float32)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out)


class BatchMaker:
    """Draws the batches of any epoch, every session equally often in it, but for the last batch."""

    def __init__(self, sessions: Sequence[Session], settings: DrawSettings) -> None:
        self._sessions, self._settings = sessions, settings
        self._n_tokens = round(settings.stretch_s * 5)
        self._names = tuple(sessions[0].parts)
        self.n_steps = max(settings.min_steps, math.ceil(len(sessions) / settings.batch_size))

    def draw(self, epoch: int, step: int) -> Batch:
        """Batch ``step`` of ``epoch``."""
        seed, size = self._settings.seed, self._settings.batch_size
        once = np.random.default_rng([seed, epoch])
        n_drawn = max(len(self._sessions), self._settings.min_steps * size)
        n_passes = math.ceil(n_drawn / len(self._sessions))
        order = np.concatenate([once.permutation(len(self._sessions)) for _ in range(n_passes)])[:n_drawn]
        rng = np.random.default_rng([seed, epoch, step])
        chosen = [self._sessions[i] for i in order[step * size : (step + 1) * size]]
        spans = [self._span(session, rng) for session in chosen]
        rows, ends, labels = [], [], []
        for row, (session, (start, stop)) in enumerate(zip(chosen, spans, strict=True)):
            mine = session.labels[start:stop]
            picked = self._windows(mine, rng)
            rows += [row] * len(picked)
            ends += picked
            labels += mine[picked].tolist()
        parts = augment(collate(chosen, spans), self._settings.augmentation, rng)
        n = len(rows)
        return Batch(
            parts,
            torch.tensor(rows, dtype=torch.long),
            torch.tensor(ends, dtype=torch.long),
            self._shifts(n, rng),
            torch.tensor(labels, dtype=torch.long),
            self._presence(n, rng),
        )

    def _span(self, session: Session, rng: np.random.Generator) -> tuple[int, int]:
        spare = session.n_tokens - self._n_tokens
        start = int(rng.integers(spare + 1)) if spare > 0 else 0
        return start, min(start + self._n_tokens, session.n_tokens)

    def _windows(self, labels: np.ndarray, rng: np.random.Generator) -> list[int]:
        """Some of the tokens at which a labelled window ends."""
        ends = np.flatnonzero(labels != UNLABELLED)
        n = min(len(ends), self._settings.ends_per_stretch)
        return sorted(rng.choice(ends, n, replace=False).tolist()) if n else []

    def _presence(self, n: int, rng: np.random.Generator) -> Tensor:
        presence = np.ones((n, len(self._names)), np.float32)
        if len(self._names) > 1:
            left_out = rng.integers(len(self._names), size=n)
            dropped = rng.random(n) < self._settings.drop_modality * len(self._names)
            presence[np.flatnonzero(dropped), left_out[dropped]] = 0.0
        return torch.from_numpy(presence)

    def _shifts(self, n: int, rng: np.random.Generator) -> Tensor:
        most = round(self._settings.shift_s * 5)
        shifts = np.zeros((n, len(self._names)), np.int64)
        if EEG in self._names and AUDIO in self._names and most:
            shifts[:, self._names.index(AUDIO)] = rng.integers(-most, most + 1, size=n)
        return torch.from_numpy(shifts)
