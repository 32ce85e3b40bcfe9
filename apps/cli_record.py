"""The recording commands of the one parser: their options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli_devices import Device

Json = Annotated[bool, typer.Option("--json", help="figures as JSON on stdout, for programs")]


def register(app: typer.Typer) -> None:
    """Add the commands to the parser."""
    app.command("record")(record)
    app.command("export")(export)
    app.command("verify")(verify)


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def record(
    out: Annotated[
        Path | None, typer.Option("--out", help="the file, .xdf; else a name in BIDS' manner under --folder")
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="where recordings go")] = Path("recordings"),
    subject: Annotated[str, typer.Option("--subject", help="letters and digits")] = "unknown",
    session: Annotated[str | None, typer.Option("--session", help="letters and digits")] = None,
    task: Annotated[str, typer.Option("--task", help="letters and digits")] = "recording",
    run: Annotated[int | None, typer.Option("--run", help="else the next free number")] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option("--stream", help="name, type, source_id or key=value of one stream; again for more"),
    ] = None,
    audio: Annotated[
        bool, typer.Option("--audio", help="record voices too; without it no audio is stored")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(help="end after this many seconds; else with Ctrl-C")
    ] = None,
    wait: Annotated[float, typer.Option(help="how long to look for the streams, seconds")] = 5.0,
    scope: Annotated[
        str | None, typer.Option("--scope", help="how far to look for LSL streams: machine, link, site…")
    ] = None,
    session_id: Annotated[str | None, typer.Option("--session-id", help="LSL session id")] = None,
    json: Json = False,
) -> None:
    """Record LSL streams into an XDF file that survives a crash; no model needed."""
    from apps import record as command

    command.run(
        command.RecordOptions(
            destination=command.Destination(folder, out, subject, session, task, run),
            streams=tuple(stream or ()),
            audio=audio,
            seconds=seconds,
            wait_s=wait,
            scope=scope,
            session_id=session_id,
            as_json=json,
        )
    )


def export(
    file: Annotated[Path, typer.Argument(help="recording, .xdf")],
    bids: Annotated[
        Path | None, typer.Option("--bids", help="root of a BIDS data set, made if absent")
    ] = None,
    fif: Annotated[Path | None, typer.Option("--fif", help="MNE's own format, whole precision")] = None,
    edf: Annotated[Path | None, typer.Option("--edf", help="EDF+, 16 bits")] = None,
    eeg: Annotated[str | None, typer.Option("--eeg", help="which stream, where there are several")] = None,
    channels: Annotated[
        str | None, typer.Option("--channels", help="electrode names of an unlabelled stream: Fp1,Fp2,…")
    ] = None,
    pick: Annotated[str | None, typer.Option("--pick", help="only these electrodes: Fz,Cz,…")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="unit, where the header is wrong")] = None,
    device: Device = None,
    subject: Annotated[str | None, typer.Option("--subject", help="BIDS; else the file's own")] = None,
    session: Annotated[str | None, typer.Option("--session", help="BIDS; else the file's own")] = None,
    task: Annotated[str | None, typer.Option("--task", help="BIDS; else the file's own")] = None,
    run: Annotated[int | None, typer.Option("--run", help="BIDS; else the file's own")] = None,
    mains: Annotated[float, typer.Option("--mains", help="mains frequency, Hz")] = 50.0,
    json: Json = False,
) -> None:
    """The EEG of a recording as BIDS, FIF or EDF, with electrode positions, gaps and markers."""
    from apps import export as command
    from apps.choice import StreamChoice

    command.run(
        command.ExportOptions(
            file=file,
            streams=StreamChoice(eeg, channels=_names(channels), pick=_names(pick), unit=unit, device=device),
            bids=bids,
            fif=fif,
            edf=edf,
            subject=subject,
            session=session,
            task=task,
            run=run,
            mains_hz=mains,
            as_json=json,
        )
    )


def verify(
    file: Annotated[Path, typer.Argument(help="recording of a live session, .xdf")],
    ledger: Annotated[Path | None, typer.Option("--ledger", help="else the one beside the recording")] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="the session's model (.bci); the demo bundle if absent")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="run a foreign bundle's own program")] = False,
    no_audio: Annotated[
        bool, typer.Option("--no-audio", help="the voice was not recorded: compare the EEG alone, no logits")
    ] = False,
    fit: Annotated[str | None, typer.Option("--fit", help="exact | interpolate; else the session's")] = None,
    mains: Annotated[float | None, typer.Option("--mains", help="else as in the session, Hz")] = None,
    lateness: Annotated[float | None, typer.Option(help="else as in the session, seconds")] = None,
    voice_gate: Annotated[
        bool | None, typer.Option("--voice-gate/--no-voice-gate", help="else as in the session")
    ] = None,
    json: Json = False,
) -> None:
    """Replay a recorded session and hold every window to its ledger. Exit code 1 when one differs."""
    from apps import verify as command
    from apps.choice import ModelChoice

    command.run(
        command.VerifyOptions(
            file=file,
            ledger=ledger,
            model=ModelChoice(bundle, True, fit, trust, mains, voice_gate=voice_gate),
            lateness_s=lateness,
            want_audio=not no_audio,
            as_json=json,
        )
    )
