"""Reading XDF: our reader beside pyxdf, on the same file."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Report, Table, ratio
from benchmarks.setups import SMALL, private_corner

COLUMNS = ("reader", "s", "MB/s", "time to ours")


def run(duration_s: float) -> Report:
    """Every sample and stamp decoded, medians of three interleaved runs."""
    from benchmarks.recording import write_xdf

    with private_corner() as corner:
        path = corner.folder / "read.xdf"
        write_xdf(path, SMALL, duration_s)
        size_mb = path.stat().st_size / 1e6
        readers: dict[str, Callable[[Path], None]] = {"bci_stream": _ours, "pyxdf": _pyxdf}
        times: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(3):
            for name, read in readers.items():
                began_s = time.perf_counter()
                read(path)
                times[name].append(time.perf_counter() - began_s)
    median = {name: statistics.median(each) for name, each in times.items()}
    rows = [[n, t, size_mb / t, ratio(t, median["bci_stream"])] for n, t in median.items()]
    return Report(
        [Table(f"Reading {size_mb:.0f} MB of XDF, {SMALL.label}", COLUMNS, rows)], {"seconds": median}
    )


def _ours(path: Path) -> None:
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
