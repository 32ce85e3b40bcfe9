"""Reading XDF: our reader beside pyxdf, on the same files; and its memory, which must not grow with a file.

Recorders leave out stamps that follow from the rate, so there are three layouts.
"""

from __future__ import annotations

import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.recorder import peak_rss_mb
from benchmarks.report import Report, Table, ratio
from benchmarks.setups import LARGE, REPOSITORY, SMALL, private_corner

COLUMNS = ("reader", "s", "MB/s", "time to ours")
LAYOUTS = {"a stamp on every sample": 1, "on every seventh": 7, "on the first of a chunk": 1 << 30}


def run(duration_s: float) -> Report:
    """Every sample and stamp decoded, medians of three interleaved runs; then memory by length."""
    tables, figures = [], {}
    with private_corner() as corner:
        for layout, every in LAYOUTS.items():
            table, figures[layout] = _speed(corner.folder / "read.xdf", layout, every, duration_s)
            tables.append(table)
        table, figures["peak_mb"] = _memory(corner.folder / "long.xdf", duration_s)
    return Report([*tables, table], figures)


def _speed(path: Path, layout: str, every: int, duration_s: float) -> tuple[Table, dict[str, float]]:
    from benchmarks.recording import write_xdf

    write_xdf(path, SMALL, duration_s, every)
    size_mb = path.stat().st_size / 1e6
    readers: dict[str, Callable[[Path], None]] = {"bci_stream": read_ours, "pyxdf": _pyxdf}
    times: dict[str, list[float]] = {name: [] for name in readers}
    read_ours(path)  # the kernel that walks over flags loads once a process
    for _ in range(3):
        for name, read in readers.items():
            began_s = time.perf_counter()
            read(path)
            times[name].append(time.perf_counter() - began_s)
    median = {name: statistics.median(each) for name, each in times.items()}
    rows = [[n, t, size_mb / t, ratio(t, median["bci_stream"])] for n, t in median.items()]
    return Table(f"Reading {size_mb:.0f} MB of XDF, {SMALL.label}, {layout}", COLUMNS, rows), median


def _memory(path: Path, duration_s: float) -> tuple[Table, dict[str, float]]:
    """Peak of a process that reads and does nothing else, for a file and one eight times as long."""
    from benchmarks.recording import write_xdf

    rows, peaks = [], {}
    for length_s in (duration_s / 4, 2 * duration_s):
        write_xdf(path, LARGE, length_s)
        command = [sys.executable, "-m", "benchmarks.xdf", str(path)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        size_mb, peak_mb = path.stat().st_size / 1e6, float(done.stdout)
        rows.append([f"{size_mb:.0f} MB", peak_mb])
        peaks[f"{size_mb:.0f}"] = peak_mb
    return Table(f"Memory of our reader, {LARGE.label}", ("file", "peak MB of the process"), rows), peaks


def read_ours(path: Path) -> None:
    """Decode everything."""
    from bci_stream.sources.xdf import XdfRecording

    with XdfRecording.open(path) as recording:
        total = 0.0
        for block in recording.blocks({info.key: 65_536 for info in recording.streams}):
            if hasattr(block, "values"):
                total += float(block.timestamps[-1])


def _pyxdf(path: Path) -> None:
    import pyxdf

    logging.getLogger("pyxdf").setLevel(logging.ERROR)
    pyxdf.load_xdf(str(path), synchronize_clocks=False, dejitter_timestamps=False)


if __name__ == "__main__":
    read_ours(Path(sys.argv[1]))
    sys.stdout.write(f"{peak_rss_mb():.1f}\n")
