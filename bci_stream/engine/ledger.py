"""The ledger: what a session did in each window, small enough to keep and exact enough to hold it to. Pure.

An entry holds digests, never samples: of the masks and of the samples of the window's newest hop (every
sample of a session is in exactly one), the model's hash, its logits, and where the time went. A replay of
the recording makes the same entries, and :func:`difference` names what of a window is not the same. As a
file it is one JSON object a line; each line is sealed by a digest over itself and the line before, so a
line that was altered, taken out or put in is found.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bci_stream.errors import LedgerError
from bci_stream.messages import AUDIO, EEG, Prediction, StreamWindow, Window

VERSION: Final = 1
MAX_LINE_BYTES: Final = 1 << 16
INTERVAL, BUNDLE, MASK, INPUT, LOGITS = "interval", "bundle", "mask", "input", "logits"
_DIGITS: Final = 32  # of a digest, hex: 128 bits
_FIRST_SEAL: Final = "0" * _DIGITS


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LedgerHeader(_Record):
    """What a ledger is of: the session's settings as texts, and the libraries that it ran with."""

    version: int
    settings: dict[str, str]
    libraries: dict[str, str]


class LedgerEntry(_Record):
    """One window. ``masks`` and ``inputs``: a digest for each stream; ``logits``: None when not fused.

    ``latency``: see :class:`~bci_stream.messages.Latency`; no part of what must be the same.
    """

    index: int
    t_start: float
    t_end: float
    deadline: bool
    masks: dict[str, str]
    inputs: dict[str, str]
    bundle: str
    logits: list[float] | None
    latency: dict[str, float | None]

    @property
    def interval(self) -> tuple[int, float, float, bool]:
        """Which window it is, and whether lateness closed it."""
        return self.index, self.t_start, self.t_end, self.deadline


class LedgerEnd(_Record):
    """The last line of a session that ended by itself."""

    n_windows: int = Field(ge=0)


Record = LedgerHeader | LedgerEntry | LedgerEnd
_KINDS: Final[dict[str, type[Record]]] = {"ledger": LedgerHeader, "window": LedgerEntry, "end": LedgerEnd}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def entry_of(window: Window, prediction: Prediction | None, hop_s: float, bundle: str) -> LedgerEntry:
    """The entry of one outcome; its arrays are read, not kept. ``bundle``: the model's hash, "" without."""
    masks, inputs = {}, {}
    for role, part in window.streams.items():
        newest = slice(-round(hop_s * part.sfreq), None)
        masks[role] = _digest(part, part.mask[newest], part.marks[newest])
        inputs[role] = _digest(part, part.data[newest])
    latency = asdict(prediction.latency) if prediction is not None else {}
    return LedgerEntry(
        index=window.index,
        t_start=window.t_start,
        t_end=window.t_end,
        deadline=window.deadline,
        masks=masks,
        inputs=inputs,
        bundle=prediction.bundle_sha256 if prediction is not None else bundle,
        logits=list(prediction.logits) if prediction is not None else None,
        latency={name: value if math.isfinite(value) else None for name, value in latency.items()},
    )


def _digest(part: StreamWindow, *arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{part.role} {part.sfreq!r}".encode())
    for array in arrays:
        digest.update(f" {array.shape} {array.dtype.str} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:_DIGITS]


def difference(
    recorded: LedgerEntry, again: LedgerEntry, roles: Iterable[str] = (EEG, AUDIO), *, whole: bool = True
) -> list[str]:
    """What of a window is not the same, a cause before what follows from it; [] when nothing is.

    A window that one of the two did not fuse (live, when newer ones were due) has no logits to compare.
    ``whole``: False where streams are left out on purpose, and logits and deadlines cannot be the same.
    """
    found = []
    if recorded.interval[: None if whole else 3] != again.interval[: None if whole else 3]:
        found.append(INTERVAL)
    if whole and recorded.bundle != again.bundle:
        found.append(BUNDLE)
    for role in roles:
        found += [f"{MASK} of {role}"] if recorded.masks.get(role) != again.masks.get(role) else []
        found += [f"{INPUT} of {role}"] if recorded.inputs.get(role) != again.inputs.get(role) else []
    both = recorded.logits is not None and again.logits is not None
    if whole and both and repr(recorded.logits) != repr(again.logits):  # NaN is NaN here
        found.append(LOGITS)
    return found


class Sealer:
    """Makes the lines of one ledger, each sealed with what is before it."""

    def __init__(self) -> None:
        self._seal = _FIRST_SEAL

    def line(self, record: Record) -> bytes:
        """The next line, with its end."""
        content = {"kind": _NAMES[type(record)], **record.model_dump()}
        body = json.dumps(content, allow_nan=True, ensure_ascii=True)
        self._seal = _sealed(self._seal, body)
        return f'{body[:-1]}, "seal": "{self._seal}"}}\n'.encode()


def _sealed(before: str, body: str) -> str:
    return hashlib.sha256(f"{before} {body}".encode()).hexdigest()[:_DIGITS]


def read_records(lines: Iterable[bytes], name: str) -> Iterator[Record]:
    """The records of a ledger, the header first. A last line without its end (a killed writer) is left out.

    Raises:
        LedgerError: a line that is not sound or not in its place, naming it; or another version.
    """
    seal = _FIRST_SEAL
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
            return
        record, seal = _record(line, seal, f"ledger {name}, line {number}")
        if (number == 1) is not isinstance(record, LedgerHeader):
            raise LedgerError(f"ledger {name}, line {number}: it begins with its header; this is none")
        yield record


def _record(line: bytes, seal: str, where: str) -> tuple[Record, str]:
    """One line's record and its seal. Raises LedgerError."""
    tail = len('"seal": ""}\n') + _DIGITS
    try:
        text = line.decode("ascii")
        body = text[: -tail - 2] + "}"
        sealed = _sealed(seal, body)
        if text[-tail - 2 :] != f', "seal": "{sealed}"}}\n':
            raise LedgerError(f"{where} was altered, or lines before it are missing: use the session's own")
        content = json.loads(body)
        if content.get("kind") == "ledger" and content.get("version") != VERSION:
            found = content.get("version")
            raise LedgerError(f"{where}: version {found!r:.20}, this bci_stream reads {VERSION}: update it")
        return _KINDS[content.pop("kind")].model_validate(content), sealed
    except (ValueError, KeyError, AttributeError, RecursionError, ValidationError) as error:
        raise LedgerError(f"{where} is no line of a ledger") from error
