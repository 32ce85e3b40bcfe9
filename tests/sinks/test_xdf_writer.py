"""What the writer's bytes mean to pyxdf and to our own reader, and what never happens to a file."""

import errno
import os
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.errors import ConfigError, RecordingError
from bci_stream.messages import AUDIO, EEG, StreamInfo, StreamSpec
from bci_stream.sinks import xdf_chunks as xdf
from bci_stream.sinks.bids_name import BidsName, parse
from bci_stream.sinks.xdf_file import ChunkFile, note_of
from bci_stream.sinks.xdf_headers import as_bound, as_markers, as_received
from bci_stream.sinks.xdf_recovery import finish, finish_all
from bci_stream.sources.metadata import parse_stream_info
from bci_stream.sources.xdf import XdfRecording

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")


def header(name="Amp", n_channels=2, dtype="float32", sfreq=100.0, kind="EEG"):
    info = StreamInfo("1", name, kind, n_channels, sfreq, dtype)
    return as_received("1", info).xml


def raw_pyxdf(path):
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    return streams


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from([name for name, spelled in xdf.FORMATS.items() if spelled]),
    n=st.integers(1, 40),
    n_channels=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_numbers_and_stamps_of_every_format_read_back_bit_for_bit(
    tmp_path_factory, dtype, n, n_channels, seed
):
    rng = np.random.default_rng(seed)
    spelled = np.dtype(xdf.FORMATS[dtype])
    values = np.frombuffer(rng.bytes(n * n_channels * spelled.itemsize), spelled).reshape(n, n_channels)
    stamps = np.frombuffer(rng.bytes(8 * n), "<f8")
    path = tmp_path_factory.mktemp("format") / "x.xdf"
    path.write_bytes(
        xdf.file_header()
        + xdf.stream_header(1, header(n_channels=n_channels, dtype=dtype))
        + xdf.samples(1, stamps, values, dtype)
    )
    with XdfRecording.open(path) as recording:
        (block,) = recording.blocks({"1": 1000})
        assert block.timestamps.tobytes() == stamps.tobytes()
        assert block.values.tobytes() == values.tobytes()
    (stream,) = raw_pyxdf(path)
    assert stream["time_series"].tobytes() == values.tobytes()
    assert stream["time_stamps"].tobytes() == stamps.tobytes()


@given(
    rows=st.lists(
        st.tuples(st.text(max_size=300), st.text(alphabet=st.characters(codec="utf-8"))), min_size=1
    )
)
def test_texts_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("text") / "x.xdf"
    stamps = [0.1 * k for k in range(len(rows))]
    path.write_bytes(
        xdf.file_header()
        + xdf.stream_header(1, header(dtype="string", sfreq=0.0, kind="Markers"))
        + xdf.texts(1, stamps, rows)
    )
    with XdfRecording.open(path) as recording:
        blocks = list(recording.blocks({"1": 1000}))
    found = [row for block in blocks for row in block.values]
    assert found == [tuple(text.encode("utf-8", "replace").decode() for text in row) for row in rows]
    assert np.concatenate([block.timestamps for block in blocks]).tolist() == stamps


def whole_file(path, n_chunks=20, boundary_every=5):
    """A sound recording; returns its bytes up to every chunk's end, with the samples until there."""
    rng = np.random.default_rng(0)
    file = ChunkFile(path)
    file.write(xdf.file_header())
    file.write(xdf.stream_header(1, header()))
    file.write(xdf.stream_header(2, header("Words", 1, "string", 0.0, "Markers")))
    ends = [(file.n_bytes, 0)]
    for k in range(n_chunks):
        if k % boundary_every == 0:
            file.write(xdf.boundary())
        file.write(xdf.clock_offset(1, float(k), 0.25))
        values = rng.normal(size=(10, 2)).astype(np.float32)
        file.write(xdf.samples(1, 0.1 * k + np.arange(10) / 100, values, "float32"))
        ends.append((file.n_bytes, 10 * (k + 1)))
        file.write(xdf.texts(2, [0.1 * k, 0.1 * k + 0.05], [("a",), ("é" * 200,)]))
    file.close(finished=False)
    return ends


