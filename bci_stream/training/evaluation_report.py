"""An evaluation as a report: Markdown with figures beside it, one HTML page that stands alone, and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bci_stream.training.calibration_curve import VARIANTS, CalibrationCurve, curve_figure
from bci_stream.training.controls import Controls
from bci_stream.training.figures import as_data_url, as_png
from bci_stream.training.folders import new_folder
from bci_stream.training.metrics import Interval
from bci_stream.training.report_page import Page, Section, Table, html_page, markdown
from bci_stream.training.robustness import Robustness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKDOWN_FILE: Final = "evaluation.md"
HTML_FILE: Final = "evaluation.html"
JSON_FILE: Final = "evaluation.json"
_LEAKS: Final = "LEAKS: the network has seen these people or trials: nothing here is a test."
_SMALL_IS_BETTER: Final = (
    "A small linear classifier is clearly better than the network: too few people, trials or epochs for it."
)
_GENERATED: Final = "Generated data: no claim about people."


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found. ``metrics``: by pattern of presence, as :func:`~bci_stream.training.metrics.describe`.

    ``title``, ``footnote``, ``leaks``, ``generated``: as of
    :class:`~bci_stream.training.held_out.HeldOut`. ``notes``: a line for each part that could not be done.
    """

    title: str
    footnote: str
    leaks: bool
    generated: bool
    metrics: Mapping[str, Mapping[str, Any]]
    robustness: Robustness | None = None
    controls: Controls | None = None
    curve: CalibrationCurve | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For a file; NaN is null."""
        parts = {"robustness": self.robustness, "controls": self.controls, "curve": self.curve}
        found: dict[str, Any] = {
            "title": self.title,
            "footnote": self.footnote,
            "leaks": self.leaks,
            "generated": self.generated,
            "metrics": self.metrics,
            "notes": self.notes,
            **{name: part.as_dict() for name, part in parts.items() if part is not None},
        }
        plain: dict[str, Any] = _without_nan(found)
        return plain

    def lines(self) -> list[str]:
        """The main findings."""
        lines = [_LEAKS] if self.leaks else []
        lines += [
            f"{pattern}: {found['accuracy']:.1%} {_range(Interval(*found['ci95']['accuracy']))}of "
            f"{found['n']} trials, chance {found['chance']['accuracy']:.1%}"
            for pattern, found in self.metrics.items()
        ]
        for part in (self.controls, self.robustness, self.curve):
            lines += part.lines() if part is not None else []
            if part is self.controls and self._small_is_better():
                lines.append(_SMALL_IS_BETTER)
        return [*lines, *self.notes, *([_GENERATED] if self.generated else [])]

    def _small_is_better(self) -> bool:
        """Whether the control's classifier with true labels is clearly above the model itself."""
        if self.controls is None:
            return False
        mine = next(iter(self.metrics.values()))
        return bool(self.controls.true_labels.ci.low > mine["accuracy"])


