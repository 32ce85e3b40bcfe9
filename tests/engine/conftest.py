from __future__ import annotations

import numpy as np
import pytest
import torch

from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, StreamSpec
from bci_stream.model.bundle import export_bundle, load_bundle
from bci_stream.model.contract import Contract, EegContract
from bci_stream.model.network import build_network

NAMES = ("Fz", "Cz", "Pz", "Oz", "T7", "T8")
SFREQ = 250.0
T0 = 1000.0


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A real bundle with random weights: what it says means nothing, but it says it exactly."""
    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BCI_STREAM_HOME", str(folder))
        torch.manual_seed(0)
        contract = Contract(eeg=EegContract(channels=NAMES), fusion="gated")
        export_bundle(build_network(contract).eval(), contract, folder / "random.bci")
        yield load_bundle(folder / "random.bci")


def specs():
    return {EEG: StreamSpec(EEG, NAMES, SFREQ), AUDIO: StreamSpec(AUDIO, ("mono",), 16_000.0)}


def recorded(duration_s, *, gap=None, seed=0, chunk_s=0.1):
    """Chunks of noise on both streams, merged in time order; ``gap``: EEG missing within [a, b) s."""
    rng = np.random.default_rng(seed)
    events = [ClockOffset(EEG, T0 - 1, 0.0), ClockOffset(AUDIO, T0 - 1, 0.0)]
    streams = []
    for role, sfreq, n_channels, scale in ((EEG, SFREQ, len(NAMES), 20.0), (AUDIO, 16_000.0, 1, 0.1)):
        times = T0 + np.arange(int(duration_s * sfreq)) / sfreq
        data = (rng.normal(size=(len(times), n_channels)) * scale).astype(np.float32)
        if role == EEG:
            times = times + rng.normal(0, 1e-3, len(times))
            if gap is not None:
                kept = (times < T0 + gap[0]) | (times >= T0 + gap[1])
                times, data = times[kept], data[kept]
        streams.append((role, times, data))
    for edge in np.arange(0, duration_s, chunk_s):
        for role, times, data in streams:
            inside = slice(*np.searchsorted(times, [T0 + edge, T0 + edge + chunk_s]))
            events.append(Chunk(role, times[inside], data[inside]))
    return events
