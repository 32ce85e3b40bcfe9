"""The reader against pyxdf on real recordings, and against damage on small ones."""

import contextlib
import logging
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import given, settings
from hypothesis import strategies as st
from xdf_bytes import (
    boundary,
    channels_xml,
    chunk,
    clock_offset,
    file_header,
    footer,
    header_xml,
    samples,
    stream_header,
)

from bci_stream.errors import RecordingError, StreamFormatError, StreamNotFoundError
from bci_stream.messages import ClockOffset
from bci_stream.sources.xdf import XdfRecording

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
RECORDINGS = sorted(SHARED.glob("xdf_*/*.xdf"))


def read_all(recording, max_samples=1 << 16):
    """Stamps, values and clock offsets of every stream, by key."""
    stamps = {info.key: [] for info in recording.streams}
    values = {info.key: [] for info in recording.streams}
    offsets = {info.key: [] for info in recording.streams}
    for item in recording.blocks({info.key: max_samples for info in recording.streams}):
        if isinstance(item, ClockOffset):
            offsets[item.stream].append((item.remote_s, item.offset_s))
        else:
            assert 0 < len(item.timestamps) == len(item.values) <= max_samples
            stamps[item.key].extend(item.timestamps.tolist())
            values[item.key].extend(map(tuple, item.values))
    return stamps, values, offsets


@pytest.fixture
def saved(tmp_path):
    def save(*parts):
        path = tmp_path / "made.xdf"
        path.write_bytes(b"".join(parts))
        return path

    return save


def small_file():
    """Three streams, every stamp layout, offsets, boundary and footers, with where each chunk begins."""
    eeg = np.arange(24, dtype=np.float32).reshape(12, 2)
    voice = np.arange(-8, 8, dtype=np.int16).reshape(16, 1)
    return [
        file_header(),
        stream_header(1, header_xml("Amp", desc=channels_xml(["C3", "C4"], "microvolts", "EEG"))),
        stream_header(2, header_xml("Mic", "Audio", 1, 1000, "int16")),
        stream_header(3, header_xml("Cues", "Markers", 1, 0, "string")),
        clock_offset(1, 9.9, 0.5),
        samples(1, [10.0, 10.01, 10.02, 10.03], eeg[:4]),
        samples(2, [10.0, *[None] * 7], voice[:8]),
        samples(3, [10.02, 10.03], [["go"], ["stöp"]]),
        boundary(),
        clock_offset(2, 9.95, -0.25),
        samples(1, [None, 10.05, None, None], eeg[4:8]),
        samples(2, [None] * 8, voice[8:]),
        samples(1, [None, None, None, 10.11], eeg[8:]),
        samples(3, [None], [[""]]),
        footer(1),
    ]


@pytest.mark.skipif(not RECORDINGS, reason="no shared recordings beside the project")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_real_recordings_are_read_as_pyxdf_reads_them(path):
    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
    theirs, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    with XdfRecording.open(path) as recording:
        stamps, values, offsets = read_all(recording)
        assert [info.key for info in recording.streams] == [str(s["info"]["stream_id"]) for s in theirs]
        assert [info.name for info in recording.streams] == [s["info"]["name"][0] for s in theirs]
    for stream in theirs:
        key, n = str(stream["info"]["stream_id"]), len(stream["time_stamps"])
        # A cut chunk's whole samples are kept here, and dropped there.
        assert len(stamps[key]) == n or "truncated" in path.stem
        np.testing.assert_array_equal(stamps[key][:n], stream["time_stamps"])
        np.testing.assert_array_equal(values[key][:n], list(map(tuple, stream["time_series"])))
        assert offsets[key] == list(zip(stream["clock_times"], stream["clock_values"], strict=True))


@pytest.mark.skipif(not RECORDINGS, reason="no shared recordings beside the project")
def test_a_truncated_recording_plays_to_its_last_whole_sample():
    with XdfRecording.open(SHARED / "xdf_composite" / "comp_truncated70.xdf") as recording:
        eeg, voice = recording.summary("1"), recording.summary("2")
        assert (eeg.n_samples, eeg.n_salvaged) == (3588, 0)
        assert (voice.n_samples - voice.n_salvaged, voice.n_salvaged) == (223_232, 545)
        assert len(recording.warnings) == 1
        assert "cut off in a chunk of 'MicLike'" in recording.warnings[0]
        assert len(read_all(recording)[0]["2"]) == 223_777


