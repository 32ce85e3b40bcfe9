"""What a calibration was worth: one HTML page, the figures as PNG, and everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bci_stream.training.figures import as_data_url, as_png
from bci_stream.training.metrics import confusion_matrix, expected_calibration_error, reliability
from bci_stream.training.plots import (
    Curve,
    calibration_curve_figure,
    confusion_figure,
    reliability_figure,
)
from bci_stream.training.report_page import Page, Section, html_page
from calibration.finetune import Calibrated
from calibration.verdict import Answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WARNING = (
    "The labels are what the protocol asked for, not what was felt. Not for emotion inference at work or in "
    "school, and no medical device."
)
REPORT_HTML, REPORT_JSON = "report.html", "report.json"


def write_report(
    folder: Path,
    found: Calibrated,
    classes: Sequence[str],
    person: str,
    left_out: Sequence[str],
    created: str,
) -> None:
    """Write the report's files into a folder that is there."""
    protocol = _protocol(found)
    pictures = {name: as_png(figure) for name, figure in _figures(found, classes, protocol).items()}
    for name, png in pictures.items():
        (folder / f"{name}.png").write_bytes(png)
    page = Page(
        f"Calibration of {person}, {created}", protocol, _sections(found, classes, left_out), _WARNING
    )
    addresses = {name: as_data_url(png) for name, png in pictures.items()}
    (folder / REPORT_HTML).write_text(html_page(page, addresses), encoding="utf-8")
    text = json.dumps(report_dict(found, classes, person, left_out, created), indent=1)
    (folder / REPORT_JSON).write_text(text, encoding="utf-8")


def _protocol(found: Calibrated) -> str:
    if found.later:
        return (
            f"All {len(found.known)} good trials of the first recordings calibrate, the {len(found.test)} of "
            "the later ones test and were read once; intervals are of 95 %, over trials."
        )
    return (
        f"Split by trial in the order of time: the first {len(found.known)} good trials calibrate, the last "
        f"{len(found.test)} of their classes test and were read once; intervals are of 95 %, over trials."
    )


def report_dict(
    found: Calibrated, classes: Sequence[str], person: str, left_out: Sequence[str], created: str
) -> dict[str, Any]:
    """Everything that the report says, as plain numbers."""
    return {
        "person": person,
        "created": created,
        "protocol": _protocol(found),
        "classes": list(classes),
        "chosen": {"rung": found.chosen.rung, "n_steps": found.chosen.n_steps},
        "verdict": asdict(found.verdict),
        "candidates": [
            {"rung": c.rung, "n_steps": c.n_steps, "loss": c.loss, "accuracy": c.accuracy}
            for c in found.candidates
        ],
        "known": list(found.known),
        "test": list(found.test),
        "labels": found.labels.tolist(),
        "base": {name: probs.tolist() for name, probs in found.base_answers.probs.items()},
        "calibrated": {name: probs.tolist() for name, probs in found.answers.probs.items()},
        "learning_curve": [point._asdict() for point in found.curve],
        "left_out": list(left_out),
    }


def _main(found: Calibrated) -> str:
    return next(iter(found.answers.probs))  # everything present comes first


def _sections(found: Calibrated, classes: Sequence[str], left_out: Sequence[str]) -> list[Section]:
    v = found.verdict
    return [
        Section("Outcome", [v.words[:1].upper() + v.words[1:] + "."], _outcome_table(found)),
        Section("By modality", ["Accuracy on the test trials when a modality answers alone."], _each(found)),
        Section(
            "Would more trials help?",
            ["The chosen way of fitting, after the first trials only. It decided nothing."],
            figures={"learning-curve": "Accuracy on the test trials against calibrating trials"},
        ),
        Section(
            "What is mixed up",
            figures={
                "confusion": "Calibrated model, test trials",
                "confusion-base": "Base model, test trials",
            },
        ),
        Section(
            "Can its confidence be believed?", figures={"reliability": "Before and after the calibration"}
        ),
        Section("What was tried", [_tried_words(found)], _tried(found)),
        Section("Trials left out", list(left_out) or ["None."]),
    ]


def _share(value: float, ci: tuple[float, float] | None = None) -> str:
    return f"{100 * value:.0f} %" + (f" [{100 * ci[0]:.0f}, {100 * ci[1]:.0f}]" if ci else "")


def _outcome_table(found: Calibrated) -> tuple[list[str], list[list[str]]]:
    v = found.verdict
    level, bound = v.chance
    return (
        ["", "accuracy", "negative log likelihood"],
        [
            ["base model", _share(v.base_accuracy, v.base_ci), f"{v.base_nll:.2f}"],
            ["base, temperature fitted", _share(v.base_accuracy, v.base_ci), f"{v.reference_nll:.2f}"],
            ["calibrated", _share(v.accuracy, v.ci), f"{v.nll:.2f}"],
            ["gain, in points", f"{_points(v.gain, v.gain_ci)}", f"p = {v.p:.3f}"],
            ["chance", f"{_share(level)}, guessing stays under {_share(bound)}", ""],
        ],
    )


def _points(value: float, ci: tuple[float, float]) -> str:
    return f"{100 * value:+.0f} [{100 * ci[0]:+.0f}, {100 * ci[1]:+.0f}]"


def _each(found: Calibrated) -> tuple[list[str], list[list[str]]]:
    def of(answers: Answers, name: str) -> str:
        return _share(float(answers.right(found.labels, name).mean()))

    rows = [[name, of(found.base_answers, name), of(found.answers, name)] for name in found.answers.probs]
    return ["stood on", "base", "calibrated"], rows


def _tried_words(found: Calibrated) -> str:
    steps = f" after {found.chosen.n_steps} steps" if found.chosen.n_steps else ""
    return (
        "Each way was fitted to all but one of three blocks of time of the calibrating trials and judged on "
        "that one. "
        f"Chosen: {found.chosen.rung}{steps}, the least that is as good as the best within half a standard "
        "error. The costly ones are tried only while the one below was of use."
    )


def _tried(found: Calibrated) -> tuple[list[str], list[list[str]]]:
    rows = [
        [c.rung + (f", {c.n_steps} steps" if c.n_steps else ""), _share(c.accuracy), f"{c.loss:.2f}"]
        for c in found.candidates
    ]
    return ["fitted", "accuracy", "negative log likelihood"], rows


def _figures(found: Calibrated, classes: Sequence[str], footnote: str) -> Mapping[str, Figure]:
    main, n = _main(found), len(classes)
    bins = {}
    for name, answers in (("base", found.base_answers), ("calibrated", found.answers)):
        probs = answers.probs[main]
        bins[name] = (
            reliability(probs, found.labels, 5),
            expected_calibration_error(probs, found.labels, 5),
        )

    def confusion(answers: Answers, title: str) -> Figure:
        table = confusion_matrix(found.labels, answers.probs[main].argmax(1), n)
        return confusion_figure(table, classes, footnote=footnote, title=title)

    points = found.curve
    curve = Curve(
        [point.n_known for point in points],
        [point.accuracy for point in points],
        [point.ci.low for point in points],
        [point.ci.high for point in points],
    )
    figure = calibration_curve_figure({found.chosen.rung: curve}, found.verdict.chance[0], footnote=footnote)
    figure.axes[0].set_xlabel("calibrating trials, in the order of time")
    return {
        "learning-curve": figure,
        "confusion": confusion(found.answers, "Calibrated model"),
        "confusion-base": confusion(found.base_answers, "Base model"),
        "reliability": reliability_figure(bins, footnote=footnote),
    }
