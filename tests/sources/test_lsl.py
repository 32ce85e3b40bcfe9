"""The LSL source against real outlets in other processes. Nothing sleeps: every wait is on a condition."""

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.errors import AmbiguousStreamError, ConfigError, StreamFormatError, StreamNotFoundError
from bci_stream.messages import Chunk, ClockOffset, Marker
from bci_stream.sources.lsl import LslRequest, LslSource, join_chunks
from bci_stream.sources.lsl_discovery import list_streams

AUDIO = {
    "type": "Audio",
    "n_channels": 1,
    "labels": ["voice"],
    "sfreq": 8000.0,
    "rate": 8000.0,
    "chunk": 160,
    "unit": "",
}


class Reader:
    """A source and everything it has read."""

    def __init__(self, source):
        self.source = source
        self.bindings = source.open()
        self.events = []

    def read(self, missing_s=0.1):
        new = self.source.read(dict.fromkeys(self.bindings, missing_s), timeout_s=0.05)
        self.events += new
        return new

    def until(self, condition, timeout_s=40.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.read()
            assert time.monotonic() < deadline, f"waited in vain: {self.source.status()}"

    def chunks(self, role):
        return [event for event in self.events if isinstance(event, Chunk) and event.stream == role]

    def counted(self, role="eeg"):
        chunks = self.chunks(role)
        return np.concatenate([chunk.data[:, 0] for chunk in chunks]) if chunks else np.empty(0)

    def state(self, role="eeg"):
        return self.source.status()[role].state


@pytest.fixture
def reader():
    """Open a source by (role, query) pairs; closed at the end."""
    readers = []

    def open_source(*requests, **options):
        asked = [r if isinstance(r, LslRequest) else LslRequest(*r) for r in requests]
        source = LslSource(asked, **{"resolve_s": 60.0, **options})
        readers.append(source)
        return Reader(source)

    yield open_source
    for source in readers:
        source.close()


def test_every_sample_is_delivered_once_in_order(outlet, reader):
    outlet("whole", n_samples=2000, chunk=7)
    r = reader(("eeg", "whole"))
    r.until(lambda: len(r.counted()) >= 2000)
    # Pulls reuse one buffer: that all is right at the end shows that chunks are copies.
    np.testing.assert_array_equal(r.counted(), np.arange(2000))
    stamps = np.concatenate([chunk.timestamps for chunk in r.chunks("eeg")])
    np.testing.assert_allclose(stamps, 100 + np.arange(2000) / 250, atol=1e-9)
    chunk = r.chunks("eeg")[0]
    assert (chunk.data.dtype, chunk.data.shape[1], chunk.timestamps.dtype) == (np.float32, 8, np.float64)


def test_a_read_brings_exactly_what_the_window_lacks(outlet, reader):
    outlet("exact", n_samples=600, chunk=50)
    r = reader(("eeg", "exact"))
    while len(r.counted()) < 500:
        new = r.source.read({"eeg": 0.1}, timeout_s=30.0)
        r.events += new
        assert [len(event.data) for event in new if isinstance(event, Chunk)] == [25]
    np.testing.assert_array_equal(r.counted(), np.arange(500))


def test_the_clock_is_measured_before_the_first_sample(outlet, reader):
    outlet("clocked")
    r = reader(("eeg", "clocked"))
    r.until(lambda: len(r.chunks("eeg")) > 0)
    assert isinstance(r.events[0], ClockOffset)
    assert abs(r.events[0].offset_s) < 0.05
    r.until(lambda: sum(isinstance(event, ClockOffset) for event in r.events) >= 2)
    remote_s = [event.remote_s for event in r.events if isinstance(event, ClockOffset)]
    assert remote_s == sorted(set(remote_s))


def test_eeg_audio_and_markers_come_together(outlet, reader):
    outlet("all-eeg")
    outlet("all-audio", **AUDIO)
    outlet(
        "all-markers",
        type="Markers",
        n_channels=1,
        labels=[],
        sfreq=0.0,
        dtype="string",
        texts=["go", "zurück"],
    )
    r = reader(("eeg", "all-eeg"), ("audio", "all-audio"), ("markers", "all-markers"))
    r.until(lambda: len(r.counted()) >= 100 and len(r.counted("audio")) >= 3200)
    r.until(lambda: sum(isinstance(event, Marker) for event in r.events) == 2)
    assert [event for event in r.events if isinstance(event, Marker)] == [
        Marker("markers", 100.0, "go"),
        Marker("markers", 101.0, "zurück"),
    ]
    for role in ("eeg", "audio"):
        counted = r.counted(role)
        np.testing.assert_array_equal(np.diff(counted), 1)
    assert r.bindings["audio"].mono


def test_integer_markers_become_text(outlet, reader):
    outlet("codes", type="Markers", n_channels=1, labels=[], sfreq=0.0, dtype="int32", n_samples=3, rate=1.0)
    r = reader(("markers", "codes"))
    r.until(lambda: sum(isinstance(event, Marker) for event in r.events) == 3)
    assert [event.label for event in r.events if isinstance(event, Marker)] == ["0", "1", "2"]


def test_a_killed_and_restarted_outlet_is_taken_back(outlet, reader):
    first = outlet("phoenix")
    r = reader(("eeg", "phoenix"))
    r.until(lambda: len(r.counted()) >= 50)
    first.kill()
    r.until(lambda: r.state() == "lost")
    n_before = len(r.events)
    np.testing.assert_array_equal(np.diff(r.counted()), 1)
    second = outlet("phoenix")
    r.until(lambda: len(r.events) > n_before and isinstance(r.events[-1], Chunk))
    assert isinstance(r.events[n_before], ClockOffset)  # the new clock, ahead of the new samples
    status = r.source.status()["eeg"]
    assert (status.state, status.n_reconnects, status.uid) == ("live", 1, second.uid)
    assert second.uid != first.uid


def test_audio_goes_on_while_eeg_is_gone(outlet, reader):
    eeg = outlet("half-eeg")
    outlet("half-audio", **AUDIO)
    r = reader(("eeg", "half-eeg"), ("audio", "half-audio"))
    r.until(lambda: len(r.counted()) >= 25 and len(r.counted("audio")) >= 800)
    eeg.kill()
    r.until(lambda: r.state() == "lost")
    n_before = len(r.counted("audio"))
    r.until(lambda: len(r.counted("audio")) >= n_before + 8000)
    np.testing.assert_array_equal(np.diff(r.counted("audio")), 1)
    assert r.state("audio") == "live"


def test_an_impostor_is_refused_and_the_true_one_taken_after_it(outlet, reader):
    true = outlet("throne")
    r = reader(("eeg", "throne"))
    r.until(lambda: len(r.counted()) > 0)
    true.kill()
    r.until(lambda: r.state() == "lost")
    n_before = len(r.events)
    impostor = outlet("throne", n_channels=9, labels=[])
    r.until(lambda: r.state() == "refused")
    assert "channels 8 -> 9" in r.source.status()["eeg"].note
    impostor.kill()
    relabelled = outlet("throne", labels=["Fp2", "Fp1", "C3", "C4", "P3", "P4", "O1", "O2"])
    r.until(lambda: "labels" in r.source.status()["eeg"].note)
    assert len(r.events) == n_before
    relabelled.kill()
    heir = outlet("throne")
    r.until(lambda: r.state() == "live")
    status = r.source.status()["eeg"]
    assert (status.n_reconnects, status.uid, status.note) == (1, heir.uid, "")


def test_a_namesake_is_not_taken(outlet, reader):
    true = outlet("twin", source_id="serial-1")
    r = reader(("eeg", "source_id=serial-1"))
    r.until(lambda: len(r.counted()) > 0)
    true.kill()
    r.until(lambda: r.state() == "lost")
    outlet("twin", source_id="serial-2")
    assert [info.source_id for info in list_streams(0.6) if info.name == "twin"] == ["serial-2"]
    r.read()
    assert r.state() == "lost"
    back = outlet("twin", source_id="serial-1")
    r.until(lambda: r.state() == "live")
    assert r.source.status()["eeg"].uid == back.uid


def test_a_frozen_outlet_is_stalled_and_what_it_held_comes_late_and_whole(outlet, reader):
    eeg = outlet("frozen")
    r = reader(("eeg", "frozen"), stall_s=0.3)
    r.until(lambda: len(r.counted()) >= 50)
    eeg.freeze()
    r.until(lambda: r.state() == "stalled")
    assert "'frozen' has sent nothing" in r.source.status()["eeg"].note
    n_before = len(r.counted())
    eeg.thaw()
    r.until(lambda: len(r.counted()) >= n_before + 100)
    np.testing.assert_array_equal(np.diff(r.counted()), 1)
    assert (r.state(), r.source.status()["eeg"].n_reconnects) == ("live", 0)


def test_a_stalled_stream_does_not_hold_up_the_others(outlet, reader):
    eeg = outlet("slow-eeg")
    outlet("slow-audio", **AUDIO)
    r = reader(("eeg", "slow-eeg"), ("audio", "slow-audio"), stall_s=0.3)
    r.until(lambda: len(r.counted()) > 0 and len(r.counted("audio")) > 0)
    eeg.freeze()
    r.until(lambda: r.state() == "stalled")
    new = r.source.read({"eeg": 1.0, "audio": 0.1}, timeout_s=30.0)
    assert (
        sum(len(event.data) for event in new if isinstance(event, Chunk) and event.stream == "audio") >= 800
    )


def test_a_hung_outlet_that_was_restarted_is_replaced(outlet, reader):
    hung = outlet("hung")
    r = reader(("eeg", "hung"))
    r.until(lambda: len(r.counted()) > 0)
    hung.freeze()
    fresh = outlet("hung")
    r.until(lambda: r.source.status()["eeg"].n_reconnects == 1)
    assert r.source.status()["eeg"].uid == fresh.uid
    n_before = len(r.counted())
    r.until(lambda: len(r.counted()) > n_before)


def test_an_optional_stream_may_be_absent(outlet, reader):
    outlet("alone")
    r = reader(LslRequest("eeg", "alone"), LslRequest("audio", "absent", required=False))
    assert list(r.bindings) == ["eeg"]
    r.until(lambda: len(r.counted()) > 0)


def test_a_missing_stream_is_named_with_what_is_there(outlet):
    outlet("present")
    with pytest.raises(StreamNotFoundError, match=r"no eeg stream matching 'absent'; found .*'present'"):
        LslSource([LslRequest("eeg", "absent")], resolve_s=1.0).open()


def test_two_that_fit_are_listed(outlet):
    outlet("pair", source_id="left")
    outlet("pair", source_id="right")
    with pytest.raises(AmbiguousStreamError, match=r"left.*right|right.*left"):
        LslSource([LslRequest("eeg", "pair")]).open()


def test_a_stream_without_a_rate_is_measured(outlet, reader):
    outlet("rateless", sfreq=0.0, rate=125.0, chunk=5)
    r = reader(("eeg", "rateless"))
    assert r.bindings["eeg"].sfreq == 125.0
    assert any("measured 125.0 Hz" in note for note in r.bindings["eeg"].notes)
    r.until(lambda: len(r.counted()) >= 50)


def test_an_irregular_stream_is_refused_with_the_reason(outlet):
    outlet("irregular", sfreq=0.0, rate=20.0, chunk=1, random_stamps=True)
    with pytest.raises(StreamFormatError, match=r"'irregular' declares no sampling rate.*jitter"):
        LslSource([LslRequest("eeg", "irregular")]).open()


def test_strings_are_no_eeg(outlet):
    outlet("words", type="EEG", n_channels=1, labels=[], sfreq=0.0, dtype="string", texts=["no"])
    with pytest.raises(StreamFormatError, match="strings"):
        LslSource([LslRequest("eeg", "words")]).open()


def test_eeg_options_reach_the_binding(outlet, reader):
    outlet("options", n_channels=3, labels=[], unit="", n_samples=10)
    asked = LslRequest("eeg", "options", channels=("Oz", "fp1", "Cz"), pick=("Cz", "Oz"), unit="mV")
    r = reader(asked)
    r.until(lambda: len(r.chunks("eeg")) > 0)
    assert r.bindings["eeg"].ch_names == ("Cz", "Oz")
    np.testing.assert_allclose(r.chunks("eeg")[0].data[1], [0.0, 1000.0])


def test_closing_is_prompt_whatever_the_outlets_do(outlet, reader):
    frozen, dead = outlet("close-frozen"), outlet("close-dead", **AUDIO)
    r = reader(("eeg", "close-frozen"), ("audio", "close-dead"))
    r.until(lambda: len(r.counted()) > 0)
    frozen.freeze()
    dead.kill()
    r.until(lambda: r.state("audio") == "lost")
    started = time.monotonic()
    r.source.close()
    r.source.close()
    assert time.monotonic() - started < 10.0  # a hang, not a slow machine
    assert [t.name for t in threading.enumerate() if t.name.startswith("lsl-")] == []
    assert r.source.read({"eeg": 1.0}, timeout_s=0.0) == []


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["eeg", "audio"]), st.integers(1, 4)),
        st.builds(ClockOffset, st.sampled_from(["eeg", "audio"]), st.floats(0, 1), st.floats(0, 1)),
        st.builds(Marker, st.just("markers"), st.floats(0, 1), st.text(max_size=3)),
    )
)


