"""What a person waits for after the last trial: ten minutes of 32 electrodes and a voice, to the report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bci_stream.model.bundle import Bundle, export_bundle, load_bundle
from bci_stream.model.contract import Contract, EegContract
from bci_stream.model.network import build_network
from bci_stream.sources.simulator import SimulatorSettings
from benchmarks.calibration_people import record_calibration
from benchmarks.report import Report, Table
from benchmarks.setups import SMALL, private_corner
from calibration.finetune import FinetuneSettings
from calibration.ladder import FULL, FUSION, HEAD, LAST_BLOCK
from calibration.outcome import calibrate_person
from calibration.profile import ProfileStore

GOAL_S = 120.0
_WHEN = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class CalibrationOptions:
    """``duration_s``: of the recording. ``settings``: of the fine-tune."""

    duration_s: float = 600.0
    dwell_s: tuple[float, float] = (8.0, 12.0)
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)


def run(options: CalibrationOptions) -> Report:
    """Record a simulated person, then time all that comes after the last trial, on one thread."""
    report = Report()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with private_corner() as corner:
            base = _base(corner.folder)
            settings = SimulatorSettings(
                seed=1,
                person=1,
                ch_names=tuple(SMALL.names()),
                eeg_sfreq=SMALL.sfreq,
                dwell_s=options.dwell_s,
            )
            recording = record_calibration(corner.folder / "person.xdf", settings, options.duration_s)
            _time(options, base, recording, ProfileStore(corner.folder / "profiles"), report)
    finally:
        torch.set_num_threads(threads)
    return report


def _base(folder: Path) -> Bundle:
    """A bundle of the demo's size for 32 electrodes, with random weights: costs do not depend on them."""
    torch.manual_seed(0)
    contract = Contract(eeg=EegContract(channels=tuple(SMALL.names()), reference="average"), fusion="gated")
    path = folder / "base.bci"
    export_bundle(build_network(contract).eval(), contract, path)
    return load_bundle(path)


def _time(
    options: CalibrationOptions, base: Bundle, recording: Path, store: ProfileStore, report: Report
) -> None:
    reached: list[str] = []
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    outcome = calibrate_person(
        store,
        "bench",
        base,
        [recording],
        created=_WHEN,
        settings=options.settings,
        report=lambda what, share: reached.append(what),
    )
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    tried = [rung for rung in options.settings.rungs if any(f": {rung}," in what for what in reached)]
    n_trials = len(outcome.calibrated.known) + len(outcome.calibrated.test)
    title = f"Calibration of {options.duration_s / 60:g} minutes, {SMALL.label}, last trial to report"
    notes = [
        f"goal: under {GOAL_S:g} s of CPU; rungs tried: {', '.join(tried)}",
        f"the ladder ends early where {FUSION} or {LAST_BLOCK} is of no use; {HEAD} is always tried, "
        f"{FULL} costs most",
    ]
    rows = [[str(n_trials), cpu_s, wall_s, outcome.model.rung]]
    report.tables.append(Table(title, ("trials", "CPU s", "wall s", "fitted"), rows, notes))
    report.figures |= {"cpu_s": cpu_s, "wall_s": wall_s, "n_trials": n_trials, "tried": tried}
