"""A simulated person's calibration as a real XDF recording, and settings that a test can afford."""

from pathlib import Path

from bci_stream.messages import AUDIO, EEG, Marker, StreamInfo
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, own_stream
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import simulated_events
from calibration.finetune import FinetuneSettings
from calibration.ladder import AS_IT_IS, HEAD, TEMPERED, StepSettings
from calibration.trials import MARKERS_NAME

BUNDLE = Path(__file__).resolve().parents[2] / "bci_stream" / "bundles" / "demo.bci"
#: What a test can afford: a few steps of a few rungs.
BRIEF = FinetuneSettings((AS_IT_IS, TEMPERED, HEAD), StepSettings(checkpoints=(2, 4), n_windows=32))


def record(path: Path, person: int = 3, duration_s: float = 200.0) -> Path:
    """Every emotion of a simulated session as a trial; the third is taken back."""
    settings = SimulatorSettings(seed=5, person=person, dwell_s=(6.0, 8.0))
    specs = Simulator(settings).specs
    infos = {
        EEG: StreamInfo("a", "Amp", "EEG", len(specs[EEG].ch_names), 250.0, "float32", "amp-1"),
        AUDIO: StreamInfo("b", "Mic", "Audio", 1, 16_000.0, "float32", "mic-1"),
    }
    ours = own_stream(MARKERS_NAME, "Markers", ("label",), "text", {}, "string")
    recorder = XdfRecorder(path, [*(as_bound(infos[role], specs[role]) for role in infos), ours])
    for event in simulated_events(settings, duration_s=duration_s, chunk_s=0.5):
        if isinstance(event, Marker):
            label = event.label.removeprefix("class:")
            stamp = event.timestamp
            recorder.texts("Markers", [stamp, stamp + 0.001], [("trial_end",), (f"trial:{label}",)])
        else:
            recorder.event(event)
    recorder.texts("Markers", [1000.0 + duration_s - 0.5] * 2, [("trial_end",), ("void:2:noisy",)])
    recorder.close()
    assert recorder.error is None
    return path