def unjoined(events, stream):
    """A stream's events with every chunk taken apart into samples."""
    for event in events:
        if event.stream == stream and isinstance(event, Chunk):
            yield from zip(event.timestamps.tolist(), event.data.tolist(), strict=True)
        elif event.stream == stream:
            yield event


@given(EVENTS)
def test_joining_chunks_changes_no_stream(drawn):
    events, at = [], 0.0
    for event in drawn:
        if isinstance(event, tuple):
            stream, n = event
            stamps = at + np.arange(n, dtype=np.float64)
            event = Chunk(stream, stamps, np.column_stack([stamps, -stamps]).astype(np.float32), at)
        events.append(event)
        at += 10.0
    joined = join_chunks(events)
    for stream in ("eeg", "audio", "markers"):
        assert list(unjoined(joined, stream)) == list(unjoined(events, stream))
        mine = [event for event in joined if event.stream == stream]
        chunks = [isinstance(event, Chunk) for event in mine]
        assert not any(a and b for a, b in itertools.pairwise(chunks))
        arrivals = [event.arrival_s for event in mine if isinstance(event, Chunk)]
        assert arrivals == sorted(arrivals)


def test_closing_before_opening_is_fine():
    LslSource([LslRequest("eeg")]).close()


@pytest.mark.parametrize(
    ("requests", "options", "said"),
    [
        ([], {}, "none"),
        ([LslRequest("ecg")], {}, "'ecg'"),
        ([LslRequest("eeg"), LslRequest("eeg", "x")], {}, "eeg, eeg"),
        ([LslRequest("eeg")], {"stall_s": 0.0}, "positive"),
        ([LslRequest("eeg")], {"resolve_s": float("nan")}, "positive"),
    ],
)
def test_senseless_requests_are_refused(requests, options, said):
    with pytest.raises(ConfigError, match=said):
        LslSource(requests, **options)
