"""``bci-stream export``: what MNE, MNE-BIDS and an EDF reader find in what was exported."""

import json
import warnings

import numpy as np
import pytest

from bci_stream.messages import EEG, Chunk, ClockOffset, Marker, StreamInfo, StreamSpec
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, as_markers, as_received, prediction_streams
from bci_stream.sources.mne_raw import marker_times, to_raw
from bci_stream.sources.xdf import XdfRecording
from tests.apps.command import bci

mne = pytest.importorskip("mne", reason="MNE comes with the extra mne")

NAMES = ("Fz", "Cz", "Pz", "Oz")
SFREQ = 250.0
T0 = 500.0
GAP = (4.0, 5.2)  # s after the first sample
CUES = [(1.0, "calm"), (6.0, "happiness"), (8.5, "calm")]
REMOTE_S = 77.0  # the device's clock is this much behind


def signals(times):
    """µV, of the time: so a sample's value tells where it belongs."""
    return np.stack([40 * np.sin(2 * np.pi * (3 + k) * times) for k in range(len(NAMES))], 1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """10 s of sines with a gap, markers, a sample that is no number, and our own streams."""
    path = tmp_path_factory.mktemp("made") / "sub-P1_ses-2_task-rest_run-003_eeg.xdf"
    amp = StreamInfo("1", "Amp", "EEG", len(NAMES), SFREQ, "float32", ch_names=NAMES)
    cues = StreamInfo("2", "Cues", "Markers", 1, 0.0, "string")
    streams = [as_bound(amp, StreamSpec(EEG, NAMES, SFREQ)), as_markers("markers", cues)]
    recorder = XdfRecorder(path, [*streams, *prediction_streams("s", ("a", "b"), (EEG,), {})])
    since = np.arange(int(10 * SFREQ)) / SFREQ
    since = since[(since < GAP[0]) | (since >= GAP[1])]
    values = signals(since).astype(np.float32)
    values[since == 9.0, 1] = np.nan
    for key in (EEG, "markers"):
        recorder.event(ClockOffset(key, T0 - REMOTE_S, REMOTE_S))
    for begin in range(0, len(since), 50):
        part = slice(begin, begin + 50)
        recorder.event(Chunk(EEG, T0 - REMOTE_S + since[part], values[part]))
    for t, label in CUES:
        recorder.event(Marker("markers", T0 - REMOTE_S + t, label))
    recorder.texts("Decisions", [T0 + 3.0], [("{}",)])
    recorder.close()
    assert recorder.error is None
    return path


def check(raw, atol_v):
    """Samples, gap and markers are where they were."""
    assert raw.ch_names == list(NAMES)
    assert raw.info["sfreq"] == SFREQ
    times = np.arange(int(10 * SFREQ)) / SFREQ
    expected = signals(times).T * 1e-6
    inside = (times >= GAP[0]) & (times < GAP[1])
    expected[:, inside] = 0.0
    expected[1, times == 9.0] = 0.0
    data = raw.get_data()[:, : len(times)]
    np.testing.assert_allclose(data, expected, atol=atol_v)
    found = {
        (a["description"], round(float(a["onset"]), 3), round(float(a["duration"]), 3))
        for a in raw.annotations
    }
    wanted = {("BAD_gap", 4.0, 1.2), ("BAD_nan", 9.0, 0.004)} | {(label, t, 0.0) for t, label in CUES}
    assert found == wanted


def test_fif_holds_the_samples_the_gap_the_markers_and_the_positions(recording, tmp_path):
    out = tmp_path / "x_raw.fif"
    done = bci("export", recording, "--fif", out, "--mains", "60", "--json")
    assert done.code == 0, done.err
    (said,) = done.records("export")
    assert (said["n_gaps"], said["n_samples"], said["n_channels"]) == (1, 2500, 4)
    raw = mne.io.read_raw_fif(out, verbose="error")
    check(raw, 1e-11)
    assert raw.info["line_freq"] == 60
    assert "Traceback" not in done.err
    positions = raw.get_montage().get_positions()["ch_pos"]
    assert set(positions) == set(NAMES)
    assert all(np.isfinite(p).all() for p in positions.values())


def test_edf_holds_them_to_its_16_bits(recording, tmp_path):
    out = tmp_path / "x.edf"
    done = bci("export", recording, "--edf", out)
    assert done.code == 0, done.err
    raw = mne.io.read_raw_edf(out, verbose="error")
    check(raw, 80e-6 / 2**16 * 1.5)


def test_bids_is_read_by_mne_bids_under_the_recordings_own_name(recording, tmp_path):
    mne_bids = pytest.importorskip("mne_bids", reason="MNE-BIDS comes with the extra mne")
    root = tmp_path / "study"
    done = bci("export", recording, "--bids", root)
    assert done.code == 0, done.err
    path = mne_bids.BIDSPath(subject="P1", session="2", task="rest", run="003", datatype="eeg", root=root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne_bids.read_raw_bids(path, verbose="error")
    assert raw.ch_names == list(NAMES)
    assert raw.info["line_freq"] == 50
    assert {"BAD_gap", "calm", "happiness"} <= set(raw.annotations.description)
    np.testing.assert_allclose(
        raw.get_data()[0, :900], signals(np.arange(900) / SFREQ)[:, 0] * 1e-6, atol=1e-9
    )
    before = sorted(p.name for p in root.rglob("*"))
    again = bci("export", recording, "--bids", root)
    assert again.code == 2
    assert "never overwritten" in again.err
    assert sorted(p.name for p in root.rglob("*")) == before
    assert bci("export", recording, "--bids", root, "--run", "4").code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "say where to"),
        (("--fif", "{tmp}/a.fif", "--edf", "{tmp}/a.edf"), "say where to"),
        (("--fif", "{tmp}/a.edf"), "is no .fif name"),
        (("--edf", "{tmp}/no/a.edf"), "there is no folder"),
        (("--edf", "{tmp}/taken.edf"), "never overwritten"),
        (("--bids", "{tmp}/b", "--subject", "../P1"), "letters and digits"),
        (("--bids", "{tmp}/taken.edf"), ""),
        (("--fif", "{tmp}/a.fif", "--eeg", "Nothing"), "no eeg stream"),
        (("--fif", "{tmp}/a.fif", "--pick", "Q9"), "no channel Q9"),
    ],
)
def test_what_cannot_be_is_one_line(recording, tmp_path, options, said):
    (tmp_path / "taken.edf").write_bytes(b"mine")
    done = bci("export", recording, *(option.format(tmp=tmp_path) for option in options))
    assert done.code == 2
    errors = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in done.err
    assert (tmp_path / "taken.edf").read_bytes() == b"mine"


