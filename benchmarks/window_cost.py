"""What the open window costs: predictions later than without it, and memory over an hour.

``late``: a simulated person over real LSL; the same session with the window and without, turn and turn about,
each in a process of its own. ``hour``: a recording of an hour played quickly in the whole window.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Report, Table, show

SETTLE_S = 8.0
SPEED = 30.0
PAGE_BYTES = resource.getpagesize()
GOAL_LATER_MS = 1.0


def run(seconds: float, rounds: int, hour_s: float) -> Report:
    """``seconds`` of predictions in each of ``rounds``; ``hour_s`` of the recording."""
    report = Report()
    ages: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(rounds):
        for how, found in ages.items():
            found.extend(_in_child("late", how, str(seconds)))
    report.tables.append(_late_table(ages))
    report.figures["late"] = {how: _quantiles_ms(found) for how, found in ages.items()}
    grown = _in_child("hour", str(hour_s))
    report.figures["hour"] = grown
    rows = [[f"{minute:.0f}", mb] for minute, mb in grown]
    report.tables.append(
        Table(f"Memory of the window while {hour_s / 60:.0f} min are played", ("minute", "MB"), rows)
    )
    return report


def _quantiles_ms(ages_s: list[float]) -> list[float]:
    return [float(np.percentile(np.array(ages_s) * 1e3, q)) for q in (50, 95, 99)]


def _late_table(ages: dict[str, list[float]]) -> Table:
    found = {how: _quantiles_ms(values) for how, values in ages.items()}
    rows: list[list[Any]] = [[f"{how} the window", *found[how], len(ages[how])] for how in ages]
    rows.append(["later by", *(b - a for a, b in zip(found["without"], found["with"], strict=True)), None])
    return Table(
        "From the end of a window of EEG and voice to its prediction, ms",
        ("session", "p50", "p95", "p99", "n"),
        rows,
        (f"goal: p99 later by at most {GOAL_LATER_MS:g} ms",),
    )


def _in_child(*arguments: str) -> Any:
    env = {**os.environ, "QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    command = [sys.executable, "-m", "benchmarks.window_cost", *arguments]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


# -- in the child -----------------------------------------------------------------------------------------


def _late(how: str, seconds: float) -> list[float]:
    """Ages of predictions, s, as the engine hands them out."""
    import pylsl
    import torch

    from apps.choice import ModelChoice, StreamChoice
    from apps.gui.runs import live_options
    from apps.live_run import LiveRun, open_run
    from bci_stream.sources.lsl_config import configure_lsl, private_session
    from bci_stream.sources.simulator import SimulatorSettings
    from bci_stream.sources.simulator_process import SimulatorProcess

    session_id = private_session("bench")
    configure_lsl(session_id, "machine")
    torch.set_num_threads(1)
    settings = SimulatorSettings(seed=7, person=9001)
    person = SimulatorProcess(
        settings, duration_s=3600.0, name_prefix="B", source_id="B", lsl=(session_id, "machine")
    )
    person.start()
    found: list[tuple[float, float]] = []

    def note(outcome: Any) -> None:
        if outcome.prediction is not None:
            now_s = pylsl.local_clock()
            found.append((now_s, now_s - outcome.prediction.t_end))

    def make() -> LiveRun:
        options = live_options(
            StreamChoice("BEEG", "BAudio", markers="BMarkers"),
            ModelChoice(),
            wait_s=30.0,
            scope=None,
            session_id=None,
        )
        return open_run(options, note, smooth=how == "with", kind=LiveRun)

    try:
        person.wait_ready(60)
        (_with_window if how == "with" else _without)(make, SETTLE_S + seconds, lambda: bool(found))
    finally:
        person.terminate()
    began_s = found[0][0] + SETTLE_S
    return [age_s for at_s, age_s in found if at_s > began_s]


def _without(make: Callable[[], Any], seconds: float, begun: Callable[[], bool]) -> None:
    run = make()
    run.start()
    while not begun():
        time.sleep(0.1)
    time.sleep(seconds)
    run.close()


def _with_window(make: Callable[[], Any], seconds: float, begun: Callable[[], bool]) -> None:
    from apps.gui.app import make_app
    from apps.gui.options import GuiOptions
    from apps.gui.window import MainWindow
    from benchmarks.gui import until

    app = make_app()
    window = MainWindow(GuiOptions(size=(1920, 1080)))
    window.show()
    window.control.begin("…", make)
    until(app, begun)
    end_s = time.perf_counter() + seconds
    until(app, lambda: time.perf_counter() > end_s, seconds + 60)
    window.close_now()


def _hour(hour_s: float) -> list[tuple[float, float]]:
    """(minute of the recording, resident MB) as it is played."""
    from apps.gui.app import make_app
    from apps.gui.options import GuiOptions
    from apps.gui.window import MainWindow
    from bci_stream.model.allocator import keep_freed_memory
    from benchmarks.gui import until
    from benchmarks.recording import write_xdf
    from benchmarks.setups import SMALL

    keep_freed_memory()
    app = make_app()
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.xdf"
        write_xdf(path, SMALL, hour_s)
        window = MainWindow(GuiOptions(size=(1920, 1080)))
        window.show()
        window.deeds.open_path(path)
        until(app, lambda: window.frame is not None)
        run = window.control.run
        run.set_speed(SPEED)

        def played() -> bool:
            minute = run.transport().position_s / 60
            if minute >= (found[-1][0] if found else 0.0) + hour_s / 3600:
                gc.collect()
                found.append((minute, _resident_mb()))
            return bool(run.transport().ended)

        until(app, played, 3600.0)
        window.close_now()
    return found[:: max(1, len(found) // 12)]


def _resident_mb() -> float:
    """Memory that is this process's own: not the pages of the recording, which is mapped."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(shared)) * PAGE_BYTES / 1e6


def main() -> None:
    """All of it; or, with arguments, one child."""
    if len(sys.argv) < 2:
        for table in run(60.0, 3, 3600.0).tables:
            show(table)
    elif sys.argv[1] == "late":
        print(json.dumps(_late(sys.argv[2], float(sys.argv[3]))))
    else:
        print(json.dumps(_hour(float(sys.argv[2]))))


if __name__ == "__main__":
    main()
