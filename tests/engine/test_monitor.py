"""A monitor on a real pipeline: its frames are what the engine had, at a small cost."""

import time

import numpy as np
import pytest

from bci_stream.engine.happenings import StreamFacts, StreamWatch
from bci_stream.engine.monitor import Monitor, Subject
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, plan_without_model, window_settings
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Flag, Marker
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.timeline.windows import WindowSettings
from tests.engine.conftest import NAMES, SFREQ, T0, recorded, specs

FACTS = {EEG: StreamFacts("Cap", "µV", SFREQ), AUDIO: StreamFacts("Mic", "full scale", 16_000.0)}


def watched(bundle=None, events=(), look=None):
    if bundle is None:
        pipeline = Pipeline(plan_without_model(specs()), WindowSettings(1.0, 0.2))
        subject = Subject(FACTS)
    else:
        pipeline = Pipeline(
            plan_for_contract(specs(), bundle.contract),
            window_settings(bundle.contract),
            StreamingPredictor(bundle),
        )
        subject = Subject(
            FACTS,
            bundle="random.bci",
            classes=tuple(bundle.contract.classes),
            heads=bundle.network.head_names,
        )
    monitor = Monitor(pipeline, subject, T0)
    outcomes = []
    for event in events:
        for outcome in pipeline.step(event):
            monitor.on_outcome(outcome)
            outcomes.append(outcome)
            if look is not None:
                look(monitor, outcome)
    return pipeline, monitor, outcomes


def test_raw_traces_are_the_samples_that_were_sent():
    events = recorded(4.0)
    _, monitor, _ = watched(events=events)
    frame = monitor.frame(T0 + 4.0)
    for role in (EEG, AUDIO):
        sent = np.concatenate([e.data for e in events if isinstance(e, Chunk) and e.stream == role])
        history = frame.traces[role]
        data, mask, _ = history.rows(history.first, history.stop)
        assert not mask.any()
        assert len(data) == pytest.approx(4.0 * history.sfreq, abs=2)
        unique_sent = {tuple(row) for row in sent.tolist()}
        assert sum(tuple(row) in unique_sent for row in data.tolist()) == len(data)


def test_the_models_view_is_what_the_model_was_given(bundle):
    given = []

    def look(monitor, outcome):
        given.append((outcome.window.t_end, monitor._pipeline.newest_hop.eeg.copy()))

    _, monitor, _ = watched(bundle, recorded(8.0), look)
    history = monitor.frame(T0 + 8.0).model_traces[EEG]
    assert history.ch_names == NAMES
    for t_end, eeg in given[-10:]:
        stop = round(t_end * history.sfreq)
        data, _, _ = history.rows(stop - len(eeg), stop)
        np.testing.assert_array_equal(data, eeg)


def test_the_frame_tells_of_predictions_as_they_were(bundle):
    pipeline, monitor, outcomes = watched(bundle, recorded(9.0))
    predictions = [o.prediction for o in outcomes if o.prediction is not None]
    frame = monitor.frame(T0 + 9.0)
    assert frame.prediction == predictions[-1]
    assert frame.n_predictions == len(predictions)
    assert frame.window == (predictions[-1].t_start, predictions[-1].t_end)
    history = frame.history
    np.testing.assert_allclose(history.t_end, [p.t_end for p in predictions])
    told = [p.probs if p.label is not None else [np.nan] * len(p.classes) for p in predictions]
    np.testing.assert_allclose(history.probs, np.array(told, np.float32))
    np.testing.assert_allclose(history.gate, np.array([p.gate for p in predictions], np.float32))
    assert set(history.heads) == set(predictions[-1].heads)
    assert frame.history is monitor.frame(T0 + 9.01).history  # nothing new: nothing copied
    assert frame.n_windows == pipeline.n_windows


def test_a_gap_is_in_the_trace_and_in_the_log():
    def look(monitor, outcome):
        monitor.frame(outcome.window.t_end)

    _, monitor, _ = watched(events=recorded(8.0, gap=(3.0, 4.5)), look=look)
    frame = monitor.frame(T0 + 8.0)
    history = frame.traces[EEG]
    _, mask, _ = history.rows(history.first, history.stop)
    n_missing = int(((mask & Flag.GAP) != 0).sum())
    assert n_missing == pytest.approx(1.5 * SFREQ, abs=3)
    lines = [e.words for e in frame.log if e.source == EEG and "gap" in e.words]
    assert len(lines) == 1
    assert "1.5" in lines[0]
    eeg = next(s for s in frame.streams if s.role == EEG)
    assert eeg.level == "warn"


def test_markers_are_in_session_time_and_in_the_log():
    events = [ClockOffset("markers", T0 - 1, 0.0), *recorded(2.0)]
    events += [Marker("markers", T0 + 1.5, "stimulus <b>"), *recorded(2.0)[-2:]]
    _, monitor, _ = watched(events=events)
    frame = monitor.frame(T0 + 2.0)
    assert [(m.timestamp, m.label) for m in frame.markers] == [(T0 + 1.5, "stimulus <b>")]
    assert [(e.t_s, e.words) for e in frame.log if e.source == "markers"] == [(1.5, "stimulus <b>")]


def test_electrodes_are_judged(bundle):
    events = recorded(10.0)
    for event in events:
        if isinstance(event, Chunk) and event.stream == EEG:
            event.data[:, 1] = 0.0
            event.data[:, 2] = 187_500.0
    _, monitor, _ = watched(bundle, events)
    channels = next(s for s in monitor.frame(T0 + 10.0).streams if s.role == EEG).channels
    assert [c.name for c in channels] == list(NAMES)
    assert channels[1].state == "flat"
    assert channels[2].state in ("flat", "clipped")
    assert channels[0].state in ("good", "noisy")


class Status:
    def __init__(self, state="live", n_reconnects=0, note=""):
        self.state, self.n_reconnects, self.note = state, n_reconnects, note


def test_a_stream_that_goes_and_returns_is_told_once_each():
    pipeline, _, _ = watched(events=recorded(2.0))
    watch, health = StreamWatch(EEG, FACTS[EEG]), pipeline.health(T0 + 2.0)[EEG]
    lines = []
    for status in (
        Status(),
        Status("lost", note="no answer"),
        Status("lost"),
        Status("live", 1),
        Status("live", 1),
    ):
        light, said = watch.look(health, status, ())
        lines.append((light.level, [words for _, words in said]))
    assert [level for level, _ in lines] == ["good", "bad", "bad", "good", "good"]
    assert [len(said) for _, said in lines] == [0, 1, 0, 2, 0]
    assert "no answer" in lines[1][1][0]


def test_memory_stays_within_its_bound():
    _, monitor, _ = watched(events=recorded(2.0))
    before = monitor.n_bytes
    assert before < 64 << 20
    watched(events=recorded(2.0))
    assert monitor.n_bytes == before


def test_the_engine_does_little_more_with_a_monitor_than_without(bundle):
    """Processor time, not wall time, of a minute of signal; generous for a busy computer."""
    events = recorded(30.0)
    spent = {}
    for name in ("warm", "without", "with"):
        began = time.process_time()
        if name == "with":
            watched(bundle, events)
        else:
            pipeline = Pipeline(
                plan_for_contract(specs(), bundle.contract),
                window_settings(bundle.contract),
                StreamingPredictor(bundle),
            )
            for event in events:
                for _ in pipeline.step(event):
                    pass
        spent[name] = time.process_time() - began
    assert (spent["with"] - spent["without"]) / 30.0 < 0.02
