"""What is known of a device: how to recognise its streams, and what to believe of them. Pure.

A profile is one entry of a ``devices.yaml``. Everything is optional but the label: what a profile does
not say is taken from the stream's own header.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_SFREQ_HZ = 200_000.0
MAX_CHANNELS = 1024

Role = Literal["eeg", "audio", "none"]
Unit = Literal["uV", "mV", "V", "nV"]
Format = Literal["float32", "double64", "int8", "int16", "int32", "int64"]


def _several(value: Any) -> Any:
    """A single value stands for a list of one."""
    return tuple(value) if isinstance(value, list) else (value,)


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Text = Annotated[str, Field(min_length=1, max_length=200)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_several), Field(min_length=1, max_length=MAX_CHANNELS)]
Hz = Annotated[float, Field(ge=0, le=MAX_SFREQ_HZ, allow_inf_nan=False)]
Rates = Annotated[tuple[Hz, ...], BeforeValidator(_several), Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_several), Field(min_length=1, max_length=64)]
Formats = Annotated[tuple[Format, ...], BeforeValidator(_several), Field(min_length=1)]
Microvolts = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class MatchRule(_Strict):
    """What a header must say to be this device's. All that is given must agree; of a list, one entry.

    Attributes:
        name, type, source_id: patterns as of file names (``*``, ``?``, ``[…]``), whatever the case.
        channels: how many columns.
        sfreq: nominal rates, Hz; 0 is a stream that declares none.
        format: of the samples.
        labels: patterns, each of which some channel's label fits.
        described: whether the header has a list of channels.
        desc: paths below ``<desc>`` and the pattern that the first text there fits; ``*`` is any.
    """

    name: Texts = Field(default=(), min_length=0)
    type: Texts = Field(default=(), min_length=0)
    source_id: Texts = Field(default=(), min_length=0)
    channels: Counts = Field(default=(), min_length=0)
    sfreq: Rates = Field(default=(), min_length=0)
    format: Formats = Field(default=(), min_length=0)
    labels: Texts = Field(default=(), min_length=0)
    described: bool | None = None
    desc: dict[Text, Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("match is empty and would fit every stream: give name, type, source_id, …")
        return self


class DeviceProfile(_Strict):
    """One device as one program publishes it.

    Attributes:
        name: its key in the file, which ``--device`` takes.
        label: for people.
        role: what it can serve as; ``none``: looks like a signal and is none (spectra, motion, quality).
        match: how its streams are recognised; None: only when asked for by name.
        channels: names of the columns in order, for a stream whose own are missing, doubled or mere
            numbers. Of fewer columns they name the first; see ``extra_columns``.
        extra_columns: the stream may have columns beyond ``channels``, which are then left out.
        use: electrodes to take; else all but counters, triggers, motion, AUX and ``drop``.
        drop: patterns of further labels to leave out.
        unit: of its samples, where the header says none.
        unit_overrules: the header's unit is known to be wrong, ``unit`` holds.
        scale_tags: tags of a channel's header that hold its µV per count, for integer samples.
        reference: what the electrodes are measured against.
        rereference: ``average``: it sends potentials without a reference; their mean is subtracted.
        clip_uv: what its converter cannot leave, µV as sent; a value at either end is at the rail.
        stamps: the clock its program stamps with: LSL's or the Unix clock.
        needs_highpass: it carries a large constant offset.
        sfreq: the rates it really has, Hz; a header that says another is measured.
        sfreq_tolerance: how far a rate may be off, as a share.
        verified: read in the program's source or seen in recordings of it, not only in documents.
        note: said whenever the profile is used.
        replace: (a user's file) stands in for the built-in profile of the same name.
    """

    name: Text = ""
    label: Text
    role: Role = "eeg"
    match: MatchRule | None = None
    channels: Texts = Field(default=(), min_length=0)
    extra_columns: bool = False
    use: Texts = Field(default=(), min_length=0)
    drop: Texts = Field(default=(), min_length=0)
    unit: Unit | None = None
    unit_overrules: bool = False
    scale_tags: Texts = Field(default=(), min_length=0)
    reference: Text | None = None
    rereference: Literal["average"] | None = None
    clip_uv: Annotated[tuple[Microvolts, Microvolts], BeforeValidator(_pair)] | None = None
    stamps: Literal["lsl", "unix"] | None = None
    needs_highpass: bool = False
    sfreq: Rates = Field(default=(), min_length=0)
    sfreq_tolerance: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    verified: bool = False
    note: Text | None = None
    replace: bool = False

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        lower = [name.casefold() for name in self.channels]
        if twice := sorted({name for name in lower if lower.count(name) > 1}):
            raise ValueError(f"channels names {', '.join(twice)} twice")
        if self.channels and (absent := [name for name in self.use if name.casefold() not in lower]):
            raise ValueError(f"use asks for {', '.join(absent)}, which channels does not name")
        if self.clip_uv is not None and not self.clip_uv[0] < self.clip_uv[1]:
            raise ValueError("clip_uv is [low, high] with low below high")
        if self.unit_overrules and self.unit is None:
            raise ValueError("unit_overrules needs the unit that holds")
        if any(rate == 0 for rate in self.sfreq):
            raise ValueError("sfreq is above 0 (a header without a rate is matched by match: {sfreq: 0})")
        return self

    def has_rate(self, sfreq: float) -> bool:
        """Whether the device can have this rate (Hz); a profile that names none can have any."""
        return not self.sfreq or any(abs(sfreq / rate - 1) <= self.sfreq_tolerance for rate in self.sfreq)


class DeviceFile(_Strict):
    """A whole ``devices.yaml``."""

    version: Literal[1]
    devices: dict[str, DeviceProfile] = Field(max_length=1000)
