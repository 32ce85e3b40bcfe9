"""Every device against a real outlet that publishes what its connector does."""

import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pylsl
import pytest

from bci_stream.devices import builtin_profiles, load_catalogue
from bci_stream.errors import StreamFormatError
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset
from bci_stream.sources.binding import bind_audio, bind_eeg, looks_like
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.lsl_discovery import Directory
from tests.sources.published import CYTON, DAISY, PUBLISHED, Outlet

FORCED_ONLY = {profile.name for profile in builtin_profiles() if profile.match is None}


AT_ONCE = 12  # a test session has ports of its own, two for an outlet, and not many


@pytest.fixture(scope="module")
def resolved(lsl_isolation):
    """What our directory found of each outlet, in the order of ``PUBLISHED``."""
    directory, resolved = Directory(), []
    for start in range(0, len(PUBLISHED), AT_ONCE):
        outlets = [pylsl.StreamOutlet(each.header()) for each in PUBLISHED[start : start + AT_ONCE]]
        resolved += found_by(directory, [outlet.get_info().uid() for outlet in outlets])
        outlets.clear()  # off the network, their ports free again
    return resolved


def found_by(directory, uids):
    found, deadline = {}, time.monotonic() + 90
    while not found.keys() >= set(uids):
        assert time.monotonic() < deadline, f"{len(set(uids) - found.keys())} outlets were never found"
        found |= {info.uid: info for info in directory.survey().streams}
        time.sleep(0.05)
    return [found[uid] for uid in uids]


def cases():
    counts = itertools.count()
    return [pytest.param(next(counts), p, id=f"{p.device}-{p.n}ch-{p.name[:12]}") for p in PUBLISHED]


@pytest.mark.parametrize(("number", "published"), cases())
def test_its_profile_is_found_and_bound(resolved, number, published):
    info, catalogue = resolved[number], load_catalogue()
    match = catalogue.match(info)
    assert (match.profile.name if match else None) == published.device
    assert looks_like(info, EEG, catalogue) == (published.role == "eeg")
    assert looks_like(info, AUDIO, catalogue) == (published.role == "audio")
    if published.role == "audio":
        assert bind_audio(info, match=match).ch_names == ("audio",)
    if published.role == "eeg":
        binding = bind_eeg(info, sfreq=None if info.sfreq else 256.0, match=match)
        assert binding.ch_names == published.electrodes
        assert binding.scale.tolist() == pytest.approx([published.scale] * len(published.electrodes))
        if match is not None:
            assert binding.notes[0].startswith(f"{info.name!r} is taken as {match.profile.label} (")
            assert match.words in binding.notes[0]


def test_every_profile_is_proven_here():
    proven = {published.device for published in PUBLISHED} - {None}
    assert {profile.name for profile in builtin_profiles()} == proven | FORCED_ONLY
    headsets = {profile.name for profile in builtin_profiles() if profile.role == "eeg"}
    assert len(headsets) >= 20


def test_no_other_profile_fits_as_well(resolved):
    """The choice never hangs on the order of the file."""
    from bci_stream.devices.matching import agreement

    for info in resolved:
        scores = sorted((m.score for p in builtin_profiles() if (m := agreement(info, p))), reverse=True)
        assert len(scores) < 2 or scores[0] > scores[1], info.name


# -- live: through the source, from another process ------------------------------------------------------


def test_a_stream_of_an_unlikely_type_without_a_rate_is_taken_as_eeg(outlet):
    outlet(
        "Mindwave",
        type="Gaze",
        n_channels=3,
        labels=["attention", "rawEeg", "delta"],
        sfreq=0.0,
        dtype="double64",
        rate=512.0,
        chunk=16,
    )
    source = LslSource([LslRequest(EEG, "Mindwave", catalogue=load_catalogue())], resolve_s=60.0)
    try:
        binding = source.open()[EEG]
        assert binding.ch_names == ("rawEeg",)
        assert binding.sfreq == 512.0
        assert any("measured 51" in note for note in binding.notes)
    finally:
        source.close()


def test_among_the_streams_of_a_gui_only_the_signal_is_taken(outlet):
    for name, n in (("wave", 8), ("fft", 125), ("bands", 6), ("focus", 1)):
        outlet(name, type="EEG", n_channels=n, labels=[], source_id="openbcigui", silent=True)
    source = LslSource([LslRequest(EEG, "source_id=openbcigui", catalogue=load_catalogue())], resolve_s=60.0)
    wait_for({"wave", "fft", "bands", "focus"})
    try:
        binding = source.open()[EEG]
        assert (binding.info.name, binding.ch_names) == ("wave", CYTON)
        assert any("--channels" in note and "Fp1, Fp2, C3" in note for note in binding.notes)
    finally:
        source.close()


def wait_for(names):
    directory, deadline = Directory(), time.monotonic() + 60
    while not names <= {info.name for info in directory.survey().streams}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_rate_that_its_device_does_not_have_is_measured(outlet):
    outlet(
        "OpenBCIEEG", n_channels=16, labels=[], source_id="OpenBCItestEEG", sfreq=250.0, rate=125.0, chunk=5
    )
    source = LslSource([LslRequest(EEG, "OpenBCIEEG", catalogue=load_catalogue())], resolve_s=60.0)
    try:
        binding = source.open()[EEG]
        assert binding.sfreq == 125.0
        assert binding.ch_names == DAISY
        assert any("declares 250 Hz: measured 125" in note for note in binding.notes)
    finally:
        source.close()


