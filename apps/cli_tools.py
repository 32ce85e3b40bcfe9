"""The commands that look: at a recording, at this computer; their options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Scope = Annotated[
    str | None, typer.Option("--scope", help="how far to look for LSL streams: machine, link, site…")
]
SessionId = Annotated[str | None, typer.Option("--session-id", help="LSL session id")]
Json = Annotated[bool, typer.Option("--json", help="as JSON on stdout, for programs")]


def register(app: typer.Typer) -> None:
    """Add the commands to the parser."""
    app.command("info")(info)
    app.command("doctor")(doctor)


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


def doctor(
    folder: Annotated[Path, typer.Option("--folder", help="where recordings would go")] = Path("recordings"),
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="model bundle (.bci); the demo bundle if absent")
    ] = None,
    eeg: Annotated[str | None, typer.Option("--eeg", help="EEG stream that the model should take")] = None,
    audio: Annotated[str | None, typer.Option("--audio", help="audio stream, chosen likewise")] = None,
    fit: Annotated[str, typer.Option("--fit", help="exact | interpolate absent electrodes")] = "exact",
    scope: Scope = None,
    session_id: SessionId = None,
    timeout: Annotated[float, typer.Option("--timeout", help="for each check, seconds")] = 60.0,
    json: Json = False,
) -> None:
    """Is everything on this computer as a session needs it? Exit code 1 when something must be mended."""
    from apps import doctor as command

    command.run(
        command.DoctorOptions(
            folder=folder,
            bundle=bundle,
            eeg=eeg,
            audio=audio,
            fit=fit,
            scope=scope,
            session_id=session_id,
            timeout_s=timeout,
            as_json=json,
        )
    )
