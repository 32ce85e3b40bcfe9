"""Replay of recordings: events in the file's order, on clocks that fit together."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from xdf_bytes import boundary, clock_offset, file_header, header_xml, samples, stream_header

from bci_stream.errors import StreamFormatError, StreamNotFoundError
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Marker
from bci_stream.sources.binding import bind_audio, bind_eeg, find_stream
from bci_stream.sources.xdf import XdfRecording, XdfSource

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
UNIX = 1.7e9
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="no shared recordings beside the project")


def made(tmp_path, *, eeg_clock=0.0, mic_clock=0.0, offsets=((1, 0.25), (2, -0.5)), n_s=5):
    """EEG at 100 Hz, audio at 1000 Hz and a marker a second, in chunks of half a second from 50 s on."""
    rng = np.random.default_rng(1)
    parts = [
        file_header(),
        stream_header(1, header_xml("Amp", "EEG", 2, 100)),
        stream_header(2, header_xml("Mic", "Audio", 1, 1000, "int16")),
        stream_header(3, header_xml("Cues", "Markers", 1, 0, "string")),
        stream_header(4, header_xml("Empty", "EEG", 2, 100)),
    ]
    for half in range(2 * n_s):
        t = 50 + half / 2
        brain = rng.standard_normal((50, 2)).astype(np.float32)
        parts.append(samples(1, list(t + eeg_clock + np.arange(50) / 100), brain))
        voice = rng.integers(-(2**15), 2**15, (500, 1)).astype(np.int16)
        parts.append(samples(2, [t + mic_clock, *[None] * 499], voice))
        if half % 2 == 0:
            parts.append(samples(3, [t], [[f"cue {half // 2}"]]))
            parts += [clock_offset(key, 49.9 + half / 2, offset_s) for key, offset_s in offsets]
            parts.append(boundary())
    path = tmp_path / "made.xdf"
    path.write_bytes(b"".join(parts))
    return XdfRecording.open(path)


def bound(recording, eeg="name=Amp"):
    return {
        EEG: bind_eeg(find_stream(recording.streams, EEG, eeg)),
        AUDIO: bind_audio(find_stream(recording.streams, AUDIO)),
    }


def gathered(events, stream):
    chunks = [event for event in events if isinstance(event, Chunk) and event.stream == stream]
    return np.concatenate([c.timestamps for c in chunks]), np.concatenate([c.data for c in chunks])


def first_offsets(events):
    """Each stream's first offset, all of which must come before its first sample."""
    found = {}
    for event in events:
        if isinstance(event, ClockOffset):
            found.setdefault(event.stream, event.offset_s)
        else:
            assert event.stream in found
    return found


def test_events_come_in_the_files_order_with_raw_stamps(tmp_path):
    with made(tmp_path) as recording:
        source = XdfSource(recording, bound(recording), ["3"])
        events = list(source.events())
        assert source.progress == 1.0
    stamps, data = gathered(events, EEG)
    np.testing.assert_allclose(stamps, 50 + np.arange(500) / 100, rtol=0, atol=1e-9)
    assert data.shape == (500, 2)
    assert data.dtype == np.float32
    voice_stamps, voice = gathered(events, AUDIO)
    assert voice.shape == (5000, 1)
    assert np.abs(voice).max() <= 1
    assert voice_stamps[0] == 50.0
    assert [e for e in events if isinstance(e, Marker)] == [
        Marker("markers", 50.0 + k, f"cue {k}") for k in range(5)
    ]
    kinds = [e.stream for e in events if isinstance(e, Chunk)]
    assert kinds == [EEG, AUDIO] * 10


def test_a_streams_first_offset_moves_before_its_first_sample_and_goes_out_once(tmp_path):
    with made(tmp_path) as recording:
        source = XdfSource(recording, bound(recording), ["3"])
        events = list(source.events())
        assert source.warnings == ("markers stream has no clock offsets: taken as on the local clock",)
    assert first_offsets(events) == {EEG: 0.25, AUDIO: -0.5, "markers": 0.0}
    of_eeg = [e.remote_s for e in events if isinstance(e, ClockOffset) and e.stream == EEG]
    np.testing.assert_allclose(of_eeg, 49.9 + np.arange(5))
    assert all(isinstance(event, ClockOffset) for event in events[:3])


def test_huge_chunks_are_split_to_a_second(tmp_path):
    path = tmp_path / "huge.xdf"
    data = np.arange(700, dtype=np.float32).reshape(350, 2)
    path.write_bytes(
        file_header() + stream_header(1, header_xml("Amp")) + samples(1, [1.0, *[None] * 349], data)
    )
    with XdfRecording.open(path) as recording:
        source = XdfSource(recording, {EEG: bind_eeg(recording.streams[0])})
        chunks = [e for e in source.events() if isinstance(e, Chunk)]
        assert source.duration_s == pytest.approx(3.49)
    assert [len(c.timestamps) for c in chunks] == [100, 100, 100, 50]
    np.testing.assert_array_equal(np.concatenate([c.data for c in chunks]), data)


def test_start_and_stop_cut_to_the_sample(tmp_path):
    with made(tmp_path) as recording:
        source = XdfSource(recording, bound(recording), ["3"])
        assert source.t_start == pytest.approx(49.5)  # the audio's first sample, on the local clock
        assert source.duration_s == pytest.approx(5.74)
        events = list(source.events(1.6, 3.1))
    local_eeg = gathered(events, EEG)[0] + 0.25
    local_audio = gathered(events, AUDIO)[0] - 0.5
    for local, period_s in ((local_eeg, 0.01), (local_audio, 0.001)):
        assert 51.1 <= local[0] < 51.1 + period_s + 1e-9
        assert 52.6 - period_s - 1e-9 <= local[-1] < 52.6
    assert [e.label for e in events if isinstance(e, Marker)] == ["cue 2"]


