"""A training's state on disk: written whole after every epoch, read back only by the same training."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

import torch

from bci_stream.errors import ResultError


class FileCheckpoint:
    """Keeps the state of one fit in a file.

    Args:
        path: the file; its folder exists.
        fingerprint: hash of everything that decides the result; another one is refused.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path, self._fingerprint = path, fingerprint

    def load(self) -> dict[str, object] | None:
        """The last state, or None where there is none.

        Raises:
            ResultError: the file is no checkpoint, or of a training with another configuration or data.
        """
        if not self._path.exists():
            return None
        try:
            found = torch.load(self._path, map_location="cpu", weights_only=True)
            fingerprint, state = found["fingerprint"], found["state"]
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
            raise ResultError(
                f"{self._path} is no checkpoint of bci_stream ({type(error).__name__}); --restart begins anew"
            ) from error
        if fingerprint != self._fingerprint:
            raise ResultError(
                f"{self._path} belongs to a training with other settings or data; "
                "use another --out, or --restart to begin anew"
            )
        return dict(state)

    def save(self, state: dict[str, object]) -> None:
        """Replace the last state by this one, whole or not at all.

        Raises:
            ResultError: it cannot be written.
        """
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".checkpoint-")
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save({"fingerprint": self._fingerprint, "state": state}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except (OSError, RuntimeError) as error:  # torch wraps a full disk in a RuntimeError
            Path(temporary).unlink(missing_ok=True)
            reason = error.strerror if isinstance(error, OSError) else "it could not be written to its end"
            raise ResultError(f"cannot write {self._path}: {reason}; free space and run it again") from error
