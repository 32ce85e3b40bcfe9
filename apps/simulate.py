"""``bci-stream simulate``: publish a simulated headset and voice over real LSL."""

from __future__ import annotations

import time

from apps.console import say
from apps.live import configure, stop_on_signal
from bci_stream.errors import ConfigError
from bci_stream.sources.simulator import SimulatorSettings


def run(
    settings: SimulatorSettings, name: str, seconds: float | None, scope: str | None, session_id: str | None
) -> None:
    """Publish until the time is over or Ctrl-C."""
    if seconds is not None and seconds <= 0:
        raise ConfigError(f"--seconds {seconds:g} makes no sense: give a number above 0, or leave it out")
    configure(scope, session_id)
    from bci_stream.sources.simulator_lsl import publish

    with stop_on_signal() as stop:
        say(f"publishing {name}EEG, {name}Audio and {name}Markers; Ctrl-C stops")
        started_s = time.monotonic()
        publish(
            settings,
            duration_s=seconds if seconds is not None else float("inf"),
            name_prefix=name,
            source_id=f"bci-stream-{name}",
            stop=stop.is_set,
        )
    say(f"published {time.monotonic() - started_s:.1f} s")
