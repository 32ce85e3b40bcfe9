"""What the user chose: which streams, which model; and how that becomes plans and a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.console import warn
from bci_stream.devices import Catalogue, load_catalogue
from bci_stream.engine.plan import (
    MAINS_HZ,
    StreamPlan,
    plan_for_contract,
    plan_without_model,
    window_settings,
)
from bci_stream.errors import ConfigError
from bci_stream.messages import StreamSpec
from bci_stream.timeline.windows import WindowSettings

if TYPE_CHECKING:
    from bci_stream.model.bundle import Bundle
    from bci_stream.model.predictor import StreamingPredictor

FIT = "exact"
WINDOW_S = 5.0
HOP_S = 0.2
LATENESS_S = 0.3
DEMO_BUNDLE = Path(__file__).resolve().parent.parent / "bci_stream" / "bundles" / "demo.bci"


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """Which streams to take, and what to believe of them."""

    eeg: str | None = None
    audio: str | None = None
    want_eeg: bool = True
    want_audio: bool = True
    channels: tuple[str, ...] | None = None
    pick: tuple[str, ...] | None = None
    unit: str | None = None
    markers: str | None = None
    device: str | None = None
    mic: str | None = None

    def __post_init__(self) -> None:
        if self.mic is not None and (self.audio is not None or not self.want_audio):
            raise ConfigError("--mic takes the voice from a microphone here: drop --audio and --no-audio")
        if not (self.want_eeg or self.want_audio):
            raise ConfigError("--no-eeg with --no-audio leaves nothing to look at: drop one of them")

    def catalogue(self) -> Catalogue:
        """The profiles to recognise streams by. Raises ConfigError: unknown device, file that is wrong."""
        return load_catalogue(self.device)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which bundle, and how streams are fitted to it; or the window to show without one.

    None for what was not said: the usual then, or what a recorded session says of itself.
    """

    bundle: Path | None = None
    wanted: bool = True
    fit: str | None = None
    trust: bool = False
    mains_hz: float | None = None
    window_s: float | None = None
    hop_s: float | None = None
    voice_gate: bool | None = None

    def __post_init__(self) -> None:
        if self.mains_hz not in (None, 50.0, 60.0):
            raise ConfigError(f"--mains {self.mains_hz:g} is no mains frequency: use 50 or 60")


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a pipeline is made of."""

    plans: Mapping[str, StreamPlan]
    settings: WindowSettings
    bundle: Bundle | None
    predictor: StreamingPredictor | None
    choice: ModelChoice = ModelChoice()


def load_model(choice: ModelChoice) -> Bundle | None:
    """The chosen bundle, checked; None when windows alone are wanted."""
    if not choice.wanted:
        return None
    from bci_stream.model.bundle import load_bundle

    bundle = load_bundle(choice.bundle or DEMO_BUNDLE, trust=choice.trust)
    if choice.trust and not bundle.made_here:
        warn(
            f"--trust: {bundle.path} was not made here, and its TorchScript program is code that runs as you"
        )
    return bundle


def prepare(
    choice: ModelChoice,
    bundle: Bundle | None,
    specs: Mapping[str, StreamSpec],
    lateness_s: float | None = None,
) -> Prepared:
    """Fit the bound streams to the model, or plan windows without one."""
    if bundle is None:
        settings = WindowSettings(
            WINDOW_S if choice.window_s is None else choice.window_s,
            HOP_S if choice.hop_s is None else choice.hop_s,
            LATENESS_S if lateness_s is None else lateness_s,
        )
        return Prepared(plan_without_model(specs), settings, None, None, choice)
    import torch

    from bci_stream.model.predictor import StreamingPredictor

    fit, mains_hz = choice.fit or FIT, choice.mains_hz or MAINS_HZ
    plans = plan_for_contract(
        specs, bundle.contract, fit=fit, mains_hz=mains_hz, voice_gate=choice.voice_gate
    )
    torch.set_num_threads(1)  # a second thread gains little and costs a hundredfold tail latency
    settings = window_settings(bundle.contract, lateness_s)
    return Prepared(plans, settings, bundle, StreamingPredictor(bundle), choice)