@pytest.mark.parametrize("device", sorted(FORCED_ONLY))
def test_a_bridge_of_ones_own_is_bound_by_the_device_that_is_named(device):
    catalogue = load_catalogue(device)
    profile = catalogue.forced
    header = Outlet(None, "my bridge", "EEG", len(profile.channels) + 2, profile.sfreq[0], "x").header()
    from bci_stream.sources.metadata import parse_stream_info

    info = parse_stream_info(header.as_xml(), key="1")
    assert catalogue.match(info) is None
    binding = bind_eeg(info, match=catalogue.binding_match(info))
    assert len(binding.ch_names) == len(profile.channels)
    assert "asked for with --device" in binding.notes[0]


def test_the_users_own_word_wins_over_a_profile():
    from bci_stream.sources.metadata import parse_stream_info

    header = Outlet(None, "obci_eeg1", "EEG", 4, 200, "openbcigui").header()
    info = parse_stream_info(header.as_xml(), key="1")
    match = load_catalogue().match(info)
    names = ("Cz", "C3", "C4", "Oz")
    binding = bind_eeg(info, channels=names, pick=("C4", "Cz"), unit="mV", match=match)
    assert binding.ch_names == ("C4", "Cz")
    assert binding.scale.tolist() == [1e3, 1e3]


def test_no_device_means_that_nothing_is_guessed():
    from bci_stream.sources.metadata import parse_stream_info

    header = Outlet(None, "obci_eeg1", "EEG", 8, 250, "openbcigui").header()
    info = parse_stream_info(header.as_xml(), key="1")
    nothing = load_catalogue("none")
    assert nothing.binding_match(info) is None
    assert bind_eeg(info, match=None).ch_names[0] == "ch1"


UNIX = """
import sys, time, json
import numpy as np, pylsl
from bci_stream.sources.lsl_config import configure_lsl
configure_lsl(sys.argv[1])
info = pylsl.StreamInfo("Muse", "EEG", 5, 256, "float32", "Muse00:55")
channels = info.desc().append_child("channels")
for label in ("TP9", "AF7", "AF8", "TP10", "Right AUX"):
    channel = channels.append_child("channel").append_child_value("label", label)
    channel.append_child_value("unit", "microvolts")
outlet = pylsl.StreamOutlet(info, 12)
print(outlet.get_info().uid(), flush=True)
rng = np.random.default_rng(1)
while True:
    time.sleep(12 / 256)
    now = time.time()
    data = rng.normal(0, float(sys.argv[2]), (12, 5)).astype(np.float32)
    outlet.push_chunk(data, [now - (11 - i) / 256 for i in range(12)])
"""


@pytest.fixture
def muse(lsl_isolation):
    """A Muse as muse-lsl sends it, stamped with the Unix clock, in a process of its own."""
    started = []

    def start(spread_uv):
        command = [sys.executable, "-c", UNIX, lsl_isolation, str(spread_uv)]
        root = Path(__file__).resolve().parents[2]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root))
        assert started[-1].stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def read_until(source, condition, timeout_s=60.0):
    events, deadline = [], time.monotonic() + timeout_s
    while not condition(events):
        events += source.read({EEG: 0.2}, timeout_s=0.1)
        assert time.monotonic() < deadline
    return events


def test_unix_stamps_are_put_on_the_local_clock(muse):
    muse(10.0)
    source = LslSource([LslRequest(EEG, "Muse", catalogue=load_catalogue())], resolve_s=60.0)
    try:
        source.open()
        events = read_until(source, lambda seen: sum(isinstance(e, Chunk) for e in seen) > 3)
        assert "Unix clock" in source.status()[EEG].note
    finally:
        source.close()
    assert isinstance(events[0], ClockOffset)
    assert {abs(e.offset_s) > 1e8 for e in events if isinstance(e, ClockOffset)} == {True}
    for chunk in (event for event in events if isinstance(event, Chunk)):
        placed = chunk.timestamps + events[0].offset_s
        assert np.all(placed <= chunk.arrival_s + 0.01)
        assert np.all(placed > chunk.arrival_s - 60.0)


def test_a_unit_that_cannot_be_stops_the_stream_with_the_flag_that_helps(muse):
    muse(1e-5)  # volts, tagged as µV
    source = LslSource([LslRequest(EEG, "Muse", catalogue=load_catalogue())], resolve_s=60.0)
    try:
        source.open()
        with pytest.raises(StreamFormatError, match=r"'Muse': .*look like V: say so with --unit V"):
            read_until(source, lambda seen: False)
    finally:
        source.close()
    source = LslSource([LslRequest(EEG, "Muse", unit="V", catalogue=load_catalogue())], resolve_s=60.0)
    try:
        assert source.open()[EEG].scale.tolist() == [1e6] * 4
        n_wanted = 6 * 256
        events = read_until(
            source, lambda seen: sum(len(e.timestamps) for e in seen if isinstance(e, Chunk)) > n_wanted
        )
        assert events
    finally:
        source.close()
