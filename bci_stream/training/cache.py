"""Prepared sessions on disk, as memory-mapped arrays, found again by the content of what they were made from.

One folder for each person, named by a hash of: the bytes of that person's files, the corpus's own settings,
and everything of the contract that decides a session's numbers. A file's hash is remembered with its size
and time of change, so that a large corpus is read once; a folder appears whole or not at all. Arrays are
mapped, not read: memory stays bounded whatever the size of the corpus.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from bci_stream.errors import CorpusError
from bci_stream.model.contract import Contract
from bci_stream.training.prepare import VERSION, prepare_people
from bci_stream.training.sessions import Part, Session
from bci_stream.training.trials import Corpus

Report = Callable[[str], None]
_INDEX = "index.json"
_HASHES = "file-hashes.json"
_BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Prepared:
    """A corpus's sessions.

    ``sha256``: of everything that decides their numbers. ``source_sha256``: of the corpus alone, files and
    settings, whatever was made of it; equal for runs that may be compared.
    """

    sessions: tuple[Session, ...]
    sha256: str
    source_sha256: str


def cache_folder() -> Path:
    """``$BCI_STREAM_CACHE``, or else in the user's cache folder."""
    asked = os.environ.get("BCI_STREAM_CACHE")
    return Path(asked or platformdirs.user_cache_dir("bci-stream", appauthor=False))


def prepare_corpus(
    corpus: Corpus,
    contract: Contract,
    folder: Path | None = None,
    *,
    people: Sequence[str] | None = None,
    n_workers: int = 1,
    report: Report = lambda line: None,
) -> Prepared:
    """Every session of ``people`` (all if None), from the cache where it is there.

    Raises:
        CorpusError: a file of the corpus is not what it should be, or the cache cannot be written.
    """
    folder = (folder or cache_folder()) / "sessions"
    chosen = tuple(corpus.people if people is None else people)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sources = _sources(corpus, chosen, folder)
        keys = {person: _hash([_made_by(contract), source]) for person, source in sources.items()}
        missing = [person for person in chosen if not (folder / keys[person] / _INDEX).exists()]
        if missing:
            report(f"preparing {len(missing)} of {len(chosen)} people through the live pipeline")
        made = prepare_people(corpus, missing, contract, n_workers)
        for person, sessions in zip(missing, made, strict=True):
            _store(folder / keys[person], sessions)
        loaded = [session for person in chosen for session in _load(folder / keys[person])]
    except OSError as error:
        raise CorpusError(
            f"cannot use the cache {folder}: {error.strerror or error}; free space, or set BCI_STREAM_CACHE"
        ) from error
    return Prepared(tuple(loaded), _hash(list(keys.values())), _hash(list(sources.values())))


def _sources(corpus: Corpus, people: Sequence[str], folder: Path) -> dict[str, str]:
    """What each person's trials come from, as a hash."""
    hashes = _FileHashes(folder / _HASHES)
    said = [corpus.name, corpus.digest(), list(corpus.ch_names), list(corpus.classes)]
    files = {person: {path.name: hashes.of(path) for path in corpus.files(person)} for person in people}
    hashes.save()
    return {person: _hash([said, person, files[person]]) for person in people}


def _made_by(contract: Contract) -> dict[str, Any]:
    """Everything of the contract that decides a session's numbers."""
    return {
        "version": VERSION,
        "eeg": contract.eeg.model_dump(mode="json"),
        "audio": contract.audio.model_dump(mode="json"),
        "front": [contract.architecture.eeg_front, contract.architecture.n_taps],
        "window": [contract.window_s, contract.min_coverage],
        "classes": contract.classes,
        "modalities": contract.modalities,
    }


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class _FileHashes:
    """Sha256 of files, remembered by path, size and time of change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        if path.exists():
            try:
                self._known = json.loads(path.read_text())
            except ValueError:  # it was cut off: hash again
                self._known = {}

    def of(self, path: Path) -> str:
        try:
            stat = path.stat()
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {error.strerror}; check the folder") from error
        known = self._known.get(str(path.resolve()))
        if known is not None and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(known[2])
        hasher = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                hasher.update(block)
        self._known[str(path.resolve())] = [stat.st_size, stat.st_mtime_ns, hasher.hexdigest()]
        self._changed = True
        return hasher.hexdigest()

    def save(self) -> None:
        if self._changed:
            temporary = self._path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(self._known))
            temporary.replace(self._path)


def _store(path: Path, sessions: Sequence[Session]) -> None:
    """Write one person's sessions so that ``path`` is there whole or not at all."""
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=".new-"))
    try:
        names = list(sessions[0].parts) if sessions else []
        for name in names:
            for field in Part._fields:
                rows = [getattr(session.parts[name], field) for session in sessions]
                np.save(temporary / f"{name}-{field}.npy", np.concatenate(rows))
        labels = [session.labels for session in sessions] or [np.empty(0, np.int64)]
        segments = [session.segments for session in sessions] or [np.empty(0, np.int64)]
        np.save(temporary / "labels.npy", np.concatenate(labels))
        np.save(temporary / "segments.npy", np.concatenate(segments))
        entries = [[s.person, s.n_tokens, s.condition] for s in sessions]
        (temporary / _INDEX).write_text(json.dumps({"modalities": names, "sessions": entries}))
        if path.exists():  # somebody else was quicker: theirs is the same
            shutil.rmtree(temporary)
        else:
            temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _load(path: Path) -> Iterator[Session]:
    """One person's sessions; their arrays are views of mapped files."""
    index = json.loads((path / _INDEX).read_text())
    labels, segments = np.load(path / "labels.npy"), np.load(path / "segments.npy")
    arrays = {
        name: Part(*(np.load(path / f"{name}-{field}.npy", mmap_mode="r") for field in Part._fields))
        for name in index["modalities"]
    }
    start = 0
    for person, n_tokens, condition in index["sessions"]:
        span = slice(start, start + n_tokens)
        parts = {name: Part(*(array[span] for array in part)) for name, part in arrays.items()}
        yield Session(person, parts, labels[span], segments[span], condition)
        start += n_tokens
