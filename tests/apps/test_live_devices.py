"""``bci-stream live`` on EEG that comes from elsewhere: mne-lsl's player, BrainFlow, a FieldTrip buffer."""

import subprocess
import sys

import pytest

from tests.apps.command import ROOT, bci
from tests.sources.fieldtrip_server import FieldTripServer
from tests.sources.test_fieldtrip import NAMES, Amplifier


def test_mne_lsls_player_in_volts_is_classified(lsl_isolation):
    """Its unit is "0", FIFF's way of saying volts, and its type "eeg"."""
    command = [sys.executable, "-m", "tests.peers.player", "eeg"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as player:
        assert player.stdout is not None
        assert player.stdout.readline().strip() == "ready"
        result = bci(
            "live", "--eeg", "Played", "--no-audio", "--fit", "interpolate", "--wait", "20",
            "--seconds", "8", "--json", "--windows",
        )  # fmt: skip
        player.communicate("")
    assert result.code == 0, result.err
    predictions = [p for p in result.records("prediction") if "ended" not in p["tags"]]
    assert len(predictions) >= 3
    assert predictions[-1]["stood_on"] == ["eeg"]
    marks = result.records("window")[-1]["streams"]["eeg"]["marks"]
    assert not marks, "noise of 20 µV is no artefact, unless a volt was taken for something else"


def test_a_brainflow_board_is_classified():
    pytest.importorskip("brainflow")
    result = bci("live", "--brainflow", "synthetic", "--fit", "interpolate", "--seconds", "6", "--json")
    assert result.code == 0, result.err
    assert "EEG from BrainFlow Synthetic: 16 channels at 250 Hz" in result.err
    assert len(result.records("prediction")) >= 3


def test_a_fieldtrip_buffer_is_windowed():
    pytest.importorskip("mne_realtime")
    server = FieldTripServer()
    amplifier = Amplifier(server.port)
    try:
        result = bci(
            "live", "--fieldtrip", f"localhost:{server.port}", "--no-model", "--seconds", "3", "--json"
        )
    finally:
        amplifier.stop()
        server.close()
    assert result.code == 0, result.err
    windows = result.records("window")
    assert len(windows) >= 3
    assert windows[-1]["streams"]["eeg"]["sfreq"] == 250.0
    assert f"{len(NAMES)} channels at 250 Hz" in result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--serial-port", "x"), "belongs to a BrainFlow board"),
        (("--brainflow", "synthetic", "--fieldtrip", "localhost"), "one device at a time"),
        (("--brainflow", "synthetic", "--brainflow-param", "mac"), "write it as NAME=VALUE"),
        (("--brainflow", "synthetic", "--eeg", "Muse"), "drop --eeg and --no-eeg"),
    ],
)
def test_options_that_do_not_go_together_get_one_line(options, words):
    result = bci("live", "--no-model", *options)
    assert result.code == 2
    assert words in result.err
    assert result.err.count("\n") == 1
