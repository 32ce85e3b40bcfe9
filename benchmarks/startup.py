"""How long it takes to begin: importing, and from the command to the first prediction."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from benchmarks.report import Report, Table
from benchmarks.setups import REPOSITORY

_IMPORT = "import time; a = time.perf_counter(); import bci_stream; print(time.perf_counter() - a)"


def run(repeats: int) -> Report:
    """Medians of several fresh processes."""
    imports = [float(_run(sys.executable, "-c", _IMPORT)) for _ in range(repeats)]
    firsts = [_first_prediction() for _ in range(max(1, repeats // 2))]
    rows = [
        ["import bci_stream", statistics.median(imports)],
        ["demo: command to first window", statistics.median([w for w, _ in firsts])],
        ["demo: command to first prediction of both", statistics.median([p for _, p in firsts])],
    ]
    notes = ["the demo starts its simulated headset in another process first, and then looks for it"]
    return Report([Table("Start, s", ("what", "s"), rows, notes)], {row[0]: row[1] for row in rows})


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout


def _first_prediction() -> tuple[float, float]:
    """Seconds from the command to the first line, and to the first answer that stood on both."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "bci_stream", "demo", "--seconds", "60", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY
    ) as demo:
        assert demo.stdout is not None
        first_s = None
        for line in demo.stdout:
            now_s = time.monotonic() - began_s
            first_s = now_s if first_s is None else first_s
            if len(json.loads(line).get("stood_on", ())) == 2:
                demo.terminate()
                return first_s, now_s
    raise RuntimeError("the demo ended without a prediction")
