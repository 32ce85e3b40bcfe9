"""The one parser: ``bci-stream COMMAND``. Commands live in a file each and are imported when called."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from apps import cli_evaluate, cli_record, cli_search, cli_tools
from apps.cli_training import register
from apps.console import fail
from bci_stream.errors import BciStreamError

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
Fit = Annotated[str, typer.Option("--fit", help="exact | interpolate absent electrodes from those present")]
NoModel = Annotated[bool, typer.Option("--no-model", help="show windows, masks and quality only")]
Trust = Annotated[
    bool, typer.Option("--trust", help="run the TorchScript program of a bundle from elsewhere (it is code)")
]
Mains = Annotated[float, typer.Option("--mains", help="mains frequency of your country, 50 or 60 Hz")]
WindowS = Annotated[float, typer.Option("--window", help="window in seconds, without a model")]
HopS = Annotated[float, typer.Option("--hop", help="hop in seconds, without a model")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for programs")]
Scope = Annotated[
    str | None,
    typer.Option(
        "--scope", help="how far to look for LSL streams: machine, link, site…; else liblsl's own setting"
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


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="recording, .xdf")],
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
    bundle: BundlePath = None,
    fit: Fit = "exact",
    no_model: NoModel = False,
    trust: Trust = False,
    mains: Mains = 50.0,
    window: WindowS = 5.0,
    hop: HopS = 0.2,
    lateness: Annotated[
        float, typer.Option(help="seconds a window waits for a stream that the file stores later")
    ] = 2.0,
    reanchor: Annotated[
        bool, typer.Option("--reanchor", help="accept a stream stamped on another clock without offsets")
    ] = False,
    windows: Annotated[
        bool, typer.Option("--windows", help="print the windows too, not only predictions")
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="send the recording out as live LSL streams, do not classify it")
    ] = False,
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
                eeg, audio, not no_eeg, not no_audio, names_of(channels), names_of(pick), unit
            ),
            model=ModelChoice(None if no_model else bundle, not no_model, fit, trust, mains, window, hop),
            lateness_s=lateness,
            reanchor=reanchor,
            windows=windows,
            as_json=json,
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
    no_eeg: NoEeg = False,
    no_audio: NoAudio = False,
    channels: Channels = None,
    pick: Pick = None,
    unit: Unit = None,
    bundle: BundlePath = None,
    fit: Fit = "exact",
    no_model: NoModel = False,
    trust: Trust = False,
    mains: Mains = 50.0,
    window: WindowS = 5.0,
    hop: HopS = 0.2,
    lateness: Annotated[
        float | None, typer.Option(help="seconds a window waits for a stream that lags; else the bundle's")
    ] = None,
    publish: Annotated[
        str | None, typer.Option(help="publish predictions over LSL as NAME-decisions and NAME-probabilities")
    ] = None,
    scope: Scope = None,
    session_id: SessionId = None,
    windows: Annotated[bool, typer.Option("--windows", help="with --json: the windows too")] = False,
    json: Json = False,
) -> None:
    """Classify whatever EEG and audio is on the network."""
    from apps import live as command
    from apps.choice import ModelChoice, StreamChoice

    command.run(
        command.LiveOptions(
            streams=StreamChoice(
                eeg, audio, not no_eeg, not no_audio, names_of(channels), names_of(pick), unit
            ),
            model=ModelChoice(None if no_model else bundle, not no_model, fit, trust, mains, window, hop),
            seconds=seconds,
            wait_s=wait,
            lateness_s=lateness,
            scope=scope,
            session_id=session_id,
            publish=publish,
            windows=windows,
            as_json=json,
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
    command.run(settings, name, seconds, scope, session_id)


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
cli_evaluate.register(app)
cli_record.register(app)
cli_search.register(app)
cli_tools.register(app)


def script(command: str) -> None:
    """Entry point of a command's own file: ``python apps/train.py …`` is ``bci-stream train …``."""
    sys.argv.insert(1, command)
    main()


def main() -> None:
    """Entry point: exit code 0, 2 for bad input with one clear line, 130 for Ctrl-C."""
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
