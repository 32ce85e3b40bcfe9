"""What a calibration was worth, from the files of its report: so it can be shown again. No Qt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.gui.strings import tr
from calibration.errors import ProfileError
from calibration.profile import Profile, ProfileStore
from calibration.report import REPORT_HTML, REPORT_JSON

_PICTURES = ("learning-curve", "confusion", "reliability", "confusion-base")


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """``rows``: cells of the table, titles first. ``dropped``: one line a trial. ``active``: which model is
    in use now. ``better``: whether the report calls the calibrated model better.
    """

    headline: str
    better: bool
    rows: tuple[tuple[str, ...], ...]
    how: str
    dropped: tuple[str, ...]
    active: str
    pictures: tuple[Path, ...]
    page: Path


def outcome_view(store: ProfileStore, name: str, number: int) -> OutcomeView:
    """The outcome of model ``number`` of somebody.

    Raises:
        ProfileError: the report is gone or damaged.
    """
    profile = store.load(name)
    folder = store.report_path(name, number)
    try:
        report = json.loads((folder / REPORT_JSON).read_text(encoding="utf-8"))
        verdict = report["verdict"]
        return OutcomeView(
            headline=_headline(verdict),
            better=bool(verdict["better"]),
            rows=_rows(verdict),
            how=_how(report),
            dropped=tuple(Path(str(line)).name for line in report["left_out"]),  # the folder is one's own
            active=active_words(profile),
            pictures=tuple(path for path in (folder / f"{one}.png" for one in _PICTURES) if path.is_file()),
            page=folder / REPORT_HTML,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProfileError(f"the report in {folder} cannot be read ({error}): calibrate again") from error


def active_words(profile: Profile) -> str:
    """Which model a live session of that person uses."""
    if profile.active is None:
        return tr("In use: the base model.")
    return tr("In use: the calibrated model {n}.").format(n=profile.active)


def _headline(verdict: dict[str, Any]) -> str:
    words = str(verdict["words"])
    return words[:1].upper() + words[1:] + "."


def _rows(verdict: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    level, bound = verdict["chance"]
    return (
        ("", tr("right, of {n} later trials").format(n=verdict["n_test"]), tr("95 % interval")),
        (tr("base model"), _share(verdict["base_accuracy"]), _range(verdict["base_ci"])),
        (tr("calibrated"), _share(verdict["accuracy"]), _range(verdict["ci"])),
        (tr("gain"), _points(verdict["gain"]), _points_range(verdict["gain_ci"])),
        (tr("p of a sign-flip test"), f"{verdict['p']:.3f}", ""),
        (tr("chance"), _share(level), tr("guessing stays under {share}").format(share=_share(bound))),
    )


def _how(report: dict[str, Any]) -> str:
    chosen = report["chosen"]
    steps = tr(", {n} steps").format(n=chosen["n_steps"]) if chosen["n_steps"] else ""
    return tr("Fitted: {what}{steps}. {protocol}").format(
        what=chosen["rung"], steps=steps, protocol=report["protocol"]
    )


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _range(ci: list[float]) -> str:
    return f"{100 * ci[0]:.0f} … {100 * ci[1]:.0f} %"


def _points(value: float) -> str:
    return tr("{n} points").format(n=f"{100 * value:+.0f}")


def _points_range(ci: list[float]) -> str:
    return f"{100 * ci[0]:+.0f} … {100 * ci[1]:+.0f}"
