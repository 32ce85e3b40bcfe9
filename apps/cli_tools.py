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
    app.command("certify")(certify)


def info(
    file: Annotated[Path, typer.Argument(help="recording: .xdf, .fif, .edf, .bdf, .set, .vhdr or .csv")],
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


def certify(
    seconds: Annotated[float, typer.Option(help="how long to measure")] = 60.0,
    out: Annotated[Path, typer.Option("--out", help="folder of the certificate")] = Path("certificates"),
    simulate: Annotated[
        bool, typer.Option("--simulate", help="a simulated headset and voice instead of the devices here")
    ] = False,
    eeg: Annotated[str | None, typer.Option("--eeg", help="EEG stream")] = None,
    audio: Annotated[str | None, typer.Option("--audio", help="audio stream")] = None,
    no_eeg: Annotated[bool, typer.Option("--no-eeg", help="do without EEG")] = False,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="do without audio")] = False,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="model bundle (.bci); the demo bundle if absent")
    ] = None,
    fit: Annotated[str, typer.Option("--fit", help="exact | interpolate absent electrodes")] = "exact",
    wait: Annotated[float, typer.Option(help="how long to look for the streams, seconds")] = 5.0,
    scope: Scope = None,
    session_id: SessionId = None,
    json: Json = False,
) -> None:
    """Measure a live session here and judge it: latency, jitter, loss, drift, load. Exit code 1 on FAIL."""
    from apps import certify as command
    from apps.choice import ModelChoice, StreamChoice

    command.run(
        command.CertifyOptions(
            seconds=seconds,
            folder=out,
            simulate=simulate,
            streams=StreamChoice(eeg, audio, not no_eeg, not no_audio),
            model=ModelChoice(bundle, fit=fit),
            wait_s=wait,
            scope=scope,
            session_id=session_id,
            as_json=json,
        )
    )
