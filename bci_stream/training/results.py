"""A run's result directory: what was trained on what, split how, and what it said of every test trial.

``metrics.json`` (format 1): protocol, folds and figures. ``config.json``: every setting.
``predictions.npz``: probabilities of each test trial, per pattern of presence ("both", "eeg", "audio").
Reading checks that the figures still follow from the predictions.

A directory appears whole or not at all, and nothing that is not a result is ever replaced.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from bci_stream.errors import ResultError, first_fault
from bci_stream.training.folders import new_folder
from bci_stream.training.run_result import Predictions, RunResult, accuracy_of_people
from bci_stream.training.splits import Fold

FORMAT: Final = 1
METRICS_FILE: Final = "metrics.json"
CONFIG_FILE: Final = "config.json"
PREDICTIONS_FILE: Final = "predictions.npz"
_BASE_ARRAYS: Final = ("persons", "trials", "labels")


def is_result(path: Path) -> bool:
    """Whether the folder was written by :func:`write_result`, as far as a glance can tell."""
    return (path / METRICS_FILE).is_file() and (path / PREDICTIONS_FILE).is_file()


def write_result(
    path: Path, result: RunResult, *, fill: Callable[[Path], None] | None = None, replace: bool = False
) -> None:
    """Write the directory, whole or not at all.

    Args:
        path: where; absent, empty, or an earlier result if ``replace``.
        result: of :func:`~bci_stream.training.run_result.make_result`.
        fill: writes more files (figures, the bundle) into the folder it is given, before it appears.
        replace: put it in the place of an earlier result.

    Raises:
        ResultError: something else is there, or it cannot be written.
    """
    with new_folder(path, replaceable=is_result if replace else None) as folder:
        _write_json(folder / METRICS_FILE, _metrics_of(result))
        _write_json(folder / CONFIG_FILE, dict(result.config))
        said = result.predictions
        arrays: dict[str, Any] = {f"probs_{pattern}": probs for pattern, probs in said.probs.items()}
        arrays |= {"persons": np.array(said.persons), "trials": said.trials, "labels": said.labels}
        with (folder / PREDICTIONS_FILE).open("wb") as file:
            np.savez_compressed(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        if fill is not None:
            fill(folder)


def _metrics_of(result: RunResult) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": result.name,
        "mode": result.mode,
        "modalities": list(result.modalities),
        "split": result.split,
        "protocol": result.protocol,
        "leaks": result.leaks,
        "generated": result.generated,
        "data": {"name": result.data_name, "sha256": result.data_sha256},
        "classes": list(result.classes),
        "seed": result.seed,
        "folds": [asdict(fold) for fold in result.folds],
        "metrics": result.metrics,
        "per_person": result.per_person,
        "oracle": result.oracle,
        "versions": dict(result.versions),
    }


def _write_json(path: Path, value: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Data(_Strict):
    name: str
    sha256: str


class _Fold(_Strict):
    test: list[str]
    valid: list[str]
    train: list[str]


class _MetricsFile(_Strict):
    format: int
    name: str
    mode: str
    modalities: list[str]
    split: str
    protocol: str
    leaks: bool
    generated: bool
    data: _Data
    classes: list[str]
    seed: int
    folds: list[_Fold]
    metrics: dict[str, dict[str, Any]]
    per_person: dict[str, dict[str, float]]
    oracle: float | None
    versions: dict[str, str]


def read_result(path: Path) -> RunResult:
    """Read a result directory and check that its figures follow from its predictions.

    Raises:
        ResultError: a file is missing, cut short, altered, or of another format; names the file.
    """
    if not path.is_dir():
        raise ResultError(f"{path} is no directory; give the result directory of a `bci-stream train` run")
    found = _read_metrics(path / METRICS_FILE)
    predictions = _read_predictions(path / PREDICTIONS_FILE)
    config = _read_json(path / CONFIG_FILE)
    if not isinstance(config, dict):
        raise ResultError(f"{path / CONFIG_FILE} is no settings of a run; run it again")
    _check_agreement(path, found, predictions)
    return RunResult(
        name=found.name,
        mode=found.mode,
        modalities=tuple(found.modalities),
        split=found.split,
        protocol=found.protocol,
        leaks=found.leaks,
        generated=found.generated,
        data_name=found.data.name,
        data_sha256=found.data.sha256,
        classes=tuple(found.classes),
        seed=found.seed,
        folds=tuple(Fold(tuple(fold.test), tuple(fold.valid), tuple(fold.train)) for fold in found.folds),
        metrics=found.metrics,
        per_person=found.per_person,
        predictions=predictions,
        oracle=found.oracle,
        versions=found.versions,
        config=config,
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultError(f"{path} is missing; is {path.parent} a finished result?") from error
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} cannot be read as JSON ({error}); run it again") from error


def _read_metrics(path: Path) -> _MetricsFile:
    value = _read_json(path)
    version = value.get("format") if isinstance(value, dict) else None
    if version != FORMAT:
        raise ResultError(f"{path} has format {version}, and this version reads {FORMAT}; run it again")
    try:
        return _MetricsFile.model_validate(value)
    except ValidationError as error:
        raise ResultError(f"{path}: {first_fault(error)}; run it again") from error


def _read_predictions(path: Path) -> Predictions:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            missing = [name for name in _BASE_ARRAYS if name not in file]
            if missing:
                raise ResultError(f"{path} lacks {', '.join(missing)}; run it again")
            probs = {
                name.removeprefix("probs_"): file[name].astype(np.float64)
                for name in file.files
                if name.startswith("probs_")
            }
            persons, trials, labels = (file[name] for name in _BASE_ARRAYS)
    except FileNotFoundError as error:
        raise ResultError(f"{path} is missing; is {path.parent} a finished result?") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise ResultError(f"{path} is cut short or no .npz ({error}); run it again") from error
    try:
        return Predictions(tuple(map(str, persons)), trials.astype(np.int64), labels.astype(np.int64), probs)
    except ResultError as error:
        raise ResultError(f"{path}: {error}") from error


def _check_agreement(path: Path, found: _MetricsFile, predictions: Predictions) -> None:
    """Figures must follow from predictions, or one of the two was altered."""
    for pattern, each in accuracy_of_people(predictions).items():
        stated = found.per_person.get(pattern, {})
        wrong = [p for p in each.keys() | stated.keys() if abs(each.get(p, -1) - stated.get(p, -1)) > 1e-9]
        if wrong:
            raise ResultError(
                f"{path}: the {pattern} accuracy of {min(wrong)} in {METRICS_FILE} does not follow "
                f"from {PREDICTIONS_FILE}; one of them was altered, run it again"
            )
    extra = found.per_person.keys() ^ predictions.probs.keys()
    if extra:
        raise ResultError(
            f"{path}: {METRICS_FILE} and {PREDICTIONS_FILE} differ in patterns: {', '.join(extra)}"
        )
