"""A recorder that is killed at any moment leaves a file that opens, and under a quarter of a second out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bci_stream.messages import ClockOffset
from bci_stream.sinks.xdf_file import note_of
from bci_stream.sinks.xdf_recovery import finish_all
from bci_stream.sources.xdf import XdfRecording

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")
pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="the children are forked, which Windows cannot"
)

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_LOST_S = 0.25
STEP_S = {"eeg": 1 / 250, "audio": 1 / 16_000, "slow": 1 / 10, "markers": 1 / 7}


def kills(folder, n, seed):
    child = Path(__file__).with_name("recording_child.py")
    command = [sys.executable, str(child), str(folder), str(n), str(seed), "5"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=30 + 2 * n, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def our_stamps(path):
    with XdfRecording.open(path) as recording:
        stamps = {info.name: [np.empty(0)] for info in recording.streams}
        names = {info.key: info.name for info in recording.streams}
        for block in recording.blocks({info.key: 10**6 for info in recording.streams}):
            if not isinstance(block, ClockOffset):
                stamps[names[block.key]].append(block.timestamps)
        return {name: np.concatenate(parts) for name, parts in stamps.items()}, recording.warnings


def check(path, made):
    """The file as it was left: whole to pyxdf and to us, and how much of each stream is missing."""
    stamps, _ = our_stamps(path)
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    theirs = {stream["info"]["name"][0]: stream for stream in streams}
    lost_s = {}
    for name, newest_s in made.items():
        ours = stamps[name]
        np.testing.assert_array_equal(ours, theirs[name]["time_stamps"])
        np.testing.assert_allclose(np.diff(ours), STEP_S[name], atol=1e-6)  # nothing out of the middle
        if name == "markers":
            assert [row[0] for row in theirs[name]["time_series"]] == [f"cue at {t!r}" for t in ours.tolist()]
        else:
            np.testing.assert_array_equal(theirs[name]["time_series"][:, 0], ours.astype(np.float32))
        lost_s[name] = newest_s - ours[-1] if len(ours) else (np.inf if newest_s else 0.0)
    assert (
        len({found[0] for found in stamps.values() if len(found)}) <= 1
    )  # all begin with their first sample
    return stamps, lost_s


@pytest.mark.parametrize("n", [20, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_a_recorder_killed_at_any_moment_loses_less_than_a_quarter_of_a_second(tmp_path, n):
    killed = kills(tmp_path, n, seed=n)
    assert len(killed) == n
    worst = dict.fromkeys(STEP_S, 0.0)
    before = {}
    for one in killed:
        path = Path(one["path"])
        assert note_of(path).exists()
        before[path], lost_s = check(path, one["made"])
        worst = {name: max(worst[name], lost_s[name]) for name in worst}
    assert max(worst.values()) < MOST_LOST_S, worst
    finished, problems = finish_all(tmp_path)
    assert problems == []
    assert len(finished) == n
    for one in killed:
        path = Path(one["path"])
        after, _ = check(path, one["made"])
        assert {name: len(found) for name, found in after.items()} == {
            name: len(found) for name, found in before[path].items()
        }
        streams, _ = pyxdf.load_xdf(path)  # by its defaults
        for stream in streams:
            assert int(stream["footer"]["info"]["sample_count"][0]) == len(stream["time_stamps"])
    assert list(tmp_path.glob("*.unfinished")) == []
