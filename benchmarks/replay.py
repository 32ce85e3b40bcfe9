"""Replay as fast as it goes, model included: times real time on one core, and memory.

Each length runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.children import Child, reply
from benchmarks.recorder import cpu_s, peak_rss_mb
from benchmarks.report import Report, Table
from benchmarks.setups import SMALL, Setup, full_size_bundle, private_corner

COLUMNS = ("recording", "times real time", "of CPU time", "peak MB", "windows")


def run(durations_s: tuple[float, ...], setup: Setup = SMALL) -> Report:
    """Replay recordings of these lengths."""
    rows, figures = [], []
    with private_corner() as corner:
        bundle = full_size_bundle(corner.folder, setup.n_channels)
        for duration_s in durations_s:
            for source in ("memory", "XDF file"):
                job = {
                    "duration_s": duration_s,
                    "bundle": str(bundle),
                    "folder": str(corner.folder),
                    "source": source,
                }
                with Child(corner, "benchmarks.replay", json.dumps(job)) as child:
                    answer: dict[str, Any] = child.answer()
                figures.append(job | answer)
                rows.append(
                    [
                        f"{duration_s / 60:g} min, from {source}",
                        duration_s / answer["wall_s"],
                        duration_s / answer["cpu_s"],
                        answer["peak_rss_mb"],
                        answer["n_windows"],
                    ]
                )
    title = f"Replay at max, model included, {setup.label}"
    return Report([Table(title, COLUMNS, rows)], {"runs": figures})


def replay_once(duration_s: float, bundle_path: Path, source: str, folder: Path) -> dict[str, float]:
    """One recording through pipeline and model."""
    from apps.choice import ModelChoice, StreamChoice, load_model, prepare
    from apps.recording import bind_recording
    from bci_stream.engine.pipeline import Pipeline
    from bci_stream.engine.session import replay
    from bci_stream.engine.warm import warm_up
    from bci_stream.sources.xdf import XdfRecording, XdfSource
    from benchmarks.recording import events, write_xdf

    path = folder / "replay.xdf"
    write_xdf(path, SMALL, duration_s if source != "memory" else 2.0)
    choice = ModelChoice(bundle_path)
    with XdfRecording.open(path) as recording:
        bound = bind_recording(recording, StreamChoice(), any_numeric=False)
        specs = {role: binding.spec for role, binding in bound.bindings.items()}
        prepared = prepare(choice, load_model(choice), specs, 2.0)
        warm_up(prepared.plans, prepared.settings)
        pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
        xdf = XdfSource(recording, bound.bindings)
        wall_s, began_s = time.perf_counter(), cpu_s()
        for _ in replay(xdf.events() if source != "memory" else events(SMALL, duration_s), pipeline):
            pass
        figures = {"wall_s": time.perf_counter() - wall_s, "cpu_s": cpu_s() - began_s}
    return figures | {"n_windows": pipeline.n_windows, "peak_rss_mb": peak_rss_mb()}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    reply(replay_once(asked["duration_s"], Path(asked["bundle"]), asked["source"], Path(asked["folder"])))
