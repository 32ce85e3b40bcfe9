"""What liblsl itself makes of the same stamps: through a real outlet and inlet with its post-processing."""

from __future__ import annotations

import os
import time

import numpy as np

from bci_stream.messages import TimeArray
from bci_stream.sources.lsl_config import configure_lsl, private_session

_TIMEOUT_S = 60.0
_PUSHED = 256


def liblsl_dejitter(stamps: TimeArray, sfreq: float) -> TimeArray:
    """(n,) stamps -> what an inlet that dejitters and monotonises gives, pushed as fast as it goes."""
    configure_lsl(private_session("peers"))
    import pylsl

    name = f"peer-{os.getpid()}-{time.monotonic_ns()}"
    outlet = pylsl.StreamOutlet(
        pylsl.StreamInfo(name, "EEG", 1, sfreq, pylsl.cf_float32, name), max_buffered=3600
    )
    found = pylsl.resolve_byprop("name", name, timeout=_TIMEOUT_S)
    flags = pylsl.proc_dejitter | pylsl.proc_monotonize
    inlet = pylsl.StreamInlet(found[0], max_buflen=3600, processing_flags=flags, recover=False)
    inlet.open_stream(timeout=_TIMEOUT_S)
    outlet.wait_for_consumers(_TIMEOUT_S)
    blank = np.zeros((_PUSHED, 1), np.float32)
    times: list[float] = []
    deadline_s = time.monotonic() + _TIMEOUT_S
    for at in range(0, len(stamps), _PUSHED):
        piece = stamps[at : at + _PUSHED]
        outlet.push_chunk(blank[: len(piece)], piece.tolist())
        times += inlet.pull_chunk(0.0, 4096)[1]
    while len(times) < len(stamps) and time.monotonic() < deadline_s:
        times += inlet.pull_chunk(0.05, 4096)[1]
    return np.array(times)
