"""The microphone's command of the one parser: its options, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("mic")(mic)


def mic(
    device: Annotated[
        str | None, typer.Option("--device", help="its name, or a part that no other has; else the default")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="what the stream is called")] = "Microphone",
    rate: Annotated[
        float | None, typer.Option("--rate", help="Hz; else 16000, or the device's own if it must be")
    ] = None,
    block_ms: Annotated[float, typer.Option("--block-ms", help="1 to 100; less is sooner")] = 10.0,
    list_devices: Annotated[bool, typer.Option("--list", help="list microphones and end")] = False,
    level: Annotated[bool, typer.Option("--level", help="only show how loud it is; publish nothing")] = False,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="end after this many seconds; else with Ctrl-C")
    ] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", help="how far the LSL stream is seen: machine, link, site…")
    ] = None,
    session_id: Annotated[str | None, typer.Option("--session-id", help="LSL session id")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs")] = False,
) -> None:
    """Publish a microphone as an LSL Audio stream; --list shows what there is, --level how loud it is."""
    from apps import mic as command

    if list_devices:
        command.list_devices(json)
        return
    command.run(
        command.MicOptions(
            device=device,
            name=name,
            rate_hz=rate,
            block_ms=block_ms,
            level_only=level,
            seconds=seconds,
            scope=scope,
            session_id=session_id,
            as_json=json,
        )
    )
