"""The one line over the signals: how the session stands, the worst first. No Qt."""

from __future__ import annotations

from apps.gui.viewmodels.traces import time_words
from apps.gui.viewmodels.words import size_words
from bci_stream.engine.frame import Frame, Recording


def headline(frame: Frame, paused_s: float | None = None) -> tuple[str, str]:
    """Level ("good", "warn", "bad" or "off") and words."""
    if frame.state == "failed":
        return "bad", frame.error or "the session failed: press Start to begin anew"
    if frame.state == "stopped":
        return "off", "the session has ended"
    if frame.troubles:
        return "bad", frame.troubles[0]
    if frame.recording is not None and frame.recording.error is not None:
        return "bad", frame.recording.error
    for level in ("bad", "warn"):
        for stream in frame.streams:
            if stream.level == level:
                return level, f"{stream.name}: {stream.words}"
    words = (
        f"{'paused' if frame.state == 'paused' else 'running'} {time_words(int(frame.now_s - frame.t0_s))}"
    )
    if frame.bundle:
        words += f", {frame.bundle}"
    if frame.recording is not None:
        words += f", {recording_words(frame.recording)}"
    if paused_s is not None:
        words += f", picture held at {time_words(round(paused_s, 1))}"
    return "good", words


def recording_words(recording: Recording) -> str:
    """How long, how large, how much room is left."""
    text = f"recording {time_words(int(recording.duration_s))}, {size_words(recording.n_bytes)}"
    text += f", {size_words(recording.n_free_bytes)} free"
    if recording.left_s < 100 * 3600:
        text += f" ({recording.left_s / 3600:.1f} h)"
    return text
