from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, plan_without_model, window_settings
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Flag, Marker
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.timeline.windows import WindowSettings
from tests.engine.conftest import T0, recorded, specs

SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def with_model(bundle, **options):
    contract = bundle.contract
    plans = plan_for_contract(specs(), contract)
    return Pipeline(plans, window_settings(contract), StreamingPredictor(bundle), **options)


def without_model(lateness_s=0.3):
    return Pipeline(plan_without_model(specs()), WindowSettings(2.0, 0.2, lateness_s))


def run(pipeline, events):
    """Everything that a run hands out, as bytes and exact numbers."""
    out = []
    for event in events:
        out += [fingerprint(outcome) for outcome in pipeline.step(event)]
    return out + [fingerprint(outcome) for outcome in pipeline.end()]


def fingerprint(outcome):
    window, said = outcome.window, outcome.prediction
    parts = tuple(
        (role, part.data.tobytes(), part.mask.tobytes(), part.marks.tobytes(), part.gaps, part.coverage)
        for role, part in window.streams.items()
    )
    answer = None if said is None else (said.logits, said.probs, said.label, said.stood_on, said.tags)
    return window.index, window.t_start, window.t_end, window.deadline, parts, answer


def recut(events, draw):
    """The same samples, cut elsewhere; empty chunks among them."""
    out = []
    for event in events:
        if not isinstance(event, Chunk):
            out.append(event)
            continue
        n = len(event.timestamps)
        cuts = sorted(draw.draw(st.lists(st.integers(0, n), max_size=3)))
        for a, b in zip([0, *cuts], [*cuts, n], strict=True):
            out.append(Chunk(event.stream, event.timestamps[a:b], event.data[a:b]))
    return out


def delayed(events, stream, n_events):
    """One stream's events arrive ``n_events`` places later."""
    own = [i for i, e in enumerate(events) if e.stream == stream]
    order = sorted(range(len(events)), key=lambda i: i + (2 * n_events + 0.5 if i in set(own) else 0))
    return [events[i] for i in order]


@SLOW
@given(st.data())
def test_chunking_changes_no_bit(bundle, draw):
    events = recorded(4.0, gap=(1.5, 2.1))
    assert run(with_model(bundle), events) == run(with_model(bundle), recut(events, draw))


@SLOW
@given(st.sampled_from([EEG, AUDIO]), st.integers(0, 2))
def test_arrival_order_within_the_lateness_changes_no_bit(bundle, stream, places):
    events = recorded(4.0)
    assert run(with_model(bundle), events) == run(with_model(bundle), delayed(events, stream, places))


def test_the_pace_of_advance_changes_no_bit(bundle):
    """Time may be told often or never, as long as samples are not later than the deadline."""
    events = recorded(4.0)
    pipeline, out = with_model(bundle), []
    for event in events:
        out += [fingerprint(outcome) for outcome in pipeline.step(event)]
        if isinstance(event, Chunk):
            out += [fingerprint(outcome) for outcome in pipeline.wait(float(event.timestamps[-1]) + 0.05)]
    out += [fingerprint(outcome) for outcome in pipeline.end()]
    assert out == run(with_model(bundle), events)


def test_inputs_are_not_modified(bundle):
    events = recorded(2.0, gap=(0.5, 1.0))
    before = [(e.timestamps.copy(), e.data.copy()) for e in events if isinstance(e, Chunk)]
    run(with_model(bundle), events)
    after = [(e.timestamps, e.data) for e in events if isinstance(e, Chunk)]
    for (t, x), (t2, x2) in zip(before, after, strict=True):
        assert t.tobytes() == t2.tobytes()
        assert x.tobytes() == x2.tobytes()


def test_windows_of_all_streams_cover_one_interval():
    outcomes = []
    pipeline = without_model()
    for event in recorded(5.0):
        for outcome in pipeline.step(event):
            window = outcome.window
            for part in window.streams.values():
                assert part.t_start == window.t_start
                assert part.t_end == window.t_end
                assert len(part.data) == round(2.0 * part.sfreq)
            outcomes.append((window.index, window.t_end, window.deadline))
    assert [end for _, end, _ in outcomes] == [round(T0 + 0.2 * (k + 1), 9) for k in range(len(outcomes))]
    assert not any(deadline for _, _, deadline in outcomes)
    assert len(outcomes) == 24


def test_an_absent_modality_is_tagged_and_its_content_changes_nothing(bundle):
    events = [e for e in recorded(6.0) if e.stream == EEG]
    alone = with_model(bundle)
    answers = [p for event in events for p in alone.feed(event)]
    assert answers[-1].stood_on == (EEG,)
    assert "eeg only" in answers[-1].tags
    assert answers[-1].coverage[AUDIO] == 0.0
    assert np.isfinite(answers[-1].logits).all()


