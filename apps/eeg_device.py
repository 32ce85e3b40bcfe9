"""An EEG device that speaks no LSL, for ``live``: a BrainFlow board or a FieldTrip buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.choice import StreamChoice
from apps.console import say
from bci_stream.errors import ConfigError

if TYPE_CHECKING:
    from bci_stream.sources.binding import Binding
    from bci_stream.sources.polled import PolledSource


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Which device: a BrainFlow board and its parameters, or a FieldTrip buffer's HOST:PORT."""

    brainflow: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    fieldtrip: str | None = None

    @property
    def wanted(self) -> bool:
        """Is one chosen at all?"""
        return self.brainflow is not None or self.fieldtrip is not None


def device_choice(
    brainflow: str | None,
    serial_port: str | None,
    file: str | None,
    params: Sequence[str],
    fieldtrip: str | None,
) -> DeviceChoice:
    """What the options say; raises ConfigError for options that do not go together."""
    given = [("serial_port", serial_port), ("file", file)]
    pairs = [(name, value) for name, value in given if value is not None]
    for param in params:
        name, equals, value = param.partition("=")
        if not equals:
            raise ConfigError(f"--brainflow-param {param!r}: write it as NAME=VALUE, such as mac_address=…")
        pairs.append((name.strip(), value.strip()))
    if pairs and brainflow is None:
        raise ConfigError(f"{pairs[0][0]} belongs to a BrainFlow board: say which with --brainflow BOARD")
    if brainflow is not None and fieldtrip is not None:
        raise ConfigError("--brainflow with --fieldtrip: one device at a time")
    return DeviceChoice(brainflow, tuple(pairs), fieldtrip)


def open_device(device: DeviceChoice, streams: StreamChoice) -> tuple[PolledSource, dict[str, Binding]]:
    """Open it and bind its EEG; raises BciStreamError for what cannot be opened."""
    if not streams.want_eeg or streams.eeg is not None:
        raise ConfigError("--brainflow and --fieldtrip are the EEG: drop --eeg and --no-eeg")
    source: PolledSource
    if device.fieldtrip is not None:
        from bci_stream.sources.fieldtrip import FieldTripSource

        source = FieldTripSource(
            device.fieldtrip, channels=streams.channels, pick=streams.pick, unit=streams.unit
        )
    else:
        from bci_stream.sources.brainflow import BrainFlowBoard, BrainFlowSource

        board = BrainFlowBoard(device.brainflow or "", dict(device.params))
        source = BrainFlowSource(board, channels=streams.channels, pick=streams.pick, unit=streams.unit)
    bindings = source.open()
    for binding in bindings.values():
        say(f"EEG from {binding.info.name}: {len(binding.ch_names)} channels at {binding.sfreq:g} Hz")
    return source, bindings
