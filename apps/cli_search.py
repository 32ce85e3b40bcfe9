"""The commands about many runs, search and yardsticks: their options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli_training import (
    Cache,
    Data,
    Device,
    Folds,
    Json,
    Leaks,
    NoEeg,
    NumEpochs,
    Out,
    Restart,
    RunFolds,
    Seed,
    SplitKind,
    Subjects,
    Threads,
    UseAudio,
    Window,
    Workers,
    machine_options,
    recipe_options,
    split_options,
)

Jobs = Annotated[int, typer.Option("--jobs", help="folds that run at once")]
Backend = Annotated[
    str, typer.Option("--backend", help="local: processes here; ray: a Ray cluster that is already running")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the parser."""
    app.command("sweep")(sweep)
    app.command("baselines")(baselines)


def sweep(
    data: Data = None,
    subjects: Subjects = None,
    use_audio: UseAudio = False,
    no_eeg: NoEeg = False,
    trials: Annotated[int, typer.Option("--trials", help="recipes in the study when it is done")] = 20,
    look_at: Annotated[
        int, typer.Option("--look-at", help="folds of the split that each recipe is fitted to")
    ] = 2,
    seeds: Annotated[int, typer.Option("--seeds", help="starts of each fold")] = 1,
    num_epochs: NumEpochs = 20,
    window: Window = 5.0,
    seed: Seed = 0,
    split: SplitKind = "subject-kfold",
    folds: Folds = 7,
    leaks: Leaks = False,
    jobs: Jobs = 1,
    backend: Backend = "local",
    storage: Annotated[
        str | None, typer.Option("--storage", help="any URL that Optuna takes; else study.db in --out")
    ] = None,
    device: Device = "cpu",
    threads: Threads = 1,
    workers: Workers = 0,
    cache: Cache = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Search for a good recipe on validation people; goes on after a stop, test people stay unseen."""
    from apps import sweep as command
    from bci_stream.training.parallel import Workers as Parallel
    from bci_stream.training.sweep import SweepSettings

    command.run(
        command.SweepOptions(
            data=data,
            subjects=subjects,
            recipe=recipe_options(
                use_eeg=not no_eeg, use_audio=use_audio, n_epochs=num_epochs, window_s=window, seed=seed
            ),
            split=split_options(split, folds, 0, leaks),
            machine=machine_options(device, threads, workers, cache),
            settings=SweepSettings(trials, look_at, tuple(range(seed, seed + seeds)), seed),
            workers=Parallel(jobs, backend),
            storage=storage,
            out=out,
            as_json=json,
        )
    )


def baselines(
    data: Data = None,
    subjects: Subjects = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            help="band-power-lda, tangent-space, eegnet, shallow, conformer, mel-logistic, mel-svm; else all",
        ),
    ] = None,
    use_audio: Annotated[bool, typer.Option("--use-audio", help="those of the voice too")] = False,
    num_epochs: Annotated[int, typer.Option("--num-epochs", help="of a reference network, at most")] = 40,
    window: Window = 5.0,
    seed: Seed = 0,
    split: SplitKind = "subject-kfold",
    folds: Folds = 7,
    run_folds: RunFolds = 0,
    leaks: Leaks = False,
    jobs: Jobs = 1,
    backend: Backend = "local",
    device: Device = "cpu",
    threads: Threads = 1,
    workers: Workers = 0,
    cache: Cache = None,
    out: Annotated[Path | None, typer.Option("--out", help="a folder for a result of each")] = None,
    restart: Restart = False,
    json: Json = False,
) -> None:
    """Yardsticks on the same folds: LDA, Riemannian tangent space, EEGNet and kin, voice statistics."""
    from apps import baselines as command
    from bci_stream.training.baselines import BaselineSettings
    from bci_stream.training.parallel import Workers as Parallel

    command.run(
        command.BaselinesOptions(
            data=data,
            subjects=subjects,
            models=models,
            use_audio=use_audio,
            settings=BaselineSettings(window, seed, num_epochs),
            split=split_options(split, folds, run_folds, leaks),
            machine=machine_options(device, threads, workers, cache),
            workers=Parallel(jobs, backend),
            out=out,
            restart=restart,
            as_json=json,
        )
    )
