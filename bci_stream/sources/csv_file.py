"""CSV files with a column of times as recordings, block by block.

One header line, ``timestamp,Fp1 (uV),Fp2 (uV)``; comma, semicolon, tab or bar; ``%`` or ``#`` begins a
comment.
The file is read once at the start, to check every line and to find its extent, and again as it is replayed.
A damaged line costs itself only, and is named; a cell that is no number is a missing value.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import RecordingError
from bci_stream.messages import StreamInfo, TimeArray
from bci_stream.sources.csv_table import COMMENT, Layout, layout_of, split
from bci_stream.sources.headers import with_header
from bci_stream.sources.one_clock import DATA, DataBlock, OneClockRecording, stamp_rate

_BLOCK_LINES: Final = 4096
_HEAD_LINES: Final = 64
_RATE_SAMPLES: Final = 65536
_MOST_DAMAGED: Final = 0.1  # of the rows: then it is another kind of file
_LONGEST_LINE: Final = 1 << 16
_NOTHING: Final = frozenset(("", "na", "n/a", "nan", "null", "none", "-"))
_NO_MARKER: Final = _NOTHING | {"0", "0.0"}


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some lines, read: (m,) stamps in s, (m, C) values, markers, and what is wrong as (line, words)."""

    stamps: TimeArray
    values: NDArray[np.float64]
    markers: list[str]
    wrong: list[tuple[int, str]]


class CsvRecording(OneClockRecording):
    """An open CSV file; use :meth:`open`."""

    def __init__(self, path: str) -> None:
        with _opened(path) as (lines, _):
            head = list(islice(lines, _HEAD_LINES))
        self._layout, self._n_before = layout_of(head)
        scan = _Scan(self._layout)
        for rows, _ in self._rows(path):
            scan.take(rows)
        scan.check(path)
        layout, name = self._layout, Path(path.removesuffix(".gz")).stem
        measured = stamp_rate(scan.leading())
        info = StreamInfo(
            key=DATA,
            name=name,
            type="EEG",
            n_channels=len(layout.signals),
            sfreq=layout.sfreq or _likely(measured),
            dtype="double64",
            ch_names=tuple(column.name for column in layout.signals),
            ch_units=tuple(column.unit for column in layout.signals),
            ch_types=tuple(column.kind for column in layout.signals),
        )
        super().__init__(path, with_header(info), scan.extent, scan.markers, Path(path).stat().st_size)
        self._measured = measured
        self._warnings += [*layout.notes, *scan.warnings()]
        if not layout.sfreq and measured:
            self._warnings.append(
                f"it names no rate: its stamps run at {measured:.2f} Hz, taken as {info.sfreq:g} Hz"
            )

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """Find a file's columns and read it once through.

        Raises:
            RecordingError: missing, no text, no times, no signal, or one line in ten is damaged.
        """
        name = fspath(path)
        try:
            return cls(name)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise RecordingError(f"cannot read recording {name}: {reason}") from error
        except RecordingError as error:
            raise RecordingError(f"cannot read recording {name}: {error}") from error

    def measure_sfreq(self, key: str) -> float:
        """The rate by the stamps (Hz); raises StreamFormatError where they do not advance."""
        self._check(key)
        if key != DATA or not self._measured:
            raise self._no_rate(self.summary(key).n_samples)
        return self._measured

    def close(self) -> None:
        """Nothing is held open between reads."""

    def _data(self, max_samples: int) -> Iterator[DataBlock]:
        for rows, position in self._rows(self.path):
            for i in range(0, len(rows.stamps), max_samples):
                part = slice(i, i + max_samples)
                yield rows.stamps[part], rows.values[part], position

    def _rows(self, path: str) -> Iterator[tuple[_Rows, int]]:
        """The rows in blocks, each with its place in the file (bytes)."""
        with _opened(path) as (lines, file):
            number = sum(1 for _ in islice(lines, self._n_before)) + 1
            while block := list(islice(lines, _BLOCK_LINES)):
                yield _read(block, number, self._layout), file.tell()
                number += len(block)


