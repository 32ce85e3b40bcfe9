"""One row of the table: its name, what was measured, what is asked, and whether that is met."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """``peers``: what others do with the same input, in words; empty where none was run."""

    name: str
    figure: str
    goal: str
    met: bool
    peers: str = ""

    @property
    def line(self) -> str:
        """What is printed."""
        beside = f"; peers: {self.peers}" if self.peers else ""
        return f"{self.name}: {self.figure} ({self.goal}){beside}{'' if self.met else ' SHORT'}"


def command(measure: Callable[[bool], Row]) -> None:
    """Measure, print the line, exit 1 when the goal is missed.

    ``--short``: the test suite's version. ``--row FILE``: write the row there too, for the whole table.
    """
    arguments = sys.argv[1:]
    row = measure("--short" in arguments)
    print(row.line, flush=True)
    if "--row" in arguments:
        Path(arguments[arguments.index("--row") + 1]).write_text(json.dumps(asdict(row)), encoding="utf-8")
    sys.exit(0 if row.met else 1)
