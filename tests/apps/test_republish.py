"""A recording sent out as live streams is read back by a plain pylsl inlet, value for value."""

import os
import subprocess
import sys
import time

import numpy as np
import pylsl

from bci_stream.sources.xdf import XdfRecording
from tests.apps.command import ROOT
from tests.recordings import XDF_DEV, needs_recordings

PATH = XDF_DEV / "muselsl2_sub-P001.xdf"


@needs_recordings
def test_values_and_spacing_are_those_of_the_file(lsl_isolation):
    with XdfRecording.open(PATH) as recording:
        (info,) = (i for i in recording.streams if i.type == "EEG")
        blocks = [b for b in recording.blocks({info.key: 256}) if hasattr(b, "values")]
        values = np.concatenate([b.values for b in blocks])
        stamps = np.concatenate([b.timestamps for b in blocks])
    command = [
        sys.executable,
        "-m",
        "bci_stream",
        "replay",
        str(PATH),
        "--publish",
        "--session-id",
        lsl_isolation,
    ]
    with subprocess.Popen([*command, "--scope", "machine"], cwd=ROOT, env=dict(os.environ)) as player:
        found, deadline = [], time.monotonic() + 60
        while not found and time.monotonic() < deadline:
            found = [i for i in pylsl.resolve_streams(1.0) if i.type() == "EEG" and i.name() == "Muse"]
        inlet = pylsl.StreamInlet(found[0], recover=False)
        full = inlet.info(10.0)
        assert full.get_channel_labels() == list(info.ch_names)
        assert full.nominal_srate() == info.sfreq
        got, at = [], []
        while len(at) < 1000 and time.monotonic() < deadline:
            pulled, when = inlet.pull_chunk(0.5, 256, as_numpy=True)
            got.append(np.array(pulled))
            at += list(when)
        player.terminate()
        assert player.wait(30) == 0
    received = np.concatenate([g for g in got if len(g)])
    begin = int(np.flatnonzero((values == received[0]).all(axis=1))[0])
    np.testing.assert_array_equal(received, values[begin : begin + len(received)])
    expected = np.diff(stamps[begin : begin + len(at)])
    np.testing.assert_allclose(np.diff(at), expected, atol=1e-4)
