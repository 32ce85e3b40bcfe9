"""The one parser: ``bci-stream COMMAND``. Commands live in a file each and are imported when called."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from apps import (
    cli_calibrate,
    cli_devices,
    cli_evaluate,
    cli_gui,
    cli_mic,
    cli_record,
    cli_search,
    cli_tools,
)
from apps import cli_outputs as options
from apps.cli_calibrate import Profile, profile_bundle
from apps.cli_device import BrainFlow, BrainFlowFile, BrainFlowParam, FieldTrip, SerialPort
from apps.cli_devices import Device
from apps.cli_training import register
from apps.console import fail
from bci_stream.errors import BciStreamError
from bci_stream.model.allocator import keep_freed_memory

app = typer.Typer(
    name="bci-stream",
    help="Emotion from EEG and voice, on one clock: live over LSL, or from an XDF recording.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bundle_app = typer.Typer(help="Look into a model bundle, or prove it sound.", no_args_is_help=True)
app.add_typer(bundle_app, name="bundle")

EegQuery = Annotated[
    str | None, typer.Option("--eeg", help="EEG stream: its name, type, source_id, or key=value pairs")
]
AudioQuery = Annotated[str | None, typer.Option("--audio", help="audio stream, chosen likewise")]
Mic = Annotated[
    str | None,
    typer.Option("--mic", help="take the voice from this computer's microphone of this name, or default"),
]
NoEeg = Annotated[bool, typer.Option("--no-eeg", help="do without EEG")]
NoAudio = Annotated[bool, typer.Option("--no-audio", help="do without audio")]
Channels = Annotated[
    str | None,
    typer.Option("--channels", help="electrode names of an unlabelled stream, in order: Fp1,Fp2,…"),
]
Pick = Annotated[str | None, typer.Option("--pick", help="use only these electrodes: Fz,Cz,…")]
Unit = Annotated[
    str | None, typer.Option("--unit", help="unit of the EEG where the header is wrong: uV, mV, V, nV")
]
BundlePath = Annotated[
    Path | None, typer.Option("--bundle", help="model bundle (.bci); the demo bundle if absent")
]
Fit = Annotated[
    str | None,
    typer.Option("--fit", help="exact (if absent) | interpolate absent electrodes from those present"),
]
NoModel = Annotated[bool, typer.Option("--no-model", help="show windows, masks and quality only")]
Trust = Annotated[
    bool, typer.Option("--trust", help="run the TorchScript program of a bundle from elsewhere (it is code)")
]
Mains = Annotated[
    float | None, typer.Option("--mains", help="mains frequency of your country, 50 (if absent) or 60 Hz")
]
VoiceGate = Annotated[
    bool | None,
    typer.Option(
        "--voice-gate/--no-voice-gate",
        help="use the voice only where somebody speaks, or always; else as the bundle has it",
    ),
]
WindowS = Annotated[
    float | None, typer.Option("--window", help="window in seconds, without a model; 5 if absent")
]
HopS = Annotated[float | None, typer.Option("--hop", help="hop in seconds, without a model; 0.2 if absent")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for programs")]
Scope = Annotated[
    str | None,
    typer.Option(
        "--scope",
        help="how far to look for LSL streams: machine (if liblsl has no settings file), link, site…",
    ),
]
SessionId = Annotated[
    str | None, typer.Option("--session-id", help="LSL session id: see only streams that carry the same")
]


# ClickException, wherever this typer keeps click: newer ones carry a copy of their own.
_CommandError: type[Exception] = typer.BadParameter.__mro__[2]


def names_of(text: str | None) -> tuple[str, ...] | None:
    """Comma-separated names; None where nothing was given."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def _worded(error: Exception) -> str:
    """What the parser has to say, in one line."""
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return text.splitlines()[0] if text.strip() else "no command: see bci-stream --help"


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="show a traceback with an error")] = False,
) -> None:
    """Options that come before the command; ``--debug`` is read by :func:`main`."""
    keep_freed_memory()


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="recording: .xdf .fif .edf .bdf .set .vhdr .csv")],
    speed: Annotated[str, typer.Option(help="1, 2.5, … times real time, or max")] = "max",
    start: Annotated[float | None, typer.Option(help="begin this many seconds into the recording")] = None,
    stop: Annotated[float | None, typer.Option(help="end this many seconds into the recording")] = None,
    eeg: EegQuery = None,
    audio: AudioQuery = None,
    no_eeg: NoEeg = False,
    no_audio: NoAudio = False,
    channels: Channels = None,
    pick: Pick = None,
    unit: Unit = None,
    device: Device = None,
    bundle: BundlePath = None,
    fit: Fit = None,
    no_model: NoModel = False,
    trust: Trust = False,
    mains: Mains = None,
    voice_gate: VoiceGate = None,
    window: WindowS = None,
    hop: HopS = None,
    lateness: Annotated[
        float | None,
        typer.Option(help="seconds a window waits for a stream stored later; else the session's, or 2"),
    ] = None,
    reanchor: Annotated[
        bool, typer.Option("--reanchor", help="accept a stream stamped on another clock without offsets")
    ] = False,
    windows: Annotated[
        bool, typer.Option("--windows", help="print the windows too, not only predictions")
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="send the recording out as live LSL streams, do not classify it")
    ] = False,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="write what was done to this new file, for `verify`")
    ] = None,
    scope: Scope = None,
    session_id: SessionId = None,
    json: Json = False,
) -> None:
    """Run a recording through the very pipeline of a live session."""
    from apps import replay as command
    from apps.choice import ModelChoice, StreamChoice

    if publish:
        from apps import republish

        republish.run(file, command.speed_of(speed), scope, session_id)
        return
    command.run(
        command.ReplayOptions(
            file=file,
            speed=speed,
            t_from_s=start,
            t_to_s=stop,
            streams=StreamChoice(
                eeg, audio, not no_eeg, not no_audio, names_of(channels), names_of(pick), unit, device=device
            ),
            model=ModelChoice(
                None if no_model else bundle, not no_model, fit, trust, mains, window, hop, voice_gate
            ),
            lateness_s=lateness,
            reanchor=reanchor,
            windows=windows,
            as_json=json,
            ledger=ledger,
        )
    )


