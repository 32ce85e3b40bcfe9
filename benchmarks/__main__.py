"""``python -m benchmarks [NAME …] [--quick] [--json FILE]``; names are those of :func:`benchmarks`."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    calibration,
    gui,
    latency,
    microphone,
    models,
    record,
    replay,
    stages,
    startup,
    window_cost,
    xdf,
)
from benchmarks.report import Report, show
from calibration.finetune import FinetuneSettings
from calibration.ladder import AS_IT_IS, FUSION, HEAD, StepSettings


def benchmarks(quick: bool) -> dict[str, Callable[[], Report]]:
    """What can be run, by name; ``quick`` is for trying them out, not for figures."""
    options = latency.LatencyOptions()
    if quick:
        options = latency.LatencyOptions(
            setups=options.setups[:1],
            tasks=options.tasks[:1],
            systems=("ours", "pylsl"),
            rounds=1,
            seconds=1.0,
        )
    family = models.ModelOptions()
    if quick:
        family = models.ModelOptions(0.05, ("concat",), family.fronts)
    person = calibration.CalibrationOptions()
    if quick:
        brief = FinetuneSettings((AS_IT_IS, HEAD, FUSION), StepSettings(checkpoints=(2,)))
        person = calibration.CalibrationOptions(130.0, (5.0, 6.0), brief)
    return {
        "latency": lambda: latency.run(options),
        "replay": lambda: replay.run((10.0,) if quick else (120.0, 1200.0)),
        "stages": lambda: stages.run(0.02 if quick else 0.3),
        "xdf": lambda: xdf.run(10.0 if quick else 120.0),
        "record": lambda: record.run(1.0 if quick else 20.0),
        "startup": lambda: startup.run(1 if quick else 5),
        "models": lambda: models.run(family),
        "calibration": lambda: calibration.run(person),
        "gui": lambda: gui.run(2.0 if quick else 10.0),
        "window": lambda: window_cost.run(*((2.0, 1, 60.0) if quick else (60.0, 3, 3600.0))),
        "microphone": lambda: microphone.run(*((2.0, (5.0,)) if quick else (30.0,))),
    }


def main() -> None:
    """Run what was asked for, print tables, write figures."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="which of them, by name; all if none")
    parser.add_argument("--quick", action="store_true", help="seconds only, to see that everything runs")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    table = benchmarks(asked.quick)
    unknown = set(asked.names) - set(table)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(table)}")
    print(f"Python {platform.python_version()}, {platform.platform()}; ratios are to bci_stream, same run")
    figures = {}
    for name in asked.names or table:
        report = table[name]()
        for part in report.tables:
            show(part)
        figures[name] = report.figures
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
