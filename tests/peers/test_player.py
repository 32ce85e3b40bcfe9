"""mne-lsl's player, which carries its own liblsl, is read by our inlet."""

import subprocess
import sys
import time

import numpy as np

from bci_stream.messages import EEG, Chunk
from bci_stream.sources.lsl import LslRequest, LslSource
from tests.apps.command import ROOT


def test_every_sample_of_the_players_stream_comes_in_order_and_in_microvolts():
    command = [sys.executable, "-m", "tests.peers.player"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as player:
        assert player.stdout is not None
        assert player.stdout.readline().strip() == "ready"
        source = LslSource([LslRequest(EEG, "Played")], resolve_s=30.0)
        try:
            binding = source.open()[EEG]
            values, deadline = [], time.monotonic() + 60
            while sum(map(len, values)) < 1000 and time.monotonic() < deadline:
                values += [e.data[:, 0] for e in source.read({EEG: 0.2}) if isinstance(e, Chunk)]
        finally:
            source.close()
            player.communicate("")
    assert binding.ch_names == ("Fz", "Cz", "Pz", "Oz")
    got = np.concatenate(values)
    assert len(got) >= 1000
    steps = np.diff(np.round(got).astype(int))
    assert set(steps[steps != -4999].tolist()) == {1}  # the recording begins again after its 5000 samples
