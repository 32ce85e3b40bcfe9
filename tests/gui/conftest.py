"""A window needs no screen in tests: Qt draws into memory. Set before Qt is loaded.

The windows are real, on a real engine; streams come over a real liblsl from a simulator's process.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest

from apps.choice import ModelChoice, StreamChoice
from apps.gui.viewmodels.traces import TraceSettings
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


def begun(main, prefix, wait):
    """A window's session with the streams of that prefix, once it runs."""
    from apps.gui.runs import live_run

    streams = StreamChoice(f"{prefix}EEG", f"{prefix}Audio", markers=f"{prefix}Markers")
    scope, session_id = main.options.scope, main.options.session_id
    main.control.begin("…", lambda: live_run(streams, ModelChoice(), scope, session_id))
    wait(lambda: main.frame is not None or main.control.problem is not None)
    assert main.control.problem is None
    return main


@pytest.fixture
def live(qtbot, window, person):
    """A window with a running session of a simulated person of its own, for tests that break something."""

    def begin(prefix, **fields):
        process = person(prefix, **fields)
        main = begun(window(), prefix, lambda condition: qtbot.waitUntil(condition, timeout=PATIENCE_MS))
        return main, process

    return begin


@pytest.fixture(scope="module")
def shared_window(qapp, lsl_isolation, tmp_path_factory):
    """One window with one session for all the tests of a file that leave it running."""
    from apps.gui.options import GuiOptions
    from apps.gui.window import MainWindow

    def wait(condition):
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not condition():
            assert time.monotonic() < deadline
            qapp.processEvents()
            time.sleep(0.01)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BCI_STREAM_HOME", str(tmp_path_factory.mktemp("home")))
        main = MainWindow(GuiOptions(session_id=lsl_isolation, scope="machine"))
    settings = SimulatorSettings(seed=7, person=9001)
    lsl = (lsl_isolation, "machine")
    with SimulatorProcess(settings, name_prefix="Shared", source_id="Shared", lsl=lsl) as process:
        process.wait_ready(60)
        main.show()
        begun(main, "Shared", wait)
        wait(lambda: main.frame.n_predictions > 5)
        yield main
        main.close_now()


@pytest.fixture
def running(shared_window):
    """The shared window, as it was at the start."""
    main = shared_window
    fresh = TraceSettings()
    for name in fresh.__dataclass_fields__:
        setattr(main.settings, name, getattr(fresh, name))
    main.session_page.signals.paused_s = None
    main.session_page.settings_changed()
    main.activateWindow()
    main.setFocus()
    return main
