"""The devices command of the one parser, and the option by which others name a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[
    str | None,
    typer.Option("--device", help="the headset, by its name in `bci-stream devices`; none: guess nothing"),
]


def register(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("devices")(devices)


def devices(
    name: Annotated[str | None, typer.Argument(help="show this one whole")] = None,
    streams: Annotated[
        bool | None,
        typer.Option("--streams/--no-streams", help="only what is on the network, or do not look; else both"),
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="see whether a file of your own profiles is right")
    ] = None,
    wait: Annotated[float, typer.Option(help="how long to listen for streams, seconds")] = 1.5,
    scope: Annotated[
        str | None, typer.Option("--scope", help="how far to look for LSL streams: machine, link, site…")
    ] = None,
    session_id: Annotated[str | None, typer.Option("--session-id", help="LSL session id")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for programs")] = False,
) -> None:
    """Headsets, amplifiers and audio outlets that are known, and which of the streams here is which."""
    from apps import devices as command

    if check is not None:
        command.check(check, json)
    elif name is not None:
        command.show(name, json)
    else:
        command.run(command.DevicesOptions(streams, wait, scope, session_id, json))
