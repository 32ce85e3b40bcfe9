import math
from dataclasses import replace

import numpy as np
import pytest

from apps.gui.viewmodels.answer import answer, head_rows
from apps.gui.viewmodels.bands import MOST_CLASSES, MOST_POINTS, OTHERS, bands, gate
from apps.gui.viewmodels.circumplex import circumplex, place_of
from apps.gui.viewmodels.summary import summary
from bci_stream.engine.decision import DecisionTrack
from bci_stream.engine.frame import Frame
from bci_stream.engine.past import PastPredictions, no_past
from tests.gui.frames import CLASSES, HOP_S, T0_S, USUAL_AGE_S, prediction, said, session, softmax


def test_a_decision_is_said_with_its_smoothed_confidence_and_age() -> None:
    frame = said(session(), "decided", "anger", 0.72)
    found = answer(frame)
    assert (found.words, found.which, found.confidence_words) == ("anger", 2, "72 %")
    assert found.detail == f"for {math.floor(frame.now_s - T0_S - 80.0)} s, from EEG and voice"


@pytest.mark.parametrize("state", ["uncertain", "stale", "none"])
def test_what_is_not_decided_names_no_class(state: str) -> None:
    found = answer(said(session(), state, words="the last word is 3.0 s old"))
    assert found.which == -1
    assert found.words not in CLASSES
    assert found.confidence_words == ""
    assert found.detail == "the last word is 3.0 s old"


def test_a_class_that_the_model_does_not_have_is_not_said() -> None:
    assert answer(said(session(), "decided", "envy", 0.9)).which == -1


def test_an_answer_goes_stale_half_a_second_after_its_successor_was_due() -> None:
    track, past = DecisionTrack(USUAL_AGE_S), PastPredictions(CLASSES, hop_s=HOP_S)
    newest = prediction(T0_S + 5, np.array([0, 0, 4.0, 0, 0]))
    past.add(newest, track.take(newest))
    states = {}
    for late_s in (0.0, 0.45, 0.55, 30.0):
        now_s = newest.t_end + USUAL_AGE_S + late_s
        frame = replace(
            session(5),
            now_s=now_s,
            prediction=newest,
            history=past.arrays(),
            decision=track.current(now_s, T0_S),
        )
        states[late_s] = answer(frame).state
        assert bool(head_rows(frame)) == bool(past.arrays().heads)
        assert (circumplex(frame).point is None) == (answer(frame).state == "stale")
    assert states == {0.0: "decided", 0.45: "decided", 0.55: "stale", 30.0: "stale"}


def test_heads_say_what_the_history_holds() -> None:
    frame = session()
    for row, (name, values) in zip(head_rows(frame), frame.history.heads.items(), strict=True):
        assert row.title == {"eeg": "EEG says", "audio": "voice says"}[name]
        assert np.allclose(row.probs, values[-1])
        assert row.which == int(np.argmax(values[-1]))
        assert row.words.startswith(CLASSES[row.which])


def test_a_head_without_usable_signal_says_nothing() -> None:
    frame = session()
    assert frame.prediction is not None
    alone = replace(frame, prediction=replace(frame.prediction, stood_on=("audio",)))
    eeg, audio = head_rows(alone)
    assert eeg.probs == ()
    assert "usable" in eeg.words
    assert audio.probs != ()
    assert "from voice alone" in answer(alone).detail
    assert all(row.probs == () for row in head_rows(said(frame, "stale")))


def test_bands_stack_the_probabilities_and_leave_gaps_empty() -> None:
    frame = session(gap_s=(52.0, 58.0))
    found = bands(frame, 60.0)
    assert found.names == CLASSES
    assert found.stop_s == pytest.approx(frame.now_s - T0_S, abs=0.2)
    for t_s, row in zip(frame.history.t_end - T0_S, frame.history.probs, strict=True):
        if t_s <= found.start_s:
            continue
        at = int(np.argmin(np.abs(found.t_s - t_s) + 1e3 * ~np.isfinite(found.tops).all(1)))
        assert found.t_s[at] == pytest.approx(t_s, abs=1e-6)
        assert np.allclose(np.diff(found.tops[at]), row, atol=1e-6)
        assert found.tops[at, -1] == pytest.approx(1.0, abs=1e-5)
    holes = np.flatnonzero(~np.isfinite(found.tops).all(1))
    assert len(holes) == 1
    assert found.t_s[holes[0] - 1] == pytest.approx(52.0, abs=HOP_S + 1e-6)
    assert found.t_s[holes[0] + 1] == pytest.approx(58.0, abs=HOP_S + 1e-6)


def test_an_instant_without_an_answer_is_a_gap_in_the_bands() -> None:
    past = PastPredictions(CLASSES, hop_s=HOP_S)
    for i in range(20):
        past.add(prediction(T0_S + 5 + i * HOP_S, np.zeros(5), said=i != 10), -1)
    found = bands(replace(session(5), now_s=T0_S + 10, history=past.arrays()), 60.0)
    assert np.flatnonzero(~np.isfinite(found.tops).all(1)).tolist() == [10]


