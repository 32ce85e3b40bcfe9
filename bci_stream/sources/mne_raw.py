"""A recorded stream as an ``mne.io.Raw``: the samples as they are, gaps filled and said, markers in place.

Samples are neither moved nor interpolated. They follow one another at the nominal rate, and where the
stamps show that some never came the hole is filled with zeros under a ``BAD_gap`` annotation. Times of
annotations go through the samples beside them, so that they fit however far the device's rate is off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError, StreamFormatError
from bci_stream.messages import ClockOffset, TimeArray
from bci_stream.sources.binding import Binding, bind_eeg
from bci_stream.sources.metadata import is_electrode
from bci_stream.sources.recordings import Recording
from bci_stream.sources.selection import looks_like_markers
from bci_stream.timeline.clock import ClockTrack, Piece
from bci_stream.timeline.stamps import Dejittered

if TYPE_CHECKING:
    import mne

BAD_GAP: Final = "BAD_gap"  #: no sample came
BAD_NAN: Final = "BAD_nan"  #: a channel held no number
OWN_TYPES: Final = frozenset(("Decisions", "Engine", "RecorderLog"))  # our own texts are no markers
_GAP_PERIODS: Final = 1.5
_MOST_FILLED_S: Final = 3600.0
_V_PER_UV: Final = 1e-6
_MONTAGES: Final = ("colin27_1005", "standard_1005")  # one montage, named anew in MNE 1.13


@dataclass(frozen=True, slots=True)
class PlacedStream:
    """A regular stream's samples with their places.

    ``times``: (n,) local time, smoothed as in a live session. ``values``: (n, n_channels) as bound.
    ``rows``: (n,) where each goes when the gaps are filled; ``gaps``: (first row, number of rows) of each.
    """

    times: TimeArray
    values: NDArray[np.float32]
    rows: NDArray[np.intp]
    gaps: tuple[tuple[int, int], ...]


def to_raw(
    recording: Recording,
    stream: str | Binding,
    *,
    markers: Sequence[str] | None = None,
    montage: str | None = "10-05",
) -> mne.io.Raw:
    """An EEG stream of a recording for MNE, in V, with electrode positions and annotations.

    Args:
        recording: open.
        stream: its key, or a binding that says which channels and which unit.
        markers: keys of the marker streams that become annotations; None: all but our own.
        montage: positions of the electrodes that it knows: ``10-05``, a montage of MNE's, or None.

    Raises:
        ConfigError: MNE is not installed, or there is no such montage.
        StreamNotFoundError: no such stream.
        StreamFormatError: no EEG, no samples, or gaps of more than an hour.
    """
    mne = import_mne()
    binding = stream if isinstance(stream, Binding) else _bound(recording, stream)
    placed = place(recording, binding)
    info = mne.create_info(list(binding.ch_names), binding.sfreq, "eeg")
    data = np.zeros((len(binding.ch_names), int(placed.rows[-1]) + 1))
    sound = np.isfinite(placed.values)
    data[:, placed.rows] = np.where(sound, placed.values, 0.0).T * _V_PER_UV
    raw = mne.io.RawArray(data, info, verbose="error")
    if montage is not None:
        place_electrodes(raw, montage)
    raw.info["description"] = f"local time of the first sample: {placed.times[0]:.6f} s"
    spans = [(BAD_GAP, row, n) for row, n in placed.gaps] + _nan_spans(placed.rows, sound)
    raw.set_annotations(_annotations(spans, marker_times(recording, markers), placed, binding.sfreq))
    return raw


def place(recording: Recording, binding: Binding) -> PlacedStream:
    """Put a regular stream on the local clock and find its gaps; raises as :func:`to_raw` does."""
    key, name = binding.info.key, binding.info.name
    filling = _Filling(binding.sfreq)
    times: list[TimeArray] = []
    values: list[NDArray[np.float32]] = []
    for smooth, kinds, rows in _dejittered(recording, key, binding):
        keep = kinds >= 0
        times.append(smooth[keep])
        values.append(rows[keep])
        filling.add(smooth[keep], kinds[keep] == 1)
    if not sum(map(len, times)):
        raise StreamFormatError(f"stream {name!r} has no samples to convert")
    if filling.n_filled > _MOST_FILLED_S * binding.sfreq:
        raise StreamFormatError(
            f"stream {name!r} has gaps of {filling.n_filled / binding.sfreq:.0f} s together: cut the "
            f"recording, at most {_MOST_FILLED_S:g} s are filled"
        )
    gaps = tuple(filling.gaps)
    return PlacedStream(np.concatenate(times), np.concatenate(values), np.concatenate(filling.rows), gaps)


class _Filling:
    """Gives every sample its row: one on from the one before, or further where samples never came.

    A gap is what the dejitter takes for one. A single lost packet shorter than that (40 ms) is not filled;
    rows then fall behind the clock by its length, and annotations follow the samples.
    """

    def __init__(self, sfreq: float) -> None:
        self.rows: list[NDArray[np.intp]] = []
        self.gaps: list[tuple[int, int]] = []
        self.n_filled = 0
        self._sfreq = sfreq
        self._next_row = 0
        self._last_s = float("nan")

    def add(self, times: TimeArray, breaks: NDArray[np.bool_]) -> None:
        """A block of samples; ``breaks``: which come after a break."""
        if not len(times):
            return
        periods = np.diff(times, prepend=self._last_s) * self._sfreq
        missing = np.where(breaks & (periods > _GAP_PERIODS), np.round(periods) - 1, 0).astype(np.intp)
        rows = self._next_row + np.arange(len(times)) + np.cumsum(missing)
        self.gaps += [(int(rows[i] - missing[i]), int(missing[i])) for i in np.flatnonzero(missing)]
        self.n_filled += int(missing.sum())
        self.rows.append(rows)
        self._next_row, self._last_s = int(rows[-1]) + 1, float(times[-1])


def marker_times(recording: Recording, keys: Sequence[str] | None = None) -> list[tuple[float, str]]:
    """(local time, label) of every marker, in order of time; see :func:`to_raw` for ``keys``."""
    found: list[tuple[float, str]] = []
    for info in recording.streams:
        wanted = (
            info.key in keys if keys is not None else _is_marker_stream(info.type, looks_like_markers(info))
        )
        if wanted:
            found += _markers_of(recording, info.key)
    return sorted(found)


def import_mne() -> Any:
    """The module, or the one line that says how to get it."""
    try:
        import mne
    except ImportError as error:
        raise ConfigError("this needs MNE: pip install 'bci-stream[mne]'") from error
    return mne


def _is_marker_stream(kind: str, looks: bool) -> bool:
    return looks and kind not in OWN_TYPES


def _bound(recording: Recording, key: str) -> Binding:
    recording.summary(key)  # there, or an error that lists what is
    (info,) = [info for info in recording.streams if info.key == key]
    return bind_eeg(info, sfreq=info.sfreq or recording.measure_sfreq(key))


def _dejittered(
    recording: Recording, key: str, binding: Binding
) -> Iterator[tuple[TimeArray, NDArray[np.int8], NDArray[np.float32]]]:
    dejitter = Dejittered(binding.sfreq)
    for local, rows in _local_pieces(recording, key, binding, max(1.0, 5.0 / binding.sfreq)):
        yield dejitter.step(local, rows)
    if (left := dejitter.finish()) is not None:
        yield left


def _local_pieces(
    recording: Recording, key: str, binding: Binding, step_s: float
) -> Iterator[tuple[TimeArray, NDArray[np.float32]]]:
    clock = _clock(recording, key, ClockTrack(step_s, keep_bad=True))
    for item in recording.blocks({key: max(1, int(binding.sfreq))}):
        if isinstance(item, ClockOffset):
            yield from clock.add_pair(item.remote_s, item.offset_s)
        elif isinstance(item.values, np.ndarray):
            yield from clock.admit(item.timestamps, binding.convert(item.values))
    yield from clock.flush()


def _clock(recording: Recording, key: str, clock: ClockTrack) -> ClockTrack:
    """The clock, which places the first samples too where the file has them before its first offset."""
    remote_s, offset_s = recording.clock_offsets(key)
    if not len(remote_s):
        clock.add_pair(recording.summary(key).first_stamp, 0.0)
    elif recording.samples_come_first(key):
        clock.add_pair(float(remote_s[0]), float(offset_s[0]))
    return clock


def _markers_of(recording: Recording, key: str) -> Iterator[tuple[float, str]]:
    if not recording.summary(key).n_samples:
        return
    clock = _clock(recording, key, ClockTrack(np.inf))
    labels: list[str] = []
    pieces: list[Piece] = []
    for item in recording.blocks({key: 1024}):
        if isinstance(item, ClockOffset):
            pieces += clock.add_pair(item.remote_s, item.offset_s)
            continue
        numbers = np.arange(len(labels), len(labels) + len(item.timestamps), dtype=np.float32)
        labels += [",".join(v if isinstance(v, str) else f"{v:g}" for v in row) for row in item.values]
        pieces += clock.admit(item.timestamps, numbers[:, np.newaxis])
    pieces += clock.flush()
    for local, numbers in pieces:
        for t, number in zip(local.tolist(), numbers[:, 0].tolist(), strict=True):
            yield t, labels[int(number)]


def place_electrodes(raw: mne.io.Raw, name: str) -> None:
    """Give electrodes their places, by ``10-05`` or a montage of MNE's; ConfigError for an unknown one."""
    mne = import_mne()
    known = mne.channels.get_builtin_montages()
    names = _MONTAGES if name == "10-05" else (name,)
    usable = [spelled for spelled in names if spelled in known]
    if not usable:
        raise ConfigError(f"MNE knows no montage {name!r}: use 10-05 or one of {', '.join(known)}")
    positions = mne.channels.make_standard_montage(usable[0])
    if any(is_electrode(channel) for channel in raw.ch_names):
        raw.set_montage(positions, match_case=False, on_missing="ignore", verbose="error")


def _nan_spans(rows: NDArray[np.intp], sound: NDArray[np.bool_]) -> list[tuple[str, int, int]]:
    """Stretches in which a channel held no number, which is 0 in the Raw: (word, first row, rows)."""
    bad = rows[~sound.all(axis=1)]
    stretches = np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1) if len(bad) else []
    return [(BAD_NAN, int(stretch[0]), len(stretch)) for stretch in stretches]


def _annotations(
    spans: Sequence[tuple[str, int, int]],
    markers: Sequence[tuple[float, str]],
    placed: PlacedStream,
    sfreq: float,
) -> mne.Annotations:
    onsets = [row / sfreq for _, row, _ in spans]
    durations = [n / sfreq for _, _, n in spans]
    words = [word for word, _, _ in spans]
    for t, label in markers:
        if placed.times[0] <= t <= placed.times[-1]:
            onsets.append(float(np.interp(t, placed.times, placed.rows)) / sfreq)
            durations.append(0.0)
            words.append(label or "marker")
    return import_mne().Annotations(onsets, durations, words)
