"""How well a network tells the classes of labelled sessions: with both modalities, and with each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bci_stream.model.audio import AudioEncoder
from bci_stream.model.network import FusionNetwork, FusionOutput
from bci_stream.training.batches import Stretch, cut
from bci_stream.training.corpus import UNLABELLED, Session

#: Which modalities the network is given: of EEG, of voice.
PATTERNS: Final = {"both": (1.0, 1.0), "eeg": (1.0, 0.0), "audio": (0.0, 1.0)}


class Tokens(NamedTuple):
    """Both encoders' tokens of a stretch (B, N, D), and their validity (B, N)."""

    eeg: Tensor
    eeg_valid: Tensor
    audio: Tensor
    audio_valid: Tensor


@dataclass(frozen=True, slots=True)
class Scores:
    """What a network said of ``n`` windows.

    ``logits``, ``eeg_logits``, ``audio_logits``: (n, K). ``labels``: (n,). ``persons``, ``segments``: (n,).
    """

    logits: Tensor
    eeg_logits: Tensor
    audio_logits: Tensor
    labels: Tensor
    persons: Tensor
    segments: Tensor

    @property
    def n(self) -> int:
        """Windows."""
        return self.labels.numel()

    @property
    def n_segments(self) -> int:
        """Stretches of one class that the windows lie in: windows of one are far from independent."""
        return len(set(zip(self.persons.tolist(), self.segments.tolist(), strict=True)))

    def accuracy(self) -> float:
        """Share of windows that were named right."""
        return float((self.logits.argmax(1) == self.labels).double().mean())

    def loss(self) -> float:
        """Mean negative log likelihood, nats."""
        return float(torch.nn.functional.cross_entropy(self.logits, self.labels))

    def confusion(self) -> NDArray[np.int64]:
        """(K, K) counts, a row for each true class."""
        k = self.logits.shape[1]
        return torch.bincount(self.labels * k + self.logits.argmax(1), minlength=k * k).reshape(k, k).numpy()


def encode_frames(encoder: AudioEncoder, log_mel: Tensor, frame_valid: Tensor) -> Tensor:
    """Tokens (B, N, D) from log-mel frames that were made before: (B, 20 N, 64), (B, 20 N).

    What the encoder does after its front end, which learns nothing and need not run in every epoch.
    """
    front_end, state = encoder.log_mel, encoder.initial_state(log_mel.shape[0])
    y = (log_mel - front_end.mean) * (1.0 / front_end.std) * frame_valid.unsqueeze(2)
    y, _ = encoder.with_slope(y, frame_valid, state[2])
    for block, history in zip(encoder.blocks, state[3:], strict=True):
        y, frame_valid, _ = block(y, frame_valid, history)
    return y


def encode_stretch(network: FusionNetwork, stretch: Stretch) -> Tokens:
    """Encode a whole stretch from nothing."""
    state = network.initial_eeg_state(stretch.eeg.shape[0])
    eeg, eeg_valid, _ = network.encode_eeg(stretch.eeg, stretch.eeg_valid, state)
    audio = encode_frames(network.audio, stretch.log_mel, stretch.frame_valid)
    return Tokens(eeg, eeg_valid, audio, stretch.audio_valid)


def fuse_windows(
    network: FusionNetwork, tokens: Tokens, rows: Tensor, ends: Tensor, presence: Tensor
) -> FusionOutput:
    """Fuse the windows that end with token ``ends`` (M,) of row ``rows`` (M,), given ``presence`` (M, 2)."""
    steps = ends[:, None] + torch.arange(1 - network.n_tokens, 1)  # (M, window)
    eeg, eeg_valid, audio, audio_valid = (part[rows[:, None], steps] for part in tokens)
    return network.fuse(eeg, eeg_valid, audio, audio_valid, presence)


@torch.inference_mode()
def score_session(network: FusionNetwork, session: Session) -> dict[str, Scores]:
    """Scores of every labelled window of a session, by pattern; ``network`` must be in evaluation mode."""
    tokens = encode_stretch(network, cut(session, 0, session.n_tokens))
    ends = torch.nonzero(session.labels != UNLABELLED)[:, 0]
    ends = ends[ends >= network.n_tokens - 1]
    rows, persons = torch.zeros_like(ends), torch.full_like(ends, session.person)
    scores = {}
    for name, pattern in PATTERNS.items():
        output = fuse_windows(network, tokens, rows, ends, torch.tensor([pattern]).expand(len(ends), 2))
        said = (output.logits, output.eeg_logits, output.audio_logits)
        scores[name] = Scores(*said, session.labels[ends], persons, session.segments[ends])
    return scores


def score_sessions(network: FusionNetwork, sessions: Sequence[Session]) -> dict[str, Scores]:
    """:func:`score_session` of all, by pattern."""
    network.eval()
    each = [score_session(network, session) for session in sessions]
    return {name: _joined([scores[name] for scores in each]) for name in PATTERNS}


def accuracies(scores: Mapping[str, Scores]) -> dict[str, float]:
    """Accuracy by pattern."""
    return {name: part.accuracy() for name, part in scores.items()}


def _joined(parts: Sequence[Scores]) -> Scores:
    names = ("logits", "eeg_logits", "audio_logits", "labels", "persons", "segments")
    return Scores(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
