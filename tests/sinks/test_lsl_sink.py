"""Real outlets, read back by real inlets of this process."""

import math
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pylsl
import pytest
from sink_outcomes import CLASSES, make_prediction, no_decision

from bci_stream.errors import ConfigError
from bci_stream.sinks.lsl import LslPredictionSink
from bci_stream.sources.metadata import parse_stream_info

WAIT_S = 20.0


@dataclass
class Loopback:
    sink: LslPredictionSink
    name: str
    decisions: pylsl.StreamInlet
    probabilities: pylsl.StreamInlet


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    name = f"emotion-{uuid.uuid4().hex[:8]}"
    sink = LslPredictionSink(name, CLASSES, hop_s=0.2, source_id=f"{name}-id")
    inlets = [open_inlet(f"{name}-{kind}") for kind in ("decisions", "probabilities")]
    yield Loopback(sink, name, *inlets)
    for inlet in inlets:
        inlet.close_stream()
    sink.close()


def open_inlet(name: str) -> pylsl.StreamInlet:
    found = pylsl.resolve_byprop("name", name, timeout=WAIT_S)
    assert len(found) == 1
    inlet = pylsl.StreamInlet(found[0], recover=False)
    inlet.open_stream(WAIT_S)
    return inlet


def test_what_is_put_comes_out_with_the_windows_end_as_stamp(loopback: Loopback) -> None:
    puts = [make_prediction(0), no_decision(1), make_prediction(3, label="sadness")]  # 2 was skipped
    for prediction in puts:
        loopback.sink.put(prediction, None)
    loopback.sink.put(None, None)
    texts = [loopback.decisions.pull_sample(WAIT_S) for _ in puts]
    values = [loopback.probabilities.pull_sample(WAIT_S) for _ in puts]
    assert [text for text, _ in texts] == [["happiness"], ["no decision"], ["sadness"]]
    assert [stamp for _, stamp in texts] == [p.t_end for p in puts]
    assert [stamp for _, stamp in values] == [p.t_end for p in puts]
    np.testing.assert_array_equal(values[0][0], [0.25, 0.625, 0.125, 0.625])
    assert np.isnan(values[1][0]).all()
    assert loopback.probabilities.pull_sample(0.0) == (None, None)


def test_a_stamp_of_zero_is_not_taken_for_now(loopback: Loopback) -> None:
    for t_end in (-1.0, 0.0):
        loopback.sink.put(make_prediction(t_end=t_end), None)
    stamps = [loopback.decisions.pull_sample(WAIT_S)[1] for _ in range(2)]
    assert stamps == pytest.approx([-1.0, 0.0], abs=1e-12)


def test_the_headers_say_what_the_channels_are(loopback: Loopback) -> None:
    text = parse_stream_info(loopback.decisions.info(WAIT_S).as_xml(), "decisions")
    floats = parse_stream_info(loopback.probabilities.info(WAIT_S).as_xml(), "probabilities")
    assert (text.name, text.type, text.dtype) == (f"{loopback.name}-decisions", "Markers", "string")
    assert (text.n_channels, text.sfreq, text.ch_names) == (1, 0.0, ("decision",))
    assert (floats.name, floats.type, floats.dtype) == (
        f"{loopback.name}-probabilities",
        "Emotion",
        "float32",
    )
    assert (floats.n_channels, floats.sfreq) == (4, 0.0)
    assert floats.ch_names == (*CLASSES, "confidence")
    assert floats.ch_units == ("probability",) * 4
    assert floats.ch_types == ("Emotion",) * 4
    assert text.source_id != floats.source_id
    assert floats.source_id.startswith(f"{loopback.name}-id")
    assert "<hop_s>0.2</hop_s>" in floats.xml
    assert "<no_decision>NaN</no_decision>" in floats.xml


def test_another_models_classes_are_refused(loopback: Loopback) -> None:
    with pytest.raises(ConfigError, match="cannot take calm, tense"):
        loopback.sink.put(make_prediction(classes=("calm", "tense"), probs=(0.5, 0.5)), None)


def test_close_takes_the_streams_off_the_network() -> None:
    name = f"emotion-{uuid.uuid4().hex[:8]}"
    sink = LslPredictionSink(name, CLASSES, hop_s=0.2, source_id=name)
    inlet = open_inlet(f"{name}-probabilities")
    sink.close()
    sink.put(make_prediction(), None)
    with pytest.raises(pylsl.util.LostError):
        inlet.pull_sample(WAIT_S)


@pytest.mark.parametrize(
    ("name", "classes", "hop_s", "words"),
    [
        ("", CLASSES, 0.2, "need a name"),
        ("x", (), 0.2, "distinct classes"),
        ("x", ("calm", "calm"), 0.2, "distinct classes"),
        ("x", CLASSES, 0.0, "above 0 s; got 0.0"),
        ("x", CLASSES, math.nan, "above 0 s; got nan"),
    ],
)
def test_what_makes_no_stream_is_refused_in_one_line(
    name: str, classes: tuple[str, ...], hop_s: float, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        LslPredictionSink(name, classes, hop_s, "id")
    assert "\n" not in str(caught.value)
