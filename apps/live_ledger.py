"""The ledger of a session: written beside its recording while it runs, read again by ``verify``."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from bci_stream import __version__
from bci_stream.engine.ledger import (
    MAX_LINE_BYTES,
    VERSION,
    LedgerEnd,
    LedgerEntry,
    LedgerHeader,
    Sealer,
    entry_of,
    read_records,
)
from bci_stream.engine.pipeline import Outcome
from bci_stream.errors import LedgerError
from bci_stream.sinks.lines import LineWriter

if TYPE_CHECKING:
    from apps.choice import Prepared

SUFFIX = ".ledger.jsonl"
WHAT = "ledger"


def ledger_of(recording: Path) -> Path:
    """Where the ledger of a recording is."""
    return recording.with_name(recording.stem + SUFFIX)


class LedgerRecorder:
    """Writes a ledger; :meth:`take` is called in the engine's thread, with every outcome.

    ``roles``: the streams of the session. Raises ConfigError when the file cannot be made.
    """

    def __init__(self, path: Path, prepared: Prepared, roles: Sequence[str]) -> None:
        self._hop_s = prepared.settings.hop_s
        self._bundle = prepared.bundle.sha256 if prepared.bundle is not None else ""
        self._writer = LineWriter(path, WHAT)
        self._sealer = Sealer()
        self._n_windows = 0
        header = LedgerHeader(version=VERSION, settings=settings_of(prepared, roles), libraries=libraries())
        self._writer.put(self._sealer.line(header))

    @property
    def error(self) -> str | None:
        """Why it is not whole, None while all is well."""
        return self._writer.error

    def take(self, outcome: Outcome) -> None:
        """Note one outcome; returns at once."""
        entry = entry_of(outcome.window, outcome.prediction, self._hop_s, self._bundle)
        self._writer.put(self._sealer.line(entry))
        self._n_windows += 1

    def close(self) -> None:
        """Write what waits, and the end."""
        self._writer.put(self._sealer.line(LedgerEnd(n_windows=self._n_windows)))
        self._writer.close()


def settings_of(prepared: Prepared, roles: Sequence[str]) -> dict[str, str]:
    """All settings on which windows and logits depend, as texts."""
    from apps.live_recording import session_facts

    return session_facts(prepared, roles)


def libraries() -> dict[str, str]:
    """What the bits of a window may depend on besides the settings."""
    found = {name: version(name) for name in ("numpy", "scipy", "numba", "torch")}
    return {"bci_stream": __version__, **found, "machine": platform.machine()}


class Ledger:
    """A ledger as it was read: header, windows by index, and whether the session ended by itself.

    Raises:
        LedgerError: missing, damaged, of another version, or without a window.
    """

    def __init__(self, path: Path) -> None:
        entries: dict[int, LedgerEntry] = {}
        self.header: LedgerHeader | None = None
        self.ended = False
        try:
            with path.open("rb") as file:
                lines = iter(lambda: file.readline(MAX_LINE_BYTES), b"")
                for record in read_records(lines, str(path)):
                    if isinstance(record, LedgerHeader):
                        self.header = record
                    elif isinstance(record, LedgerEntry):
                        entries[record.index] = record
                    else:
                        self.ended = True
        except OSError as error:
            raise LedgerError(
                f"ledger {path} cannot be read: {error.strerror}; `live --record` writes one beside the "
                "recording, and --ledger names another"
            ) from error
        if self.header is None or not entries:
            raise LedgerError(f"ledger {path} holds no window: there is nothing to verify")
        self.entries: Mapping[int, LedgerEntry] = entries
        self.settings = self.header.settings
        self.roles = tuple(role for role in self.settings.get("roles", "").split(",") if role)
