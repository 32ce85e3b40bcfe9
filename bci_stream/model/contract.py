"""The contract of a bundle: everything that a model expects of the streams it is given.

It travels as JSON inside the bundle. Its version says which fields there are; a field that this version
does not know is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FORMAT_VERSION: Final = 2
TOKEN_S = 0.2  #: seconds that one token stands for
DEFAULT_CLASSES = ("neutral", "sadness", "anger", "happiness", "calm")  # the order of EAV (Lee 2024)

Name = Annotated[str, Field(min_length=1, max_length=64)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EegContract(_Part):
    """The EEG that the model was trained on: channels in order, rate, unit, reference and filters.

    ``alignment``: "euclidean" whitens each person by the covariance so far (He and Wu 2020).
    ``normalization``: "running" gives band powers by their running mean and spread.
    """

    channels: tuple[Name, ...] = Field(min_length=1, max_length=512)
    sfreq: Positive = 125.0
    unit: Literal["uV"] = "uV"
    reference: str = "average"
    highpass_hz: Positive = 1.0
    lowpass_hz: Positive = 45.0
    notch: Literal["auto"] | Positive | None = "auto"
    alignment: Literal["none", "euclidean"] = "none"
    normalization: Literal["none", "running"] = "none"

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in channels if channels.count(name) > 1})
        if twice:
            raise ValueError(f"channels are named twice: {', '.join(twice)}")
        return channels

    @model_validator(mode="after")
    def _rates_agree(self) -> EegContract:
        if not is_whole(self.sfreq * TOKEN_S) or self.sfreq > 1000:
            raise ValueError(f"sfreq {self.sfreq:g} Hz does not fit; use a multiple of 5 Hz, at most 1000 Hz")
        if not self.highpass_hz < self.lowpass_hz < self.sfreq / 2:
            raise ValueError(
                f"band {self.highpass_hz:g}-{self.lowpass_hz:g} Hz does not fit {self.sfreq:g} Hz;"
                " use highpass_hz < lowpass_hz < sfreq / 2"
            )
        return self


class AudioContract(_Part):
    """The voice: 16 kHz mono in [-1, 1]. This version knows one front end.

    ``normalization``: "running" gives each mel band by its running mean and spread. ``voice_gate``: the voice
    counts only where somebody speaks (:mod:`bci_stream.dsp.voice`).
    """

    sfreq: Literal[16000] = 16000
    n_mels: Literal[64] = 64
    frame_s: Annotated[float, Field(ge=0.025, le=0.025)] = 0.025
    hop_s: Annotated[float, Field(ge=0.01, le=0.01)] = 0.01
    normalization: Literal["none", "running"] = "none"
    voice_gate: bool = False


class Architecture(_Part):
    """Which network, and its sizes; see :class:`~bci_stream.model.network.FusionNetwork`."""

    name: Literal["causal-tokens"] = "causal-tokens"
    eeg_front: Literal["learned", "bandpower"] = "learned"
    n_filters: Annotated[int, Field(ge=1, le=512)] = 96
    n_taps: Annotated[int, Field(ge=3, le=1023)] = 63
    width: Annotated[int, Field(ge=32, le=256, multiple_of=32)] = 128
    hidden: Annotated[int, Field(ge=8, le=1024)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    audio_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Temperatures(_Part):
    """Logits are divided by these before the softmax, so that confidence means accuracy (Guo 2017)."""

    fused: Positive = 1.0
    heads: dict[str, Positive] = Field(default_factory=dict)

    def in_order(self, names: Sequence[str]) -> list[float]:
        """As the network keeps them: fused, then each head of ``names``."""
        return [self.fused, *(self.heads.get(name, 1.0) for name in names)]


class Training(_Part):
    """Where the weights came from."""

    data_sha256: str = ""
    description: str = ""
    protocol: str = ""
    seed: int | None = None


class Contract(_Part):
    """What a bundle expects and what it is.

    ``window_s`` and ``hop_s`` are multiples of 0.2 s, the time of one token. ``lateness_s``: how long a
    window waits for a late stream. ``min_coverage``: share of good tokens under which a modality is not
    used. ``lineage``: sha256 of the bundle it was tuned from. ``versions``: libraries at export.
    ``created``: ISO 8601, given by whoever exports.
    """

    format_version: Literal[2] = FORMAT_VERSION
    classes: tuple[Name, ...] = Field(default=DEFAULT_CLASSES, min_length=2, max_length=100)
    eeg: EegContract
    audio: AudioContract = AudioContract()
    window_s: Annotated[float, Field(ge=0.2, le=60)] = 5.0
    hop_s: Annotated[float, Field(ge=0.2, le=60)] = TOKEN_S
    lateness_s: Annotated[float, Field(ge=0, le=60)] = 0.3
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    fusion: Literal["late", "concat", "gated", "cross_attention", "bottleneck", "adaptive"] = "concat"
    modalities: tuple[Literal["eeg", "audio"], ...] = Field(
        default=("eeg", "audio"), min_length=1, max_length=2
    )
    architecture: Architecture = Architecture()
    temperatures: Temperatures = Temperatures()
    training: Training = Training()
    metrics: dict[str, Finite] = Field(default_factory=dict)
    lineage: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    created: str = ""

    @field_validator("classes", "modalities")
    @classmethod
    def _names_differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"a name is given twice in {', '.join(names)}")
        return names

    @field_validator("window_s", "hop_s")
    @classmethod
    def _whole_tokens(cls, seconds: float) -> float:
        if not is_whole(seconds / TOKEN_S):
            raise ValueError(f"{seconds:g} s is not a multiple of {TOKEN_S} s")
        return seconds

    @property
    def n_tokens(self) -> int:
        """Tokens in a window."""
        return round(self.window_s / TOKEN_S)

    @property
    def tokens_per_hop(self) -> int:
        """Tokens between two windows."""
        return round(self.hop_s / TOKEN_S)

    @property
    def eeg_hop(self) -> int:
        """EEG samples in a hop."""
        return round(self.eeg.sfreq * self.hop_s)

    @property
    def audio_hop(self) -> int:
        """Voice samples in a hop."""
        return round(self.audio.sfreq * self.hop_s)


def is_whole(value: float) -> bool:
    """Whether ``value`` is an integer but for rounding."""
    return abs(value - round(value)) < 1e-6
