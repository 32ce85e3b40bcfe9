"""The commands that look: at a recording, at this computer; their options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="as JSON on stdout, for programs")]


def register(app: typer.Typer) -> None:
    """Add the commands to the parser."""
    app.command("info")(info)


def info(
    file: Annotated[Path, typer.Argument(help="recording, .xdf")],
    plot: Annotated[
        Path | None, typer.Option("--plot", help="write a picture of it: .png, .svg, .pdf or .jpg")
    ] = None,
    json: Json = False,
) -> None:
    """What is in a recording: streams, rates, gaps, clocks, quality, markers, and what is damaged."""
    from apps import info as command

    command.run(command.InfoOptions(file, plot, json))
