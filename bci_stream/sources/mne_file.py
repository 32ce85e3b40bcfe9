"""Files that MNE reads (.fif .edf .bdf .gdf .set .vhdr) as recordings, block by block.

Values stay in V, MNE's unit, and are labelled so; the binding converts them. Annotations become markers.
What an annotation calls a gap or a boundary becomes a gap of the stamps, so that filters start anew there
and windows are masked. Times count from the file's first sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import RecordingError
from bci_stream.messages import StreamInfo
from bci_stream.sources.headers import with_header
from bci_stream.sources.mne_raw import BAD_GAP, BAD_NAN, import_mne
from bci_stream.sources.one_clock import DATA, DataBlock, OneClockRecording

if TYPE_CHECKING:
    import mne

_VOLTAGES: Final = frozenset(("eeg", "seeg", "ecog", "dbs", "eog", "ecg", "emg", "bio"))
_OTHERS: Final = frozenset(("misc", "stim", "resp", "gsr", "temperature"))
_GAP_WORDS: Final = frozenset(
    (BAD_GAP.casefold(), "bad_acq_skip", "bad boundary", "edge boundary", "boundary", "new segment/")
)
_SEAM_S: Final = 0.3  # left out behind a boundary without length: more than a break of the stamps takes
_ZERO_V: Final = 5e-8  # a stored 0, after 16-bit rounding too
_LATIN1: Final = (".edf", ".bdf", ".gdf")
_HEAD_BYTES: Final = 1 << 20
_MANY: Final = 100
_SLAB_VALUES: Final = 1 << 20  # read at once: 8 MB


class MneRecording(OneClockRecording):
    """An open file of MNE's; use :meth:`open`."""

    def __init__(self, path: str, raw: mne.io.BaseRaw, said: list[str]) -> None:
        names, types = raw.ch_names, raw.get_channel_types()
        able = [i for i, kind in enumerate(types) if kind in _VOLTAGES or kind in _OTHERS]
        if not able:
            raise RecordingError(f"cannot read recording {path}: it has no EEG, only {', '.join(set(types))}")
        info = StreamInfo(
            key=DATA,
            name=_stem(path),
            type="EEG",
            n_channels=len(able),
            sfreq=float(raw.info["sfreq"]),
            dtype="double64",
            ch_names=tuple(names[i] for i in able),
            ch_units=tuple("V" if types[i] in _VOLTAGES else "" for i in able),
            ch_types=tuple(types[i].upper() for i in able),
        )
        self._raw, self._picks = raw, able
        spans = _spans(raw)
        self._gaps = _merged([(a, b) for word, a, b in spans if word.casefold() in _GAP_WORDS], raw.n_times)
        self._holes = [(a, b) for word, a, b in spans if word == BAD_NAN]
        kept = _kept(self._gaps, raw.n_times)
        if not kept:
            raise RecordingError(f"cannot read recording {path}: it holds no samples outside its gaps")
        n = sum(stop - start for start, stop in kept)
        extent = (n, kept[0][0] / info.sfreq, (kept[-1][1] - 1) / info.sfreq)
        markers = _markers(raw)
        if not markers and "stim" in types:
            stim = names[types.index("stim")]
            markers = self._triggers(types.index("stim"), info.sfreq)
            said = [*said, f"it has no annotations: markers are the changes of channel {stim}"]
        super().__init__(path, with_header(info), extent, markers, raw.n_times)
        self._warnings += said + self._remarks(raw, types)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """Read a file's header; its samples stay on disk where the format allows it.

        Raises:
            RecordingError: missing, or not readable as what its name says.
            ConfigError: MNE is not installed.
        """
        name = fspath(path)
        if not Path(name).is_file():
            reason = "it is a folder" if Path(name).is_dir() else "No such file or directory"
            raise RecordingError(f"cannot read recording {name}: {reason}")
        if _mangled(name):
            raise RecordingError(
                f"cannot read recording {name}: a transfer in text mode put a carriage return before every "
                "line feed of it: fetch it again in binary mode"
            )
        raw, said = _read(name)
        return cls(name, raw, said)

    def measure_sfreq(self, key: str) -> float:
        """The file's own rate: samples carry no stamps that could say otherwise."""
        self._check(key)
        if key != DATA:
            raise self._no_rate(len(self._markers))
        return self._info.sfreq

    def close(self) -> None:
        """Let the file go."""
        self._raw.close()

    def _remarks(self, raw: mne.io.BaseRaw, types: list[str]) -> list[str]:
        remarks = []
        left_out = sorted(set(types) - _VOLTAGES - _OTHERS)
        if left_out:
            remarks.append(f"channels of type {', '.join(left_out)} are left out")
        if raw.info["bads"]:
            remarks.append(
                f"marked bad in the file, read all the same: {', '.join(raw.info['bads'])} (--pick chooses)"
            )
        return remarks

    def _triggers(self, channel: int, sfreq: float) -> list[tuple[float, str]]:
        """(time, code) wherever a trigger channel steps to another code than 0, read slab by slab."""
        n, slab = self._raw.n_times, max(1, _SLAB_VALUES // len(self._raw.ch_names))
        found: list[tuple[float, str]] = []
        before = 0
        for at in range(0, n, slab):
            part = self._raw.get_data([channel], at, min(at + slab, n), verbose="error")
            codes = np.concatenate(([before], np.round(part[0]).astype(np.int64)))
            steps = np.flatnonzero((np.diff(codes) != 0) & (codes[1:] != 0))
            found += [((at + row) / sfreq, str(codes[row + 1])) for row in steps.tolist()]
            before = int(codes[-1])
        return found

    def _data(self, max_samples: int) -> Iterator[DataBlock]:
        slab = max(max_samples, _SLAB_VALUES // self._info.n_channels)
        for first, stop in _kept(self._gaps, self._raw.n_times):
            for at in range(first, stop, slab):
                values = self._values(at, min(at + slab, stop))
                for i in range(0, len(values), max_samples):
                    part = values[i : i + max_samples]
                    rows = np.arange(at + i, at + i + len(part))
                    yield rows / self._info.sfreq, part, int(rows[-1]) + 1

    def _values(self, first: int, stop: int) -> NDArray[Any]:
        """(stop - first, n_channels) in V, NaN where our own export noted that there was no number."""
        try:
            values = self._raw.get_data(self._picks, first, stop, verbose="error").T
        except (OSError, ValueError, RuntimeError) as error:
            at_s = first / self._info.sfreq
            raise RecordingError(
                f"cannot read recording {self.path} from {at_s:.1f} s on: {_line(error)}"
            ) from error
        for a, b in self._holes:
            part = values[max(0, a - first) : max(0, b - first)]
            part[np.abs(part) < _ZERO_V] = np.nan
        return np.ascontiguousarray(values)


def _mangled(name: str) -> bool:
    """Whether a binary file went through a program that took it for text; its values would be noise."""
    if not name.lower().endswith((*_LATIN1, ".fif")):
        return False
    with open(name, "rb") as file:
        head = file.read(_HEAD_BYTES)
    n_feeds = head.count(b"\n")
    return n_feeds > _MANY and head.count(b"\r\n") == n_feeds


def _read(name: str) -> tuple[mne.io.BaseRaw, list[str]]:
    """Open through MNE; what it warns of becomes lines."""
    read_raw = import_mne().io.read_raw
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            raw = read_raw(name, preload=False, verbose="warning")
        except Exception as error:  # MNE's readers raise whatever the damage led them to; it goes on as ours
            if not (name.lower().endswith(_LATIN1) and "latin1" in str(error)):
                raise _unreadable(name, error) from error
            raw = _read_latin1(name)
            said.append("its annotations are no UTF-8: read as Latin-1")
    return raw, list(dict.fromkeys(said + [_line(warning.message) for warning in caught]))


def _read_latin1(name: str) -> mne.io.BaseRaw:
    try:
        return import_mne().io.read_raw(name, preload=False, encoding="latin1", verbose="warning")
    except Exception as error:  # as above
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> RecordingError:
    return RecordingError(
        f"cannot read recording {name}: MNE cannot read it as {Path(name).suffix} ({_line(error)})"
    )


def _line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _stem(path: str) -> str:
    return Path(path.removesuffix(".gz")).stem


def _spans(raw: mne.io.BaseRaw) -> list[tuple[str, int, int]]:
    """(word, first row, one past the last) of every annotation with a length, and of seams."""
    sfreq, spans = raw.info["sfreq"], []
    for note in raw.annotations:
        onset = note["onset"] - raw.first_time
        word = _word(note)
        seam = word.casefold() in _GAP_WORDS and onset > 0  # a file may begin with one: nothing is lost there
        length = max(note["duration"], _SEAM_S) if seam else note["duration"]
        spans.append((word, round(onset * sfreq), round((onset + length) * sfreq)))
    return spans


def _word(note: Any) -> str:
    """An annotation's text; BrainVision files put the kind of marker before it."""
    return str(note["description"]).removeprefix("Comment/")


def _merged(spans: list[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for a, b in sorted((max(0, a), min(n, b)) for a, b in spans):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        elif b > a:
            merged.append((a, b))
    return merged


def _kept(gaps: list[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    """The stretches between gaps."""
    edges = [0, *(edge for gap in gaps for edge in gap), n]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def _markers(raw: mne.io.BaseRaw) -> list[tuple[float, str]]:
    """Annotations that are no gaps, as (seconds from the first sample, description)."""
    return sorted(
        (float(note["onset"] - raw.first_time), _word(note))
        for note in raw.annotations
        if _word(note).casefold() not in _GAP_WORDS and _word(note) != BAD_NAN
    )