@app.command()
def live(
    seconds: Annotated[
        float | None, typer.Option(help="end after this many seconds; else with Ctrl-C")
    ] = None,
    wait: Annotated[float, typer.Option(help="how long to look for the streams, seconds")] = 5.0,
    eeg: EegQuery = None,
    audio: AudioQuery = None,
    markers: options.Markers = None,
    no_eeg: NoEeg = False,
    no_audio: NoAudio = False,
    channels: Channels = None,
    pick: Pick = None,
    unit: Unit = None,
    device: Device = None,
    bundle: BundlePath = None,
    profile: Profile = None,
    fit: Fit = None,
    no_model: NoModel = False,
    trust: Trust = False,
    mains: Mains = None,
    voice_gate: VoiceGate = None,
    window: WindowS = None,
    hop: HopS = None,
    lateness: Annotated[
        float | None, typer.Option(help="seconds a window waits for a stream that lags; else the bundle's")
    ] = None,
    mic: Mic = None,
    brainflow: BrainFlow = None,
    serial_port: SerialPort = None,
    brainflow_file: BrainFlowFile = None,
    brainflow_param: BrainFlowParam = None,
    fieldtrip: FieldTrip = None,
    publish: options.Publish = None,
    osc: options.Osc = None,
    ws: options.Ws = None,
    ws_origin: options.WsOrigin = None,
    csv: options.Csv = None,
    jsonl: options.Jsonl = None,
    record: options.Record = None,
    record_audio: options.RecordAudio = False,
    subject: options.Subject = None,
    session: options.SessionLabel = None,
    task: options.Task = None,
    run: options.Run = None,
    scope: Scope = None,
    session_id: SessionId = None,
    windows: Annotated[
        bool, typer.Option("--windows", help="with --json or --jsonl: the windows too")
    ] = False,
    json: Json = False,
) -> None:
    """Classify whatever EEG and audio is on the network."""
    from apps import live as command
    from apps.choice import ModelChoice, StreamChoice
    from apps.eeg_device import device_choice
    from apps.live_recording import RecordingChoice
    from apps.live_streams import LiveOptions
    from apps.outputs import OutputChoice

    if profile is not None:
        bundle = profile_bundle(profile, bundle)
    command.run(
        LiveOptions(
            streams=StreamChoice(
                eeg,
                audio,
                not no_eeg,
                not no_audio,
                names_of(channels),
                names_of(pick),
                unit,
                markers,
                device,
                mic,
            ),
            model=ModelChoice(
                None if no_model else bundle, not no_model, fit, trust, mains, window, hop, voice_gate
            ),
            seconds=seconds,
            wait_s=wait,
            lateness_s=lateness,
            scope=scope,
            session_id=session_id,
            windows=windows,
            as_json=json,
            device=device_choice(brainflow, serial_port, brainflow_file, brainflow_param or (), fieldtrip),
            outputs=OutputChoice(publish, osc, ws, tuple(ws_origin or ()), csv, jsonl, windows=windows),
            recording=RecordingChoice(record, record_audio, subject, session, task, run),
            person=profile,
        )
    )


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="how long, seconds")] = 30.0,
    seed: Annotated[int, typer.Option(help="which session is simulated")] = 7,
    person: Annotated[int, typer.Option(help="which person is simulated")] = 9001,
    json: Json = False,
) -> None:
    """A simulated headset and voice over real LSL, from another process, classified live."""
    from apps import demo as command

    command.run(command.DemoOptions(seconds, seed, person, json))


