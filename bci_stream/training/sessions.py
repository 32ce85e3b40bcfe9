"""What training is fed: stretches of signal as the encoders' learning parts see them, token by token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -1
IntArray = NDArray[np.int64]


class Part(NamedTuple):
    """One modality of a session of ``n`` tokens, 200 ms each; every array begins with the token axis.

    ``features``: what the encoder learns from. EEG by the learned front end: (n, 25, C) µV at 125 Hz; by
    band power: (n, 5 C). Voice: (n, 20, 64) log-mel frames. ``valid``: (n, 25), (n,) or (n, 20), 1 or 0.
    ``there``: (n,), whether the token counts.
    """

    features: NDArray[np.float32]
    valid: NDArray[np.float32]
    there: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch that the encoders go through from nothing: one trial, or a whole recording.

    ``labels``: (n,) class of the window that ends with each token, or :data:`UNLABELLED`. ``segments``: (n,)
    number of the trial that the window's end lies in. ``condition``: as in
    :class:`~bci_stream.training.trials.Trial`.
    """

    person: str
    parts: Mapping[str, Part]
    labels: IntArray
    segments: IntArray
    condition: str = ""

    @property
    def n_tokens(self) -> int:
        """Tokens in the session."""
        return len(self.labels)

    @property
    def trial(self) -> int:
        """Number of its first trial."""
        return int(self.segments[0])

    @property
    def label(self) -> int:
        """Class of its first labelled window, or :data:`UNLABELLED`."""
        labelled = self.labels[self.labels != UNLABELLED]
        return int(labelled[0]) if len(labelled) else UNLABELLED

    def digest(self) -> str:
        """Sha256 of every sample and label, in hex."""
        hasher = hashlib.sha256(self.person.encode())
        arrays: list[NDArray[Any]] = [self.labels, self.segments]
        arrays += [array for part in self.parts.values() for array in part]
        for array in arrays:
            hasher.update(np.ascontiguousarray(array).data)
        return hasher.hexdigest()


def data_sha256(sessions: Iterable[Session]) -> str:
    """One hash of all sessions, in order."""
    return hashlib.sha256("".join(session.digest() for session in sessions).encode()).hexdigest()


def people_of(sessions: Iterable[Session]) -> tuple[str, ...]:
    """Everybody, in the order of appearance."""
    return tuple(dict.fromkeys(session.person for session in sessions))
