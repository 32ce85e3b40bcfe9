"""The signals on the screen, as a file: every stream of a stretch of session time, as it came. No Qt."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from bci_stream.engine.frame import Frame, TraceHistory
from bci_stream.errors import ConfigError
from bci_stream.messages import EEG, Flag


def export_stretch(
    path: Path, frame: Frame, first_s: float, stop_s: float, shown: TraceHistory | None = None
) -> None:
    """Write session times ``[first_s, stop_s)``; ``shown``: the EEG as it is drawn, beside the raw one.

    ``.npz``: per stream ``<role>_time_s`` (n,), ``<role>`` (n, C), ``<role>_gap`` (n,), ``<role>_channels``;
    and the predictions. ``.csv``: the EEG, one row a sample.

    Raises ConfigError for another kind of file, or where nothing is there to write.
    """
    kinds = {".npz": _write_npz, ".csv": _write_csv}
    if path.suffix.lower() not in kinds:
        raise ConfigError(f"signals are saved as .npz or .csv, not {path.suffix or 'without a suffix'!r}")
    parts = {role: _part(history, frame.t0_s, first_s, stop_s) for role, history in frame.traces.items()}
    if shown is not None and shown is not frame.traces.get(EEG):
        parts["eeg_shown"] = _part(shown, frame.t0_s, first_s, stop_s)
    parts = {role: part for role, part in parts.items() if len(part[0])}
    if not parts:
        raise ConfigError("there is no signal on the screen to save")
    try:
        kinds[path.suffix.lower()](path, parts, frame)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error


_Part = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]


def _part(history: TraceHistory, t0_s: float, first_s: float, stop_s: float) -> _Part:
    first = max(history.first, int(np.ceil((t0_s + first_s) * history.sfreq - 1e-6)))
    stop = min(history.stop, int(np.ceil((t0_s + stop_s) * history.sfreq - 1e-6)))
    if stop <= first:
        return np.zeros(0), np.zeros((0, len(history.ch_names))), np.zeros(0, bool), history.ch_names
    data, mask, _ = history.rows(first, stop)
    times = np.arange(first, stop) / history.sfreq - t0_s
    return times, data, (mask & Flag.GAP) != 0, history.ch_names


def _write_npz(path: Path, parts: dict[str, _Part], frame: Frame) -> None:
    arrays: dict[str, Any] = {}
    for role, (times, data, gap, names) in parts.items():
        arrays[f"{role}_time_s"], arrays[role], arrays[f"{role}_gap"] = times, data, gap
        arrays[f"{role}_channels"] = np.array(names)
    history = frame.history
    if len(history.t_end):
        arrays["prediction_time_s"] = history.t_end - frame.t0_s
        arrays["prediction_probs"] = history.probs
        arrays["classes"] = np.array(history.classes)
    np.savez_compressed(path, **arrays)


def _write_csv(path: Path, parts: dict[str, _Part], frame: Frame) -> None:
    role = EEG if EEG in parts else next(iter(parts))
    times, data, gap, names = parts[role]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s", *names])
        for t_s, row, missing in zip(times, data, gap, strict=True):
            writer.writerow([f"{t_s:.6f}", *("" if missing else f"{v:.7g}" for v in row)])
