"""From the push of a window's last sample to the window, and to the prediction, in user code.

One outlet process; every system in a process of its own, one after the other, round after round, so that
a busy minute of the computer meets all of them. All count from the push of the EEG sample whose arrival
completes the hop: ours needs a few samples beyond the window's end to interpolate (its look-ahead, told
beside), so for ours that is the newest sample in hand, for a plain loop the window's last one.
"""

from __future__ import annotations

import importlib.util
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.children import Child
from benchmarks.report import Report, Table, ratio
from benchmarks.setups import (
    LARGE,
    PREDICTIONS,
    SMALL,
    WINDOWS,
    Corner,
    Setup,
    Task,
    as_record,
    full_size_bundle,
    private_corner,
)

NAMES = {
    "ours": "bci_stream",
    "pylsl": "pylsl + numpy loop",
    "pylsl numpy": "the same, as_numpy",
    "mne-lsl": "mne-lsl StreamLSL",
}
COLUMNS = ("system", "p50 ms", "p95 ms", "p99 ms", "p50 to ours", "CPU %", "CPU to ours", "age ms", "MB", "n")


@dataclass(frozen=True)
class LatencyOptions:
    """``seconds``: of each task in a round. ``settle_s``: left out after the first result."""

    setups: tuple[Setup, ...] = (SMALL, LARGE)
    tasks: tuple[Task, ...] = (WINDOWS, PREDICTIONS)
    systems: tuple[str, ...] = ("ours", "pylsl", "mne-lsl")
    rounds: int = 2
    seconds: float = 7.0
    settle_s: float = 1.0


def run(options: LatencyOptions) -> Report:
    """Measure every set-up and task."""
    report = Report(figures={"cells": []})
    with private_corner() as corner:
        for setup in options.setups:
            bundle = full_size_bundle(corner.folder, setup.n_channels)
            for task in options.tasks:
                results = _measure(corner, setup, task, str(bundle), options)
                report.tables.append(_table(setup, task, results, bundle.stem))
                report.figures["cells"].append(as_record(setup, task) | {"systems": _figures(results)})
    return report


def _measure(
    corner: Corner, setup: Setup, task: Task, bundle: str, options: LatencyOptions
) -> dict[str, list[dict[str, Any]]]:
    """Answers of every round, by system."""
    log = str(corner.folder / "pushes.f64")
    device = {"setup": asdict(setup), "log": log}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in options.systems}
    with ExitStack() as stack:
        workers = {}
        for name in options.systems:  # loaded before anything is measured
            job = {"system": name, "bundle": bundle} | as_record(setup, task)
            workers[name] = stack.enter_context(Child(corner, "benchmarks.worker", json.dumps(job)))
            workers[name].answer()
        outlet = stack.enter_context(Child(corner, "benchmarks.outlet", json.dumps(device)))
        t0 = outlet.answer()["t0"]
        for _ in range(options.rounds):
            for name, worker in workers.items():
                answer = worker.ask(log=log, t0=t0, settle_s=options.settle_s, seconds=options.seconds)
                results[name].append(answer)
    return results


def _figures(results: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    return {name: _summary(rounds) for name, rounds in results.items()}


def _summary(rounds: list[dict[str, Any]]) -> dict[str, float]:
    latencies = np.concatenate([each["latencies_ms"] for each in rounds])
    ages = np.concatenate([each["ages_ms"] for each in rounds])
    p50, p95, p99 = (float(np.percentile(latencies, q)) for q in (50, 95, 99))
    summary = {
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "cpu_share": float(np.mean([each["cpu_share"] for each in rounds])),
        "age_p50_ms": float(np.median(ages)),
        "peak_rss_mb": max(each["peak_rss_mb"] for each in rounds),
        "n": len(latencies),
    }
    more = set(rounds[0]) - {"latencies_ms", "ages_ms", "cpu_share", "peak_rss_mb"}
    return summary | {key: float(np.median([each[key] for each in rounds])) for key in sorted(more)}


def _table(setup: Setup, task: Task, results: dict[str, list[dict[str, Any]]], bundle: str) -> Table:
    figures = _figures(results)
    first = next(iter(figures.values()))
    rows = [_row(NAMES[name], each, first) for name, each in figures.items()]
    notes = []
    if "lookahead_ms" in first:
        notes.append(
            f"ours waits {first['lookahead_ms']:.1f} ms of samples beyond the window's end by design"
        )
    if task.name != WINDOWS.name:
        notes.append(
            f"its filter delays 10 Hz by {first.get('filter_delay_ms', 0):.1f} ms, inference takes "
            f"{first.get('inference_p50_ms', 0):.2f} ms; model: {bundle}, the same weights in every row"
        )
    if importlib.util.find_spec("timeflux") is None:
        notes.append("timeflux: not installed")
    title = f"Last sample pushed to {task.name[:-1]}, {setup.label}, {task.window_s:g} s / {task.hop_s:g} s"
    return Table(title, COLUMNS, rows, notes)


def _row(name: str, each: dict[str, float], ours: dict[str, float]) -> list[str | float | int]:
    return [
        name,
        each["p50_ms"],
        each["p95_ms"],
        each["p99_ms"],
        ratio(each["p50_ms"], ours["p50_ms"]),
        each["cpu_share"] * 100,
        ratio(each["cpu_share"], ours["cpu_share"]),
        each["age_p50_ms"],
        each["peak_rss_mb"],
        int(each["n"]),
    ]
