"""Explaining a trained network, or the networks of all folds of a run, on trials they were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from bci_stream.messages import AUDIO, EEG
from bci_stream.model.contract import Contract
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.eeg_fronts import LearnedFront
from bci_stream.model.fusion import LateFusion
from bci_stream.model.network import FusionNetwork
from bci_stream.model.weights import scales_of, spatial_shares
from bci_stream.training.evaluate import main_pattern
from bci_stream.training.explain_numbers import (
    Explanation,
    Weights,
    calibration_of,
    drops_of,
    effect,
    gate_by_class,
    gate_by_person,
    lags_of,
    modality_drops,
    right,
)
from bci_stream.training.inspection import Inspection, inspect_network, join_inspections
from bci_stream.training.sessions import Session

Report = Callable[[str], None]


class Subject(NamedTuple):
    """One network and the sessions to look at it with; none where there are no data."""

    name: str
    network: FusionNetwork
    sessions: Sequence[Session]


def explain(
    subjects: Sequence[Subject],
    contract: Contract,
    *,
    title: str,
    footnote: str,
    leaks: bool = False,
    report: Report = lambda line: None,
) -> Explanation:
    """Look inside networks of one contract: a bundle's, or those of every fold, each on its own test trials.

    ``title``: what they are. ``footnote``: data and protocol, for every figure. ``report``: is told progress.
    """
    ch_names = contract.eeg.channels
    weights = tuple(_weights(one, ch_names) for one in subjects)
    found = [
        inspect_network(one.network, one.sessions, ch_names, report=_progress(one.name, report))
        for one in subjects
        if one.sessions
    ]
    plain = Explanation(
        subject=title,
        footnote=footnote,
        leaks=leaks,
        classes=contract.classes,
        modalities_used=contract.modalities,
        weights=weights,
        absent=tuple(_absent(subjects[0].network, with_data=bool(found))),
    )
    return _with_trials(plain, join_inspections(found)) if found else plain


def _with_trials(plain: Explanation, found: Inspection) -> Explanation:
    names, classes = plain.modalities_used, plain.classes
    return replace(
        plain,
        n_trials=len(found.labels),
        n_people=len(set(found.persons)),
        accuracy={
            pattern: effect(right(log_probs, found.labels), found.persons)
            for pattern, log_probs in found.log_probs.items()
        },
        drops=drops_of(found),
        modalities=modality_drops(found, main_pattern(names), names),
        gate_by_class=gate_by_class(found, classes, names),
        gate_by_person=gate_by_person(found, names),
        lags=lags_of(found, classes),
        calibration=calibration_of(found),
        inspection=found,
    )


def _weights(one: Subject, ch_names: Sequence[str]) -> Weights:
    names = ("fused", *(f"head {name}" for name in one.network.head_names))
    return Weights(
        one.name,
        scales_of(one.network),
        dict(zip(names, one.network.temperatures.tolist(), strict=True)),
        spatial_shares(one.network, ch_names),
        gate_fixed=isinstance(one.network.fusion, LateFusion),
    )


def _progress(name: str, report: Report) -> Callable[[int, int], None]:
    """Reports about every tenth of the way."""
    said = [0]

    def told(done: int, n: int) -> None:
        if 10 * done // n > said[0]:
            said[0] = 10 * done // n
            report(f"{name}: {done} of {n} trials")

    return told


def _absent(network: FusionNetwork, *, with_data: bool) -> list[str]:
    """A line for each part that there is nothing to show of, and why."""
    lines = []
    if not with_data:
        lines.append(
            "No data were given: electrodes, gate, attention, modalities and calibration need test trials."
        )
    if EEG not in network.modalities:
        lines.append("The network takes no EEG: there are no electrodes to look at.")
    elif not isinstance(_eeg(network).front, LearnedFront):
        lines.append("The band-power front end learns no spatial filters: there are none to map.")
    else:
        lines.append("The learned front end has filters of its own: there are no fixed bands to leave out.")
    if AUDIO not in network.modalities:
        lines.append("The network takes no voice.")
    return [*lines, *_absent_fusion(network)]


def _absent_fusion(network: FusionNetwork) -> list[str]:
    if len(network.modalities) < 2:
        return ["There is one modality: no gate, no attention between modalities, no modality to leave out."]
    lines = []
    mode = type(network.fusion).__name__
    if mode in ("ConcatFusion", "BottleneckFusion"):
        lines.append("This fusion has no gate: it mixes features without a weight per modality.")
    if mode == "LateFusion":
        lines.append("The mean of probabilities has a fixed gate: equal weights of whatever is present.")
    if mode != "CrossAttentionFusion":
        lines.append("This fusion shows no attention between modalities.")
    return lines


def _eeg(network: FusionNetwork) -> EegEncoder:
    encoder = network.encoders[EEG]
    assert isinstance(encoder, EegEncoder)
    return encoder
