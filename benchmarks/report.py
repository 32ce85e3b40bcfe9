"""What a benchmark hands back: tables for a person, figures for a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = str | float | int | None


@dataclass(frozen=True)
class Table:
    """A table of a report; ``notes`` say how its figures were taken."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


@dataclass
class Report:
    """Tables in order, and figures as JSON holds them."""

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def show(table: Table) -> None:
    """Print a table, columns aligned."""
    cells = [list(table.columns), *([_text(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    print(f"\n{table.title}")
    for number, row in enumerate(cells):
        first, rest = row[0].ljust(widths[0]), [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        print("  " + "  ".join([first, *rest]).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    for note in table.notes:
        print(f"  {note}")


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    size = abs(cell)
    return f"{cell:.0f}" if size >= 100 else f"{cell:.1f}" if size >= 10 else f"{cell:.2f}"


def ratio(value: float, ours: float) -> str:
    """How many times ours another's figure is."""
    return f"{value / ours:.1f}x" if ours > 0 else "-"
