"""Random stretches of sessions with random windows in them, a little varied each time they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bci_stream.errors import ConfigError
from bci_stream.training.corpus import UNLABELLED, Session

EEG_GAIN_SD_DB = 1.0
EEG_NOISE_UV = 1.0  # at most
VOICE_GAIN_SD_DB = 1.0
LOST_CHANNEL_SHARE = 0.03
GAP_SHARE = 0.1  # of the stretches, per modality
GAP_TOKENS = (1, 12)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A batch of consecutive tokens of sessions, for the encoders; the fields as in :class:`Session`.

    ``eeg``: (B, C, T). ``eeg_valid``: (B, T). ``log_mel``: (B, F, 64). ``frame_valid``: (B, F).
    ``audio_valid``: (B, N).
    """

    eeg: Tensor
    eeg_valid: Tensor
    log_mel: Tensor
    frame_valid: Tensor
    audio_valid: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch and ``M`` windows of it.

    ``rows``, ``ends``: (M,) which row of the batch, and the window's last token. ``labels``: (M,) class.
    ``presence``: (M, 2), 1 or 0 for EEG, voice; never both 0.
    """

    stretch: Stretch
    rows: Tensor
    ends: Tensor
    labels: Tensor
    presence: Tensor


class DrawSettings(Protocol):
    """What :class:`BatchMaker` needs of the fit's settings."""

    @property
    def batch_size(self) -> int: ...  # noqa: D102  (see FitSettings)
    @property
    def stretch_s(self) -> float: ...  # noqa: D102
    @property
    def ends_per_stretch(self) -> int: ...  # noqa: D102
    @property
    def drop_modality(self) -> float: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


def cut(session: Session, start: int, stop: int) -> Stretch:
    """Tokens ``start`` to ``stop`` of a session, as a batch of one; views of its memory."""
    eeg_n = session.eeg_valid.numel() // session.n_tokens
    frames_n = session.frame_valid.numel() // session.n_tokens
    eeg, frames = slice(start * eeg_n, stop * eeg_n), slice(start * frames_n, stop * frames_n)
    return Stretch(
        session.eeg[None, :, eeg],
        session.eeg_valid[None, eeg],
        session.log_mel[None, frames],
        session.frame_valid[None, frames],
        session.audio_valid[None, start:stop],
    )


class BatchMaker:
    """Draws batches for ever, every session equally often.

    Raises ConfigError when a session is shorter than a stretch, or a stretch than a window.
    """

    def __init__(self, sessions: Sequence[Session], window_tokens: int, settings: DrawSettings) -> None:
        self._sessions, self._settings, self._window = sessions, settings, window_tokens
        self._n_tokens = round(settings.stretch_s * 5)
        shortest = min((session.n_tokens for session in sessions), default=0)
        if not window_tokens <= self._n_tokens <= shortest:
            raise ConfigError(
                f"a stretch of {settings.stretch_s:g} s must hold a window of {window_tokens / 5:g} s "
                f"and fit in the shortest session, {shortest / 5:g} s; change stretch_s or the sessions"
            )
        self._rng = np.random.default_rng(settings.seed)
        self._deck: list[int] = []

    def draw(self) -> Batch:
        """The next batch."""
        parts, rows, ends, labels = [], [], [], []
        for row in range(self._settings.batch_size):
            session = self._sessions[self._deal()]
            start = int(self._rng.integers(session.n_tokens - self._n_tokens + 1))
            parts.append(cut(session, start, start + self._n_tokens))
            mine = session.labels[start : start + self._n_tokens].numpy()
            chosen = self._windows(mine)
            rows += [row] * len(chosen)
            ends += chosen
            labels += mine[chosen].tolist()
        stretch = self._varied(_stacked(parts))
        presence = self._presence(len(rows))
        return Batch(stretch, torch.tensor(rows), torch.tensor(ends), torch.tensor(labels), presence)

    def _deal(self) -> int:
        if not self._deck:
            self._deck = self._rng.permutation(len(self._sessions)).tolist()
        return self._deck.pop()

    def _windows(self, labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[int]:
        """Some of the tokens at which a labelled window ends that began within the stretch."""
        ends = np.flatnonzero(labels != UNLABELLED)
        ends = ends[ends >= self._window - 1]
        n = min(len(ends), self._settings.ends_per_stretch)
        return sorted(self._rng.choice(ends, n, replace=False).tolist()) if n else []

    def _presence(self, n: int) -> Tensor:
        u, share = self._rng.random(n), self._settings.drop_modality
        return torch.tensor(np.stack([u >= share, u <= 1 - share], axis=1), dtype=torch.float32)

    def _varied(self, stretch: Stretch) -> Stretch:
        """Gains, noise, lost channels and gaps, as recordings have them."""
        n, channels = stretch.eeg.shape[:2]
        gain = 10 ** (self._rng.normal(0.0, EEG_GAIN_SD_DB, (n, 1, 1)) / 20)
        gain = gain * (self._rng.random((n, channels, 1)) >= LOST_CHANNEL_SHARE)
        noise_uv = self._rng.uniform(0.0, EEG_NOISE_UV, (n, 1, 1))
        noise = self._rng.standard_normal(stretch.eeg.shape, dtype=np.float32)
        eeg = stretch.eeg * _tensor(gain) + _tensor(noise_uv) * torch.from_numpy(noise)
        louder = self._rng.normal(0.0, VOICE_GAIN_SD_DB * np.log(10) / 10, (n, 1, 1))
        heard, felt = self._gaps(n), self._gaps(n)
        frame_valid = stretch.frame_valid * _spread(heard, stretch.frame_valid.shape[1])
        return Stretch(
            eeg,
            stretch.eeg_valid * _spread(felt, stretch.eeg_valid.shape[1]),
            (stretch.log_mel + _tensor(louder)) * frame_valid.unsqueeze(2),
            frame_valid,
            stretch.audio_valid * heard,
        )

    def _gaps(self, n: int) -> Tensor:
        """(n, tokens), 0 in a gap."""
        there = torch.ones(n, self._n_tokens)
        for row in np.flatnonzero(self._rng.random(n) < GAP_SHARE).tolist():
            start = int(self._rng.integers(self._n_tokens))
            there[row, start : start + int(self._rng.integers(*GAP_TOKENS))] = 0.0
        return there


def _spread(there: Tensor, n: int) -> Tensor:
    """(B, N) -> (B, n), each token's value for each of its samples."""
    return there.repeat_interleave(n // there.shape[1], dim=1)


def _tensor(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _stacked(parts: Sequence[Stretch]) -> Stretch:
    return Stretch(
        torch.cat([part.eeg for part in parts]),
        torch.cat([part.eeg_valid for part in parts]),
        torch.cat([part.log_mel for part in parts]),
        torch.cat([part.frame_valid for part in parts]),
        torch.cat([part.audio_valid for part in parts]),
    )