def test_a_gap_in_one_stream_is_marked_and_the_other_goes_on(bundle):
    pipeline = with_model(bundle)
    seen, tagged = [], set()
    for event in recorded(20.0, gap=(8.0, 12.0)):
        for outcome in pipeline.step(event):
            seen.append(outcome.window.t_end)
            eeg = outcome.window.streams[EEG]
            if outcome.window.t_end > T0 + 12.5 and eeg.gaps and eeg.gaps[-1].t_end < outcome.window.t_end:
                assert eeg.gaps[-1].t_end == pytest.approx(T0 + 12.0, abs=0.02)
                if eeg.gaps[-1].t_start > outcome.window.t_start:
                    assert eeg.gaps[-1].t_start == pytest.approx(T0 + 8.0, abs=0.03)
            tagged |= set(outcome.prediction.tags)
    assert {"audio only", "gap"} <= tagged
    assert np.diff(seen) == pytest.approx(0.2)
    assert pipeline.health()[EEG].n_gaps == 1
    assert pipeline.health()[EEG].n_lost == pytest.approx(4 * 250, abs=3)


def test_after_a_gap_the_filter_settles_and_is_marked(bundle):
    pipeline = with_model(bundle)
    masks = {}
    for event in recorded(8.0, gap=(3.0, 4.0)):
        for outcome in pipeline.step(event):
            masks[outcome.window.t_end] = outcome.window.streams[EEG].mask.copy()
    mask = masks[round(T0 + 6.0, 9)]  # covers [1, 6)
    settling = np.flatnonzero(mask & Flag.SETTLING) / 125 + 1.0
    assert settling.min() == pytest.approx(4.0, abs=0.02)
    assert settling.max() == pytest.approx(4.5, abs=0.02)


def test_a_silent_hour_is_leapt_over():
    pipeline = without_model()
    late = [
        replace(e, timestamps=e.timestamps + 3600.0) if isinstance(e, Chunk) else e for e in recorded(3.0)
    ]
    late = [ClockOffset(EEG, T0 + 3598, 0.0), ClockOffset(AUDIO, T0 + 3598, 0.0), *late[2:]]
    ends = []
    for event in recorded(3.0) + late:
        ends += [outcome.window.t_end for outcome in pipeline.step(event)]
    assert ends[-1] > T0 + 3602
    assert len(ends) < 60
    assert pipeline.n_empty < 40


def test_one_stream_alone_does_not_wait_for_ever_for_the_other():
    pipeline = without_model()
    ends = [o.window.t_end for e in recorded(3.0) if e.stream == AUDIO for o in pipeline.step(e)]
    assert ends[-1] >= T0 + 2.6


def test_advance_closes_what_nobody_continues():
    pipeline = without_model()
    for event in recorded(1.0):
        list(pipeline.step(event))
    ends = [outcome.window.t_end for outcome in pipeline.wait(T0 + 10.0)]
    assert ends[-1] < T0 + 3.2
    assert list(pipeline.wait(T0 + 10.5)) == []


def test_late_windows_are_encoded_but_not_fused_when_newer_ones_are_due(bundle):
    pipeline = with_model(bundle, stale_after_s=1.0)
    list(pipeline.wait(T0 + 50.0))
    outcomes = [outcome for event in recorded(4.0, chunk_s=4.0) for outcome in pipeline.step(event)]
    assert pipeline.n_skipped > 10
    assert outcomes[-1].prediction is not None
    assert outcomes[5].prediction is None


def test_a_swapped_model_answers_from_the_next_window_on_as_if_it_had_always_run(bundle):
    events = recorded(16.0)
    steady, swapped = with_model(bundle), with_model(bundle)
    want = [p for event in events for p in steady.feed(event)]
    got = []
    for i, event in enumerate(events):
        if i == len(events) // 2 + 60:
            swapped.swap(StreamingPredictor(bundle))
        got += swapped.feed(event)
    assert len(got) == len(want)
    np.testing.assert_allclose(got[-1].logits, want[-1].logits, atol=1e-5)


def test_markers_come_out_on_the_local_clock():
    pipeline = without_model()
    pipeline.feed(Marker("markers", 5.0, "early"))
    assert not pipeline.markers
    pipeline.feed(ClockOffset("markers", 4.0, 100.0))
    pipeline.feed(Marker("markers", 6.0, "late"))
    assert [(m.timestamp, m.label) for m in pipeline.markers] == [(105.0, "early"), (106.0, "late")]


def test_views_of_a_window_are_read_only():
    pipeline = without_model()
    for event in recorded(1.0):
        for outcome in pipeline.step(event):
            with pytest.raises(ValueError, match="read-only"):
                outcome.window.streams[EEG].data[0, 0] = 1.0
