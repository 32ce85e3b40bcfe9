"""The benchmarks run and print ratios; nothing here depends on how fast this machine is."""

import subprocess
import sys

import pytest

from tests.apps.command import ROOT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("xdf", "pyxdf"),
        ("replay", "times real time"),
        ("stages", "dejitter"),
        ("latency", "pylsl + numpy loop"),
        ("models", "cached tokens"),
        ("microphone", "Microphone"),
        ("record", "bci-stream record"),
        ("calibration", "last trial to report"),
    ],
)
def test_a_quick_run_prints_its_table(name, words):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