def test_a_file_cut_anywhere_is_finished_to_its_last_whole_chunk(tmp_path):
    ends = whole_file(tmp_path / "whole.xdf")
    content = (tmp_path / "whole.xdf").read_bytes()
    rng = np.random.default_rng(1)
    for cut in rng.integers(ends[0][0], len(content), 60).tolist():
        path = tmp_path / f"cut{cut}.xdf"
        path.write_bytes(content[:cut])
        note_of(path).touch()
        done = finish(path)
        n_whole = max(n for end, n in ends if end <= cut)
        assert done.n_samples["Amp"] == n_whole
        assert not note_of(path).exists()
        assert path.read_bytes()[: cut - done.n_cut_bytes] == content[: cut - done.n_cut_bytes]
        with XdfRecording.open(path) as recording:
            assert recording.warnings == ()
            assert recording.summary("1").n_samples == n_whole
        streams = raw_pyxdf(path)
        assert len(streams[0]["time_stamps"]) == n_whole
        footer = streams[0]["footer"]["info"]
        assert int(footer["sample_count"][0]) == n_whole
        if n_whole:
            assert float(footer["last_timestamp"][0]) == streams[0]["time_stamps"][-1]
        words = streams[1]["footer"]["info"]
        assert int(words["sample_count"][0]) == len(streams[1]["time_stamps"])
        if len(streams[1]["time_stamps"]):
            assert float(words["last_timestamp"][0]) == streams[1]["time_stamps"][-1]


def test_finishing_twice_changes_nothing(tmp_path):
    path = tmp_path / "x.xdf"
    whole_file(path)
    finish(path)
    content = path.read_bytes()
    assert finish(path).n_cut_bytes == 0
    assert path.read_bytes() == content


def test_all_below_a_folder_are_finished_but_the_one_in_use(tmp_path):
    for name in ("sub-1/a.xdf", "sub-2/b.xdf"):
        (tmp_path / name).parent.mkdir()
        whole_file(tmp_path / name)
    busy = ChunkFile(tmp_path / "busy.xdf")
    busy.write(xdf.file_header())
    (tmp_path / "no.xdf").write_bytes(b"no recording")
    note_of(tmp_path / "no.xdf").touch()
    note_of(tmp_path / "gone.xdf").touch()
    finished, problems = finish_all(tmp_path)
    assert [done.path.name for done in finished] == ["a.xdf", "b.xdf"]
    assert note_of(tmp_path / "busy.xdf").exists()
    assert not note_of(tmp_path / "gone.xdf").exists()
    assert len(problems) == 1
    assert "no.xdf" in problems[0]
    assert (tmp_path / "no.xdf").read_bytes() == b"no recording"
    busy.close(finished=True)


def test_an_empty_or_foreign_file_is_not_finished(tmp_path):
    for content in (b"", b"PK\x03\x04"):
        path = tmp_path / "x.xdf"
        path.write_bytes(content)
        with pytest.raises(RecordingError):
            finish(path)
        assert path.read_bytes() == content


def test_an_existing_file_is_never_overwritten(tmp_path):
    path = tmp_path / "x.xdf"
    path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"x\.xdf exists and is never overwritten"):
        ChunkFile(path)
    assert path.read_bytes() == b"mine"
    assert not note_of(path).exists()