def test_long_spans_are_thinned_and_the_newest_stays() -> None:
    frame = session(600.0)
    found = bands(frame, 600.0)
    assert len(found.t_s) <= MOST_POINTS + 3
    assert found.t_s[-1] == pytest.approx(frame.history.t_end[-1] - T0_S)
    assert np.allclose(found.latest(), frame.history.probs[-1], atol=1e-6)
    later = bands(replace(frame, now_s=frame.now_s + 0.6), 600.0)
    assert set(later.t_s[1:]) <= set(found.t_s)  # the same rows: nothing flickers


def test_the_track_follows_the_decisions() -> None:
    frame = session()
    found = bands(frame, 60.0)
    history = frame.history
    for part in found.segments:
        inside = (history.t_end - T0_S > part.start_s + 1e-6) & (history.t_end - T0_S <= part.stop_s + 1e-6)
        assert set(history.decision[inside]) <= {part.which}
        assert part.words == (CLASSES[part.which] if part.which >= 0 else "undecided")
    shown_s = sum(part.stop_s - part.start_s for part in found.segments)
    assert shown_s == pytest.approx(60.0 - 6.0, abs=1.0)  # all but the gap


def test_many_classes_are_drawn_as_the_likeliest_and_others() -> None:
    classes = tuple(f"class {i}" for i in range(100))
    found = bands(session(20.0, classes, gap_s=None))
    assert len(found.names) == MOST_CLASSES
    assert found.series[-1] == OTHERS
    good = found.tops[np.isfinite(found.tops).all(1)]
    assert np.allclose(good[:, -1], 1.0, atol=1e-5)
    assert len(summary(session(20.0, classes, gap_s=None)).rows) == 9


def test_nothing_yet_is_an_empty_picture() -> None:
    frame = said(
        replace(session(5), history=no_past(), prediction=None), "none", words="the first window is filling"
    )
    assert bands(frame).names == ()
    assert len(bands(frame).t_s) == 0
    assert summary(frame).rows == ()
    assert circumplex(frame).places == ()
    assert head_rows(frame) == ()
    assert gate(frame).words


def test_the_gate_is_that_of_the_history_and_its_absence_is_explained() -> None:
    frame = session()
    found = gate(frame)
    good = np.isfinite(found.voice)
    inside = frame.history.t_end - T0_S > found.start_s + HOP_S
    assert np.allclose(found.voice[good][-100:], frame.history.gate[inside][-100:], atol=1e-6)
    assert found.words == ""
    assert frame.weights is not None
    none = replace(session(gate=False), weights=replace(frame.weights, fusion="concat"))
    assert "concat" in gate(none).words
    one = session(modalities=("eeg",), gate=False)
    assert "one modality" in gate(one).words


def test_the_point_is_the_mean_place_by_probability() -> None:
    frame = session()
    found = circumplex(frame)
    spots = np.array([place_of(name) for name in CLASSES])
    assert found.point == pytest.approx(tuple(frame.history.probs[-1] @ spots), abs=1e-5)
    assert [place.prob for place in found.places] == pytest.approx(frame.history.probs[-1].tolist())
    assert found.left_out == ()
    assert circumplex(said(frame, "stale")).point is None


def test_a_class_without_a_known_place_is_left_out_and_named() -> None:
    frame = session(20.0, ("anger", "disgust", "Happy"))
    found = circumplex(frame)
    assert [place.name for place in found.places] == ["anger", "Happy"]
    assert found.left_out == ("disgust",)
    assert found.unplaced == pytest.approx(float(frame.history.probs[-1, 1]), abs=1e-6)
    assert circumplex(session(20.0, ("left", "right"))).point is None


def test_the_summary_counts_time_and_changes() -> None:
    past = PastPredictions(CLASSES, hop_s=HOP_S)
    decisions = [2] * 150 + [-1] * 30 + [2] * 60 + [4] * 60  # a minute: no change by a pause alone
    for i, which in enumerate(decisions):
        past.add(prediction(T0_S + i * HOP_S, np.zeros(5)), which)
    found = summary(replace(session(5), history=past.arrays()))
    assert found.flips_per_minute == pytest.approx(1.0)
    assert found.undecided == pytest.approx(0.1)
    assert {row.name: row.words for row in found.rows}["anger"] == "70 %"
    assert sum(row.share for row in found.rows) == pytest.approx(1.0)


def test_nan_everywhere_breaks_nothing() -> None:
    frame = session(20.0)
    history = frame.history
    broken = replace(
        history,
        probs=np.full_like(history.probs, np.nan),
        gate=np.full_like(history.gate, np.nan),
        heads={name: np.full_like(values, np.nan) for name, values in history.heads.items()},
        seconds=np.full_like(history.seconds, np.nan),
    )
    shown: Frame = replace(frame, history=broken)
    assert all(row.probs == () for row in head_rows(shown))
    assert circumplex(shown).point is None
    assert len(bands(shown).latest()) == 0
    assert summary(shown).rows == () or math.isnan(summary(shown).undecided)


def test_softmax_of_the_helper() -> None:
    assert softmax(np.array([0.0, 0.0])).tolist() == [0.5, 0.5]
