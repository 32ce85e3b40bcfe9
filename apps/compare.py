"""``bci-stream compare``: which of several trained runs is better, for people."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from apps.console import out, say, warn, write_line
from bci_stream.errors import ConfigError, ResultError
from bci_stream.training.compare_report import HTML_FILE, write_report
from bci_stream.training.compare_tables import LEAKS, as_dict, conclusion, facts, method_table, pair_table
from bci_stream.training.comparison import BOTH, Comparison, compare_directories


def run(
    paths: Sequence[Path],
    out_dir: Path | None = None,
    pattern: str = BOTH,
    metric: str = "accuracy",
    as_json: bool = False,
) -> None:
    """Compare result directories; print the table, and write a report where ``out_dir`` says."""
    comparison = compare_directories(paths, pattern=pattern, metric=metric)
    if out_dir is not None:
        write_report(out_dir, comparison)
    if as_json:
        write_line(json.dumps(as_dict(comparison), allow_nan=False))
    else:
        _show(comparison)
    if out_dir is not None:
        say(f"report: {out_dir / HTML_FILE}")


def _show(comparison: Comparison) -> None:
    if comparison.leaks:
        warn(LEAKS)
    for head, rows in (method_table(comparison), pair_table(comparison)):
        table = Table(caption=comparison.footnote, caption_justify="left")
        for i, title in enumerate(head):
            table.add_column(title, justify="left" if i in (0, len(head) - 1) else "right", no_wrap=i == 0)
        for row in rows:
            table.add_row(*row)
        out.print(table)
    for line in (*facts(comparison)[1:], conclusion(comparison)):
        out.print(line, markup=False)


def self_test(n: int = 20, as_json: bool = False) -> None:
    """Plant a difference of 5 points into generated results, or none, and count what compare finds.

    Raises:
        ResultError: it misses too many, or sees too many that are not there.
    """
    from bci_stream.training.planted import Plant, power_check

    if n < 1:
        raise ConfigError(f"{n} studies: use 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        found = power_check(Plant(), n, folder=Path(folder), report=say)
    if as_json:
        numbers = {"studies": n, "found": found.found, "false": found.false, "paired_sd": found.paired_sd}
        write_line(json.dumps(numbers | {"passed": found.passed}))
    else:
        plant = found.plant
        out.print(
            f"{plant.n_people} people, {plant.n_trials} trials each, "
            f"standard deviation of paired differences {100 * found.paired_sd:.1f} points\n"
            f"a true difference of {100 * plant.effect:.0f} points: found in {found.found} of {n} studies\n"
            f"no true difference: one was claimed in {found.false} of {n} studies",
            markup=False,
        )
    if not found.passed:
        raise ResultError("compare does not find what it should; do not trust its verdicts here")
