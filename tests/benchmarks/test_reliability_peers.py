"""What is said of peers: they get the same input, whole, and one that is not there is named."""

import logging

import numpy as np
import pytest

from bci_stream.messages import AUDIO, EEG, ClockOffset
from benchmarks.reliability.peers import PeerError, beside, said
from benchmarks.reliability.peers.damaged import reader_of_pyxdf
from benchmarks.reliability.peers.freezing import ages
from benchmarks.reliability.peers.in_pyxdf import load, loaded, write
from benchmarks.reliability.peers.restarts import Fate, told
from benchmarks.reliability.virtual import Clock, Delivery, in_order

T0, SFREQ = 1000.0, 256.0


@pytest.fixture
def pyxdf():
    module = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")
    level = logging.getLogger("pyxdf").level
    yield module
    logging.getLogger("pyxdf").setLevel(level)


def delivery(role, sfreq, clock, seconds=30, kept=slice(None)):
    rng = np.random.default_rng(3)
    numbers = np.arange(int(seconds * sfreq))[kept]
    true = T0 + numbers / sfreq
    offsets = clock.measured(role, T0 - 1.0, T0 + seconds, 2.0, rng)
    return Delivery(role, sfreq, numbers, clock.shows(true), true + 0.01, offsets)


def test_a_clean_stream_comes_back_from_pyxdf_as_it_was_sent(pyxdf):
    sent = [
        delivery(EEG, SFREQ, Clock(55.0, 200.0, T0)),
        delivery(AUDIO, 1000.0, Clock(-9.0, -200.0, T0)),
    ]
    read = loaded({d.role: d.sfreq for d in sent}, in_order(sent))
    for each in sent:
        stream = read[each.role]
        assert stream.counts.tolist() == each.numbers.tolist()
        assert np.abs(stream.times - (T0 + each.numbers / each.sfreq)).max() < 1e-3
        assert stream.n_breaks == 0


def test_pyxdf_gets_every_stamp_and_clock_offset_bit_for_bit(pyxdf, tmp_path):
    sent = delivery(EEG, SFREQ, Clock(55.0))
    events = in_order([sent])
    write(tmp_path / "same.xdf", {EEG: SFREQ}, events)
    raw = load(tmp_path / "same.xdf", synchronize_clocks=False, dejitter_timestamps=False)[EEG]
    assert raw.times.tolist() == sent.stamps.tolist()
    streams, _ = pyxdf.load_xdf(tmp_path / "same.xdf")
    offsets = [(e.remote_s, e.offset_s) for e in events if isinstance(e, ClockOffset)]
    assert list(zip(streams[0]["clock_times"], streams[0]["clock_values"], strict=True)) == offsets


def test_a_gap_of_five_seconds_is_told_by_pyxdf_as_one_break(pyxdf):
    kept = np.r_[0 : int(10 * SFREQ), int(15 * SFREQ) : int(30 * SFREQ)]
    read = loaded({EEG: SFREQ}, in_order([delivery(EEG, SFREQ, Clock(2.0), kept=kept)]))[EEG]
    assert read.n_breaks == 1


def test_a_peer_that_is_not_installed_is_named():
    words = beside({"json": lambda: "json: 1 ms", "no_such_peer": lambda: pytest.fail("it is not there")})
    assert words == "json: 1 ms; no_such_peer is not installed"


def test_a_peer_that_breaks_off_leaves_the_row_its_figure():
    def words():
        raise PeerError("it ended with exit code -6")

    assert said(words) == "broke off: it ended with exit code -6"


def test_what_a_stopped_outlet_had_sent_grows_old_whatever_its_stamps_say():
    seen = ages([(10.0, 9.9), (12.0, 11.9), (15.1, 11.0), (16.0, 15.9)], [(11.0, 15.0)], 0.5)
    assert (seen.n, seen.n_stale) == (4, 2)
    assert seen.worst_s == pytest.approx(4.1)


def test_a_damaged_file_is_counted_by_what_pyxdf_raised(pyxdf, tmp_path):
    sound, broken = tmp_path / "sound.xdf", tmp_path / "broken.xdf"
    write(sound, {EEG: SFREQ}, in_order([delivery(EEG, SFREQ, Clock(2.0))]))
    broken.write_bytes(sound.read_bytes().replace(b"<channel_count>1", b"<channel_count>x"))
    reader = reader_of_pyxdf()
    try:
        answers = [reader.read(path) for path in (sound, broken)]
    finally:
        reader.close()
    assert [answer["outcome"] for answer in answers] == ["read", "ValueError"]
    assert all(10 < answer["mb"] < 1000 for answer in answers)


def test_a_peer_that_takes_another_stream_for_its_own_is_said_to_do_so():
    fates = {"same": Fate(None, 0.8), "labels": Fate(0.7, 1.8, knows=False), "format": Fate(None, 1.0)}
    words = told("A peer", fates)
    assert "back in 3 of 3 cases, first sample 1.0 s after the restart (most 1.8 s)" in words
    assert "took labels for it; for labels with the old one's header; did not take format" in words
    assert words.endswith("said nothing")
