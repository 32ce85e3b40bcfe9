"""Runs for the window: the demo, a live session, a recording. No Qt."""

from __future__ import annotations

from apps.choice import ModelChoice, StreamChoice
from apps.live import LiveOptions
from apps.live_run import LiveRun, open_run
from bci_stream.sources.lsl_config import private_session
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess

_DEMO_S = 12 * 3600.0
_WAIT_S = 30.0


def live_options(
    streams: StreamChoice,
    model: ModelChoice,
    *,
    wait_s: float,
    scope: str | None,
    session_id: str | None,
    publish: str | None = None,
) -> LiveOptions:
    """A live session for a window: nothing on the terminal."""
    return LiveOptions(
        streams=streams,
        model=model,
        seconds=None,
        wait_s=wait_s,
        lateness_s=None,
        scope=scope,
        session_id=session_id,
        publish=publish,
        windows=False,
        as_json=False,
    )


class DemoRun(LiveRun):
    """A live session of a simulated person, who goes when it ends."""

    person: SimulatorProcess

    def close(self) -> None:
        """End both."""
        super().close()
        self.person.terminate()


def demo_run(settings: SimulatorSettings | None = None) -> DemoRun:
    """A simulated person in a process of their own over real LSL, and a session that listens."""
    settings = settings or SimulatorSettings(seed=7, person=9001)
    session_id = private_session("bci-demo")
    person = SimulatorProcess(settings, duration_s=_DEMO_S, lsl=(session_id, "machine"))
    person.start()
    try:
        options = live_options(
            StreamChoice(eeg="SimEEG", audio="SimAudio"),
            ModelChoice(),
            wait_s=_WAIT_S,
            scope="machine",
            session_id=session_id,
        )
        run = open_run(options, smooth=True, kind=DemoRun)
    except BaseException:
        person.terminate()
        raise
    run.person = person
    return run