@pytest.mark.skipif(not RECORDINGS, reason="no shared recordings beside the project")
def test_summaries_of_a_recording_with_clock_resets():
    with XdfRecording.open(SHARED / "xdf_dev" / "clock_resets.xdf") as recording:
        eeg = recording.summary("2")
        assert eeg.n_clock_offsets == 115
        assert eeg.duration_s == pytest.approx(573.0, abs=0.1)
        assert recording.measure_sfreq("2") == pytest.approx(93, abs=0.5)


def test_every_stamp_layout_is_read(saved):
    with XdfRecording.open(saved(*small_file())) as recording:
        stamps, values, offsets = read_all(recording)
        assert recording.warnings == ()
    np.testing.assert_allclose(stamps["1"], 10 + np.arange(12) / 100, rtol=0, atol=1e-12)
    np.testing.assert_allclose(stamps["2"], 10 + np.arange(16) / 1000, rtol=0, atol=1e-12)
    assert stamps["3"] == [10.02, 10.03, 10.03]
    assert values["1"] == [(2.0 * k, 2.0 * k + 1) for k in range(12)]
    assert values["2"] == [(k,) for k in range(-8, 8)]
    assert values["3"] == [("go",), ("stöp",), ("",)]
    assert offsets == {"1": [(9.9, 0.5)], "2": [(9.95, -0.25)], "3": []}


@pytest.mark.parametrize("max_samples", [1, 2, 3, 5, 7])
def test_block_size_changes_no_bit(saved, max_samples):
    with XdfRecording.open(saved(*small_file())) as recording:
        assert read_all(recording, max_samples) == read_all(recording)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_any_pattern_of_stamps_reads_as_pyxdf_does(tmp_path_factory, pattern, max_samples):
    path = tmp_path_factory.mktemp("pattern") / "made.xdf"
    stamps = [10 + 0.013 * k if stamped else None for k, stamped in enumerate(pattern)]
    data = np.arange(3 * len(pattern), dtype=np.int32).reshape(-1, 3)
    path.write_bytes(
        file_header() + stream_header(1, header_xml(n_channels=3, dtype="int32")) + samples(1, stamps, data)
    )
    theirs, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    with XdfRecording.open(path) as recording:
        found, values, _ = read_all(recording, max_samples)
    assert found["1"] == theirs[0]["time_stamps"].tolist()
    np.testing.assert_array_equal(values["1"], data)


def test_summary_tells_the_ends_and_the_rate(saved):
    with XdfRecording.open(saved(*small_file())) as recording:
        eeg, voice = recording.summary("1"), recording.summary("2")
        assert (eeg.n_samples, eeg.first_stamp, eeg.last_stamp) == (12, 10.0, 10.11)
        assert eeg.effective_sfreq == pytest.approx(100)
        assert voice.last_stamp == pytest.approx(10.015)
        assert recording.local_time("1", 10.0) == 10.5
        with pytest.raises(StreamNotFoundError, match="no stream with key '9'; it has 1, 2, 3"):
            recording.summary("9")


def test_the_rate_is_measured_through_bursts_and_gaps(saved):
    stamps = np.repeat(np.arange(0, 1200, 12), 12) / 250 + 100  # twelve samples share each stamp
    stamps[600:] += 30
    data = np.zeros((1200, 2), np.float32)
    path = saved(file_header(), stream_header(1, header_xml(sfreq=0)), samples(1, stamps.tolist(), data))
    with XdfRecording.open(path) as recording:
        assert recording.measure_sfreq("1") == pytest.approx(250, rel=0.01)


