"""Recordings of MNE's formats and CSV: the samples, stamps, markers and gaps that a replay is fed."""

import gzip
import sys
from dataclasses import replace

import numpy as np
import pytest

from apps.choice import ModelChoice, StreamChoice, prepare
from apps.corpora import open_corpus
from apps.recording import bind_recording
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.session import replay
from bci_stream.errors import BciStreamError, ConfigError, RecordingError
from bci_stream.messages import EEG, Chunk, ClockOffset, Marker, StreamInfo, StreamSpec
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound
from bci_stream.sources.mne_raw import to_raw
from bci_stream.sources.recordings import open_recording
from bci_stream.sources.xdf import XdfSource
from tests.apps.command import bci
from tests.recordings import DATA, needs_recordings

mne = pytest.importorskip("mne", reason="MNE comes with the extra mne")

NAMES = ("Fz", "Cz", "Pz", "Oz")
SFREQ = 200.0
SFREQ_EDF = 160.0
N = 2400
NO_MODEL = ModelChoice(None, False, "exact", False, 50.0, 2.0, 0.2)
EEG_ALONE = StreamChoice(want_audio=False)


def signals(n=N):
    """(n, 4) µV, smooth and below 100."""
    t = np.arange(n) / SFREQ
    return np.stack([60 * np.sin(2 * np.pi * (5 + k) * t + k) for k in range(4)], 1)


def annotated_raw():
    """12 s in V; cues at 2 and 9 s, a gap of 1 s at 4 s, and a seam without length at 7 s."""
    raw = mne.io.RawArray(signals().T * 1e-6, mne.create_info(list(NAMES), SFREQ, "eeg"), verbose="error")
    words = ["trial:calm", "BAD_gap", "BAD boundary", "EDGE boundary", "trial:end"]
    raw.set_annotations(mne.Annotations([2.0, 4.0, 7.0, 7.0, 9.0], [0, 1.0, 0, 0, 0], words))
    return raw


def save(raw, path):
    if path.suffix == ".fif":
        raw.save(path, verbose="error")
    elif path.suffix == ".vhdr":
        import pybv

        pybv.write_brainvision(
            data=raw.get_data(), sfreq=SFREQ, ch_names=raw.ch_names, fname_base=path.stem,
            folder_out=path.parent, events=events_of(raw), unit="µV",
        )  # fmt: skip
    elif path.suffix == ".set":
        save_set(raw, path)
    else:
        raw.export(path, verbose="error")
    return path


def events_of(raw):
    rows = zip(raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True)
    return [
        {"onset": round(t * SFREQ), "duration": max(1, round(d * SFREQ)), "type": "Comment", "description": w}
        for t, d, w in rows
    ]


def save_set(raw, path):
    """EEGLAB's own layout: µV, events by sample from 1, ``boundary`` for a cut."""
    from scipy.io import savemat

    rows = zip(raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True)
    dtype = [("type", "O"), ("latency", "O"), ("duration", "O")]
    events = np.array([(w, t * SFREQ + 1, d * SFREQ) for t, d, w in rows], dtype=dtype)
    chans = np.array([(n,) for n in raw.ch_names], dtype=[("labels", "O")])
    eeg = {
        "setname": "s", "nbchan": 4, "trials": 1, "pnts": raw.n_times, "srate": SFREQ, "xmin": 0.0,
        "xmax": raw.n_times / SFREQ, "data": raw.get_data().astype(np.float32) * 1e6, "chanlocs": chans,
        "event": events, "epoch": np.array([]), "icawinv": np.array([]), "icaweights": np.array([]),
        "icasphere": np.array([]), "icaact": np.array([]), "chaninfo": {"nodatchans": {}}, "ref": "common",
    }  # fmt: skip
    savemat(path, {"EEG": eeg}, appendmat=False)


def read_all(recording, choice=EEG_ALONE):
    """Stamps, µV and markers as the core gets them."""
    bound = bind_recording(recording, choice, any_numeric=False)
    chunks, markers = [], []
    for event in XdfSource(recording, bound.bindings, bound.markers).events():
        if isinstance(event, Chunk):
            chunks.append(event)
        elif isinstance(event, Marker):
            markers.append((event.timestamp, event.label))
    stamps = np.concatenate([c.timestamps for c in chunks])
    return stamps, np.concatenate([c.data for c in chunks]), markers


