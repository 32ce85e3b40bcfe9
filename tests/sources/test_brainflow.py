"""BrainFlow's synthetic board, its playback of a file, and a Cyton on a serial line that is pulled out."""

import time

import numpy as np
import pytest

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.errors import ConfigError, StreamNotFoundError
from bci_stream.messages import EEG, Chunk, ClockOffset
from bci_stream.sources.brainflow import BrainFlowBoard, BrainFlowSource, import_brainflow
from bci_stream.sources.lsl_link import local_clock
from bci_stream.timeline.windows import WindowSettings
from tests.sources.cyton import Cyton

pytest.importorskip("brainflow", reason="BrainFlow comes with the extra brainflow")


def read_until(source, condition, timeout_s=60.0):
    events = []
    deadline = time.monotonic() + timeout_s
    while not condition(events):
        assert time.monotonic() < deadline, "waited in vain"
        events += source.read({EEG: 0.2}, 0.1)
    return events


def n_samples(events):
    return sum(len(e.timestamps) for e in events if isinstance(e, Chunk))


def test_the_synthetic_board_is_bound_stamped_and_windowed():
    source = BrainFlowSource(BrainFlowBoard("synthetic"), pick=("Fz", "Cz", "Oz"))
    binding = source.open()[EEG]
    try:
        pipeline = Pipeline(plan_without_model({EEG: binding.spec}), WindowSettings(1.0, 0.2, 0.3))
        first = source.read({EEG: 0.2}, 0.0)
        source._device._shim.insert_marker(7.0)  # as another program of the lab would
        outcomes, events = [], first + read_until(source, lambda events: n_samples(events) > 500)
        status = source.status()[EEG]
    finally:
        source.close()
    assert source.read({EEG: 0.2}, 0.01) == []
    assert (binding.ch_names, binding.sfreq, binding.notes) == (("Fz", "Cz", "Oz"), 250.0, ())
    assert (status.state, status.n_reconnects) == ("live", 0)
    offset = next(e for e in events if isinstance(e, ClockOffset))
    assert isinstance(events[0], ClockOffset)
    chunk = next(e for e in events if isinstance(e, Chunk))
    assert abs(chunk.timestamps[-1] - time.time()) < 60  # Unix time, until the core maps it
    assert abs(chunk.timestamps[-1] + offset.offset_s - local_clock()) < 60
    for event in events:
        outcomes += [o.window.streams[EEG].coverage for o in pipeline.step(event)]
    assert outcomes[-1] == 1.0
    assert [(m.label, m.stream) for m in pipeline.markers] == [("7", "markers")]
    assert 0.1 < np.std(chunk.data) < 1000


def test_a_file_is_played_back_and_its_end_is_said(tmp_path):
    flow = import_brainflow()
    rows = np.zeros((32, 500))  # as the synthetic board writes them
    rows[1:17] = 40 * np.sin(2 * np.pi * 10 * np.arange(500) / 250 + np.arange(16)[:, None])
    rows[30] = 1.7e9 + np.arange(500) / 250
    np.savetxt(tmp_path / "board.csv", rows.T, delimiter="\t", fmt="%.6f")
    board = BrainFlowBoard("synthetic", {"file": str(tmp_path / "board.csv")})
    source = BrainFlowSource(board, lost_s=1.0)
    source.open()
    try:
        events = read_until(source, lambda _: source.status()[EEG].state == "lost")
        note = source.status()[EEG].note
    finally:
        source.close()
    assert flow.BoardIds.PLAYBACK_FILE_BOARD.value == -3
    data = np.concatenate([e.data for e in events if isinstance(e, Chunk)])
    assert 480 <= len(data) <= 500  # BrainFlow leaves out the first few lines
    assert np.abs(data[:, 0]).max() == pytest.approx(40, abs=1)
    assert note == "the file has ended"


def test_a_board_that_is_pulled_out_says_so_and_is_taken_back(tmp_path):
    line = tmp_path / "ttyCyton"
    cyton = Cyton(line)
    source = BrainFlowSource(BrainFlowBoard("cyton", {"serial_port": str(line)}), lost_s=1.0)
    try:
        binding = source.open()[EEG]
        assert binding.ch_names == ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
        events = read_until(source, lambda events: n_samples(events) > 250)
        values = np.concatenate([e.data for e in events if isinstance(e, Chunk)])
        assert np.percentile(np.abs(values), 99, axis=0) == pytest.approx(np.full(8, 50.0), abs=1.0)
        cyton.unplug()
        cyton = None
        read_until(source, lambda _: source.status()[EEG].state == "lost")
        assert "looking for it" in source.status()[EEG].note
        cyton = Cyton(line)
        again = read_until(source, lambda events: n_samples(events) > 50)
        status = source.status()[EEG]
        assert (status.state, status.n_reconnects, status.note) == ("live", 1, "")
        assert any(isinstance(e, ClockOffset) for e in again)
    finally:
        source.close()
        if cyton is not None:
            cyton.unplug()


@pytest.mark.parametrize(
    ("board", "params", "error", "words"),
    [
        ("cytn", {}, ConfigError, "no board 'cytn' (did you mean cyton?)"),
        ("999", {}, ConfigError, "no board '999'"),
        ("cyton", {"serialport": "x"}, ConfigError, "no parameter 'serialport' (did you mean serial_port?)"),
        ("ganglion", {"ip_port": "x"}, ConfigError, "parameter ip_port is a number, not 'x'"),
        ("cyton", {"serial_port": "/dev/no-such"}, StreamNotFoundError, "cannot open the Cyton board"),
        ("playback_file", {"file": "x"}, ConfigError, "cannot describe board"),
    ],
)
def test_what_cannot_be_opened_gets_one_line(board, params, error, words):
    with pytest.raises(error) as caught:
        BrainFlowSource(BrainFlowBoard(board, params)).open()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
