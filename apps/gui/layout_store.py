"""What the window remembers between sessions: one small JSON file in the user's configuration folder.

A file that cannot be read or makes no sense is left aside and said in one line; the defaults hold then.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import platformdirs

_VERSION = 1


def default_path() -> Path:
    """Where it lies; ``BCI_STREAM_HOME`` moves it."""
    home = os.environ.get("BCI_STREAM_HOME")
    folder = Path(home) if home else Path(platformdirs.user_config_dir("bci-stream"))
    return folder / "window.json"


class LayoutStore:
    """Values by name. ``problem``: one line on what was wrong with the file, None while all is well."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()
        self.problem: str | None = None
        self._values: dict[str, Any] = self._read()

    def get(self, name: str, default: Any) -> Any:
        """A value, if there is one of the same kind as the default."""
        value = self._values.get(name, default)
        fitting = isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int))
        return value if default is None or fitting else default

    def set(self, name: str, value: Any) -> None:
        """Remember a value; :meth:`save` writes it."""
        self._values[name] = value

    def forget(self) -> None:
        """Remember nothing."""
        self._values = {}

    def save(self) -> None:
        """Write the file as a whole, so that a crash leaves the old one."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps({"version": _VERSION, **self._values}, indent=1), encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            self.problem = f"the layout could not be saved to {self.path}: {error.strerror or error}"

    def _read(self) -> dict[str, Any]:
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no JSON"
            self.problem = (
                f"the layout file {self.path} cannot be read ({reason}): the default layout is used"
            )
            return {}
        if not isinstance(values, dict) or values.get("version") != _VERSION:
            self.problem = f"the layout file {self.path} is of another version: the default layout is used"
            return {}
        return values
