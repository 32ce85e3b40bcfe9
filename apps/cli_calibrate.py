"""The commands about one person: their options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bci_stream.errors import ConfigError

if TYPE_CHECKING:
    from calibration.profile import ProfileStore

Profiles = Annotated[
    Path | None, typer.Option("--profiles", help="where profiles are kept; else the user's data folder")
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for programs")]
Name = Annotated[str, typer.Argument(help="whose")]
Profile = Annotated[
    str | None, typer.Option("--profile", help="the active model of this person, in place of --bundle")
]
profile_app = typer.Typer(
    help="Who has a model here; which is active; forget somebody.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to the parser."""
    app.command("calibrate")(calibrate)
    app.add_typer(profile_app, name="profile")


def calibrate(
    name: Annotated[str, typer.Argument(help="a name for the profile: letters, digits, - and _")],
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", help="conversation, read-aloud, recall, words, quick, or a .yaml of your own"
        ),
    ] = "conversation",
    recording: Annotated[
        list[Path] | None,
        typer.Option(
            "--recording", "--from", help="calibrate from this .xdf instead of recording; may be repeated"
        ),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option("--test", help="test on this later .xdf, not on the last 30 % of the trials"),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="fit to all earlier recordings of the profile too")
    ] = False,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="record nothing: fit to the profile's recordings, as corrected since"),
    ] = False,
    up_to: Annotated[
        str,
        typer.Option(
            "--up-to",
            help="how much of the model may move at most: temperature, normalisation, head, fusion, "
            "last-block, everything",
        ),
    ] = "everything",
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="the base model (.bci); the demo bundle if absent")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the order of trials")] = 0,
    language: Annotated[str, typer.Option("--language", help="of what is shown")] = "en",
    eeg: Annotated[str | None, typer.Option("--eeg", help="EEG stream, as for live")] = None,
    audio: Annotated[str | None, typer.Option("--audio", help="audio stream, as for live")] = None,
    channels: Annotated[
        str | None, typer.Option("--channels", help="electrode names of an unlabelled stream, in order")
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="unit of the EEG where the header is wrong")
    ] = None,
    wait: Annotated[float, typer.Option("--wait", help="seconds to look for streams")] = 5.0,
    yes: Annotated[bool, typer.Option("--yes", help="the person has agreed to be recorded")] = False,
    record_only: Annotated[bool, typer.Option("--record-only", help="record, do not fit")] = False,
    scope: Annotated[str | None, typer.Option("--scope", help="how far to look for LSL streams")] = None,
    session_id: Annotated[str | None, typer.Option("--session-id", help="LSL session id")] = None,
    profiles: Profiles = None,
    json: Json = False,
) -> None:
    """Guided trials, a model that fits one person, and an honest report of whether it does."""
    from apps import calibrate as command
    from apps.choice import StreamChoice

    names = tuple(part.strip() for part in channels.split(",")) if channels else None
    command.run(
        command.CalibrateOptions(
            name=name,
            protocol=protocol,
            language=language,
            seed=seed,
            bundle=bundle,
            recordings=tuple(recording or ()),
            later=tuple(test or ()),
            up_to=up_to,
            go_on=go_on,
            refit=refit,
            streams=StreamChoice(eeg=eeg, audio=audio, channels=names, unit=unit),
            wait_s=wait,
            yes=yes,
            record_only=record_only,
            scope=scope,
            session_id=session_id,
            profiles=profiles,
            as_json=json,
        )
    )


def profile_bundle(name: str, bundle: Path | None) -> Path | None:
    """The bundle that is active for somebody; None: the base.

    Raises:
        ConfigError: a bundle was named too.
    """
    if bundle is not None:
        raise ConfigError("--profile decides which bundle: leave --bundle out")
    return _store(None).active_bundle(name)


def _store(folder: Path | None) -> ProfileStore:
    from calibration.profile import ProfileStore

    return ProfileStore(folder)


@profile_app.command("list")
def list_profiles(profiles: Profiles = None, json: Json = False) -> None:
    """Everybody who has a profile here."""
    from apps import profiles as command

    command.show_all(_store(profiles), json)


@profile_app.command("show")
def show(name: Name, profiles: Profiles = None, json: Json = False) -> None:
    """One profile: device, models and their figures."""
    from apps import profiles as command

    command.show(_store(profiles), name, json)


@profile_app.command("activate")
def activate(
    name: Name, model: Annotated[str, typer.Argument(help="its number, or base")], profiles: Profiles = None
) -> None:
    """Use that model in live sessions; an earlier one is a way back."""
    from apps import profiles as command

    command.activate(_store(profiles), name, model)


@profile_app.command("rollback")
def rollback(name: Name, profiles: Profiles = None) -> None:
    """Use again what was active before; no model is removed."""
    from apps import profiles as command

    command.rollback(_store(profiles), name)


@profile_app.command("review")
def review(
    name: Name,
    recording: Annotated[
        list[Path] | None, typer.Option("--recording", help="this one; else all of the profile's")
    ] = None,
    profiles: Profiles = None,
    json: Json = False,
) -> None:
    """Every labelled trial of the recordings, by number, with what was corrected or left out."""
    from apps import profiles as command

    command.review(_store(profiles), name, tuple(recording or ()), json)


@profile_app.command("correct")
def correct(
    name: Name,
    recording: Annotated[Path, typer.Argument(help="a recording of review")],
    trial: Annotated[int, typer.Argument(help="its number in review", min=0)],
    emotion: Annotated[str | None, typer.Argument(help="what it was")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="leave it out of calibrations to come")] = False,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="the base model, whose emotions")] = None,
    profiles: Profiles = None,
) -> None:
    """Say what a trial was in truth; the recording is not changed."""
    from apps import profiles as command

    if drop == (emotion is not None):
        raise ConfigError("say what the trial was, or --drop to leave it out: one of the two")
    command.correct(_store(profiles), name, recording, trial, emotion, bundle)


@profile_app.command("export")
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(help="a new .zip")],
    recordings: Annotated[bool, typer.Option("--recordings", help="with EEG and voice as recorded")] = False,
    profiles: Profiles = None,
) -> None:
    """A profile as one file, for another computer."""
    from apps import profiles as command

    command.export(_store(profiles), name, file, recordings)


@profile_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="of profile export")],
    name: Annotated[str | None, typer.Option("--as", help="another name")] = None,
    profiles: Profiles = None,
) -> None:
    """A profile from another computer; none of its code is run."""
    from apps import profiles as command

    command.import_file(_store(profiles), file, name)


@profile_app.command("forget")
def forget(
    name: Name,
    folder: Annotated[
        list[Path] | None, typer.Option("--folder", help="recordings of sub-NAME are removed there too")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    profiles: Profiles = None,
) -> None:
    """Remove everything of a person: models, reports and recordings; and prove it."""
    from apps import profiles as command

    command.forget(_store(profiles), name, tuple(folder or ()), yes)
