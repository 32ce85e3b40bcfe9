"""One row of the table: its name, what was measured, what is asked, and whether that is met."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass


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
    """Measure, print the line, exit 1 when the goal is missed. ``--short``: the test suite's version."""
    row = measure("--short" in sys.argv[1:])
    print(row.line, flush=True)
    sys.exit(0 if row.met else 1)
