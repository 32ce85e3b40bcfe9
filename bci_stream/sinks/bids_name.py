"""Names of recordings in the manner of BIDS: ``sub-P01_ses-1_task-rest_run-001_eeg.xdf``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bci_stream.errors import ConfigError

MAX_RUN: Final = 999
_LABEL = re.compile(r"[A-Za-z0-9]{1,64}")
_NAME = re.compile(
    r"sub-(?P<subject>[A-Za-z0-9]+)(_ses-(?P<session>[A-Za-z0-9]+))?_task-(?P<task>[A-Za-z0-9]+)"
    r"(_run-(?P<run>[0-9]+))?_eeg"
)


@dataclass(frozen=True, slots=True)
class BidsName:
    """The entities of a recording's name; ``session`` and ``run`` may be left out.

    Raises ConfigError for a label with other characters than letters and digits, or a run out of 1 to 999.
    """

    subject: str
    task: str
    session: str | None = None
    run: int | None = None

    def __post_init__(self) -> None:
        for entity, label in (("subject", self.subject), ("task", self.task), ("session", self.session)):
            if label is not None:
                _check(entity, label)
        if self.run is not None and not 1 <= self.run <= MAX_RUN:
            raise ConfigError(f"run {self.run} makes no sense: use 1 to {MAX_RUN}")

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        parts = [f"sub-{self.subject}"]
        parts += [f"ses-{self.session}"] if self.session else []
        parts.append(f"task-{self.task}")
        parts += [f"run-{self.run:03d}"] if self.run else []
        return "_".join([*parts, "eeg"])

    def path(self, root: Path) -> Path:
        """``root/sub-…/ses-…/eeg/NAME.xdf``."""
        folder = root / f"sub-{self.subject}"
        folder = folder / f"ses-{self.session}" if self.session else folder
        return folder / "eeg" / f"{self.stem}.xdf"

    def next_free(self, root: Path) -> BidsName:
        """With its own run, or the number after the highest that is there. Raises ConfigError after 999."""
        if self.run is not None:
            return self
        folder = self.path(root).parent
        taken = [found.run or 1 for path in _listed(folder) if (found := parse(path)) and self._same(found)]
        return replace(self, run=max(taken, default=0) + 1)

    def _same(self, other: BidsName) -> bool:
        # Case does not tell files apart everywhere.
        mine, others = replace(self, run=None).stem, replace(other, run=None).stem
        return mine.casefold() == others.casefold()


def parse(path: Path) -> BidsName | None:
    """The entities in a file's name, None where it has none."""
    found = _NAME.fullmatch(path.name.split(".")[0])
    if found is None:
        return None
    run = found["run"]
    try:
        return BidsName(found["subject"], found["task"], found["session"], int(run) if run else None)
    except ConfigError:
        return None


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _check(entity: str, label: str) -> None:
    if not _LABEL.fullmatch(label):
        shown = label if len(label) <= 40 else label[:39] + "…"
        raise ConfigError(
            f"{entity} label {shown!r} is not allowed in a file name: use letters and digits only (BIDS)"
        )