def test_progress_grows_with_the_events(tmp_path):
    with made(tmp_path) as recording:
        source = XdfSource(recording, bound(recording))
        seen = [source.progress for _ in source.events()]
    assert all(a <= b for a, b in pairwise(seen))
    assert 0 <= seen[0] < 0.1
    assert 0.9 < seen[-1] <= 1


def test_empty_and_unknown_streams_are_refused(tmp_path):
    with made(tmp_path) as recording:
        empty = find_stream(recording.streams, EEG, "Empty")
        with pytest.raises(StreamFormatError, match="stream 'Empty' is empty"):
            XdfSource(recording, {EEG: bind_eeg(empty)})
        with pytest.raises(StreamNotFoundError, match="no stream with key '77'"):
            XdfSource(recording, bound(recording), ["77"])


def test_several_marker_streams_are_told_by_name(tmp_path):
    path = tmp_path / "cues.xdf"
    parts = [file_header()]
    parts += [
        stream_header(k, header_xml(name, "Markers", 2, 0, "string")) for k, name in ((1, "A"), (2, "B"))
    ]
    parts += [samples(1, [1.0], [["go", "left"]]), samples(2, [2.0], [["stop", ""]])]
    path.write_bytes(b"".join(parts))
    with XdfRecording.open(path) as recording:
        events = XdfSource(recording, {}, ["1", "2"]).events()
        markers = [e for e in events if isinstance(e, Marker)]
    assert markers == [Marker("markers:A", 1.0, "go,left"), Marker("markers:B", 2.0, "stop,")]


@pytest.mark.parametrize("offsets", [(), ((1, 0.0), (2, 0.0))])
def test_unix_stamps_on_one_stream_are_refused_with_the_reason(tmp_path, offsets):
    with (
        made(tmp_path, eeg_clock=UNIX, offsets=offsets) as recording,
        pytest.raises(
            StreamFormatError, match="eeg stream is stamped 1700000000 s away from the audio stream"
        ),
    ):
        XdfSource(recording, bound(recording))


@pytest.mark.parametrize("offsets", [(), ((1, 0.0), (2, 0.0))])
def test_unix_stamps_can_be_put_beside_the_others_by_file_order(tmp_path, offsets):
    with made(tmp_path, eeg_clock=UNIX, offsets=offsets) as recording:
        source = XdfSource(recording, bound(recording), reanchor=True)
        events = list(source.events())
        assert any("put beside it by the order of the file" in warning for warning in source.warnings)
        assert source.duration_s == pytest.approx(5, abs=0.6)
    assert gathered(events, EEG)[0][0] == UNIX + 50  # stamps stay raw, the offsets carry the shift
    assert UNIX + first_offsets(events)[EEG] == pytest.approx(0, abs=0.5)
    remote = [e.remote_s for e in events if isinstance(e, ClockOffset) and e.stream == EEG]
    assert all(abs(r - UNIX - 50) < 10 for r in remote)  # and are of the clock that the stamps are on


def test_a_stream_alone_on_the_unix_clock_plays(tmp_path):
    with made(tmp_path, eeg_clock=UNIX) as recording:
        source = XdfSource(recording, {EEG: bound(recording)[EEG]})
        events = list(source.events())
        assert source.warnings == ("eeg stream is stamped on another clock than its offsets measure",)
    remote = [e.remote_s for e in events if isinstance(e, ClockOffset)]
    np.testing.assert_allclose(np.array(remote) - UNIX, 50 + np.arange(5), atol=1e-3)


def test_stamps_that_are_no_numbers_are_kept_and_told(tmp_path):
    path = tmp_path / "nan.xdf"
    stamps = [1.0, float("nan"), 1.02, float("inf")]
    path.write_bytes(
        file_header() + stream_header(1, header_xml("Amp")) + samples(1, stamps, np.zeros((4, 2), np.float32))
    )
    with XdfRecording.open(path) as recording:
        source = XdfSource(recording, {EEG: bind_eeg(recording.streams[0])})
        np.testing.assert_array_equal(gathered(list(source.events()), EEG)[0], stamps)
        assert "eeg stream has stamps that are no finite numbers" in source.warnings
        assert recording.summary("1").last_stamp == 1.02


@needs_shared
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("xdf_composite/comp_onehost_clean", ("AF7", "AF8", "TP7", "TP8")),
        ("xdf_dev/muselsl2_sub-P001", ("TP9", "AF7", "AF8", "TP10")),
        ("xdf_dev/bciessentials_ssvep_example", None),
        ("xdf_dev/eeglab_test", tuple(f"ch{k}" for k in range(1, 9))),
    ],
)
def test_real_recordings_bind_and_play(name, names):
    with XdfRecording.open(SHARED / f"{name}.xdf") as recording:
        binding = bind_eeg(find_stream(recording.streams, EEG))
        assert names is None or binding.ch_names == names
        events = list(XdfSource(recording, {EEG: binding}).events())
        stamps, data = gathered(events, EEG)
        assert len(stamps) == recording.summary(binding.info.key).n_samples
        assert data.shape == (len(stamps), len(binding.ch_names))
        assert set(first_offsets(events)) == {EEG}


@needs_shared
def test_two_hosts_meet_on_one_clock():
    path = SHARED / "xdf_composite" / "comp_twohost_offset_drift.xdf"
    with XdfRecording.open(path) as recording:
        source = XdfSource(recording, bound(recording, eeg=None), ["3"])
        assert source.t_start == pytest.approx(5000.25, abs=0.001)
        assert source.duration_s == pytest.approx(30, abs=0.01)
        offsets = first_offsets(source.events())
    assert offsets[AUDIO] == pytest.approx(-98765.432, abs=0.001)
