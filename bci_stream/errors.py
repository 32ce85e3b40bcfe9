"""Every error that bci_stream raises on purpose.

::

    BciStreamError                 one line: what was asked, what was found, what to do
    ├── ConfigError                an option or a file of settings makes no sense
    ├── StreamError                a stream on the network or in a file
    │   ├── StreamNotFoundError    nothing matches what was asked for
    │   ├── AmbiguousStreamError   more than one stream matches
    │   ├── StreamFormatError      its header or samples cannot be used
    │   └── StreamLostError        it went away and did not come back
    ├── RecordingError             an XDF file that cannot be read
    ├── LedgerError                a session's ledger that is missing, damaged or of another version
    ├── CorpusError                training data that are not what they should be; names the file
    ├── ResultError                a result directory or checkpoint that cannot be read, or that differs
    └── BundleError                a model bundle that cannot be used
        ├── BundleCorruptError     missing, truncated, altered or of another format version
        └── BundleMismatchError    sound, but made for other channels, rates or units
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def place_of(loc: Iterable[object], whole: str) -> str:
    """Where in a file a value is wrong, in a word that is never more than a piece of a line.

    ``loc``: the path to it, as pydantic gives it; keys may be somebody else's. ``whole``: said for no path.
    """
    return " ".join(".".join(map(str, loc)).split())[:80] or whole


def first_fault(error: ValidationError, whole: str = "as a whole") -> str:
    """The first thing that pydantic found wrong: where, and what."""
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{place_of(found['loc'], whole)}: {' '.join(found['msg'].split())[:200]}"


class BciStreamError(Exception):
    """Base of every error raised on purpose; its text is one clear line for a person."""


class ConfigError(BciStreamError):
    """An option, an argument or a settings file makes no sense."""


class StreamError(BciStreamError):
    """A stream, on the network or in a file, cannot serve."""


class StreamNotFoundError(StreamError):
    """No stream matches what was asked for."""


class AmbiguousStreamError(StreamError):
    """More than one stream matches what was asked for."""


class StreamFormatError(StreamError):
    """The header or the samples of a stream cannot be used."""


class StreamLostError(StreamError):
    """A stream went away and did not come back."""


class RecordingError(BciStreamError):
    """A recording cannot be read at all."""


class LedgerError(BciStreamError):
    """A session's ledger is missing, damaged or of another version."""


class CorpusError(BciStreamError):
    """A file of training data is missing, unreadable, or not what its corpus promises."""


class ResultError(BciStreamError):
    """A result directory or a checkpoint cannot be read or written, or belongs to another run."""


class BundleError(BciStreamError):
    """A model bundle cannot be used."""


class BundleCorruptError(BundleError):
    """A bundle is missing, truncated, altered, or of another format version."""


class BundleMismatchError(BundleError):
    """A sound bundle that was made for other channels, rates or units."""
