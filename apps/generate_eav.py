"""``bci-stream generate-eav``: people who were never recorded, in EAV's layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from apps.console import say
from bci_stream.training.eav_writer import write_eav
from bci_stream.training.generator import GeneratorSettings


def run(
    folder: Path, people: int, trials: int, trial_s: float, separation: float, correlation: float, seed: int
) -> None:
    """Write the folder and say what the best possible accuracy is."""
    usual = GeneratorSettings()
    settings = replace(
        usual,
        seed=seed,
        n_people=people,
        n_trials=trials,
        trial_s=trial_s,
        eeg_separation=separation * usual.eeg_separation,
        audio_separation=separation * usual.audio_separation,
        error_correlation=correlation,
    )
    write_eav(folder, settings, report=say)
    say(f"{folder}: train on it with bci-stream train --data {folder} --use-audio")
