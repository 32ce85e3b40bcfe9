"""``to_mne``: a recording, or what a live session has just seen, as an ``mne.io.Raw`` or ``mne.Epochs``.

>>> from bci_stream.interop.to_mne import to_mne
>>> raw = to_mne("monday.xdf")                     # or .fif .edf .csv …
>>> raw = to_mne(pipeline, seconds=8)              # the last 8 s of a running session
>>> epochs = to_mne("monday.xdf", epochs=(-0.2, 0.8), markers=["trial:calm"])

Values are in V, electrodes have their places, gaps and what a filter needs to settle are BAD annotations,
and markers are annotations. ``raw.info["description"]`` names the local time of the first sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bci_stream.engine.pipeline import Pipeline
from bci_stream.errors import StreamFormatError
from bci_stream.messages import EEG, Flag, MaskArray, StreamWindow
from bci_stream.sources.binding import Binding, bind_eeg, find_stream
from bci_stream.sources.mne_raw import BAD_GAP, import_mne, place_electrodes, to_raw
from bci_stream.sources.recordings import Recording, open_recording

if TYPE_CHECKING:
    import mne

BAD_SETTLING: Final = "BAD_settling"  #: a filter that has just begun
_V_PER_UV: Final = 1e-6


def to_mne(
    source: Recording | Pipeline | str | PathLike[str],
    *,
    seconds: float | None = None,
    stream: str | None = None,
    epochs: tuple[float, float] | None = None,
    markers: Sequence[str] | None = None,
    montage: str | None = "10-05",
) -> Any:
    """The EEG of a recording or of a running session, for MNE.

    Args:
        source: an open recording, a file's name, or the pipeline of a session, from any thread.
        seconds: of a session: how much of its newest past, at most what its ring holds. None: all of that.
        stream: of a recording: which EEG stream, where there are several, as in ``find_stream``.
        epochs: (tmin, tmax) in s around each marker: Epochs instead of a Raw; those with a gap are dropped.
        markers: with ``epochs``: the texts of the markers that count; None: all.
        montage: as in :func:`~bci_stream.sources.mne_raw.to_raw`.

    Raises:
        ConfigError: MNE is not installed, or there is no such montage.
        StreamError: no EEG, no samples yet, or not one such marker.
        RecordingError: the file cannot be read.
    """
    if isinstance(source, Pipeline):
        raw = _live(source, seconds, montage)
    elif isinstance(source, str | PathLike):
        with open_recording(source) as recording:
            raw = _recorded(recording, stream, montage)
    else:
        raw = _recorded(source, stream, montage)
    return raw if epochs is None else _epochs(raw, epochs, markers)


def _recorded(recording: Recording, query: str | None, montage: str | None) -> mne.io.Raw:
    info = find_stream(recording.streams, EEG, query)
    binding: Binding = bind_eeg(info, sfreq=info.sfreq or recording.measure_sfreq(info.key))
    return to_raw(recording, binding, montage=montage)


def _live(pipeline: Pipeline, seconds: float | None, montage: str | None) -> mne.io.Raw:
    part = pipeline.recent(EEG, seconds)
    if part is None:
        raise StreamFormatError("the session has no EEG yet: wait for its first window")
    mne = import_mne()
    info = mne.create_info(list(pipeline.plans[EEG].spec.ch_names), part.sfreq, "eeg")
    raw = mne.io.RawArray(part.data.T.astype(np.float64) * _V_PER_UV, info, verbose="error")
    if montage is not None:
        place_electrodes(raw, montage)
    raw.info["description"] = f"local time of the first sample: {part.t_start:.6f} s"
    raw.set_annotations(_annotations(pipeline, part))
    return raw


def _annotations(pipeline: Pipeline, part: StreamWindow) -> mne.Annotations:
    spans = [(BAD_GAP, *run) for run in runs_of(part.mask, Flag.GAP)]
    spans += [(BAD_SETTLING, *run) for run in runs_of(part.mask, Flag.SETTLING)]
    onsets = [first / part.sfreq for _, first, _ in spans]
    durations = [(stop - first) / part.sfreq for _, first, stop in spans]
    words = [word for word, _, _ in spans]
    for marker in tuple(pipeline.markers):
        if part.t_start <= marker.timestamp < part.t_end:
            onsets.append(marker.timestamp - part.t_start)
            durations.append(0.0)
            words.append(marker.label or "marker")
    return import_mne().Annotations(onsets, durations, words)


def runs_of(mask: MaskArray, flag: int) -> list[tuple[int, int]]:
    """The stretches ``[first, stop)`` of a mask that carry a flag."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (mask & flag) != 0, [0])).astype(np.int8)))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]


def _epochs(raw: mne.io.Raw, span: tuple[float, float], wanted: Sequence[str] | None) -> mne.Epochs:
    mne = import_mne()
    there = sorted({str(w) for w in raw.annotations.description if not w.upper().startswith(("BAD", "EDGE"))})
    names = [word for word in there if wanted is None or word in wanted]
    if not names:
        asked = "markers" if wanted is None else f"marker {', '.join(wanted)}"
        raise StreamFormatError(
            f"no {asked} to cut epochs around; there are {', '.join(there[:8]) or 'none'}"
        )
    codes = {name: i for i, name in enumerate(names, 1)}
    events, _ = mne.events_from_annotations(raw, event_id=codes, verbose="error")
    return mne.Epochs(
        raw,
        events,
        codes,
        *span,
        baseline=None,
        preload=True,
        event_repeated="drop",
        on_missing="ignore",
        verbose="error",
    )
