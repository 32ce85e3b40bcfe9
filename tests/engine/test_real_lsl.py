"""The promises about time, over a real liblsl: gaps, and an outlet that is killed and comes back."""

import time

import numpy as np
import pylsl
import pytest

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, plan_without_model, window_settings
from bci_stream.engine.session import Session
from bci_stream.messages import AUDIO, EEG, Chunk
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from bci_stream.timeline.clock import ClockTrack
from bci_stream.timeline.stamps import Dejitter
from bci_stream.timeline.windows import WindowSettings
from tests.engine.conftest import NAMES

SFREQ = 256.0


def wait_until(condition, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


@pytest.mark.parametrize("lost_s", [0.5, 2.0, 10.0])
def test_stamps_are_right_one_second_after_samples_were_lost(lost_s):
    """256 Hz, 4 ms jitter, 120 s of warm-up in stamp time, then a loss while the outlet lives."""
    rng = np.random.default_rng(int(lost_s * 10))
    n = int(150 * SFREQ)
    true = pylsl.local_clock() - 200.0 + np.arange(n) / SFREQ
    kept = (true < true[0] + 120.0) | (true >= true[0] + 120.0 + lost_s)
    stamps = (true + rng.normal(0, 4e-3, n))[kept]
    counter = np.flatnonzero(kept).astype(np.float32)
    header = pylsl.StreamInfo(f"Gap{lost_s}", "EEG", 1, SFREQ, pylsl.cf_float32, f"gap-{lost_s}")
    outlet = pylsl.StreamOutlet(header, max_buffered=600)
    source = LslSource([LslRequest(EEG, f"Gap{lost_s}", channels=("Cz",))], resolve_s=60.0)
    source.open()
    clock, dejitter = ClockTrack(), Dejitter(SFREQ)
    times, indices = [], []
    try:
        wait_until(outlet.have_consumers)
        for at in range(0, len(stamps), 64):
            outlet.push_chunk(counter[at : at + 64, None], stamps[at : at + 64].tolist())
        deadline = time.monotonic() + 60
        while sum(map(len, times)) < len(stamps) and time.monotonic() < deadline:
            for event in source.read({EEG: 0.2}):
                pieces = (
                    clock.admit(event.timestamps, event.data)
                    if isinstance(event, Chunk)
                    else clock.add_pair(event.remote_s, event.offset_s)
                )
                for local, data in pieces:
                    times.append(dejitter.step(local)[0])
                    indices.append(data[:, 0].astype(int))
    finally:
        source.close()
    placed, truth = np.concatenate(times), true[np.concatenate(indices)]
    assert len(placed) == len(stamps)
    error = np.abs(placed - truth)
    assert error[truth >= true[0] + 121.0 + lost_s].max() < 5e-3
    assert error[(truth > true[0] + 10) & (truth < true[0] + 120)].max() < 2e-3
    assert dejitter.n_lost == pytest.approx(lost_s * SFREQ, abs=2)


class Kept:
    """Remembers what a session said, copied out of the rings."""

    def __init__(self):
        self.predictions, self.gaps = [], []

    def put(self, prediction, window):
        if prediction is not None:
            self.predictions.append(prediction)
        self.gaps.append((window.t_end, window.streams[EEG].gaps))


def person(prefix, session_id, **fields):
    settings = SimulatorSettings(ch_names=NAMES, **fields)
    return SimulatorProcess(settings, name_prefix=prefix, source_id=prefix, lsl=(session_id, "machine"))


@pytest.mark.parametrize("away_s", [1.0, pytest.param(10.0, marks=pytest.mark.slow)])
def test_a_killed_outlet_that_returns_is_one_gap_and_one_reconnect(bundle, lsl_isolation, away_s):
    """The voice comes from another process and goes on alone meanwhile."""
    prefix = f"K{int(away_s)}"
    headset, voice = person(prefix, lsl_isolation), person(prefix + "V", lsl_isolation, seed=1)
    with voice, headset:
        voice.wait_ready()
        headset.wait_ready()
        source = LslSource(
            [LslRequest(EEG, f"{prefix}EEG"), LslRequest(AUDIO, f"{prefix}VAudio")], resolve_s=60.0
        )
        specs = {role: binding.spec for role, binding in source.open().items()}
        plans = plan_for_contract(specs, bundle.contract)
        pipeline = Pipeline(plans, window_settings(bundle.contract), StreamingPredictor(bundle))
        kept = Kept()
        session = Session(source, pipeline, [kept], pylsl.local_clock)
        session.start()
        try:
            wait_until(lambda: any(p.stood_on == (EEG, AUDIO) for p in kept.predictions))
            headset.kill()
            killed_s = pylsl.local_clock()
            wait_until(lambda: source.status()[EEG].state == "lost")
            wait_until(lambda: pylsl.local_clock() > killed_s + away_s)
            with person(prefix, lsl_isolation) as returned:
                returned.wait_ready()
                back_s = pylsl.local_clock()
                wait_until(lambda: source.status()[EEG].n_reconnects == 1)
                wait_until(
                    lambda: (
                        kept.predictions[-1].stood_on == (EEG, AUDIO)
                        and kept.predictions[-1].t_start > back_s + 0.5
                    )
                )
        finally:
            session.stop()
    assert session.error is None
    health = pipeline.health()[EEG]
    assert health.n_gaps == 1
    gap = next(g for _, gaps in kept.gaps for g in gaps if g.t_start > killed_s - 1.0)
    assert killed_s - 0.1 < gap.t_start < killed_s + 0.02
    full_again = next(p for p in kept.predictions if p.t_end > back_s and p.stood_on == (EEG, AUDIO))
    assert full_again.t_end < back_s + bundle.contract.window_s + 2.0
    meanwhile = [p for p in kept.predictions if killed_s + 0.5 < p.t_end < back_s]
    assert len(meanwhile) >= (back_s - killed_s - 1.0) / 0.2
    assert all("gap" in p.tags for p in meanwhile)
    ends = [p.t_end for p in kept.predictions]
    np.testing.assert_allclose(np.diff(ends), 0.2, atol=1e-6)
    assert pipeline.health()[AUDIO].n_lost == 0


def test_live_windows_cover_one_interval_and_no_sample_is_missing(lsl_isolation):
    with person("L", lsl_isolation) as headset:
        headset.wait_ready()
        source = LslSource([LslRequest(EEG, "LEEG"), LslRequest(AUDIO, "LAudio")], resolve_s=60.0)
        specs = {role: binding.spec for role, binding in source.open().items()}
        pipeline = Pipeline(plan_without_model(specs), WindowSettings(1.0, 0.2))
        full = []
        session = Session(
            source,
            pipeline,
            [],
            pylsl.local_clock,
            lambda o: full.append(min(part.coverage for part in o.window.streams.values())),
        )
        session.start()
        try:
            wait_until(lambda: sum(c == 1.0 for c in full) >= 15)
        finally:
            session.stop()
    first = full.index(1.0)
    assert all(c == 1.0 for c in full[first : first + 15])
    assert pipeline.health()[EEG].n_lost == 0
    assert pipeline.health()[AUDIO].n_lost == 0