def evaluation_figures(found: Evaluation) -> dict[str, Figure]:
    """By file name.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    from bci_stream.training import plots

    figures = {}
    if found.robustness is not None:
        bars = {
            one.name: plots.Curve([one.amount], [one.accuracy], *_ends(one.ci))
            for one in found.robustness.conditions
        }
        figures["robustness"] = plots.robustness_figure(
            bars, found.robustness.chance, footnote=found.footnote, leaks=found.leaks
        )
    if found.curve is not None:
        tested = f"Tested here: the last 30 % of each class, {found.curve.n_test} trials."
        figures["calibration"] = curve_figure(
            found.curve, footnote=f"{found.footnote}. {tested}", leaks=found.leaks
        )
    return figures


def write_evaluation(path: Path, found: Evaluation) -> None:
    """Write the report's folder, whole or not at all; an earlier evaluation is replaced, nothing else is.

    Raises:
        ResultError: something else is there, or it cannot be written.
        ConfigError: matplotlib is not installed.
    """
    pictures = {name: as_png(figure) for name, figure in evaluation_figures(found).items()}
    page = evaluation_page(found)
    with new_folder(path, replaceable=is_evaluation) as folder:
        for name, png in pictures.items():
            (folder / f"{name}.png").write_bytes(png)
        beside = {name: f"{name}.png" for name in pictures}
        embedded = {name: as_data_url(png) for name, png in pictures.items()}
        (folder / MARKDOWN_FILE).write_text(markdown(page, beside), encoding="utf-8")
        (folder / HTML_FILE).write_text(html_page(page, embedded), encoding="utf-8")
        text = json.dumps(found.as_dict(), indent=1, allow_nan=False)
        (folder / JSON_FILE).write_text(text, encoding="utf-8")


def is_evaluation(path: Path) -> bool:
    """Whether the folder was written by :func:`write_evaluation`, as far as a glance can tell."""
    return (path / JSON_FILE).is_file() and (path / HTML_FILE).is_file()


def evaluation_page(found: Evaluation) -> Page:
    """The report."""
    sections = [Section("In short", found.lines())]
    if found.controls is not None:
        sections.append(Section("Controls", table=_controls_table(found.controls)))
    if found.robustness is not None:
        caption = "Accuracy under each condition, interval over people"
        table = _robustness_table(found.robustness)
        sections.append(Section("Robustness", table=table, figures={"robustness": caption}))
    if found.curve is not None:
        caption = "Accuracy against K, the trials per class given first; interval over people"
        sections.append(
            Section("A new person", table=_curve_table(found.curve), figures={"calibration": caption})
        )
    return Page(f"Evaluation of {found.title}", found.footnote, sections, _LEAKS if found.leaks else "")


def _controls_table(controls: Controls) -> Table:
    rows = []
    for one in (controls.majority, controls.index_only, controls.permuted, controls.true_labels):
        p = "" if math.isnan(one.p) else f"{one.p:.3g}"
        rows.append([one.name, f"{one.accuracy:.1%}", _range(one.ci).strip(), p])
    return ("control", "accuracy", "95 %", "p"), rows


def _robustness_table(found: Robustness) -> Table:
    rows = [
        [one.name, f"{one.accuracy:.1%}", _range(one.ci).strip(), *_points(-one.cost, one.cost_ci, flip=True)]
        for one in found.conditions
    ]
    return ("condition", "accuracy", "95 % over people", "change, points", "95 %"), rows


def _curve_table(curve: CalibrationCurve) -> Table:
    rows = []
    for variant in VARIANTS:
        for k in curve.ks:
            one = curve.at(variant, k)
            change = _points(one.gain, one.gain_ci)
            accuracy = [f"{one.accuracy:.1%}", _range(one.ci).strip()]
            rows.append([variant, str(k), *accuracy, *change, f"{one.nll:.3f}"])
    head = ("variant", "K", "accuracy", "95 % over people", "gain, points", "95 %", "NLL, nats")
    return head, rows


def _points(value: float, ci: Interval, *, flip: bool = False) -> list[str]:
    low, high = (-ci.high, -ci.low) if flip else ci
    interval = "" if math.isnan(low) else f"{100 * low + 0.0:+.1f} to {100 * high + 0.0:+.1f}"
    return [f"{100 * value + 0.0:+.1f}", interval]


def _range(ci: Interval) -> str:
    """The interval with a blank after it, or nothing where one person leaves none."""
    low, high = ci
    return "" if low is None or math.isnan(low) else f"({low:.1%} to {high:.1%}) "


def _ends(ci: Interval) -> tuple[list[float] | None, list[float] | None]:
    return (None, None) if math.isnan(ci.low) else ([ci.low], [ci.high])


def _without_nan(value: Any) -> Any:
    """NaN is no JSON: null in its place; tuples are lists."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if hasattr(value, "item"):  # a number of numpy
        return _without_nan(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
