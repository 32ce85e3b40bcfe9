import dataclasses
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sink_outcomes import make_prediction, make_window, no_decision

from bci_stream.messages import Flag, Prediction
from bci_stream.sinks.jsonl import JsonLinesSink, flag_counts, prediction_record, window_record

finite = st.floats(allow_nan=False, allow_infinity=False)


def read_back(record: object) -> dict[str, object]:
    value = json.loads(json.dumps(record, allow_nan=False))
    assert isinstance(value, dict)
    return value


@given(st.tuples(finite, finite, finite), st.tuples(finite, finite, finite), finite)
def test_floats_read_back_as_the_same_bits(
    logits: tuple[float, ...], probs: tuple[float, ...], t_end: float
) -> None:
    back = read_back(prediction_record(make_prediction(logits=logits, probs=probs, t_end=t_end)))
    assert np.array(back["logits"]).tobytes() == np.array(logits).tobytes()
    assert np.array(back["probs"]).tobytes() == np.array(probs).tobytes()
    assert np.float64(back["t_end"]).tobytes() == np.float64(t_end).tobytes()  # type: ignore[arg-type]


def test_a_prediction_keeps_every_field_and_what_was_not_measured_is_null() -> None:
    back = read_back(prediction_record(make_prediction()))
    assert set(back) == {"kind"} | {field.name for field in dataclasses.fields(Prediction)}
    assert back["kind"] == "prediction"
    assert back["label"] == "happiness"
    assert back["classes"] == ["neutral", "happiness", "sadness"]
    assert back["coverage"] == {"eeg": 1.0, "audio": 0.8}
    assert back["heads"] == {"eeg": [0.1, 0.2, 0.3], "audio": [None, None, None]}
    assert back["gate"] is None
    assert back["latency"] == {
        "algorithmic_s": 0.25,
        "acquisition_ms": None,
        "queue_ms": None,
        "inference_ms": 2.4,
        "output_ms": None,
    }
    assert read_back(prediction_record(no_decision()))["label"] is None


def test_infinities_and_numpy_floats_are_safe_too() -> None:
    back = read_back(prediction_record(make_prediction(logits=(-math.inf, math.inf, np.float64(0.1)))))
    assert back["logits"] == [None, None, 0.1]


def test_a_window_record_says_what_was_wrong_and_where() -> None:
    assert read_back(window_record(make_window(), {"eeg": ("Fp1", "Cz", "O2")})) == {
        "kind": "window",
        "index": 0,
        "t_start": 1000.0,
        "t_end": 1002.0,
        "deadline": True,
        "streams": {
            "eeg": {
                "n_samples": 10,
                "sfreq": 5.0,
                "t_start": 1000.0,
                "t_end": 1002.0,
                "coverage": 0.6,
                "gaps": [[1000.75, 1001.25]],
                "flags": {"GAP": 2, "SETTLING": 3},
                "marks": {"Cz": {"FLAT": 0.5, "LINE": 1.0}},
            }
        },
    }


def test_channels_without_names_go_by_number() -> None:
    assert window_record(make_window())["streams"]["eeg"]["marks"] == {"1": {"FLAT": 0.5, "LINE": 1.0}}


@given(st.lists(st.integers(0, 255), max_size=50))
def test_flag_counts_agree_with_counting_bit_by_bit(values: list[int]) -> None:
    counts = flag_counts(np.array(values, np.uint8))
    expected = {str(flag.name): sum(bool(value & flag) for value in values) for flag in Flag}
    assert counts == {name: count for name, count in expected.items() if count}


def test_one_line_each_windows_only_when_asked() -> None:
    stream = io.StringIO()
    sink = JsonLinesSink(stream)
    sink.put(make_prediction(0), make_window(0))
    sink.put(None, make_window(1))
    assert [json.loads(line)["kind"] for line in stream.getvalue().splitlines()] == ["prediction"]

    stream = io.StringIO()
    sink = JsonLinesSink(stream, windows=True)
    sink.put(make_prediction(0), make_window(0))
    sink.put(None, make_window(1))
    sink.close()
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(r["kind"], r["index"]) for r in records] == [("window", 0), ("prediction", 0), ("window", 1)]
    assert not stream.closed


def test_every_line_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        sink = JsonLinesSink(stream)
        for index in range(3):
            sink.put(make_prediction(index), None)
            assert len(path.read_text().splitlines()) == index + 1


WRITE_UNTIL_NOBODY_READS = """
import sys
sys.path.insert(0, sys.argv[1])
from sink_outcomes import make_prediction
from bci_stream.sinks.jsonl import JsonLinesSink

sink = JsonLinesSink(sys.stdout)
while not sink.ended:
    sink.put(make_prediction(), None)
sink.put(make_prediction(), None)
sink.close()
"""


def test_a_broken_pipe_ends_quietly() -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_NOBODY_READS, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["kind"] == "prediction"
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, b"")
