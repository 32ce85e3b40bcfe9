import ctypes
import time

import pytest

from bci_stream.errors import StreamNotFoundError
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.lsl_discovery import Directory, list_streams


def surveyed(condition, timeout_s=60.0):
    """The survey in which ``condition`` first holds: a busy machine answers late."""
    directory, deadline = Directory(), time.monotonic() + timeout_s
    while not condition(survey := directory.survey()):
        assert time.monotonic() < deadline, f"the condition never came true: {survey}"
        time.sleep(0.05)
    return survey


def test_full_headers_are_listed_by_name(outlet):
    outlet("list-b")
    outlet("list-a", labels=["x"], n_channels=1, unit="V")
    surveyed(lambda seen: len([info for info in seen.streams if info.name.startswith("list-")]) == 2)
    a, b = (info for info in list_streams(5.0) if info.name.startswith("list-"))
    assert (a.name, a.ch_names, a.ch_units) == ("list-a", ("x",), ("V",))
    assert (b.name, b.n_channels, b.sfreq) == ("list-b", 8, 250.0)
    assert b.ch_names[:2] == ("Fp1", "Fp2")


def test_hostile_headers_are_refused_and_harm_no_other(outlet):
    outlet("no-channels", n_channels=0, labels=[], silent=True)
    outlet("too-fast", sfreq=1e6, silent=True)
    outlet("too-wide", n_channels=1024, sfreq=20_000.0, labels=[], silent=True)
    outlet("honest")
    survey = surveyed(lambda seen: len(seen.refused) >= 3 and seen.streams)
    assert [info.name for info in survey.streams if info.name != "honest"] == []
    refused = "\n".join(survey.refused)
    assert "'no-channels': its header says '0' channels" in refused
    assert "'too-fast': its header says a rate of" in refused
    assert "'too-wide' declares 1024 channels at 20000 Hz" in refused


def test_asking_for_a_hostile_stream_tells_why_not(outlet):
    outlet("no-channels", n_channels=0, labels=[], silent=True)
    with pytest.raises(
        StreamNotFoundError, match=r"no eeg stream matching 'no-channels'.*refused:.*'0' channels"
    ):
        LslSource([LslRequest("eeg", "no-channels")], resolve_s=1.5).open()


@pytest.mark.parametrize("name", ['say "it\'s" <info>&amp; 名前', "nope' or '1'='1"])
def test_no_name_breaks_out_of_its_quotes(outlet, name):
    outlet(name, source_id=f"{name} id")
    outlet("bystander")
    source = LslSource([LslRequest("eeg", name)], resolve_s=60.0)
    try:
        binding = source.open()["eeg"]
        assert (binding.info.name, binding.info.source_id) == (name, f"{name} id")
    finally:
        source.close()


def test_a_quoted_query_finds_nothing_else(outlet):
    outlet("bystander")
    with pytest.raises(StreamNotFoundError, match="bystander"):
        LslSource([LslRequest("eeg", 'nope" or true() or "')], resolve_s=1.0).open()


def test_a_name_that_is_no_text_harms_no_other(outlet, lsl_isolation):
    """A program in C may send any bytes."""
    from pylsl.lib import lib

    info = lib.lsl_create_streaminfo(b"bad \xff\xfe name", b"EEG", 2, ctypes.c_double(100.0), 1, b"bad-id")
    hostile = lib.lsl_create_outlet(ctypes.c_void_p(info), 0, 10)
    try:
        outlet("honest")
        survey = surveyed(lambda seen: any(i.name == "honest" for i in seen.streams))
        assert all(info.name.isprintable() for info in survey.streams)
    finally:
        lib.lsl_destroy_outlet(ctypes.c_void_p(hostile))
