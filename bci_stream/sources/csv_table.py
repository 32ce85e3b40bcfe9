"""How a CSV file is laid out: its delimiter, and which columns are time, signal and markers. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bci_stream.errors import RecordingError
from bci_stream.sources.metadata import is_electrode, is_parked, unit_to_uv

COMMENT: Final = ("%", "#")
_DELIMITERS: Final = ",;\t|"
_TIME_NAMES: Final = re.compile(
    r"(lsl[ _]?|unix[ _]?|device[ _]?|sample[ _]?)?time[ _\-]?(stamps?)?([ _](s|ms|us|sec(onds)?))?"
    r"|t|seconds|secs?",
    re.IGNORECASE,
)
_SECONDS: Final = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNIT: Final = re.compile(r"(.*\S)\s*[(\[]\s*([^()\[\]]+?)\s*[)\]]")
_MARKER: Final = re.compile(
    r"(.*[ _])?(markers?|events?|annotations?|triggers?|stim(ulus)?)([ _]?(channel|\d+))?", re.I
)
_NO_SIGNAL: Final = re.compile(
    r"|unnamed.*|(sample[ _]?)?index|sample|other|not used|digital.*|analog.*|label|condition", re.IGNORECASE
)
_RATE: Final = re.compile(r"sampl\w*[ _]?rate\s*[=:]\s*([\d.]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """A signal's column: its place, its name, its unit ("" where the header names none), and its type."""

    place: int
    name: str
    unit: str
    kind: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table. ``to_s``: what turns a stamp into seconds; ``marker``: place, or None.

    ``sfreq``: the rate (Hz) that a comment names, 0 where none does.
    """

    delimiter: str
    n_columns: int
    time: int
    to_s: float
    signals: tuple[Column, ...]
    marker: int | None
    sfreq: float
    decimal_comma: bool
    notes: tuple[str, ...]


def layout_of(lines: Sequence[str]) -> tuple[Layout, int]:
    """The layout by a file's first lines, and how many lines come before the first row.

    Raises:
        RecordingError: no header, no rows, no column of times, or no signal.
    """
    told = [i for i, line in enumerate(lines) if line.strip() and not line.startswith(COMMENT)]
    if len(told) < 2:
        raise RecordingError("it has no rows: a header line and rows of numbers are expected")
    delimiter = max(_DELIMITERS, key=lambda mark: _agreement(lines[told[0]], lines[told[1]], mark))
    names = split(lines[told[0]], delimiter)
    row = split(lines[told[1]], delimiter)
    if all(_number(name) is not None for name in names if name):
        raise RecordingError(
            f"line {told[0] + 1} is no header: name the columns there, such as timestamp,Fp1"
        )
    decimal_comma = delimiter != "," and not any("." in cell for cell in row) and any("," in c for c in row)
    cells = [cell.replace(",", ".") for cell in row] if decimal_comma else row
    rate = next((m for line in lines[: told[0]] if (m := _RATE.search(line))), None)
    time, to_s, notes = _time_column(names, cells)
    marker = next((i for i, name in enumerate(names) if _MARKER.fullmatch(name)), None)
    signals = _signals(names, cells, {time, marker})
    sfreq = float(rate[1]) if rate else 0.0
    return (
        Layout(delimiter, len(row), time, to_s, signals, marker, sfreq, decimal_comma, notes),
        told[1],
    )


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, quotes undone."""
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])]


def _agreement(header: str, row: str, delimiter: str) -> int:
    """How many columns a delimiter makes of both lines; a trailing one in the rows is forgiven."""
    n_header, n_row = len(split(header, delimiter)), len(split(row, delimiter))
    return n_header if 0 <= n_row - n_header <= 1 else 0


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _name_and_unit(label: str) -> tuple[str, str]:
    match = _UNIT.fullmatch(label)
    if match is None or (unit_to_uv(match[2]) is None and match[2].casefold() not in _SECONDS):
        return label, ""
    return match[1], match[2]


def _time_column(names: Sequence[str], row: Sequence[str]) -> tuple[int, float, tuple[str, ...]]:
    """Place, factor to seconds, and what had to be assumed."""
    for place, (label, cell) in enumerate(zip(names, row, strict=False)):
        name, unit = _name_and_unit(label)
        stamp = _number(cell)
        match = _TIME_NAMES.fullmatch(name)
        if match is None or stamp is None:
            continue
        unit = unit.casefold() or (match[4] or "").casefold()
        if unit in _SECONDS:
            return place, _SECONDS[unit], ()
        if stamp < 1e11:
            return place, 1.0, ()
        to_s, word = (1e-3, "milliseconds") if stamp < 1e14 else (1e-6, "microseconds")
        return place, to_s, (f"column {label!r} begins with {stamp:g}: taken as {word}",)
    raise RecordingError(
        f"it has no column of times in seconds among {', '.join(names)[:200]}: call one 'timestamp'"
    )


def _signals(names: Sequence[str], row: Sequence[str], taken: set[int | None]) -> tuple[Column, ...]:
    found: list[Column] = []
    seen: set[str] = set()
    for place, (label, cell) in enumerate(zip(names, row, strict=False)):
        name, unit = _name_and_unit(label)
        if place in taken or (_number(cell) is None and cell) or name in seen:
            continue
        seen.add(name)
        aside = _NO_SIGNAL.fullmatch(name) or _TIME_NAMES.fullmatch(name)
        if aside and not is_electrode(name):
            continue
        found.append(Column(place, name, unit, "MISC" if is_parked(name) else "EEG"))
    if not any(column.kind == "EEG" for column in found):
        raise RecordingError(f"it has no column of EEG among {', '.join(names)[:200]}")
    return tuple(found)