class _Scan:
    """What the first reading finds out."""

    def __init__(self, layout: Layout) -> None:
        self._marked = layout.marker is not None
        self._n = self._n_wrong = 0
        self._first_s = self._last_s = float("nan")
        self._wrong: list[tuple[int, str]] = []
        self._leading: list[TimeArray] = []
        self._before = ""
        self.markers: list[tuple[float, str]] = []

    def take(self, rows: _Rows) -> None:
        self._n_wrong += len(rows.wrong)
        self._wrong += rows.wrong[: max(0, 3 - len(self._wrong))]
        if not len(rows.stamps):
            return
        if self._n < _RATE_SAMPLES:
            self._leading.append(rows.stamps)
        self._first_s = float(rows.stamps[0]) if not self._n else self._first_s
        self._last_s = float(rows.stamps[-1])
        self._n += len(rows.stamps)
        for stamp, label in zip(rows.stamps.tolist(), rows.markers, strict=False):
            if label != self._before and label:
                self.markers.append((stamp, label))
            self._before = label

    def check(self, path: str) -> None:
        if self._n and self._n_wrong <= _MOST_DAMAGED * (self._n + self._n_wrong):
            return
        found = f"line {self._wrong[0][0]}: {self._wrong[0][1]}" if self._wrong else "it has no rows"
        more = f", and {self._n_wrong - 1} lines more like it" if self._n_wrong > 1 else ""
        raise RecordingError(f"{found}{more}")

    def leading(self) -> TimeArray:
        return np.concatenate([np.empty(0), *self._leading])

    @property
    def extent(self) -> tuple[int, float, float]:
        return self._n, self._first_s, self._last_s

    def warnings(self) -> list[str]:
        lines = [f"line {number}: {words}" for number, words in self._wrong]
        if self._n_wrong > len(lines):
            lines.append(f"{self._n_wrong - len(lines)} more damaged lines")
        return lines


class _opened:  # noqa: N801 - reads as a verb
    """A file as lines of text, and the binary file below, whose place tells the progress."""

    def __init__(self, path: str) -> None:
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed by __exit__
        unpacked: Any = gzip.GzipFile(fileobj=self._file) if path.lower().endswith(".gz") else self._file
        self._text = io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="replace", newline="")

    def __enter__(self) -> tuple[Iterator[str], BinaryIO]:
        return self._lines(), self._file

    def __exit__(self, *_: object) -> None:
        self._text.close()
        self._file.close()

    def _lines(self) -> Iterator[str]:
        while line := self._text.readline(_LONGEST_LINE):
            if "\0" in line or len(line) == _LONGEST_LINE:
                raise RecordingError("it is no text in lines")
            yield line


def _read(block: list[str], number: int, layout: Layout) -> _Rows:
    """Lines into numbers: all at once where they are sound, else one by one."""
    n_marks = layout.n_columns - 1
    sound = all(line.count(layout.delimiter) == n_marks and '"' not in line for line in block)
    if sound and not layout.decimal_comma and not any(line.startswith(COMMENT) for line in block):
        columns = [layout.time, *(column.place for column in layout.signals)]
        try:
            table = np.loadtxt(block, delimiter=layout.delimiter, usecols=columns, ndmin=2, comments=None)
        except ValueError:  # a cell that is no number: found below
            table = np.empty((0, 0))
        if len(table) == len(block) and np.isfinite(table[:, 0]).all():
            return _Rows(table[:, 0] * layout.to_s, table[:, 1:], _markers(block, layout), [])
    return _read_each(block, number, layout)


def _markers(block: list[str], layout: Layout) -> list[str]:
    if layout.marker is None:
        return []
    return [_marker(line.split(layout.delimiter)[layout.marker]) for line in block]


def _marker(cell: str) -> str:
    text = cell.strip()
    return "" if text.casefold() in _NO_MARKER else text.removesuffix(".0")


def _read_each(block: list[str], number: int, layout: Layout) -> _Rows:
    stamps, values, markers = [], [], []
    wrong: list[tuple[int, str]] = []
    for at, line in enumerate(block, number):
        if not line.strip() or line.startswith(COMMENT):
            continue
        cells = split(line, layout.delimiter)
        if layout.decimal_comma:
            cells = [cell.replace(",", ".") for cell in cells]
        if len(cells) != layout.n_columns:
            wrong.append((at, f"{len(cells)} columns, not {layout.n_columns}: left out"))
            continue
        stamp = _number(cells[layout.time])
        if not np.isfinite(stamp):
            wrong.append((at, f"{cells[layout.time][:40]!r} is no time: left out"))
            continue
        row, odd = _values(cells, layout)
        if odd:
            wrong.append((at, odd))
        stamps.append(stamp * layout.to_s)
        values.append(row)
        if layout.marker is not None:
            markers.append(_marker(cells[layout.marker]))
    shape = (len(values), len(layout.signals))
    return _Rows(np.array(stamps, np.float64), np.array(values, np.float64).reshape(shape), markers, wrong)


def _values(cells: list[str], layout: Layout) -> tuple[list[float], str]:
    """A row's values, and what is wrong with one of them."""
    row, odd = [], ""
    for column in layout.signals:
        cell = cells[column.place]
        value = _number(cell)
        if value != value and cell.casefold() not in _NOTHING:
            odd = f"{cell[:40]!r} of {column.name} is no number: taken as missing"
        row.append(value)
    return row, odd


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _likely(measured: float) -> float:
    """The whole rate that a device was set to, where the measured one is within half a percent of one."""
    whole = round(measured)
    return float(whole) if whole and abs(measured / whole - 1) < 0.005 else round(measured, 3)
