"""What pyxdf makes of the same stamps and clock offsets: out of an XDF file, with its defaults.

It sees the whole file at once, the future of each sample too, where the pipeline knows the past alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import Chunk, ClockOffset, Event, StreamInfo, TimeArray
from bci_stream.sinks import xdf_chunks as xdf
from bci_stream.sinks.xdf_headers import as_received

_DTYPE = "float32"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A stream as pyxdf gives it: local times (n,), channel 0 (n,), how many breaks it tells of.

    Breaks of the data or of the clock, whichever are more.
    """

    times: TimeArray
    counts: NDArray[np.float32]
    n_breaks: int


def write(path: Path, rates: Mapping[str, float], events: Iterable[Event]) -> None:
    """Chunks of one channel and clock offsets, as they come, into an XDF file; every sample is stamped."""
    numbers = {role: number for number, role in enumerate(rates, 1)}
    with path.open("wb") as file:
        file.write(xdf.file_header())
        for role, sfreq in rates.items():
            info = StreamInfo(role, role, role, 1, sfreq, _DTYPE, role, ch_names=("count",))
            file.write(xdf.stream_header(numbers[role], as_received(role, info).xml))
        for event in events:
            if isinstance(event, ClockOffset):
                file.write(xdf.clock_offset(numbers[event.stream], event.remote_s, event.offset_s))
            elif isinstance(event, Chunk):
                file.write(xdf.samples(numbers[event.stream], event.timestamps, event.data, _DTYPE))


def load(path: Path, **options: Any) -> dict[str, Loaded]:
    """By stream name; ``options``: where something else than pyxdf's defaults is asked."""
    import pyxdf

    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
    with np.errstate(all="ignore"):
        streams, _ = pyxdf.load_xdf(str(path), **options)
    return {stream["info"]["name"][0]: _as_loaded(stream) for stream in streams}


def _as_loaded(stream: dict[str, Any]) -> Loaded:
    n_segments = max(len(stream["info"][kind]) for kind in ("segments", "clock_segments"))
    return Loaded(stream["time_stamps"], np.asarray(stream["time_series"])[:, 0], n_segments - 1)


def loaded(rates: Mapping[str, float], events: Iterable[Event], **options: Any) -> dict[str, Loaded]:
    """Through a file that is gone afterwards."""
    with TemporaryDirectory(prefix="bci-pyxdf-") as folder:
        path = Path(folder) / "same.xdf"
        write(path, rates, events)
        return load(path, **options)