@app.command()
def streams(
    wait: Annotated[float, typer.Option(help="how long to listen, seconds")] = 1.5,
    measure: Annotated[float, typer.Option(help="how long to measure each stream, seconds; 0: not")] = 2.0,
    scope: Scope = None,
    session_id: SessionId = None,
    json: Json = False,
) -> None:
    """What is on the network, with measured rates, units and quality."""
    from apps import streams as command

    command.run(wait, measure, scope, session_id, json)


@app.command()
def simulate(
    seconds: Annotated[
        float | None, typer.Option(help="end after this many seconds; else with Ctrl-C")
    ] = None,
    name: Annotated[str, typer.Option(help="prefix of the streams' names")] = "Sim",
    seed: Annotated[int, typer.Option(help="which session")] = 0,
    person: Annotated[int, typer.Option(help="which person")] = 0,
    channels: Channels = None,
    sfreq: Annotated[float, typer.Option(help="EEG rate, Hz")] = 250.0,
    audio_sfreq: Annotated[float, typer.Option(help="audio rate, Hz")] = 16_000.0,
    faults: Annotated[
        Path | None, typer.Option("--faults", help="a plan (.yaml) of what goes wrong; see docs/FAULTS.md")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="where what really happened goes (.jsonl); else beside the plan"),
    ] = None,
    scope: Scope = None,
    session_id: SessionId = None,
) -> None:
    """Publish a simulated headset and voice over real LSL, for trying things out."""
    from apps import simulate as command
    from bci_stream.sources.simulator import DEMO_MONTAGE, SimulatorSettings

    settings = SimulatorSettings(
        seed=seed,
        person=person,
        ch_names=names_of(channels) or DEMO_MONTAGE,
        eeg_sfreq=sfreq,
        audio_sfreq=audio_sfreq,
    )
    command.run(settings, name, seconds, scope, session_id, faults, truth)


@app.command("train-demo")
def train_demo(
    out: Annotated[Path, typer.Argument(help="where to write the bundle (.bci)")],
    seed: Annotated[int, typer.Option(help="of the simulated people and of the training")] = 1,
) -> None:
    """Train the demo bundle again, on simulated people."""
    from apps import train_demo as command

    command.run(out, seed)


@bundle_app.command("info")
def bundle_info(
    path: Annotated[Path | None, typer.Argument(help="bundle (.bci); the demo bundle if absent")] = None,
    json: Json = False,
) -> None:
    """What a bundle expects, says, and where it comes from."""
    from apps import bundle as command

    command.info(path, json)


@bundle_app.command("verify")
def bundle_verify(
    path: Annotated[Path | None, typer.Argument(help="bundle (.bci); the demo bundle if absent")] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Prove a bundle sound: every hash, the contract, and program against weights."""
    from apps import bundle as command

    command.verify(path, trust, json)


@app.command()
def version() -> None:
    """Versions of bci_stream and of what it stands on."""
    from apps.version import run

    run()


register(app)
cli_devices.register(app)
cli_evaluate.register(app)
cli_gui.register(app)
cli_mic.register(app)
cli_record.register(app)
cli_search.register(app)
cli_calibrate.register(app)
cli_tools.register(app)


def script(command: str) -> None:
    """Entry point of a command's own file: ``python apps/train.py …`` is ``bci-stream train …``."""
    sys.argv.insert(1, command)
    main()


def main() -> None:
    """Entry point: exit code 0, 2 for bad input with one clear line, 130 for Ctrl-C.

    Whatever a command writes is its owner's alone.
    """
    before = os.umask(0o077)
    try:
        _main()
    finally:
        os.umask(before)


def _main() -> None:
    debug = "--debug" in sys.argv
    try:
        app(standalone_mode=False)
    except _CommandError as error:
        fail(_worded(error))
        sys.exit(2)
    except BciStreamError as error:
        if debug:
            traceback.print_exc()
        fail(str(error))
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone: nobody to tell
        sys.exit(0)


if __name__ == "__main__":
    main()
