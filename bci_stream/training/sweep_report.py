"""A search as files: the best recipe for ``train --recipe``, and a table of what was tried."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bci_stream.errors import ResultError
from bci_stream.model.archive import write_atomically
from bci_stream.training.sweep import Sweep, Tried

RECIPE_FILE: Final = "recipe.json"
_SHOWN: Final = 20


def write_sweep(folder: Path, sweep: Sweep, protocol: str) -> Path:
    """Write the best recipe, ``sweep.json`` and ``sweep.md`` into ``folder``; gives the recipe's path.

    Raises:
        ResultError: they cannot be written.
    """
    found = {"protocol": protocol, "importance": sweep.importance, "tried": [asdict(t) for t in sweep.tried]}
    files = {
        RECIPE_FILE: json.dumps(sweep.best.as_dict(), indent=2),
        "sweep.json": json.dumps(found, indent=2),
        "sweep.md": sweep_table(sweep, protocol),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_atomically(folder / name, f"{text}\n".encode())
    except OSError as error:
        raise ResultError(f"{folder} cannot be written ({error.strerror or error})") from error
    return folder / RECIPE_FILE


def sweep_table(sweep: Sweep, protocol: str) -> str:
    """Markdown: the best recipes, and what mattered."""
    names = sorted({name for tried in sweep.tried for name in tried.varied})
    lines = [
        "# Search over recipes",
        "",
        f"{protocol}. Accuracy is of windows of validation people; no test person was answered.",
        "",
        _row(["recipe", "accuracy", *names]),
        _row(["---"] * (len(names) + 2)),
        *(_tried_row(tried, names) for tried in sweep.tried[:_SHOWN]),
    ]
    if sweep.importance:
        lines += [
            "",
            "Share of the variance that each explains (fANOVA):",
            "",
            *_importance(sweep.importance),
        ]
    return "\n".join(lines)


def _importance(shares: dict[str, float]) -> list[str]:
    return [f"- {name}: {share:.0%}" for name, share in sorted(shares.items(), key=lambda item: -item[1])]


def _tried_row(tried: Tried, names: Sequence[str]) -> str:
    accuracy = f"{tried.accuracy:.1%}" + (" (given up)" if tried.given_up else "")
    return _row([str(tried.number), accuracy, *(_cell(tried.varied.get(name)) for name in names)])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
