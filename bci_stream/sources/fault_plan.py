"""A plan of faults for a simulated person, from a file: what goes wrong, with which stream, when.

YAML, checked by pydantic; times are seconds since the first sample. See docs/FAULTS.md for every key. The
plan becomes the :class:`~bci_stream.sources.simulator_faults.Faults` of the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bci_stream.devices.document import plain_data
from bci_stream.errors import ConfigError, first_fault
from bci_stream.sources.simulator_faults import (
    ChannelFault,
    ClockReset,
    Faults,
    Outage,
    StreamFaults,
    ValueFault,
)

MAX_BYTES: Final = 1_000_000
MAX_FAULTS: Final = 10_000

At = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Span = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Ppm = Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)]
Ms = Annotated[float, Field(ge=0, le=60_000, allow_inf_nan=False)]
Channel = str | Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reset(_Part):
    """At ``at`` the device's clock jumps by ``by_s``."""

    at: At
    by_s: Seconds


class DeviceClock(_Part):
    """The device's clock and crystal."""

    offset_s: Seconds = 0.0
    drift_ppm: Ppm = 0.0
    rate_ppm: Ppm = 0.0
    resets: tuple[Reset, ...] = ()


class Packets(_Part):
    """How samples travel: so many a packet, late by jitter and bursts, or lost."""

    samples: Annotated[int, Field(ge=1, le=10_000)] = 1
    stamps: Literal["spread", "equal"] = "spread"
    jitter_ms: Ms = 0.0
    late_ms: Ms = 0.0
    stall_share: Share = 0.0
    stall_ms: Ms = 250.0
    loss: Share = 0.0


class _Timed(_Part):
    at: At
    for_s: Span


class Away(_Timed):
    """A stream that is not what it should be.

    Samples that are never sent (gap, xrun), an outlet that is gone (disconnect), one that holds back what
    it has and sends it all at once afterwards (freeze), or one that somebody else offers (impostor).
    """

    kind: Literal["gap", "xrun", "disconnect", "freeze", "impostor"]


class OneChannel(_Timed):
    """A channel that is stuck or no number."""

    kind: Literal["nan", "flat", "rail"]
    channel: Channel = 0


class Swap(_Timed):
    """Two channels that carry each other's signal."""

    kind: Literal["swap"]
    channels: tuple[Channel, Channel]


class Unit(_Timed):
    """Values in another unit than the header says."""

    kind: Literal["unit"]
    factor: Annotated[float, Field(allow_inf_nan=False)] = 1e-6


class Silence(_Timed):
    """Samples come, and all are zero."""

    kind: Literal["silence"]


Fault = Annotated[Away | OneChannel | Swap | Unit | Silence, Field(discriminator="kind")]


class StreamPlan(_Part):
    """What goes wrong with one stream."""

    clock: DeviceClock = DeviceClock()
    packets: Packets = Packets()
    faults: Annotated[tuple[Fault, ...], Field(max_length=MAX_FAULTS)] = ()


class FaultPlan(_Part):
    """The whole file."""

    seed: Annotated[int, Field(ge=0)] = 0
    eeg: StreamPlan = StreamPlan()
    audio: StreamPlan = StreamPlan()

    def faults(self, ch_names: Sequence[str]) -> Faults:
        """As the simulator takes them; raises ConfigError for a channel that is not there."""
        return Faults(
            eeg=_faults(self.eeg, "eeg", ch_names),
            audio=_faults(self.audio, "audio", ("voice",)),
            seed=self.seed,
        )


def load_plan(path: Path) -> FaultPlan:
    """Read and check a plan.

    Raises:
        ConfigError: it cannot be read or makes no sense; the file, the place and the reason are named.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"fault plan {path} has over {MAX_BYTES} bytes: that is no plan")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"fault plan {path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"fault plan {path} is not UTF-8 text") from error
    found = plain_data(text, f"fault plan {path}")
    if not isinstance(found, dict):
        raise ConfigError(f"fault plan {path} holds no settings: a mapping with eeg and audio is expected")
    try:
        return FaultPlan.model_validate(found)
    except ValidationError as error:
        raise ConfigError(f"fault plan {path}: {first_fault(error)}") from error


def _faults(plan: StreamPlan, role: str, ch_names: Sequence[str]) -> StreamFaults:
    away: dict[str, list[Outage]] = {"gap": [], "disconnect": [], "freeze": [], "impostor": []}
    stuck: list[ChannelFault] = []
    values: list[ValueFault] = []
    for n, fault in enumerate(plan.faults):
        where = f"fault plan: {role}.faults.{n}"
        end = fault.at + fault.for_s
        if isinstance(fault, Away):
            away["gap" if fault.kind == "xrun" else fault.kind].append(Outage(fault.at, fault.for_s))
        elif isinstance(fault, OneChannel):
            stuck.append(ChannelFault(fault.at, end, _number(fault.channel, ch_names, where), fault.kind))
        elif isinstance(fault, Swap):
            a, b = (_number(channel, ch_names, where) for channel in fault.channels)
            values.append(ValueFault(fault.at, end, "swap", (a, b)))
        elif isinstance(fault, Unit):
            values.append(ValueFault(fault.at, end, "unit", factor=fault.factor))
        else:
            values.append(ValueFault(fault.at, end, "silence"))
    clock, packets = plan.clock, plan.packets
    return StreamFaults(
        clock_offset_s=clock.offset_s,
        drift_ppm=clock.drift_ppm,
        rate_ppm=clock.rate_ppm,
        burst_n=packets.samples,
        burst_stamps=packets.stamps,
        jitter_s=packets.jitter_ms * 1e-3,
        late_s=packets.late_ms * 1e-3,
        stall_share=packets.stall_share,
        stall_s=packets.stall_ms * 1e-3,
        loss=packets.loss,
        gaps=tuple(away["gap"]),
        disconnects=tuple(away["disconnect"]),
        freezes=tuple(away["freeze"]),
        impostors=tuple(away["impostor"]),
        clock_resets=tuple(ClockReset(reset.at, reset.by_s) for reset in clock.resets),
        channel_faults=tuple(stuck),
        value_faults=tuple(values),
    )


def _number(channel: Channel, ch_names: Sequence[str], where: str) -> int:
    if isinstance(channel, str):
        if channel not in ch_names:
            raise ConfigError(f"{where}: no channel {channel!r}; there are {', '.join(ch_names)}")
        return list(ch_names).index(channel)
    if channel >= len(ch_names):
        raise ConfigError(f"{where}: no channel {channel}; there are {len(ch_names)}, from 0 on")
    return channel


def described(plan: FaultPlan, t0: float) -> list[dict[str, Any]]:
    """What is ordered, on the local clock, as records for the truth that is written beside."""
    records: list[dict[str, Any]] = []
    for role, stream in (("eeg", plan.eeg), ("audio", plan.audio)):
        records += [
            {"kind": "reset", "stream": role, "t_start": t0 + reset.at, "by_s": reset.by_s}
            for reset in stream.clock.resets
        ]
        for fault in stream.faults:
            record = fault.model_dump(mode="json", exclude={"at", "for_s", "kind"})
            t_start = t0 + fault.at
            span = {"t_start": t_start, "t_end": t_start + fault.for_s}
            records.append({"kind": fault.kind, "stream": role, **span, **record})
    return sorted(records, key=lambda record: float(record["t_start"]))
