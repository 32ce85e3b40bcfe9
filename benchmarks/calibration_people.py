"""Simulated people who calibrate: their trials, with true or shuffled labels, and as a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bci_stream.messages import AUDIO, EEG, Marker, StreamInfo
from bci_stream.model.contract import Contract
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, own_stream
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events
from bci_stream.training.sessions import UNLABELLED, Part, Session
from bci_stream.training.simulated import record_session
from calibration.trials import MARKERS_NAME

_FEWEST_WINDOWS = 3  # of a trial that counts


def simulated_trials(settings: SimulatorSettings, contract: Contract, duration_s: float) -> list[Session]:
    """The stretches of one emotion of a simulated session, through the live pipeline, as trials."""
    whole = record_session(settings, contract, duration_s)
    trials = []
    for number in np.unique(whole.segments):
        rows = np.flatnonzero(whole.segments == number)
        cut = slice(int(rows[0]), int(rows[-1]) + 1)
        if (whole.labels[cut] != UNLABELLED).sum() < _FEWEST_WINDOWS:
            continue
        parts = {name: Part(*(array[cut] for array in part)) for name, part in whole.parts.items()}
        trials.append(Session(whole.person, parts, whole.labels[cut], whole.segments[cut]))
    return trials


def shuffled(trials: Sequence[Session], seed: int) -> list[Session]:
    """The same trials with each other's labels: there is nothing to be learned from them."""
    labels = np.random.default_rng(seed).permutation([trial.label for trial in trials])
    return [
        Session(t.person, t.parts, np.where(t.labels == UNLABELLED, UNLABELLED, label), t.segments)
        for t, label in zip(trials, labels, strict=True)
    ]


def record_calibration(path: Path, settings: SimulatorSettings, duration_s: float) -> Path:
    """A simulated session as the recording of a calibration, every stretch of one emotion a trial."""
    specs = Simulator(settings).specs
    infos = {
        EEG: StreamInfo("a", "Amp", "EEG", len(specs[EEG].ch_names), settings.eeg_sfreq, "float32", "amp-1"),
        AUDIO: StreamInfo("b", "Mic", "Audio", 1, settings.audio_sfreq, "float32", "mic-1"),
    }
    ours = own_stream(MARKERS_NAME, "Markers", ("label",), "text", {}, "string")
    recorder = XdfRecorder(path, [*(as_bound(infos[role], specs[role]) for role in infos), ours])
    for event in simulated_events(settings, duration_s=duration_s, chunk_s=0.5):
        if isinstance(event, Marker):
            label, t_s = event.label.removeprefix("class:"), event.timestamp
            recorder.texts("Markers", [t_s, t_s + 0.001], [("trial_end",), (f"trial:{label}",)])
        else:
            recorder.event(event)
    recorder.texts("Markers", [T0_S + duration_s], [("trial_end",)])
    recorder.close()
    if recorder.error is not None:
        raise RuntimeError(recorder.error)
    return path