@pytest.mark.parametrize("suffix", [".fif", ".edf", ".bdf", ".vhdr", ".set"])
def test_each_format_gives_microvolts_markers_and_gaps(tmp_path, suffix):
    path = save(annotated_raw(), tmp_path / f"rest_raw{suffix}")
    with open_recording(path) as recording:
        stamps, values, markers = read_all(recording)
        info = recording.streams[0]
        assert (info.ch_names, info.sfreq, info.ch_units) == (NAMES, SFREQ, ("V",) * 4)
    rows = np.round(stamps * SFREQ).astype(int)
    np.testing.assert_allclose(stamps, rows / SFREQ, atol=1e-9)
    np.testing.assert_allclose(values, signals()[rows], atol=0.01)  # 16 bits of 120 µV are 0.002 µV
    gone = np.setdiff1d(np.arange(N), rows) / SFREQ
    assert ((gone >= 4.0 - 1e-9) & (gone < 5.0)).sum() == SFREQ
    seam = gone[gone > 6]
    assert seam[0] == 7.0
    assert 0.25 < seam[-1] - seam[0] < 0.4
    assert markers == [(2.0, "trial:calm"), (9.0, "trial:end")]


def windows(recording, events, bindings):
    prepared = prepare(NO_MODEL, None, {role: b.spec for role, b in bindings.items()}, 2.0)
    pipeline = Pipeline(prepared.plans, prepared.settings)
    found = {}
    for outcome in replay(events, pipeline):
        part = outcome.window.streams[EEG]
        found[outcome.window.index] = (part.data.copy(), part.mask.copy())
    return found


def recorded_xdf(path):
    """12 s of a device 3000 s ahead of us, without jitter: what of a file's time MNE's formats can hold."""
    amp = StreamInfo("1", "Amp", "EEG", 4, SFREQ, "float32", ch_names=NAMES)
    recorder = XdfRecorder(path, [as_bound(amp, StreamSpec(EEG, NAMES, SFREQ))])
    recorder.event(ClockOffset(EEG, 5000.0, -3000.0))
    rows = np.concatenate([np.arange(1000), np.arange(1240, N)])  # a gap of 1.2 s
    for part in np.array_split(rows, 40):
        recorder.event(Chunk(EEG, 5000.0 + part / SFREQ, signals()[part].astype(np.float32)))
    recorder.close()
    return path


@pytest.mark.parametrize(("suffix", "tolerance_uv"), [(".fif", 1e-4), (".edf", 0.01)])
def test_an_exported_recording_replays_to_the_same_windows(tmp_path, suffix, tolerance_uv):
    path = tmp_path / f"again_raw{suffix}"
    with open_recording(recorded_xdf(tmp_path / "first.xdf")) as recording:
        bound = bind_recording(recording, EEG_ALONE, any_numeric=False)
        save(to_raw(recording, bound.bindings[EEG]), path)
        source = XdfSource(recording, bound.bindings, bound.markers)
        # MNE's time counts from the first sample: so does the original's here
        events = (
            replace(e, offset_s=e.offset_s - 2000.0) if isinstance(e, ClockOffset) else e
            for e in source.events()
        )
        before = windows(recording, events, bound.bindings)
    with open_recording(path) as recording:
        bound = bind_recording(recording, EEG_ALONE, any_numeric=False)
        source = XdfSource(recording, bound.bindings, bound.markers)
        after = windows(recording, source.events(), bound.bindings)
    assert len(before) > 50
    assert before.keys() == after.keys()
    for index, (values, mask) in before.items():
        np.testing.assert_array_equal(after[index][1], mask)
        np.testing.assert_allclose(after[index][0], values, atol=tolerance_uv)


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def table(delimiter=",", decimal=".", header=("timestamp", "Fp1 (uV)", "Fp2 (mV)", "marker"), n=600):
    lines = [delimiter.join(header)]
    for i in range(n):
        cells = [
            f"{1000 + i / 100:.3f}",
            f"{i % 50 - 25:.2f}",
            f"{(i % 40) / 1000:.5f}",
            "go" if 100 <= i < 120 else "",
        ]
        lines.append(delimiter.join(cell.replace(".", decimal) for cell in cells))
    return lines


@pytest.mark.parametrize(
    ("name", "delimiter", "decimal"),
    [("a.csv", ",", "."), ("b.csv", ";", ","), ("c.tsv", "\t", "."), ("d.csv.gz", "|", ".")],
)
def test_a_table_is_read_whatever_its_delimiter(tmp_path, name, delimiter, decimal):
    lines = table(delimiter, decimal)
    with open_recording(write(tmp_path / name, "# made by hand\n" + "\n".join(lines) + "\n")) as recording:
        stamps, values, markers = read_all(recording)
        assert recording.streams[0].sfreq == 100.0
    np.testing.assert_allclose(stamps, 1000 + np.arange(600) / 100, atol=1e-9)
    assert values[3].tolist() == [-22.0, 3.0]  # 0.003 mV are 3 µV
    assert markers == [(1001.0, "go")]


