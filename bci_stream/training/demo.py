"""The demo bundle: trained on simulated people, scored on simulated people it has not met.

One seeded command makes it again (``bci-stream train-demo``). It says nothing about real people; it is
there so that everything else has a model to run, and its figures stand beside what is possible at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from bci_stream.model.bundle import export_bundle
from bci_stream.model.contract import Contract, EegContract, Training
from bci_stream.model.network import build_network
from bci_stream.sources.simulator import DEMO_MONTAGE, SimulatorSettings, bayes_accuracy
from bci_stream.training.evaluate import Scores, score_sessions, set_temperatures
from bci_stream.training.fit import Epoch, FitSettings, Fitted, fit
from bci_stream.training.sessions import Session, data_sha256
from bci_stream.training.simulated import record_sessions

Report = Callable[[str], None]
PROTOCOL = "simulated data: no claim about people; train, validation and test persons differ"
_PERSON_STEP = 10_000  # persons of one split are numbered apart from those of another
_QUIET_SHARE = 0.25  # of the persons hardly speak


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How much to simulate and how to train. ``duration_s``: of each person's session."""

    seed: int = 1
    n_train: int = 240
    n_valid: int = 20
    n_test: int = 24
    duration_s: float = 120.0
    dwell_s: tuple[float, float] = (6.0, 12.0)
    fusion: str = "gated"
    n_workers: int = 2
    fit: FitSettings = field(default_factory=lambda: FitSettings(n_epochs=54, learning_rate=7e-4, patience=0))


def train_demo(out: Path, settings: DemoSettings, report: Report = lambda line: None) -> str:
    """Simulate, train, score and export to ``out``; returns the bundle's sha256."""
    contract = Contract.model_validate(
        {
            "eeg": EegContract(channels=DEMO_MONTAGE, highpass_hz=0.5, reference="average"),
            "fusion": settings.fusion,
            "architecture": {"hidden": 248, "dropout": 0.3},  # a little less keeps the file under 2 MB
        }
    )
    train, valid, test = (_sessions(settings, contract, split, report) for split in range(3))
    torch.manual_seed(settings.seed)
    fitting = replace(settings.fit, seed=settings.seed)
    fitted = fit(build_network(contract), train, valid, fitting, progress=lambda e: report(_worded(e)))
    set_temperatures(fitted.network, valid)
    scores = score_sessions(fitted.network, test)
    card = _card(settings, fitted, scores)
    for name, value in card.items():
        report(f"{name}: {value:.4g}")
    contract = contract.model_copy(
        update={
            "metrics": card,
            "training": Training(
                data_sha256=data_sha256([*train, *valid]),
                description="the simulator of bci_stream, 16 electrodes at 250 Hz and a voice at 16 kHz",
                protocol=PROTOCOL,
                seed=settings.seed,
            ),
        }
    )
    report("confusion, rows are the truth: " + json.dumps(scores["both"].confusion().tolist()))
    return export_bundle(fitted.network, contract, out)


def _sessions(settings: DemoSettings, contract: Contract, split: int, report: Report) -> list[Session]:
    n = (settings.n_train, settings.n_valid, settings.n_test)[split]
    persons = [
        SimulatorSettings(
            seed=settings.seed * 100 + split,
            person=(split + 1) * _PERSON_STEP + i,
            dwell_s=settings.dwell_s,
            speech_share=0.25 if split == 0 and i % round(1 / _QUIET_SHARE) == 0 else 0.7,
        )
        for i in range(n)
    ]
    report(
        f"simulating {n} persons of {settings.duration_s:g} s for {('training', 'validation', 'test')[split]}"
    )
    return record_sessions(persons, contract, settings.duration_s, settings.n_workers)


def _card(settings: DemoSettings, fitted: Fitted, scores: dict[str, Scores]) -> dict[str, float]:
    card = {f"test_accuracy_{name}": part.accuracy() for name, part in scores.items()}
    for modality in ("both", "eeg", "audio"):
        card[f"bayes_accuracy_{modality}"] = bayes_accuracy(20_000, modality, settings.seed)
    card["test_windows"] = float(scores["both"].n)
    card["test_segments"] = float(scores["both"].n_trials)
    card["test_persons"] = float(settings.n_test)
    card["train_persons"] = float(settings.n_train)
    card["best_epoch"] = float(fitted.epoch)
    return card


def _worded(epoch: Epoch) -> str:
    shown = ", ".join(f"{name} {share:.1%}" for name, share in epoch.accuracy.items())
    return (
        f"epoch {epoch.number + 1}/{epoch.n_epochs}  loss {epoch.train_loss:.3f}  "
        f"validation {epoch.valid_loss:.3f}: {shown}"
    )
