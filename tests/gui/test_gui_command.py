"""``bci-stream gui`` as a program: the picture, and what it says where it cannot start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def gui(*args, timeout_s=150, **environment):
    env = {k: v for k, v in os.environ.items() if k not in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")}
    env |= {"PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "bci_stream", "gui", *map(str, args)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)


def test_without_a_screen_it_says_so_and_offers_the_terminal():
    done = gui("--demo")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "DISPLAY" in done.stderr
    assert "bci-stream live" in done.stderr


@pytest.mark.parametrize("args", [("--theme", "pink"), ("--size", "big"), ("--size", "10x10")])
def test_options_that_make_no_sense_are_one_line(args):
    done = gui(*args)
    assert done.returncode == 2
    assert done.stderr.startswith("error:")
    assert done.stderr.count("\n") == 1


def test_a_recording_that_cannot_be_opened_ends_a_picture_with_one_line(tmp_path):
    done = gui(
        "--replay", tmp_path / "no.xdf", "--screenshot", tmp_path / "a.png", BCI_STREAM_HOME=str(tmp_path)
    )
    assert done.returncode == 2
    assert "no.xdf" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_draws_itself(tmp_path):
    from pyqtgraph.Qt import QtGui

    path = tmp_path / "demo.png"
    done = gui(
        "--demo", "--screenshot", path, "--seconds", 3, "--theme", "light", BCI_STREAM_HOME=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    picture = QtGui.QImage(str(path))
    assert (picture.width(), picture.height()) == (1366, 768)
    colours = {picture.pixel(x, y) for x in range(0, 1366, 3) for y in range(0, 768, 3)}
    assert len(colours) > 50