def test_damaged_rows_cost_themselves_and_are_named(tmp_path):
    lines = table(header=("time", "Fp1", "Fp2", "marker"))
    lines[10] = "oops"
    lines[20] = f"{lines[20].split(',')[0]},lots,0.1,"
    lines[30] = "nan,1,2,"
    lines[40] = lines[40].replace(lines[40].split(",")[1], "")  # a cell left empty: missing, no damage
    path = write(tmp_path / "worn.csv", "\n".join(lines))
    with open_recording(path) as recording:
        stamps, values, _ = read_all(recording)
        said = " / ".join(recording.warnings)
    assert len(stamps) == 598
    assert "line 11: 1 columns, not 4: left out" in said
    assert "line 21: 'lots' of Fp1 is no number: taken as missing" in said
    assert "line 31: 'nan' is no time: left out" in said
    assert np.isnan(values[:, 0]).sum() == 2


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "it has no rows"),
        ("a.csv", "timestamp,Fp1\n", "it has no rows"),
        ("a.csv", "0.0,1.0\n0.1,2.0\n", "line 1 is no header"),
        ("a.csv", "x,Fp1\n1,2\n1,2\n", "no column of times in seconds among x, Fp1"),
        ("a.csv", "time,counter\n1,2\n2,3\n", "no column of EEG among time, counter"),
        ("a.csv", "time,Fp1\n1,2\n" + "broken\n" * 9, "line 3: 1 columns, not 2: left out, and 8 lines more"),
        ("a.csv", "time,Fp1\n1,\0\n", "it is no text in lines"),
        ("a.csv.gz", None, "cannot read recording"),
        ("a.fif", "not a fif", "cannot read recording"),
        ("a.edf", "0       ", "cannot read recording"),
        ("a.vhdr", "Brain", "cannot read recording"),
        ("a.set", "x", "cannot read recording"),
        ("a.wav", "RIFF", "its name ends in none of"),
    ],
)  # fmt: skip
def test_what_is_no_recording_gets_one_line(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_bytes(b"\x1f\x8b\x08\0broken" if text is None else text.encode())
    with pytest.raises(RecordingError, match="cannot read recording") as caught:
        open_recording(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_whose_time_stands_still_has_no_rate(tmp_path):
    path = write(tmp_path / "still.csv", "time,Fp1\n" + "1.0,2\n" * 50)
    with open_recording(path) as recording, pytest.raises(BciStreamError, match="no rate can be measured"):
        read_all(recording)


@needs_recordings
def test_real_muse_and_openbci_tables():
    with open_recording(DATA / "eeg/muse_mental_state/subjecta-relaxed-1.csv.gz") as recording:
        stamps, values, _ = read_all(recording)
        assert recording.streams[0].ch_names == ("TP9", "AF7", "AF8", "TP10", "Right AUX")
        assert recording.streams[0].sfreq == 256.0
        assert values.shape == (15204, 4)
    with open_recording(DATA / "eeg/openbci/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt.gz") as recording:
        stamps, values, _ = read_all(recording)
        assert recording.streams[0].sfreq == 250.0
        assert values.shape == (22490, 8)
        assert stamps[-1] - stamps[0] == pytest.approx(89.837, abs=0.01)  # milliseconds in the file


def whole_edf(path, target):
    """The first 60 s of an original file: every line feed of the stored copy has gained a carriage return."""
    data = path.read_bytes().replace(b"\r\n", b"\n")
    n_header, n_record = 16896, 2 * (64 * 160 + 80)
    target.write_bytes(data[:236] + b"60      " + data[244 : n_header + 60 * n_record])
    return target


@needs_recordings
def test_closed_eyes_raise_alpha_in_the_windows_of_a_real_edf(tmp_path):
    from scipy.signal import welch

    power = []
    for name in ("S001R01.edf", "S001R02.edf"):  # eyes open, eyes closed
        path = whole_edf(DATA / "eeg/eegmmidb" / name, tmp_path / name)
        with open_recording(path) as recording:
            choice = StreamChoice(want_audio=False, pick=("O1", "Oz", "O2"))
            bound = bind_recording(recording, choice, any_numeric=False)
            source = XdfSource(recording, bound.bindings, bound.markers)
            found = windows(recording, source.events(), bound.bindings)
        full = [data for data, mask in found.values() if not mask.any()]
        freqs, density = welch(np.array(full[::10]), SFREQ_EDF, nperseg=320, axis=1)
        power.append(np.median(density[:, (freqs >= 8) & (freqs <= 13)].mean(axis=(1, 2))))
    assert power[1] / power[0] > 3


@needs_recordings
def test_a_file_that_a_text_transfer_mangled_is_told(tmp_path):
    whole = whole_edf(DATA / "eeg/eegmmidb/S001R01.edf", tmp_path / "w.edf")
    path = tmp_path / "mangled.edf"
    path.write_bytes(whole.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match="fetch it again in binary mode"):
        open_recording(path)


def test_a_folder_of_marked_recordings_of_any_kind_is_a_corpus(tmp_path):
    """EEG alone, for no such format has room for a voice; trials are the samples between the markers."""
    lines = ["time,Fz,Cz,Pz,Oz,marker"]
    for i, row in enumerate(signals(900)):
        marker = {200: "trial:happy", 700: "end"}.get(i, "")
        lines.append(f"{50 + i / SFREQ:.4f}," + ",".join(f"{v:.4f}" for v in row) + f",{marker}")
    write(tmp_path / "bob.csv", "\n".join(lines))
    raw = annotated_raw()
    raw.set_annotations(mne.Annotations([2.0, 3.5], [0, 0], ["trial:calm", "end"]))
    save(raw, tmp_path / "anna.edf")
    corpus = open_corpus(str(tmp_path))
    assert (corpus.people, corpus.classes, corpus.ch_names) == (("anna", "bob"), ("calm", "happy"), NAMES)
    (calm,), (happy,) = list(corpus.trials("anna")), list(corpus.trials("bob"))
    assert (calm.audio, calm.eeg_sfreq) == (None, SFREQ)
    np.testing.assert_allclose(calm.eeg, signals()[400:700], atol=0.01)
    np.testing.assert_allclose(happy.eeg, signals()[200:700], atol=1e-3)


def test_replay_and_export_take_every_kind(tmp_path):
    path = write(tmp_path / "a.csv", "\n".join(table(n=900)))
    replayed = bci("replay", path, "--no-model", "--window", "1", "--json")
    assert replayed.code == 0, replayed.err
    assert replayed.records("session")[0]["duration_s"] == pytest.approx(8.99)
    assert replayed.records("summary")[0]["streams"]["eeg"]["n_samples"] == 900
    assert [m["label"] for m in replayed.records("marker")] == ["go"]
    exported = bci("export", path, "--fif", tmp_path / "a_raw.fif")
    assert exported.code == 0, exported.err
    raw = mne.io.read_raw(tmp_path / "a_raw.fif", verbose="error")
    assert (raw.ch_names, raw.n_times, list(raw.annotations.description)) == (["Fp1", "Fp2"], 900, ["go"])


def test_a_trigger_channel_serves_where_there_are_no_annotations(tmp_path):
    """And a file that begins in the middle of a measurement counts from its own first sample."""
    stim = np.zeros((1, N))
    stim[0, 500:520], stim[0, 1000:1300], stim[0, 1300:1310] = 7, 2, 3
    info = mne.create_info([*NAMES, "STI 014"], SFREQ, ["eeg"] * 4 + ["stim"])
    raw = mne.io.RawArray(np.vstack([signals().T * 1e-6, stim]), info, verbose="error")
    raw.set_meas_date(1.7e9)
    path = save(raw.crop(1.0, 10.0), tmp_path / "t_raw.fif")
    with open_recording(path) as recording:
        stamps, values, markers = read_all(recording)
        assert recording.warnings == ("it has no annotations: markers are the changes of channel STI 014",)
    assert markers == [(1.5, "7"), (4.0, "2"), (5.5, "3")]
    np.testing.assert_allclose(values, signals()[200:2001], atol=1e-3)
    assert stamps[0] == 0.0
    raw.set_annotations(mne.Annotations([2.0, 3.0], [0, 0.5], ["cue", "BAD_gap"]))  # from the cropped start
    with open_recording(save(raw, tmp_path / "u_raw.fif")) as recording:
        stamps, _, markers = read_all(recording)
    assert markers == [(2.0, "cue")]
    assert np.diff(stamps).max() == pytest.approx(0.5 + 1 / SFREQ)


@pytest.mark.parametrize("module", ["mne", "brainflow", "mne_realtime"])
def test_an_absent_extra_is_named(tmp_path, monkeypatch, module):
    from bci_stream.sources.brainflow import BrainFlowBoard, BrainFlowSource
    from bci_stream.sources.fieldtrip import FieldTripSource

    (tmp_path / "a.edf").write_bytes(b"0")
    ask = {
        "mne": lambda: open_recording(tmp_path / "a.edf"),
        "brainflow": lambda: BrainFlowSource(BrainFlowBoard("synthetic")),
        "mne_realtime": lambda: FieldTripSource("localhost"),
    }
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # import then fails as where it is not installed
    extra = "brainflow" if module == "brainflow" else "mne"
    with pytest.raises(ConfigError, match=rf"pip install 'bci-stream\[{extra}\]'"):
        ask[module]()


def test_an_xdf_file_of_another_name_is_known_by_its_beginning(tmp_path):
    path = recorded_xdf(tmp_path / "first.xdf").rename(tmp_path / "first.xdf.partial")
    with open_recording(path) as recording:
        assert recording.streams[0].ch_names == NAMES
    with pytest.raises(RecordingError, match="No such file"):
        open_recording(tmp_path / "nothing.here")
