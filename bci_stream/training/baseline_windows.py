"""Windows of prepared sessions as plain arrays, for models that know nothing of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_stream.training.sessions import UNLABELLED, Part, Session

Ints = NDArray[np.int64]
_FEWEST_THERE = 0.5  # of a window's tokens, or of a shorter session's, as training has it


@dataclass(frozen=True, slots=True)
class Windows:
    """``n`` windows of ``n_tokens`` tokens; signals are read only when asked for.

    ``rows``: (n,) which session. ``ends``: (n,) the window's last token. ``labels``: (n,). ``keys``: person
    and trial of each.
    """

    sessions: Sequence[Session]
    modality: str
    n_tokens: int
    rows: Ints
    ends: Ints
    labels: Ints
    keys: tuple[tuple[str, int], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def eeg(self, which: Ints) -> NDArray[np.float32]:
        """(len(which), C, T) µV at 125 Hz, of sessions prepared with the learned front end."""
        samples = np.stack([self._cut(i, self._part(i).features) for i in which])  # (n, tokens, 25, C)
        return np.ascontiguousarray(samples.reshape(len(which), -1, samples.shape[-1]).swapaxes(1, 2))

    def mel(self, which: Ints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(len(which), F, 64) log-mel frames and (len(which), F) which of them are valid."""
        frames = np.stack([self._cut(i, self._part(i).features) for i in which])
        valid = np.stack([self._cut(i, self._part(i).valid) for i in which])
        return frames.reshape(len(which), -1, frames.shape[-1]), valid.reshape(len(which), -1)

    def _part(self, i: int) -> Part:
        return self.sessions[int(self.rows[i])].parts[self.modality]

    def _cut(self, i: int, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """The window's tokens; zeros before the session began."""
        stop = int(self.ends[i]) + 1
        start = max(0, stop - self.n_tokens)
        out = np.zeros((self.n_tokens, *array.shape[1:]), np.float32)
        out[self.n_tokens - (stop - start) :] = array[start:stop]
        return out


def cut_windows(sessions: Sequence[Session], modality: str, n_tokens: int) -> Windows:
    """Windows side by side from each session's end to its beginning.

    Those with too little signal are left out. A session shorter than a window gives one, with zeros before.
    """
    found = [
        (row, end)
        for row, session in enumerate(sessions)
        for end in _ends(session, n_tokens)
        if _share_there(session.parts[modality], end, n_tokens) >= _FEWEST_THERE
    ]
    rows = np.array([row for row, _ in found], np.int64)
    ends = np.array([end for _, end in found], np.int64)
    labels = np.array([sessions[row].labels[end] for row, end in found], np.int64)
    keys = tuple((sessions[row].person, int(sessions[row].segments[end])) for row, end in found)
    return Windows(sessions, modality, n_tokens, rows, ends, labels, keys)


def _ends(session: Session, n_tokens: int) -> list[int]:
    first = min(n_tokens, session.n_tokens) - 1
    ends = range(session.n_tokens - 1, first - 1, -n_tokens)
    return [end for end in reversed(ends) if session.labels[end] != UNLABELLED]


def _share_there(part: Part, end: int, n_tokens: int) -> float:
    """Of the tokens that the window could have had: a short utterance is a whole one."""
    n_possible = min(n_tokens, len(part.there))
    return float(part.there[max(0, end + 1 - n_tokens) : end + 1].sum()) / n_possible
