"""The window's command of the one parser: its options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli_calibrate import Profiles
from bci_stream.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("gui")(gui)


def gui(
    demo: Annotated[bool, typer.Option("--demo", help="begin with a simulated person")] = False,
    replay: Annotated[Path | None, typer.Option("--replay", help="begin with a recording, .xdf")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="begin with the pages that calibrate to a person")
    ] = False,
    person: Annotated[str | None, typer.Option("--person", help="with --calibrate: whose profile")] = None,
    protocol: Annotated[
        str, typer.Option("--protocol", help="with --calibrate: a name, or a .yaml of your own")
    ] = "conversation",
    profiles: Profiles = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="model bundle (.bci); the demo bundle if absent")
    ] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="signals only")] = False,
    theme: Annotated[str | None, typer.Option("--theme", help="dark | light; else as last time")] = None,
    size: Annotated[str, typer.Option("--size", help="of the window, in pixels")] = "1366x768",
    screenshot: Annotated[
        Path | None, typer.Option("--screenshot", help="save a picture (.png) without a screen, and end")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="of the session, before the picture is taken")
    ] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", help="how far to look for LSL streams: machine, link, site…")
    ] = None,
    session_id: Annotated[str | None, typer.Option("--session-id", help="LSL session id")] = None,
) -> None:
    """The window: signals, weights and predictions; live, from a recording, or as a demo."""
    from apps.choice import ModelChoice
    from apps.gui import app as command
    from apps.gui.options import GuiOptions
    from apps.gui.viewmodels.calibration import GuideOptions

    if theme not in (None, "dark", "light"):
        raise ConfigError(f"--theme {theme!r} is unknown: use dark or light")
    if calibrate and (demo or replay is not None):
        raise ConfigError("--calibrate takes streams of the network: drop --demo and --replay")
    if calibrate:
        from calibration.profile import check_name
        from calibration.protocol import load_protocol

        load_protocol(protocol)
        if person:
            check_name(person)
    command.run(
        GuiOptions(
            demo=demo,
            replay=replay,
            calibrate=calibrate,
            calibration=GuideOptions(name=person or "", protocol=protocol, profiles=profiles),
            screenshot=screenshot,
            seconds=seconds,
            theme=theme,
            size=_size(size),
            model=ModelChoice(bundle, not no_model),
            scope=scope,
            session_id=session_id,
        )
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 320 <= int(width) <= 16384):
        raise ConfigError(f"--size {text!r} makes no sense: give it as 1366x768")
    return int(width), max(240, int(height))
