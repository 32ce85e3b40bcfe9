"""An explanation as a report: Markdown with figures beside it, one HTML page that stands alone, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from bci_stream.model.occlusion import BAND, ELECTRODE
from bci_stream.training.explain_numbers import Effect, Explanation
from bci_stream.training.explain_plots import explanation_figures
from bci_stream.training.figures import as_data_url, as_png
from bci_stream.training.folders import new_folder
from bci_stream.training.report_page import Page, Section, Table, html_page, markdown

MARKDOWN_FILE: Final = "explanation.md"
HTML_FILE: Final = "explanation.html"
JSON_FILE: Final = "explanation.json"
_LEAKS: Final = "LEAKS: the network may have been trained on these very trials: this describes its fit."
_ATTENTION: Final = (
    "Attention and gates say where a network looks, not what it needs; that is shown by what it loses when "
    "something is taken away."
)
_ALIGNED: Final = (
    "An electrode is occluded after common average reference and alignment, which mix a little of all "
    "others into it: these are places on the head that the network uses, not sources in the brain."
)


def write_explanation(path: Path, found: Explanation) -> None:
    """Write the report's folder, whole or not at all; an earlier explanation is replaced, nothing else is.

    Raises:
        ResultError: something else is there, or it cannot be written.
        ConfigError: matplotlib is not installed.
    """
    pictures = {name: as_png(figure) for name, figure in explanation_figures(found).items()}
    page = explanation_page(found, tuple(pictures))
    with new_folder(path, replaceable=is_explanation) as folder:
        for name, png in pictures.items():
            (folder / f"{name}.png").write_bytes(png)
        beside = {name: f"{name}.png" for name in pictures}
        embedded = {name: as_data_url(png) for name, png in pictures.items()}
        (folder / MARKDOWN_FILE).write_text(markdown(page, beside), encoding="utf-8")
        (folder / HTML_FILE).write_text(html_page(page, embedded), encoding="utf-8")
        text = json.dumps(found.as_dict(), indent=1, allow_nan=False)
        (folder / JSON_FILE).write_text(text, encoding="utf-8")


def is_explanation(path: Path) -> bool:
    """Whether the folder was written by :func:`write_explanation`, as far as a glance can tell."""
    return (path / JSON_FILE).is_file() and (path / HTML_FILE).is_file()


def explanation_page(found: Explanation, figures: tuple[str, ...]) -> Page:
    """The report; ``figures``: which there are."""
    sections = [
        Section("In short", summary(found)),
        _modalities(found),
        _electrodes(found, figures),
        _bands(found),
        _gate(found),
        _attention(found),
        _scales(found),
        _calibration(found),
    ]
    if found.absent:
        sections.append(Section("What there is nothing to show of", found.absent))
    kept = [section for section in sections if section is not None]
    return Page(f"Looking inside {found.subject}", found.footnote, kept, _LEAKS if found.leaks else "")


def summary(found: Explanation) -> list[str]:
    """The main findings, a line each; only what the intervals carry."""
    lines = []
    if found.accuracy:
        accuracy = next(iter(found.accuracy.values()))
        lines.append(
            f"{found.n_trials} trials of {found.n_people} people, a window a second: accuracy "
            f"{_percent(accuracy)}, intervals over {found.unit}."
        )
    for name, (nats, accuracy) in found.modalities.items():
        lines.append(
            f"Without {_spoken(name)} the true class loses {_nats(nats)} nats of log probability, and "
            f"accuracy {_percent(accuracy)}."
        )
    for (kind, pattern), by_name in found.drops.items():
        if pattern == found.modalities_used[0]:
            lines.append(_clear_ones(kind, by_name))
    return lines or ["Weights only: no test data were given."]


def _clear_ones(kind: str, by_name: Mapping[str, Effect]) -> str:
    clear = [name for name, one in by_name.items() if one.low > 0]
    if not clear:
        return f"With EEG alone, no {kind} matters clearly when left out alone: every interval reaches 0."
    shown = ", ".join(clear[:5])
    return (
        f"With EEG alone, the interval of {len(clear)} of {len(by_name)} {kind}s lies above 0 (about "
        f"{0.025 * len(by_name):.1f} would by chance, more with few people); most of all {shown}."
    )


def _modalities(found: Explanation) -> Section | None:
    if not found.modalities:
        return None
    rows = [
        (f"without {_spoken(name)}", _nats(nats), _percent(accuracy))
        for name, (nats, accuracy) in found.modalities.items()
    ]
    table = (("", "log probability lost (nats)", "accuracy lost"), rows)
    caption = "Accuracy with everything, and with each modality alone; nats lost against everything."
    return Section("Modalities", (), table, {"modalities": caption})


def _electrodes(found: Explanation, figures: tuple[str, ...]) -> Section | None:
    captions = {
        "topomap-both": "What leaving out each electrode costs when everything is given.",
        "topomap-eeg": "What leaving out each electrode costs when the EEG alone is given.",
        "electrodes": "The same with intervals: a map shows no uncertainty.",
        "topomap-filters": "Share of the learned spatial filters, every filter counted alike. Filters also "
        "cancel noise, so a large weight need not mean a source (Haufe 2014).",
    }
    there = {name: caption for name, caption in captions.items() if name in figures}
    if not there:
        return None
    lines = [_ALIGNED] if any(kind == ELECTRODE for kind, _ in found.drops) else []
    return Section("Electrodes", lines, None, there)


def _bands(found: Explanation) -> Section | None:
    if not any(kind == BAND for kind, _ in found.drops):
        return None
    caption = "What leaving out a band at all electrodes costs. High bands over the temples are often muscle."
    return Section("Bands", (), None, {"bands": caption})


def _gate(found: Explanation) -> Section | None:
    if not found.gate_by_class:
        return None
    names = found.modalities_used
    rows = [(row, *(_percent(of[name]) for name in names)) for row, of in found.gate_by_class.items()]
    fixed = any(one.gate_fixed for one in found.weights)
    lines = ["The weights are fixed, nothing of them was learned."] if fixed else [_ATTENTION]
    caption = "Weight of each modality by true class, and for each person."
    table = (("true class", *(_spoken(name) for name in names)), rows)
    return Section("Gate", lines, table, {"gate": caption})


def _attention(found: Explanation) -> Section | None:
    if found.lags is None:
        return None
    captions = {
        "attention": "Attention of the EEG's tokens to the voice's, by lag and true class; 1 is what "
        "attending to all tokens alike would give.",
        "attention-heads": "The same by attention head.",
    }
    return Section("Attention", [_ATTENTION], None, captions)


def _scales(found: Explanation) -> Section:
    rows = [
        (one.name, name, *(f"{x:.3f}" for x in (scale.mean(), scale.min(), scale.max())),
         f"{np.abs(scale - 1).mean():.3f}")
        for one in found.weights
        for name, scale in one.scales.items()
    ]  # fmt: skip
    table = (("network", "scale", "mean", "smallest", "greatest", "mean change"), rows)
    lines = [
        "Each starts at 1; weight decay alone draws all of them towards 0. Scales of different modalities "
        "cannot be compared with each other: they multiply features of different size."
    ]
    caption = "Learned weight of each feature, sorted within its modality."
    return Section("Scales", lines, table, {"scales": caption})


def _calibration(found: Explanation) -> Section:
    temperatures = "; ".join(
        f"{one.name}: " + ", ".join(f"{name} {value:.2f}" for name, value in one.temperatures.items())
        for one in found.weights
    )
    lines = [f"Temperatures (above 1: confidence was lowered). {temperatures}."]
    if not found.calibration:
        return Section("Calibration", lines)
    rows = [(name, *(f"{x:.3f}" for pair in one for x in pair)) for name, one in found.calibration.items()]
    head = ("answer", "ECE before", "after", "NLL before", "after", "Brier before", "after")
    table: Table = (head, rows)
    return Section("Calibration", lines, table, {"calibration": "Confidence against accuracy, over trials."})


def _spoken(name: str) -> str:
    return {"eeg": "EEG", "audio": "voice"}.get(name, name)


def _nats(one: Effect) -> str:
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"


def _percent(one: Effect) -> str:
    return f"{100 * one.value:.1f} % [{100 * one.low:.1f}, {100 * one.high:.1f}]"