def test_no_rate_can_be_measured_where_stamps_stand_still(saved):
    data = np.zeros((8, 2), np.float32)
    path = saved(file_header(), stream_header(1, header_xml(sfreq=0)), samples(1, [1.0] * 8, data))
    with (
        XdfRecording.open(path) as recording,
        pytest.raises(StreamFormatError, match="no rate can be measured"),
    ):
        recording.measure_sfreq("1")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"RIFF....WAVE", "not an XDF file: it begins with b'RIFF'"),
        (b"XD", "not an XDF file"),
        (b"\x1f\x8b\x08\x00rest", "unpack it with gunzip"),
        (b"XDF:", "no readable stream"),
        (file_header(), "no readable stream"),
        (file_header() + stream_header(1, b"<info"), "no readable stream .stream 1 is left out"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(saved, content, reason):
    with pytest.raises(RecordingError, match=rf"^cannot read recording .*made\.xdf: .*{reason}.*$"):
        XdfRecording.open(saved(content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(RecordingError, match=r"nowhere\.xdf: No such file"):
        XdfRecording.open(tmp_path / "nowhere.xdf")
    with pytest.raises(RecordingError, match="it is a folder"):
        XdfRecording.open(tmp_path)


def test_a_file_cut_at_any_byte_keeps_every_whole_sample(saved):
    parts = small_file()
    whole = b"".join(parts)
    with XdfRecording.open(saved(whole)) as recording:
        all_stamps, all_values, _ = read_all(recording)
    head = sum(map(len, parts[:2]))  # the file header and one stream header
    counts = []
    for n_bytes in range(head, len(whole)):
        with XdfRecording.open(saved(whole[:n_bytes])) as recording:
            stamps, values, _ = read_all(recording)
            for info in recording.streams:
                n = len(stamps[info.key])
                assert stamps[info.key] == all_stamps[info.key][:n]
                assert values[info.key] == all_values[info.key][:n]
                assert recording.summary(info.key).n_samples == n
            counts.append(sum(map(len, stamps.values())))
    assert counts == sorted(counts)
    assert set(counts) == set(range(32))  # each whole sample counts from its last byte on


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_any_damage_raises_nothing_but_a_recording_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "made.xdf"
    content = bytearray(b"".join(small_file()))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    with contextlib.suppress(RecordingError), XdfRecording.open(path) as recording:
        read_all(recording, max_samples=3)
        for info in recording.streams:
            recording.summary(info.key)
        assert all("\n" not in warning for warning in recording.warnings)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_after_the_headers_raise_nothing(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("noise") / "made.xdf"
    path.write_bytes(b"".join(small_file()[:4]) + noise)
    with XdfRecording.open(path) as recording:
        read_all(recording)


def test_reading_goes_on_at_the_next_boundary(saved):
    parts = small_file()
    parts[6] = b"\x77" * len(parts[6])
    with XdfRecording.open(saved(*parts)) as recording:
        stamps, _, offsets = read_all(recording)
        (warning,) = recording.warnings
    assert warning.startswith(f"damaged at byte {sum(map(len, parts[:6]))}: ")
    assert len(stamps["1"]) == 12
    assert len(stamps["2"]) == 8
    assert offsets["2"] == [(9.95, -0.25)]


def test_a_bad_stream_header_costs_no_other_stream(saved):
    parts = small_file()
    parts[2] = stream_header(2, header_xml("Mic", "Audio", 0, 1000, "int16"))
    with XdfRecording.open(saved(*parts)) as recording:
        assert [info.name for info in recording.streams] == ["Amp", "Cues"]
        assert len(recording.warnings) == 2
        assert "2 chunks of stream 2" in recording.warnings[1]
        assert len(read_all(recording)[0]["1"]) == 12


def test_unknown_chunks_second_headers_and_bad_offsets_are_passed_over(saved):
    parts = small_file()
    parts.insert(5, chunk(77, b"private", 8))
    parts.insert(6, stream_header(1, header_xml("Again")))
    parts.insert(7, clock_offset(1, 9.9, float("inf")))
    with XdfRecording.open(saved(*parts)) as recording:
        stamps, _, offsets = read_all(recording)
        assert len(recording.warnings) == 2
    assert len(stamps["1"]) == 12
    assert offsets["1"] == [(9.9, 0.5)]


def test_damaged_flags_in_a_sound_chunk_are_told_when_read(saved):
    data = np.zeros((6, 2), np.float32)
    part = bytearray(samples(1, [1.0, None, 1.02, None, None, 1.05], data))
    part[5 + 2 + 4 + 5 + 17] = 3  # the second sample's flag
    path = saved(file_header(), stream_header(1, header_xml("Amp")), part)
    with XdfRecording.open(path) as recording:
        for _ in range(2):
            assert read_all(recording)[0]["1"] == [1.0]
        (warning,) = recording.warnings
    assert "damage in a chunk of 'Amp'" in warning
    assert warning.endswith("5 samples of it lost")


@pytest.mark.parametrize("dtype", ["string", "float32"])
def test_a_chunk_that_promises_too_much_costs_no_memory(saved, dtype):
    body = b"\x01\x00\x00\x00\x08" + (1 << 62).to_bytes(8, "little") + b"\x00" * 64
    path = saved(
        file_header(), stream_header(1, header_xml(n_channels=1000, dtype=dtype)), chunk(3, body), boundary()
    )
    tracemalloc.start()
    with XdfRecording.open(path) as recording:
        assert read_all(recording)[0] == {"1": []}
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4e6