@pytest.mark.parametrize("name", ["file/x.xdf", "a\0b.xdf", "x" * 300 + ".xdf"])
def test_a_path_that_cannot_be_is_one_line(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError) as caught:
        ChunkFile(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_written_is_one_line():
    folder = Path("/proc/self/fdinfo")  # nobody can, not even root
    if not folder.is_dir():
        pytest.skip("no /proc here")
    with pytest.raises(ConfigError, match="cannot make recording"):
        ChunkFile(folder / "x.xdf")


def test_a_recording_is_its_owners_alone(tmp_path):
    file = ChunkFile(tmp_path / "x.xdf")
    file.close(finished=True)
    assert (tmp_path / "x.xdf").stat().st_mode & 0o077 == 0


def test_a_chunk_that_does_not_fit_leaves_the_file_as_it_was(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = ChunkFile(tmp_path / "x.xdf")
    file.write(xdf.file_header())
    n_before = file.n_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_before + 100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            file.write(bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert os.path.getsize(file.path) == n_before
    file.write(xdf.boundary())  # and it can go on behind it
    file.close(finished=True)
    assert (tmp_path / "x.xdf").read_bytes() == xdf.file_header() + xdf.boundary()


XML = (
    "<?xml version='1.0'?><info><name>Amp</name><type>EEG</type><channel_count>3</channel_count>"
    "<nominal_srate>250</nominal_srate><channel_format>int32</channel_format><source_id>s1</source_id><desc>"
    "<cap><name>my cap</name></cap><channels><channel><label>Cz</label><unit>millivolts</unit>"
    "<type>EEG</type><location><X>1</X></location></channel>"
    "<channel><label>Fz</label><unit>mV</unit><type>EEG</type></channel>"
    "<channel><label>COUNTER</label></channel></channels></desc></info>"
)


def test_a_bound_streams_header_tells_what_is_in_the_file_and_keeps_the_rest():
    info = parse_stream_info(XML, "7")
    stream = as_bound(info, StreamSpec(EEG, ("Fz", "Cz"), 250.0))
    found = parse_stream_info(stream.xml, "1")
    assert (found.n_channels, found.dtype, found.sfreq) == (2, "float32", 250.0)
    assert found.ch_names == ("Fz", "Cz")
    assert set(found.ch_units) == {"microvolts"}
    assert found.source_id == "s1"
    assert b"my cap" in stream.xml
    assert b"<X>1</X>" in stream.xml
    assert b"<channel_format>int32</channel_format>" in stream.xml  # what it was


def test_headers_without_a_readable_document_are_made_anew():
    info = StreamInfo("1", "a<b", "Audio", 2, 48000.0, "int16", xml="<info><broken")
    assert parse_stream_info(as_received("k", info).xml, "1").name == "a<b"
    bound = parse_stream_info(as_bound(info, StreamSpec(AUDIO, ("audio",), 48000.0)).xml, "1")
    assert (bound.n_channels, bound.ch_units) == (1, ("normalized",))
    words = parse_stream_info(as_markers("m", info).xml, "1")
    assert (words.n_channels, words.dtype, words.sfreq) == (1, "string", 0.0)


def test_a_received_header_stays_as_it_is():
    assert as_received("7", parse_stream_info(XML, "7")).xml == XML.encode()


def test_a_name_of_bids(tmp_path):
    name = BidsName("P01", "rest", "2")
    first = name.next_free(tmp_path)
    expected = tmp_path / "sub-P01" / "ses-2" / "eeg" / "sub-P01_ses-2_task-rest_run-001_eeg.xdf"
    assert first.path(tmp_path) == expected
    expected.parent.mkdir(parents=True)
    expected.touch()
    (expected.parent / "sub-P01_ses-2_task-REST_run-004_eeg.xdf").touch()
    (expected.parent / "sub-P01_ses-2_task-other_run-009_eeg.xdf").touch()
    assert name.next_free(tmp_path).run == 5
    assert parse(expected) == first
    assert parse(Path("whatever.xdf")) is None


@pytest.mark.parametrize("label", ["", "a/b", "..", "a_b", "ä", "x" * 65, "a\n", "a-b", "CON."])
def test_a_label_that_bids_does_not_allow_is_one_line(label):
    with pytest.raises(ConfigError, match="letters and digits") as caught:
        BidsName(label, "rest")
    assert "\n" not in str(caught.value)


def test_runs_end_at_999(tmp_path):
    with pytest.raises(ConfigError, match="run 1000"):
        BidsName("a", "b", run=1000)
    folder = BidsName("a", "b").path(tmp_path).parent
    folder.mkdir(parents=True)
    (folder / "sub-a_task-b_run-999_eeg.xdf").touch()
    with pytest.raises(ConfigError, match="run 1000"):
        BidsName("a", "b").next_free(tmp_path)


def test_chunk_lengths_are_those_of_the_specification():
    assert xdf.boundary() == bytes([1, 18]) + struct.pack("<H", 5) + xdf.BOUNDARY_UUID
    assert xdf.chunk(3, bytes(300))[:7] == struct.pack("<BIH", 4, 302, 3)
