"""Draws docs/demo.svg: the terminal view of a simulated session, as the README shows it."""

from __future__ import annotations

import io
import re
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.console import Console

from apps.choice import ModelChoice, load_model, prepare
from bci_stream.engine.pipeline import Pipeline
from bci_stream.sinks.terminal import TerminalView
from bci_stream.sinks.terminal_layout import panel
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import simulated_events

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """Run 24 simulated seconds and draw the last picture."""
    torch.set_num_threads(1)
    settings = SimulatorSettings(seed=7, person=9001)
    choice = ModelChoice()
    prepared = prepare(choice, load_model(choice), Simulator(settings).specs)
    pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
    said = [p for event in simulated_events(settings, duration_s=24.0) for p in pipeline.feed(event)]
    console = Console(record=True, width=100, height=26, force_terminal=True)
    view = TerminalView(Console(file=io.StringIO()), said[-1].classes, t0_s=1000.0)
    health = {
        r: asdict(h) | {"state": "live", "n_reconnects": 0, "age_s": 0.02}
        for r, h in pipeline.health().items()
    }
    last = replace(said[-1], age_s=0.02)
    counters = {"windows": pipeline.n_windows, "skipped": 0, "late windows": 0}
    view.update(last, health, counters, now_s=0.0)
    console.print(panel(view.state(health, counters, 0.0), 100, 26))
    DOCS.mkdir(exist_ok=True)
    drawn = console.export_svg(title="bci-stream demo")
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # nothing is fetched to show it
    (DOCS / "demo.svg").write_text(drawn.replace("Fira Code", "DejaVu Sans Mono"))


if __name__ == "__main__":
    main()