def test_a_recording_without_eeg_is_one_line(tmp_path):
    path = tmp_path / "x.xdf"
    recorder = XdfRecorder(path, [as_received("m", StreamInfo("2", "Cues", "Markers", 1, 0.0, "string"))])
    recorder.texts("m", [1.0], [("a",)])
    recorder.close()
    done = bci("export", path, "--fif", tmp_path / "a.fif")
    assert done.code == 2
    assert "no EEG with samples" in done.err


def test_only_streams_of_markers_become_annotations(recording):
    with XdfRecording.open(recording) as opened:
        keys = {info.name: info.key for info in opened.streams}
        assert [label for _, label in marker_times(opened)] == [label for _, label in CUES]
        np.testing.assert_allclose([t for t, _ in marker_times(opened)], [T0 + t for t, _ in CUES], atol=1e-9)
        raw = to_raw(opened, keys["Amp"], markers=[])
        assert set(raw.annotations.description) == {"BAD_gap", "BAD_nan"}


def test_a_rate_a_little_off_moves_no_annotation_from_its_sample(tmp_path):
    """400 ppm fast for 200 s is 80 ms; the marker stays with the sample that was taken when it came."""
    path = tmp_path / "x.xdf"
    amp = StreamInfo("1", "Amp", "EEG", 1, 100.0, "float32", ch_names=("Cz",))
    cues = StreamInfo("2", "Cues", "Markers", 1, 0.0, "string")
    recorder = XdfRecorder(path, [as_received("a", amp), as_received("m", cues)])
    n = 20_000
    stamps = T0 + np.arange(n) / (100.0 * (1 + 400e-6))
    for begin in range(0, n, 100):
        values = np.arange(begin, begin + 100, dtype=np.float32)[:, None]
        recorder.numbers("a", stamps[begin : begin + 100], values)
    recorder.texts("m", [float(stamps[19_000])], [("here",)])
    recorder.close()
    with XdfRecording.open(path) as recording:
        raw = to_raw(recording, "1")
    assert raw.n_times == n
    (at,) = raw.annotations.onset
    assert raw.get_data()[0, round(at * 100)] * 1e6 == pytest.approx(19_000, abs=0.6)
    assert json.dumps(list(raw.annotations.description)) == '["here"]'
