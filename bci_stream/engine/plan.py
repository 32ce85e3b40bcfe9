"""What the pipeline does to each stream: grid rate, filters, electrodes; and whether it fits a model.

A plan is made once, before the first sample. With a model it follows the bundle's contract, and a
stream that does not fit is refused by name; without one the stream keeps its own rate, unfiltered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import BundleMismatchError, ConfigError
from bci_stream.messages import AUDIO, EEG, StreamSpec
from bci_stream.model.contract import Contract
from bci_stream.timeline.windows import WindowSettings

EEG_CROSSINGS = 4  # interpolation look-ahead: 4 device samples
AUDIO_CROSSINGS = 12
MAINS_HZ = 50.0
SETTLE_S = 0.5  # what a 0.5 Hz high-pass that starts in its steady state still needs after a gap


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream's way through the pipeline.

    ``sfreq``: grid rate in Hz. ``sos``: causal filter at the device's rate, or None. ``mix``:
    (n_model, n_device) float64 from the device's electrodes to the model's, or None. ``interpolated``:
    share of the model's electrodes made from others. ``align``: Euclidean alignment to the person.
    ``voice_gate``: the voice counts only where somebody speaks.
    ``delay_s``: the filter's group delay at 10 Hz.
    """

    spec: StreamSpec
    sfreq: float
    zero_crossings: int
    antialias: bool = True
    sos: NDArray[np.float64] | None = None
    settle_s: float = 0.0
    mix: NDArray[np.float64] | None = None
    interpolated: float = 0.0
    align: bool = False
    voice_gate: bool = False
    delay_s: float = 0.0
    notes: tuple[str, ...] = ()


def window_settings(contract: Contract, lateness_s: float | None = None) -> WindowSettings:
    """The contract's window and hop, with another lateness if one is asked for."""
    late = contract.lateness_s if lateness_s is None else lateness_s
    return WindowSettings(contract.window_s, contract.hop_s, late)


def plan_without_model(specs: Mapping[str, StreamSpec]) -> dict[str, StreamPlan]:
    """Every stream on a grid of its own nominal rate, unfiltered."""
    plans = {}
    for role, spec in specs.items():
        crossings = AUDIO_CROSSINGS if role == AUDIO else EEG_CROSSINGS
        plans[role] = StreamPlan(spec, spec.sfreq, crossings)
    return plans


def plan_for_contract(
    specs: Mapping[str, StreamSpec],
    contract: Contract,
    *,
    fit: str = "exact",
    mains_hz: float = MAINS_HZ,
    voice_gate: bool | None = None,
) -> dict[str, StreamPlan]:
    """Fit the bound streams to a bundle's contract.

    ``fit``: "exact" wants every electrode of the model; "interpolate" makes absent ones by spherical
    splines from those present. ``voice_gate``: other than the contract has it; None: as it has it.

    Raises:
        BundleMismatchError: electrodes, rates or modalities do not fit; the text says which and what to do.
        ConfigError: ``fit`` is neither of the two.
    """
    if fit not in ("exact", "interpolate"):
        raise ConfigError(f"--fit {fit!r} is unknown: use exact or interpolate")
    plans: dict[str, StreamPlan] = {}
    if EEG in specs and EEG in contract.modalities:
        plans[EEG] = _plan_eeg(specs[EEG], contract, fit, mains_hz)
    if AUDIO in specs and AUDIO in contract.modalities:
        gated = contract.audio.voice_gate if voice_gate is None else voice_gate
        plans[AUDIO] = _plan_audio(specs[AUDIO], contract, gated)
    if not plans:
        wanted, bound = " or ".join(contract.modalities), ", ".join(specs) or "none"
        raise BundleMismatchError(f"the model needs a stream of {wanted}; bound are: {bound}")
    return plans


def _plan_audio(spec: StreamSpec, contract: Contract, voice_gate: bool) -> StreamPlan:
    wanted = contract.audio.sfreq
    if spec.sfreq < 0.5 * wanted:
        raise BundleMismatchError(
            f"the audio stream has {spec.sfreq:g} Hz, the model wants {wanted:g} Hz; under half of "
            "that half the voice is missing: use a microphone of a higher rate, or leave it out (--no-audio)"
        )
    notes = () if spec.sfreq >= wanted else (f"audio of {spec.sfreq:g} Hz raised to {wanted:g} Hz",)
    return StreamPlan(spec, float(wanted), AUDIO_CROSSINGS, voice_gate=voice_gate, notes=notes)


def _plan_eeg(spec: StreamSpec, contract: Contract, fit: str, mains_hz: float) -> StreamPlan:
    from bci_stream.dsp.filters import design_sos, group_delay_s

    eeg = contract.eeg
    if spec.sfreq <= 2 * eeg.lowpass_hz:
        raise BundleMismatchError(
            f"the EEG stream has {spec.sfreq:g} Hz, the model needs more than {2 * eeg.lowpass_hz:g} Hz "
            f"(it uses frequencies up to {eeg.lowpass_hz:g} Hz); show it without a model: --no-model"
        )
    mix, interpolated = _fit_electrodes(spec.ch_names, eeg.channels, fit)
    if eeg.reference != "as recorded":
        from bci_stream.dsp.reference import reference_matrix

        mix = reference_matrix(eeg.channels, eeg.reference) @ mix
    notch = mains_hz if eeg.notch == "auto" else eeg.notch
    if notch is not None and notch >= min(eeg.lowpass_hz + 10.0, spec.sfreq / 2):
        notch = None  # the low-pass takes it away, or the stream cannot hold it
    sos = design_sos(spec.sfreq, eeg.highpass_hz, eeg.lowpass_hz, notch)
    return StreamPlan(
        spec,
        float(eeg.sfreq),
        EEG_CROSSINGS,
        antialias=False,
        sos=sos,
        settle_s=SETTLE_S,
        mix=np.ascontiguousarray(mix),
        interpolated=interpolated,
        align=eeg.alignment == "euclidean",
        delay_s=group_delay_s(sos, spec.sfreq, 10.0),
    )


def _fit_electrodes(have: Sequence[str], want: Sequence[str], fit: str) -> tuple[NDArray[np.float64], float]:
    """(n_want, n_have) weights, and the share of ``want`` that is made from others."""
    lower = [name.casefold() for name in have]
    missing = [name for name in want if name.casefold() not in lower]
    if not missing:
        mix = np.zeros((len(want), len(have)))
        for row, name in enumerate(want):
            mix[row, lower.index(name.casefold())] = 1.0
        return mix, 0.0
    if fit == "exact" or _unnamed(have):
        raise BundleMismatchError(_missing_text(have, want, missing))
    from bci_stream.dsp.splines import interpolation_matrix

    try:
        return interpolation_matrix(have, want), len(missing) / len(want)
    except ConfigError as error:
        raise BundleMismatchError(f"cannot interpolate the model's electrodes: {error}") from error


def _unnamed(names: Sequence[str]) -> bool:
    return all(name.startswith("ch") and name[2:].isdigit() for name in names)


def _missing_text(have: Sequence[str], want: Sequence[str], missing: Sequence[str]) -> str:
    advice = (
        f"the stream names no electrodes: name its {len(have)} channels in order with --channels Fp1,Fp2,…"
        if _unnamed(have)
        else "use --fit interpolate to make them from the electrodes present, or a bundle for this montage"
    )
    shown = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
    return f"the stream lacks {len(missing)} of the model's {len(want)} electrodes ({shown}); {advice}"
