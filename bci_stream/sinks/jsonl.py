"""Predictions and windows as JSON lines, for a program that reads them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from bci_stream.messages import Flag, MaskArray, Prediction, StreamWindow, Window
from bci_stream.sinks.whole_file import WholeFile

ChannelNames = Mapping[str, Sequence[str]]


def prediction_record(prediction: Prediction) -> dict[str, Any]:
    """Every field of a prediction as JSON-safe values, with ``"kind": "prediction"``.

    Floats read back as the very same float64; NaN and infinities, which JSON cannot hold, become null.
    """
    return {"kind": "prediction", **_plain(prediction)}


def window_record(window: Window, ch_names: ChannelNames | None = None) -> dict[str, Any]:
    """A window without its samples, with ``"kind": "window"``: times, coverage, gaps, and what was wrong.

    Per stream, ``flags`` counts the samples whose mask has a :class:`Flag`, and ``marks`` gives
    ``{channel: {flag: share of the samples}}`` where a share is above 0. Channels go by ``ch_names``
    (role to names), or by their number from 0.
    """
    names = ch_names or {}
    return {
        "kind": "window",
        "index": window.index,
        "t_start": _plain(window.t_start),
        "t_end": _plain(window.t_end),
        "deadline": window.deadline,
        "streams": {role: _stream_record(part, names.get(role)) for role, part in window.streams.items()},
    }


class JsonLinesSink:
    """Writes one JSON object per line to an open text stream, flushed line by line.

    ``windows``: write each window's record too, before its prediction. The stream stays the caller's to
    close. When its reader goes away (a closed pipe) the sink ends without a word; see ``ended``.
    """

    def __init__(self, stream: TextIO, windows: bool = False, ch_names: ChannelNames | None = None) -> None:
        self._stream = stream
        self._windows = windows
        self._ch_names = ch_names
        self.ended = False  # nobody reads any more: a program that only writes here may stop

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Write the outcome's lines. Raises OSError when the stream cannot take them (a full disk)."""
        if window is not None and self._windows:
            self._write(window_record(window, self._ch_names))
        if prediction is not None:
            self._write(prediction_record(prediction))

    def note(self, record: Mapping[str, Any]) -> None:
        """Write a record that belongs to no window; from any thread, a line is one write."""
        self._write(record)

    def close(self) -> None:
        """Nothing is held back, so nothing is left to write."""

    def _write(self, record: Mapping[str, Any]) -> None:
        if self.ended:
            return
        try:
            self._stream.write(json_line(record))
            self._stream.flush()
        except BrokenPipeError:
            self.ended = True
            _discard_rest(self._stream)


class JsonLinesFile:
    """The same lines in a new file, each written whole; see :class:`~bci_stream.sinks.whole_file.WholeFile`.

    Raises ConfigError when something has that name already or it cannot be made.
    """

    def __init__(self, path: Path, windows: bool = False, ch_names: ChannelNames | None = None) -> None:
        self._windows = windows
        self._ch_names = ch_names
        self._file = WholeFile(path, "JSON lines file")

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Write the outcome's lines. Raises OSError when the disk does not take them."""
        if window is not None and self._windows:
            self._file.write(json_line(window_record(window, self._ch_names)).encode())
        if prediction is not None:
            self._file.write(json_line(prediction_record(prediction)).encode())

    def note(self, record: Mapping[str, Any]) -> None:
        """Write a record that belongs to no window; from any thread. Raises OSError on a full disk."""
        self._file.write(json_line(record).encode())

    def close(self) -> None:
        """Let the file go."""
        self._file.release()


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line of ASCII, with its line end."""
    return json.dumps(record, allow_nan=False, ensure_ascii=True) + "\n"


def _discard_rest(stream: TextIO) -> None:
    """Point a broken pipe at nothing: what is buffered would fail again when the interpreter flushes it."""
    try:
        descriptor = stream.fileno()
    except OSError:  # not a file: nothing to redirect
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _stream_record(part: StreamWindow, names: Sequence[str] | None) -> dict[str, Any]:
    return {
        "n_samples": len(part.mask),
        "sfreq": _plain(part.sfreq),
        "t_start": _plain(part.t_start),
        "t_end": _plain(part.t_end),
        "coverage": _plain(part.coverage),
        "gaps": [[gap.t_start, gap.t_end] for gap in part.gaps],
        "flags": flag_counts(part.mask),
        "marks": _mark_shares(part.marks, names),
    }


def flag_counts(mask: MaskArray) -> dict[str, int]:
    """How many entries of a mask carry each flag that occurs at all: ``{"GAP": 12}``."""
    present = int(np.bitwise_or.reduce(mask, axis=None, initial=0))
    return {flag.name or "": int(np.count_nonzero(mask & flag)) for flag in Flag if present & flag}


def _mark_shares(marks: MaskArray, names: Sequence[str] | None) -> dict[str, dict[str, float]]:
    present = np.bitwise_or.reduce(marks, axis=0, initial=0)
    shares = {}
    for channel in np.flatnonzero(present).tolist():
        counts = flag_counts(marks[:, channel])
        name = names[channel] if names is not None else str(channel)
        shares[name] = {flag: count / len(marks) for flag, count in counts.items()}
    return shares
