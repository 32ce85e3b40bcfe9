"""A live session over real LSL for a test: simulated people in processes of their own, and a director."""

import os
import signal
import threading
import time

from apps.choice import ModelChoice, StreamChoice
from apps.live_streams import LiveOptions
from apps.outputs import OutputChoice
from apps.replay import ReplayOptions
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess


def person(prefix, session_id, **fields):
    settings = SimulatorSettings(**fields)
    return SimulatorProcess(settings, name_prefix=prefix, source_id=prefix, lsl=(session_id, "machine"))


class Director(threading.Thread):
    """Does things to a session that the main thread runs, then ends it as Ctrl-C does."""

    def __init__(self, play):
        super().__init__(daemon=True)
        self._play, self.error, self.is_over = play, None, False
        self.start()

    def run(self):
        try:
            self._play(self)
        except AssertionError as error:
            self.error = error
        if not self.is_over:
            os.kill(os.getpid(), signal.SIGINT)

    def wait_until(self, condition):
        wait_until(lambda: self.is_over or condition())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.join()


def wait_until(condition, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


def live_options(prefix, recording=None, **fields):
    given = {"model": ModelChoice(), "as_json": False, "outputs": OutputChoice()} | fields
    return LiveOptions(
        streams=StreamChoice(f"{prefix}EEG", f"{prefix}VAudio", markers=f"{prefix}Markers"),
        seconds=None,
        wait_s=60.0,
        lateness_s=None,
        scope=None,
        session_id=None,
        windows=False,
        recording=recording,
        **given,
    )


def replay_options(path, **model):
    return ReplayOptions(
        file=path,
        speed="max",
        t_from_s=None,
        t_to_s=None,
        streams=StreamChoice(),
        model=ModelChoice(**model),
        lateness_s=None,
        reanchor=False,
        windows=False,
        as_json=False,
    )
