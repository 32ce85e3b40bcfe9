"""Which microphone a name means; its level; its header."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.errors import AmbiguousStreamError, StreamNotFoundError
from bci_stream.messages import AUDIO
from bci_stream.sources.binding import bind_audio
from bci_stream.sources.metadata import parse_stream_info
from bci_stream.sources.mic_devices import MicDevice, PulseSource, choose_device, same_device, with_sources
from bci_stream.sources.mic_header import description, source_id, stream_info
from bci_stream.sources.mic_level import SILENT_DBFS, LevelMeter
from bci_stream.sources.selection import looks_like_audio


def device(index, name, host_api="Windows WASAPI", *, default=False, source=""):
    return MicDevice(index, name, host_api, 2, 48_000.0, default, source)


YETI = device(0, "Microphone (Yeti Stereo Microphone)")
BUILT_IN = device(1, "Microphone Array (Realtek Audio)", default=True)
WINDOWS = [
    device(2, "Microphone (Yeti Stereo Microph", "MME"),
    device(3, "Microphone (Yeti Stereo Microphone)", "Windows DirectSound"),
    YETI,
    BUILT_IN,
]


def test_a_part_of_a_name_is_enough_and_windows_many_ways_to_one_device_are_one():
    assert choose_device(WINDOWS, "yeti") is YETI
    assert choose_device(WINDOWS, "Realtek") is BUILT_IN


@pytest.mark.parametrize("query", [None, "default"])
def test_without_a_name_it_is_the_systems(query):
    assert choose_device(WINDOWS, query) is BUILT_IN


def test_a_name_that_several_have_lists_them_and_a_whole_name_decides():
    with pytest.raises(AmbiguousStreamError, match=r"2 microphones fit 'microphone'.*Yeti.*Realtek"):
        choose_device(WINDOWS, "microphone")
    twins = [device(0, "USB"), device(1, "USB Audio")]
    assert choose_device(twins, "usb") is twins[0]


def test_two_host_apis_of_different_devices_are_no_one_device():
    two = [
        device(0, "USB Headset Mono", "PulseAudio", source="headset"),
        device(1, "USB Yeti (hw:1,0)", "ALSA"),
    ]
    with pytest.raises(AmbiguousStreamError, match="give more of the name"):
        choose_device(two, "usb")


def test_an_absent_one_and_none_at_all_are_told():
    with pytest.raises(StreamNotFoundError, match=r"no microphone named 'Jabra'; found .*Yeti"):
        choose_device(WINDOWS, "Jabra")
    with pytest.raises(StreamNotFoundError, match="no audio input device"):
        choose_device([], None)
    with pytest.raises(StreamNotFoundError, match="no default microphone"):
        choose_device([YETI], None)


def test_it_comes_back_under_another_number_but_never_as_another():
    assert same_device([device(7, YETI.name)], YETI).index == 7
    assert same_device([BUILT_IN, device(0, YETI.name, "MME")], YETI) is None


def test_the_sound_servers_one_device_stands_for_the_sources_behind_it():
    alsa = [device(0, "pulse", "ALSA"), device(1, "default", "ALSA", default=True), device(2, "hw", "ALSA")]
    sources = [
        PulseSource("speakers.monitor", "Monitor of Speakers"),
        PulseSource("alsa_input.usb", "USB Microphone", is_default=True),
    ]
    found = with_sources(alsa, sources)
    told = [(d.name, d.host_api, d.index) for d in found]
    assert told == [("USB Microphone", "PulseAudio", 0), ("hw", "ALSA", 2)]
    for query in (None, "pulse", "default", "alsa_input.usb", "usb mic"):
        assert choose_device(found, query).source == "alsa_input.usb"
    assert with_sources(alsa, []) == alsa


def test_the_header_says_who_made_it_of_what_and_by_which_clock():
    mic = device(0, "Weird <Mic> & Co", "ALSA", source="x.y")
    tree = description(mic, 1, "PortAudio V19", "stamped by arrival", 0.004)
    info = stream_info(mic, 1, 16_000.0, "lab", tree)
    read = parse_stream_info(info.xml, info.key)
    assert read.name == mic.name
    assert (read.type, read.sfreq, read.dtype, read.ch_names) == ("Audio", 16_000.0, "float32", ("voice",))
    assert read.ch_units == ("normalized",)
    for text in ("PortAudio V19", "ALSA", "stamped by arrival", "x.y"):
        assert text in info.xml
    assert looks_like_audio(info)
    assert bind_audio(info).spec.role == AUDIO
    assert re.fullmatch(r"[a-z0-9-]+", source_id(mic, "lab"))


def test_several_channels_become_one_by_their_mean():
    mic = device(0, "Pair")
    binding = bind_audio(stream_info(mic, 2, 16_000.0, "lab", description(mic, 2, "", "", 0.0)))
    np.testing.assert_allclose(binding.convert(np.array([[0.5, -0.25]], np.float32)), [[0.125]])


def test_levels_in_decibels_of_full_scale():
    meter = LevelMeter(16_000.0)
    assert meter.level.rms_dbfs == SILENT_DBFS
    meter.step(np.zeros((1600, 1), np.float32))
    assert meter.level.peak_dbfs == SILENT_DBFS
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    for part in np.split(tone, 100):
        meter.step(part)
    assert meter.level.rms_dbfs == pytest.approx(-3.01, abs=0.05)
    assert meter.level.peak_dbfs == pytest.approx(0.0, abs=0.01)
    for _ in range(50):
        meter.step(np.full(160, 0.1, np.float32))
    assert meter.level.rms_dbfs == pytest.approx(-20.0, abs=0.05)
    assert meter.level.peak_dbfs == pytest.approx(0.0, abs=0.01), "the peak stays for a second and a half"


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=20))
def test_a_level_is_finite_whatever_comes(lengths):
    meter = LevelMeter(16_000.0)
    for n in lengths:
        meter.step(np.zeros(n, np.float32))
    assert np.isfinite([meter.level.rms_dbfs, meter.level.peak_dbfs]).all()
