"""``python -m benchmarks.calibration_proof``: does a calibration help people, and is noise refused?

Simulated people whom nothing was trained or developed on calibrate for ten minutes. Their model is compared
with the base on a further session of theirs, which took no part in the calibration, nor in its verdict. Then
the same people calibrate with shuffled labels, and the calibration should say that nothing got better.
Exits with 1 when the margin's 95 % interval over people holds 0, or noise is accepted more than once in 20.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from bci_stream.model.bundle import load_bundle
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.training.evaluate import main_pattern
from bci_stream.training.metrics import Interval
from bci_stream.training.statistics import bootstrap_mean
from benchmarks.calibration_people import shuffled, simulated_trials
from benchmarks.report import Table, show
from benchmarks.setups import DEMO_BUNDLE
from calibration.finetune import FinetuneSettings, calibrate
from calibration.verdict import answers_of

DWELL_S = (8.0, 12.0)  # of an emotion: a trial
FIRST_PERSON, SEED = 92_000, 77
FURTHER = 0.8  # of the calibration's duration: the session after it
ACCEPTED_NOISE = 1 / 20


@dataclass(frozen=True)
class Person:
    """How it went. ``base``, ``fitted``: accuracy in the further session; ``noise_*``: with shuffled labels.

    ``accepted``: whether the fitted model became the person's own. ``cpu_s``: of one fit.
    """

    number: int
    n_trials: int
    n_further: int
    rung: str
    p: float
    base: float
    fitted: float
    accepted: bool
    noise_rung: str
    noise_p: float
    noise_accepted: bool
    cpu_s: float

    @property
    def gain(self) -> float:
        """Of the fitted model."""
        return self.fitted - self.base

    @property
    def kept(self) -> float:
        """Of the model that is active after the verdict: the base's, where it was not accepted."""
        return self.gain if self.accepted else 0.0


@dataclass(frozen=True)
class Proof:
    """Over all people: means with intervals, and what was refused."""

    gain: float
    gain_ci: Interval
    kept: float
    kept_ci: Interval
    n_people: int
    n_refused: int

    @property
    def short(self) -> list[str]:
        """What does not hold; empty: everything does."""
        least = self.n_people - int(self.n_people * ACCEPTED_NOISE)
        found = []
        if not self.gain_ci.low > 0:
            found.append("the margin's interval holds 0")
        if self.n_refused < least:
            found.append(f"shuffled labels were refused for {self.n_refused} people, not for {least}")
        return found


def examine(
    number: int,
    seed: int = SEED,
    duration_s: float = 600.0,
    settings: FinetuneSettings = FinetuneSettings(),
) -> Person:
    """One person calibrates, goes on living, and calibrates on noise."""
    torch.set_num_threads(1)
    base = load_bundle(DEMO_BUNDLE)
    classes = base.contract.classes
    sessions = [SimulatorSettings(seed=one, person=number, dwell_s=DWELL_S) for one in (seed, seed + 1)]
    trials = simulated_trials(sessions[0], base.contract, duration_s)
    further = simulated_trials(sessions[1], base.contract, duration_s * FURTHER)
    began_s = time.process_time()
    found = calibrate(base.network, trials, classes, settings)
    cpu_s = time.process_time() - began_s
    noise = calibrate(base.network, shuffled(trials, number), classes, settings)
    labels = np.array([trial.label for trial in further], np.int64)
    pattern = main_pattern(base.network.modalities)
    before, after = (
        float(answers_of(network, further).right(labels, pattern).mean())
        for network in (base.network, found.network)
    )
    return Person(
        number=number,
        n_trials=len(trials),
        n_further=len(further),
        rung=found.chosen.rung,
        p=found.verdict.p,
        base=before,
        fitted=after,
        accepted=found.verdict.better,
        noise_rung=noise.chosen.rung,
        noise_p=noise.verdict.p,
        noise_accepted=noise.verdict.better,
        cpu_s=cpu_s,
    )


def proof_of(people: Sequence[Person]) -> Proof:
    """What all of them say together."""
    gains, kept = np.array([one.gain for one in people]), np.array([one.kept for one in people])
    refused = sum(not one.noise_accepted for one in people)
    return Proof(
        float(gains.mean()),
        bootstrap_mean(gains),
        float(kept.mean()),
        bootstrap_mean(kept),
        len(people),
        refused,
    )


def table(people: Sequence[Person], proof: Proof) -> Table:
    """For a person to read."""
    rows = [
        [
            str(one.number),
            one.rung,
            f"{one.base:.1%}",
            f"{one.fitted:.1%}",
            f"{100 * one.gain:+.1f}",
            f"{one.p:.3f}",
            "yes" if one.accepted else "no",
            one.noise_rung,
            f"{one.noise_p:.3f}",
            "accepted" if one.noise_accepted else "refused",
            f"{one.cpu_s:.0f}",
        ]
        for one in people
    ]
    columns = ["person", "fitted", "base", "after", "points", "p", "active", "noise", "p", "", "CPU s"]
    n_further = sum(one.n_further for one in people)
    notes = [
        f"accuracy on {n_further} trials of further sessions; p of the calibration's own test trials",
        f"mean margin of the fitted models {_points(proof.gain, proof.gain_ci)} points, 95 % over people",
        f"of the models that become active {_points(proof.kept, proof.kept_ci)} points "
        f"({sum(one.accepted for one in people)} of {proof.n_people} people)",
        f"shuffled labels: refused as not better for {proof.n_refused} of {proof.n_people} people",
    ]
    return Table("Calibration of simulated people, ten minutes each", columns, rows, notes)


def _points(mean: float, ci: Interval) -> str:
    return f"{100 * mean:+.1f} [{100 * ci.low:+.1f}, {100 * ci.high:+.1f}]"


def main() -> None:
    """Examine everybody; 0 when it holds, 1 when it does not."""
    parser = argparse.ArgumentParser(prog="benchmarks.calibration_proof", description=__doc__)
    parser.add_argument("--people", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=FIRST_PERSON, help="number of the first person")
    parser.add_argument(
        "--seed", type=int, default=SEED, help="of the session; the further one's is one more"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes; their number changes no figure")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    numbers = range(asked.first, asked.first + asked.people)
    people = []
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        for one in pool.map(partial(examine, seed=asked.seed), numbers):
            people.append(one)
            noise = "accepted" if one.noise_accepted else "refused"
            print(
                f"{len(people)} of {asked.people}: person {one.number}, {100 * one.gain:+.1f} points, "
                f"{'active' if one.accepted else 'base stays'}, noise {noise}",
                file=sys.stderr,
                flush=True,
            )
    proof = proof_of(people)
    show(table(people, proof))
    if asked.json:
        asked.json.write_text(
            json.dumps({"people": list(map(asdict, people)), "proof": asdict(proof)}, indent=1)
        )
    for line in proof.short:
        print(f"SHORT: {line}")
    sys.exit(1 if proof.short else 0)


if __name__ == "__main__":
    main()
