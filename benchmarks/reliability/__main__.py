"""All rows, or some: ``python -m benchmarks.reliability [NAME …] [--short] [--table docs/RELIABILITY.md]``.

Each row runs in a process of its own. With ``--table`` its line of the table is written anew, with the date
and the command; the other lines stay. Exits 1 when a row falls short.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks.reliability.row import Row

VIRTUAL = ("soak", "machine", "drift", "gaps", "loss", "bursts", "stamps")
CHAOS = ("outlets", "sigstop", "starved", "impostor", "workers", "replayed", "malicious", "privacy")
ROWS = VIRTUAL + CHAOS
BEGIN, END = "<!-- rows -->", "<!-- end of rows -->"
TIMEOUT_S = 3600.0


def known() -> tuple[str, ...]:
    """The rows whose commands are here."""
    return tuple(name for name in ROWS if find_spec(f"benchmarks.reliability.{name}") is not None)


def command_of(name: str) -> str:
    """What a person types."""
    return f"python -m benchmarks.reliability.{name}"


def measured(name: str, short: bool) -> Row:
    """One row, by its own command; what it prints goes on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "row.json"
        command = [sys.executable, "-m", f"benchmarks.reliability.{name}", "--row", str(path)]
        command += ["--short"] if short else []
        try:
            code = subprocess.run(command, timeout=TIMEOUT_S, check=False).returncode
        except subprocess.TimeoutExpired:
            return Row(name, f"took over {TIMEOUT_S:g} s", "", False)
        if not path.exists():
            return Row(name, f"broke, exit code {code}", "", False)
        return Row(**json.loads(path.read_text(encoding="utf-8")))


def line_of(row: Row, name: str, date: str) -> str:
    """A line of the table."""
    cells = (row.name, row.figure, row.goal, "yes" if row.met else "**no**", row.peers, date)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} | `{command_of(name)}` |"


def with_line(text: str, name: str, line: str) -> str:
    """The page with one line of its table written anew, or added in the order of :data:`ROWS`."""
    head, rest = text.split(BEGIN)
    table, foot = rest.split(END)
    lines = [each for each in table.strip().splitlines() if each]
    title, found = lines[:2], {_name(each): each for each in lines[2:]}
    found[name] = line
    order = sorted(found, key=lambda each: ROWS.index(each) if each in ROWS else len(ROWS))
    return f"{head}{BEGIN}\n" + "\n".join([*title, *(found[each] for each in order)]) + f"\n{END}{foot}"


def _name(line: str) -> str:
    return line.rsplit("benchmarks.reliability.", 1)[-1].split("`")[0]


def main() -> None:
    """Measure, print, and write the table where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"virtual, chaos, or of {', '.join(known())}"
    )
    parser.add_argument("--short", action="store_true", help="the test suite's versions")
    parser.add_argument("--table", type=Path, help="a page whose table gets the figures")
    options = parser.parse_args()
    groups = {"virtual": VIRTUAL, "chaos": CHAOS}
    names = [name for given in options.names or ROWS for name in groups.get(given, (given,))]
    if strange := sorted(set(names) - set(ROWS)):
        parser.error(f"no row {', '.join(strange)}; there are {', '.join(known())}")
    n_short = 0
    for name in (name for name in known() if name in names):
        row = measured(name, options.short)
        n_short += not row.met
        if options.table is not None and not options.short:
            date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
            page = options.table.read_text(encoding="utf-8")
            options.table.write_text(with_line(page, name, line_of(row, name, date)), encoding="utf-8")
    sys.exit(1 if n_short else 0)


if __name__ == "__main__":
    main()
