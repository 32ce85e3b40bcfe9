"""Nanoseconds per sample (all channels) of each pure stage, hot, and how they grow."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.report import Report, Table
from benchmarks.setups import LARGE, SMALL, Setup, full_size_bundle, private_corner

Step = Callable[[], object]


def run(seconds: float) -> Report:
    """Time every stage for about ``seconds``."""
    report = Report()
    hop_s = 0.2
    columns = ["stage", SMALL.label, LARGE.label]
    small, large = _stages(SMALL, hop_s), _stages(LARGE, hop_s)
    rows = []
    for name, (step, n) in small.items():
        costs = [_cost_ns(step, seconds) / n, _cost_ns(large[name][0], seconds) / large[name][1]]
        rows.append([name, *costs])
        report.figures[name] = costs
    report.tables.append(Table("Each stage, ns per sample instant (chunks of a hop, 0.2 s)", columns, rows))
    report.tables.append(_window_growth(seconds, report.figures))
    return report


def _cost_ns(step: Step, seconds: float) -> float:
    """Median time of a call, ns."""
    for _ in range(3):
        step()
    costs, end_s = [], time.perf_counter() + seconds
    while time.perf_counter() < end_s or len(costs) < 5:
        began = time.perf_counter_ns()
        step()
        costs.append(time.perf_counter_ns() - began)
    return float(np.median(costs))


def _stages(setup: Setup, hop_s: float) -> dict[str, tuple[Step, int]]:
    """Stage name to (a call on a hop's samples, samples in it)."""
    from bci_stream.dsp.artifacts import ArtifactDetector, ArtifactSettings
    from bci_stream.dsp.filters import SosFilter, design_sos
    from bci_stream.dsp.spatial import SpatialMix
    from bci_stream.timeline.clock import ClockTrack
    from bci_stream.timeline.stamps import Dejitter

    n, m, c = round(setup.sfreq * hop_s), round(setup.audio_sfreq * hop_s), setup.n_channels
    rng = np.random.default_rng(0)
    eeg = rng.normal(0, 20, (n, c)).astype(np.float32)
    audio = rng.normal(0, 0.1, (m, 1)).astype(np.float32)
    clock = ClockTrack()
    clock.add_pair(0.0, 0.0)
    stamps = np.arange(m) / setup.audio_sfreq
    jitter = _Advancing(Dejitter(setup.audio_sfreq).step, stamps, hop_s)
    marks = ArtifactDetector(ArtifactSettings(), setup.sfreq, c)
    sos = SosFilter(design_sos(setup.sfreq, 0.5, 45.0, 50.0), c)
    mix = SpatialMix(np.full((16, c), 1.0 / c))
    return {
        "clock (audio)": (lambda: clock.admit(stamps, audio), m),
        "dejitter (audio)": (jitter, m),
        "grid (EEG)": (_gridded(setup.sfreq, 125.0, eeg, hop_s, 4, antialias=False), n),
        "grid (audio)": (_gridded(setup.audio_sfreq, 16_000.0, audio, hop_s, 12, antialias=True), m),
        "marks (EEG)": (lambda: marks.step(eeg), n),
        "filter (EEG)": (lambda: sos.step(eeg), n),
        "electrode mix (per grid row)": (lambda: mix.step(eeg[:25]), 25),
    }


class _Advancing:
    """Calls a step with stamps that go on, hop after hop."""

    def __init__(self, step: Callable[[np.ndarray], object], stamps: np.ndarray, hop_s: float) -> None:  # type: ignore[type-arg]
        self._step, self._stamps, self._hop_s, self._k = step, stamps, hop_s, 0

    def __call__(self) -> object:
        self._k += 1
        return self._step(self._stamps + self._k * self._hop_s)


def _gridded(
    stream_sfreq: float,
    sfreq: float,
    data: np.ndarray,
    hop_s: float,
    crossings: int,
    *,
    antialias: bool,  # type: ignore[type-arg]
) -> Step:
    from bci_stream.timeline.grid import GridTrack

    track = GridTrack(
        stream_sfreq, sfreq, data.shape[1], int(10 * sfreq), zero_crossings=crossings, antialias=antialias
    )
    stamps = np.arange(len(data)) / stream_sfreq
    marks, breaks = np.zeros(data.shape, np.uint8), np.zeros(len(data), np.uint8)

    def step(times: np.ndarray) -> bool:  # type: ignore[type-arg]
        track.push(times, data, marks, breaks)
        return track.advance(2**60)

    return _Advancing(step, stamps, hop_s)


def _window_growth(seconds: float, figures: dict[str, object]) -> Table:
    """The whole pipeline per hop, with windows of 5 and of 30 s."""
    import torch

    from apps.choice import ModelChoice, load_model, prepare
    from bci_stream.engine.pipeline import Pipeline
    from bci_stream.messages import AUDIO, EEG, StreamSpec
    from benchmarks.recording import events

    torch.set_num_threads(1)
    specs = {
        EEG: StreamSpec(EEG, tuple(SMALL.names()), SMALL.sfreq),
        AUDIO: StreamSpec(AUDIO, ("voice",), SMALL.audio_sfreq),
    }
    rows = []
    with private_corner() as corner:
        for window_s in (5.0, 30.0):
            choice = ModelChoice(full_size_bundle(corner.folder, SMALL.n_channels, window_s), mains_hz=50.0)
            prepared = prepare(choice, load_model(choice), specs)
            pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
            feed = list(events(SMALL, window_s + 4 + 60 * min(1.0, seconds)))
            for event in feed:
                pipeline.feed(event)
            assert prepared.predictor is not None
            hop = (np.zeros((25, len(prepared.bundle.contract.eeg.channels)), np.float32), None)  # type: ignore[union-attr]
            encode = _cost_ns(lambda: prepared.predictor.push(*hop, np.zeros(3200, np.float32)), seconds)  # type: ignore[union-attr]  # noqa: B023
            fuse = _cost_ns(lambda: prepared.predictor.predict(), seconds)  # type: ignore[union-attr]  # noqa: B023
            bare = Pipeline(prepared.plans, prepared.settings)
            began_s = time.perf_counter()
            for event in feed:
                bare.feed(event)
            align_ms = (time.perf_counter() - began_s) * 1e3 / max(1, bare.n_windows)
            rows.append([f"{window_s:g} s", align_ms, encode / 1e6, fuse / 1e6])
    names = ("alignment + dsp", "encoders", "fusion")
    rows.append(["ratio", *(rows[1][i] / rows[0][i] for i in range(1, 4))])  # type: ignore[operator]
    figures["window growth"] = rows
    return Table("A hop with windows of 5 s and of 30 s, ms", ("window", *names), rows)
