"""``bci-stream simulate``: publish a simulated headset and voice over real LSL."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apps.console import say
from apps.live import stop_on_signal
from apps.live_streams import configure
from bci_stream.errors import ConfigError
from bci_stream.sinks.whole_file import check_free
from bci_stream.sources.fault_plan import FaultPlan, described, load_plan
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_faults import Faults


def run(
    settings: SimulatorSettings,
    name: str,
    seconds: float | None,
    scope: str | None,
    session_id: str | None,
    plan: Path | None = None,
    truth: Path | None = None,
) -> None:
    """Publish until the time is over or Ctrl-C.

    ``plan``: what goes wrong; what really happened goes to ``truth``, or beside the plan.
    """
    if seconds is not None and seconds <= 0:
        raise ConfigError(f"--seconds {seconds:g} makes no sense: give a number above 0, or leave it out")
    if plan is None and truth is not None:
        raise ConfigError("--truth says what the faults did: add --faults PLAN.yaml")
    faults, ordered = _faults(plan, settings)
    configure(scope, session_id)
    from bci_stream.sources.simulator_lsl import publish

    with stop_on_signal() as stop, _written(truth or _beside(plan), ordered) as write:
        say(f"publishing {name}EEG, {name}Audio and {name}Markers; Ctrl-C stops")
        started_s = time.monotonic()
        publish(
            settings,
            duration_s=seconds if seconds is not None else float("inf"),
            name_prefix=name,
            source_id=f"bci-stream-{name}",
            stop=stop.is_set,
            faults=faults,
            truth=write,
        )
    say(f"published {time.monotonic() - started_s:.1f} s")


def _faults(plan: Path | None, settings: SimulatorSettings) -> tuple[Faults | None, FaultPlan | None]:
    if plan is None:
        return None, None
    found = load_plan(plan)
    return found.faults(settings.ch_names), found


def _beside(plan: Path | None) -> Path | None:
    return plan.with_suffix(".truth.jsonl") if plan is not None else None


@contextmanager
def _written(
    path: Path | None, plan: FaultPlan | None
) -> Iterator[Callable[[Mapping[str, Any]], None] | None]:
    """Takes records into a new file, line by line; the plan's faults follow the first, on the local clock."""
    if path is None or plan is None:
        yield None
        return
    check_free(path, "truth of the faults")
    with path.open("x", encoding="utf-8") as lines:

        def write(record: Mapping[str, Any]) -> None:
            lines.write(json.dumps(record, allow_nan=False) + "\n")
            if record["kind"] == "start":
                for ordered in described(plan, float(record["t0"])):
                    write(ordered)
            lines.flush()

        say(f"the truth goes to {path}")
        yield write
