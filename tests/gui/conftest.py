"""A window needs no screen in tests: Qt draws into memory. Set before Qt is loaded.

The windows are real, on a real engine; streams come over a real liblsl from a simulator's process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest

from apps.choice import ModelChoice, StreamChoice
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess

PATIENCE_MS = 90_000
OUTLET = Path(__file__).resolve().parent.parent / "sources" / "lsl_outlet.py"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """What is remembered lies in a folder of the test's own."""
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def person(lsl_isolation):
    """Starts simulated people; ends them."""
    processes = []

    def start(prefix, **fields):
        process = SimulatorProcess(
            SimulatorSettings(seed=7, person=9001, **fields),
            name_prefix=prefix,
            source_id=prefix,
            lsl=(lsl_isolation, "machine"),
        )
        process.start()
        process.wait_ready(60)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()


@pytest.fixture
def outlet(lsl_isolation):
    """Starts outlets in processes of their own; ends them."""
    processes = []

    def start(**options):
        options = {"session_id": lsl_isolation, "source_id": options["name"], **options}
        command = [sys.executable, str(OUTLET), json.dumps(options)]
        env = {**os.environ, "PYTHONPATH": str(OUTLET.parent.parent.parent)}
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def window(qtbot, lsl_isolation):
    """Makes windows that look into this test's LSL session only; closes them."""
    from apps.gui.options import GuiOptions
    from apps.gui.window import MainWindow

    made = []

    def make(**fields):
        options = GuiOptions(session_id=lsl_isolation, scope="machine", **fields)
        main = MainWindow(options)
        made.append(main)
        main.show()
        return main

    yield make
    for main in made:
        main.close_now()


@pytest.fixture
def live(qtbot, window, person):
    """A window with a running session of a simulated person."""
    from apps.gui.runs import live_run

    def begin(prefix, model=None, **fields):
        process = person(prefix, **fields)
        main = window()
        streams = StreamChoice(eeg=f"{prefix}EEG", audio=f"{prefix}Audio")
        choice = model or ModelChoice()
        options = main.options
        main.control.begin("…", lambda: live_run(streams, choice, options.scope, options.session_id))
        qtbot.waitUntil(
            lambda: main.control.run is not None or main.control.problem is not None, timeout=PATIENCE_MS
        )
        assert main.control.problem is None
        return main, process

    return begin
