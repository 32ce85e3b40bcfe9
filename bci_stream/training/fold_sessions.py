"""The sessions of one fold as every harness takes them: labelled, and tested and validated with a voice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bci_stream.training.sessions import UNLABELLED, Session
from bci_stream.training.splits import Split, TrialId

_LISTENING = "listening"  # trains the EEG, but is not what is tested


class FoldSessions(NamedTuple):
    """Who is fitted to, who decides when to stop, who is tested."""

    train: list[Session]
    valid: list[Session]
    test: list[Session]


def fold_sessions(
    split: Split, number: int, sessions: Sequence[Session], classes: Sequence[str]
) -> FoldSessions:
    """What fold ``number`` of ``split`` makes of ``sessions``.

    Raises:
        ConfigError: the split does not fit the sessions.
    """
    usable = [session for session in sessions if session.label != UNLABELLED]
    ids = [TrialId(session.person, session.trial, classes[session.label]) for session in usable]
    train, valid, test = ([usable[i] for i in part] for part in split.select(number, ids))
    return FoldSessions(train, spoken(valid), spoken(test))


def spoken(sessions: Sequence[Session]) -> list[Session]:
    """Those that are tested: all but listening trials, which have no voice."""
    return [session for session in sessions if session.condition != _LISTENING]
