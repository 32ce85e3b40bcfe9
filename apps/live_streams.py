"""The streams of a live session and the model that fits them: found, opened, warm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from apps.choice import ModelChoice, Prepared, StreamChoice, load_model, prepare
from apps.console import say
from apps.eeg_device import DeviceChoice, open_device
from apps.outputs import OutputChoice
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.session import LiveSource
from bci_stream.engine.warm import warm_up
from bci_stream.errors import BciStreamError, StreamNotFoundError
from bci_stream.messages import AUDIO, EEG

if TYPE_CHECKING:
    from apps.live_recording import RecordingChoice
    from bci_stream.heartbeat import Heart
    from bci_stream.sources.binding import Binding
    from bci_stream.sources.lsl_inlet import InletStatus

_STALE_S = 1.0  # windows older than this, with newer ones due, are not fused
NO_DEVICE = DeviceChoice()


class StatusSource(LiveSource, Protocol):
    """A live source that tells how its streams fare."""

    def status(self) -> dict[str, InletStatus]:
        """By role; from any thread."""

    def hearts(self) -> Sequence[Heart]:
        """The pulses of its threads."""

    def renew(self) -> None:
        """The computer has slept: drop what is buffered, measure clocks anew."""


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The command's options, checked by the parser for type only."""

    streams: StreamChoice
    model: ModelChoice
    seconds: float | None
    wait_s: float
    lateness_s: float | None
    scope: str | None
    session_id: str | None
    windows: bool
    as_json: bool
    device: DeviceChoice = NO_DEVICE
    outputs: OutputChoice = field(default_factory=OutputChoice)
    recording: RecordingChoice | None = None
    person: str | None = None  #: whose profile the session is compared with


def connect(options: LiveOptions) -> tuple[StatusSource, dict[str, Binding], Prepared]:
    """The streams, opened, and the model that fits them, warm; raises BciStreamError for what cannot be."""
    configure(options.scope, options.session_id)
    with ThreadPoolExecutor(1) as pool:  # the model loads while the streams are looked for
        loading = pool.submit(load_model, options.model)
        source, bindings = open_source(options.streams, options.wait_s, options.device)
    try:
        specs = {role: b.spec for role, b in bindings.items() if role in (EEG, AUDIO)}
        prepared = prepare(options.model, loading.result(), specs, options.lateness_s)
        warm_up(prepared.plans, prepared.settings)
    except BaseException:
        source.close()
        raise
    return source, bindings, prepared


def live_pipeline(prepared: Prepared, clock: Callable[[], float]) -> Pipeline:
    """A pipeline that is timed, and leaves out windows that nobody waits for any more."""
    return Pipeline(
        prepared.plans, prepared.settings, prepared.predictor, stopwatch=clock, stale_after_s=_STALE_S
    )


def configure(scope: str | None, session_id: str | None) -> None:
    """Set LSL's scope and session id; where none is asked for and liblsl has no file: this computer alone."""
    from bci_stream.sources.lsl_config import configure_lsl, keep_to_this_computer

    if scope is None and session_id is None:
        keep_to_this_computer()
    else:
        configure_lsl(session_id or "default", scope or "machine")  # type: ignore[arg-type]


def elsewhere_hint() -> str:
    """What to add where nothing was found, when only this computer was looked at."""
    from bci_stream.sources.lsl_config import keep_to_this_computer

    return "; streams of other computers: --scope site" if keep_to_this_computer() else ""


def open_source(
    choice: StreamChoice, wait_s: float, device: DeviceChoice = NO_DEVICE
) -> tuple[StatusSource, dict[str, Binding]]:
    """Find and open the chosen streams; at least one of EEG and audio must be there."""
    source: StatusSource
    if device.wanted:  # the EEG alone
        source, bindings = open_device(device, choice)
    else:
        source, bindings = _open_network(choice, wait_s)
    if choice.mic is not None:
        source, bindings = _with_microphone(source, bindings, choice.mic)
    if EEG not in bindings and AUDIO not in bindings:
        source.close()
        raise StreamNotFoundError(
            f"no EEG and no audio stream appeared within {wait_s:g} s; start the headset's LSL connector, "
            f"look with `bci-stream streams`, or try `bci-stream demo`{elsewhere_hint()}"
        )
    return source, bindings


def _open_network(choice: StreamChoice, wait_s: float) -> tuple[StatusSource, dict[str, Binding]]:
    """The chosen streams of the network, those that are there."""
    from bci_stream.sources.lsl import LslRequest, LslSource

    requests, catalogue = [], choice.catalogue()
    if choice.want_eeg:
        requests.append(
            LslRequest(
                EEG,
                choice.eeg,
                required=choice.eeg is not None,
                channels=choice.channels,
                pick=choice.pick,
                unit=choice.unit,
                catalogue=catalogue,
            )
        )
    if choice.want_audio and choice.mic is None:
        requests.append(
            LslRequest(AUDIO, choice.audio, required=choice.audio is not None, catalogue=catalogue)
        )
    requests.append(LslRequest("markers", choice.markers, required=choice.markers is not None))
    source = LslSource(requests, resolve_s=wait_s)
    return source, source.open()


def _with_microphone(
    others: StatusSource, bindings: dict[str, Binding], name: str
) -> tuple[StatusSource, dict[str, Binding]]:
    """A microphone of this computer beside other streams."""
    from bci_stream.sources.combined import CombinedSource
    from bci_stream.sources.microphone import MicrophoneSource

    try:
        microphone = MicrophoneSource(name)
        bindings = bindings | microphone.open()
    except BciStreamError:
        others.close()
        raise
    say(f"voice from {microphone.device.words}, {microphone.stamps}")
    rates = {role: binding.sfreq for role, binding in bindings.items() if role in (EEG, AUDIO)}
    return CombinedSource([others, microphone], rates), bindings
