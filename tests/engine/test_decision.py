import pytest

from bci_stream.engine.decision import DecisionRule, DecisionTrack
from bci_stream.messages import Latency, Prediction

CLASSES = ("calm", "anger", "joy", "fear", "sad")
HOP_S = 0.2


def said(t_end, probs, label="calm"):
    best = max(probs)
    return Prediction(
        index=round(t_end / HOP_S),
        t_start=t_end - 5.0,
        t_end=t_end,
        classes=CLASSES,
        logits=probs,
        probs=probs,
        label=None if label is None else CLASSES[probs.index(best)],
        confidence=best,
        stood_on=() if label is None else ("eeg",),
        coverage={"eeg": 1.0},
        heads={},
        interpolated=0.0,
        gate=float("nan"),
        bundle_sha256="",
        latency=Latency(0.03),
    )


def fed(track, t_s, seconds, probs, label="calm"):
    n = round(seconds / HOP_S)
    for k in range(n):
        track.take(said(t_s + k * HOP_S, probs, label))
    return t_s + n * HOP_S


SURE = (0.8, 0.05, 0.05, 0.05, 0.05)
OTHER = (0.05, 0.8, 0.05, 0.05, 0.05)
CLOSE = (0.42, 0.46, 0.04, 0.04, 0.04)
FLAT = (0.2, 0.2, 0.2, 0.2, 0.2)


def track():
    return DecisionTrack(HOP_S + 0.3)


def test_nothing_is_said_before_the_first_prediction():
    decision = track().current(10.0, 0.0)
    assert (decision.state, decision.label) == ("none", None)


def test_a_sure_class_is_named_and_another_takes_over_only_when_it_leads():
    t = track()
    now = fed(t, 10.0, 3.0, SURE)
    assert t.current(now, 0.0).label == "calm"
    now = fed(t, now, 10.0, CLOSE)
    assert t.current(now, 0.0).label == "calm"  # ahead by less than the lead
    now = fed(t, now, 5.0, OTHER)
    decision = t.current(now, 0.0)
    assert decision.label == "anger"
    assert decision.confidence == pytest.approx(0.8, abs=0.02)
    assert 23.0 <= decision.since_s < 25.0


def test_one_odd_window_changes_nothing():
    t = track()
    now = fed(t, 10.0, 3.0, SURE)
    t.take(said(now, OTHER))
    assert t.current(now + 0.1, 0.0).label == "calm"


def test_what_does_not_stand_out_is_uncertain():
    t = track()
    now = fed(t, 10.0, 5.0, FLAT)
    decision = t.current(now, 0.0)
    assert (decision.state, decision.label) == ("uncertain", None)
    assert "stands out" in decision.words


def test_without_signal_it_is_uncertain_and_says_why():
    t = track()
    now = fed(t, 10.0, 3.0, SURE)
    now = fed(t, now, 0.4, SURE, label=None)
    decision = t.current(now, 0.0)
    assert (decision.state, decision.label) == ("uncertain", None)
    assert "signal" in decision.words


def test_an_old_class_is_never_current():
    t = track()
    now = fed(t, 10.0, 3.0, SURE) - HOP_S
    limit = HOP_S + 0.3 + DecisionRule().stale_s
    assert t.current(now + limit - 0.01, 0.0).state == "decided"
    decision = t.current(now + limit + 0.01, 0.0)
    assert (decision.state, decision.label) == ("stale", None)
    assert "old" in decision.words


def test_reset_forgets():
    t = track()
    now = fed(t, 10.0, 3.0, SURE)
    t.reset()
    assert t.current(now, 0.0).state == "none"
