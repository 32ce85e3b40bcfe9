"""The evaluation command of the one parser: its options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli_training import Cache, Data, Json, Subjects, Workers, not_negative


def register(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("evaluate")(evaluate)


def evaluate(
    path: Annotated[Path, typer.Argument(help="a bundle, or the result directory of a run")],
    data: Data = None,
    subjects: Subjects = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="a modality gone, noise, lost electrodes, a shifted voice")
    ] = False,
    controls: Annotated[
        bool, typer.Option("--controls", help="commonest class, trial number alone, permuted labels")
    ] = False,
    curve: Annotated[
        bool, typer.Option("--curve", help="accuracy for a new person against K calibration trials per class")
    ] = False,
    k: Annotated[
        str | None, typer.Option("--k", help="K of the curve: 0,1,2,4; else as many as everybody has")
    ] = None,
    draws: Annotated[int, typer.Option("--draws", help="how often other electrodes are lost")] = 3,
    permutations: Annotated[int, typer.Option("--permutations", help="of the labels")] = 1000,
    seed: Annotated[
        int, typer.Option("--seed", callback=not_negative, help="of noise, lost electrodes and permutations")
    ] = 0,
    workers: Workers = 0,
    cache: Cache = None,
    out: Annotated[Path | None, typer.Option("--out", help="write a report into this folder")] = None,
    json: Json = False,
) -> None:
    """How good a bundle or a run is on data, against controls, when things go wrong, and for new people."""
    from apps import evaluate as command

    command.run(
        command.EvaluateOptions(
            path=path,
            data=data,
            subjects=subjects,
            robustness=robustness,
            controls=controls,
            curve=curve,
            ks=k,
            n_draws=draws,
            n_permutations=permutations,
            seed=seed,
            workers=workers,
            cache=cache,
            out=out,
            as_json=json,
        )
    )
