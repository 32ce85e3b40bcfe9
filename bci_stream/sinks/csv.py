"""Predictions as a table: one row each, for a spreadsheet, pandas or R."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bci_stream.errors import ConfigError
from bci_stream.messages import Prediction, Window
from bci_stream.sinks.whole_file import WholeFile

_BEFORE: Final = ("index", "t_start", "t_end", "valid_until", "label", "confidence")
_AFTER: Final = ("stood_on", "interpolated", "gate", "age_s", "inference_ms", "tags", "bundle_sha256")


class CsvSink:
    """Writes a row per prediction to a new file, each written whole and at once.

    The columns: ``index, t_start, t_end, valid_until, label, confidence``, per class a ``p_CLASS`` and a
    ``logit_CLASS``, per modality a ``coverage_ROLE``, then ``stood_on, interpolated, gate, age_s,
    inference_ms, tags, bundle_sha256``. Numbers read back as the very same float64; what is not known is
    empty, and so is the label where there is no decision. Several words in one field are joined by ``+``.

    Args:
        path: the file; see :class:`~bci_stream.sinks.whole_file.WholeFile` for what is refused.
        classes: the class names in the order of the probabilities.
        modalities: the roles whose coverage gets a column.

    Raises:
        ConfigError: something has that name already or it cannot be made, or there is no class.
    """

    def __init__(self, path: Path, classes: Sequence[str], modalities: Sequence[str]) -> None:
        if not classes:
            raise ConfigError("a table of predictions needs a model's classes; got none")
        self._classes, self._modalities = tuple(classes), tuple(modalities)
        self._file = WholeFile(path, "CSV file")
        probs = [f"p_{name}" for name in classes]
        logits = [f"logit_{name}" for name in classes]
        coverage = [f"coverage_{role}" for role in modalities]
        self._write([*_BEFORE, *probs, *logits, *coverage, *_AFTER])

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Write its row. Raises ConfigError for other classes than the header's, OSError for a bad disk."""
        if prediction is None:
            return
        if prediction.classes != self._classes:
            raise ConfigError(
                f"the CSV file {self._file.path} was begun for classes {', '.join(self._classes)} and cannot "
                f"take {', '.join(prediction.classes)}; begin another after a change of model"
            )
        said = prediction
        self._write(
            [
                *(str(said.index), _number(said.t_start), _number(said.t_end), _number(said.valid_until)),
                *(said.label or "", _number(said.confidence)),
                *map(_number, (*said.probs, *said.logits)),
                *(_number(said.coverage.get(role, math.nan)) for role in self._modalities),
                *("+".join(said.stood_on), _number(said.interpolated), _number(said.gate)),
                *(_number(said.age_s), _number(said.latency.inference_ms)),
                *("+".join(said.tags), said.bundle_sha256),
            ]
        )

    def close(self) -> None:
        """Let the file go."""
        self._file.release()

    def _write(self, fields: Iterable[str]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(fields)
        self._file.write(line.getvalue().encode())


def _number(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""
