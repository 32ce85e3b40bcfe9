"""The event log as a table: what is kept of it by a filter, and what changed since the last look. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apps.gui.strings import tr
from apps.gui.viewmodels.health import light
from apps.gui.viewmodels.words import clock_words
from bci_stream.engine.frame import LogEntry

MOST_ROWS: Final = 2000
LEVELS: Final = ("good", "warn", "bad")  #: a filter keeps one of these and all that are worse


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is kept: at least this ``level``, of this ``source`` ("" any), with this ``text`` in its words."""

    level: str = "good"
    source: str = ""
    text: str = ""

    def keeps(self, entry: LogEntry) -> bool:
        """Whether a line is shown."""
        rank = LEVELS.index(entry.level) if entry.level in LEVELS else len(LEVELS)
        if rank < LEVELS.index(self.level) or (self.source and entry.source != self.source):
            return False
        return self.text.casefold() in f"{entry.source} {entry.words}".casefold()


@dataclass(frozen=True, slots=True)
class Change:
    """What a table has to do: drop rows from its front, put ``fresh`` at its end; or begin ``anew``."""

    dropped: int = 0
    fresh: tuple[LogEntry, ...] = ()
    anew: bool = False


class LogTable:
    """The rows that are shown, newest last; bounded. :meth:`look`, then do as it says, in this order."""

    def __init__(self) -> None:
        self.filter = LogFilter()
        self.rows: list[LogEntry] = []
        self.sources: tuple[str, ...] = ()
        self._seen: tuple[LogEntry, ...] = ()

    def look(self, log: tuple[LogEntry, ...]) -> Change:
        """What a frame's log changes; :attr:`rows` are still as they were."""
        if log is self._seen:
            return Change()
        fresh = _fresh(self._seen, log)
        self._seen = log
        self.sources = tuple(sorted({entry.source for entry in log}))
        if fresh is None:
            return Change(anew=True)
        kept = tuple(entry for entry in fresh if self.filter.keeps(entry))[-MOST_ROWS:]
        return Change(max(0, len(self.rows) + len(kept) - MOST_ROWS), kept)

    def drop(self, n: int) -> None:
        """Take rows from the front."""
        del self.rows[:n]

    def append(self, fresh: tuple[LogEntry, ...]) -> None:
        """Put rows at the end."""
        self.rows += fresh

    def renew(self, chosen: LogFilter | None = None) -> None:
        """Make all rows anew, perhaps by another filter."""
        self.filter = chosen or self.filter
        self.rows = [entry for entry in self._seen if self.filter.keeps(entry)][-MOST_ROWS:]


def cells(entry: LogEntry) -> tuple[str, str, str, str]:
    """Time, light, source and words."""
    return clock_words(entry.t_s), light(entry.level), entry.source, " ".join(entry.words.split())


def titles() -> tuple[str, str, str, str]:
    """Words for :func:`cells`."""
    return tr("time"), tr("level"), tr("source"), tr("what happened")


def copied(entries: list[LogEntry]) -> str:
    """Lines for the clipboard: tabs between, newest last."""
    return "\n".join(
        "\t".join((f"{e.t_s:.2f}", e.level, e.source, " ".join(e.words.split()))) for e in entries
    )


def _fresh(seen: tuple[LogEntry, ...], log: tuple[LogEntry, ...]) -> tuple[LogEntry, ...] | None:
    """What ``log`` has after all of ``seen``; None when it does not go on from it."""
    if not seen:
        return log
    if not log:
        return None
    last = seen[-1]
    for at in range(len(log) - 1, -1, -1):  # the newest are few
        if log[at] is last:
            return log[at + 1 :]
    return None
