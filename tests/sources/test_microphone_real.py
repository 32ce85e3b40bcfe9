"""A real capture on a machine without sound: real speech through a virtual PortAudio device."""

import sys
import time

import numpy as np
import pylsl
import pytest

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.messages import AUDIO, Chunk
from bci_stream.sources import portaudio
from bci_stream.sources.block_clock import SLEW, BlockClock
from bci_stream.sources.microphone import MicrophoneSource
from bci_stream.timeline.windows import WindowSettings
from tests.speech import SFREQ, needs_speech, place_of, talk, write_wav

WINDOW_S = 1.0
LOST_S = 0.5  # a person sees a loss within this, where the machine is not overrun


def wait_until(condition, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


class Session:
    """Reads a microphone in the rhythm of the engine, and keeps what it hands out."""

    def __init__(self, source):
        self.source = source
        self.binding = source.open()[AUDIO]
        plans = plan_without_model({AUDIO: self.binding.spec})
        self.pipeline = Pipeline(plans, WindowSettings(WINDOW_S, 0.2))
        self.windows, self.chunks, self.states = [], [], []

    def run_for(self, seconds):
        end_s = pylsl.local_clock() + seconds
        self.run_until(lambda: pylsl.local_clock() >= end_s, timeout_s=seconds + 60)

    def run_until(self, done, timeout_s=60.0):
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, f"waited in vain: {self.source.status()}"
            for event in self.source.read(self.pipeline.missing_s(), 0.05):
                if isinstance(event, Chunk):
                    self.chunks.append(event)
                self.keep(self.pipeline.step(event))
            self.keep(self.pipeline.wait(pylsl.local_clock()))
            state = self.source.status()[AUDIO].state
            if not self.states or self.states[-1][1] != state:
                self.states.append((pylsl.local_clock(), state))

    def keep(self, outcomes):
        for outcome in outcomes:
            part = outcome.window.streams[AUDIO]
            self.windows.append((part.t_start, part.coverage, part.data[:, 0].copy(), part.gaps))

    @property
    def state(self):
        return self.states[-1][1] if self.states else "live"

    @property
    def stamps(self):
        return np.concatenate([chunk.timestamps for chunk in self.chunks])


def misalignment_ms(session, played, began_s):
    """Each whole window of speech against when it was spoken: (t_start, ms later than true)."""
    places, near = [], None
    for t_start, coverage, data, _ in session.windows:
        if coverage < 1.0 or np.abs(data).max() < 0.01:
            continue
        expected = None if near is None else round((t_start - near) * SFREQ)
        at, alike = place_of(data, played, expected)
        if alike > 0.9:
            places.append((t_start, t_start - at / SFREQ))
            near = float(np.median([offset for _, offset in places]))
    starts, offsets = np.array(places).T
    return starts, (offsets - began_s) * 1e3


def inject(session, mic, *, before_s, suspended_s, between_s, unplugged_s, after_s):
    """Speech with an overflow and an unplugged device; the moments at which they happened."""
    session.run_for(before_s)
    suspended = pylsl.local_clock()
    mic.suspend(True)
    session.run_for(suspended_s)
    mic.suspend(False)
    session.run_until(lambda: session.state == "live")
    session.run_for(between_s)
    mic.add_another()  # and the system would rather record from it
    unplugged = pylsl.local_clock()
    mic.unplug()
    session.run_until(lambda: session.state == "lost", timeout_s=20)
    noticed = session.states[-1][0]
    session.run_for(unplugged_s)
    n_before = len(session.chunks)
    session.run_for(1.0)
    assert len(session.chunks) == n_before, "another microphone was taken"
    mic.plug_in()
    session.run_until(lambda: session.source.status()[AUDIO].n_reconnects == 1)
    session.run_for(after_s)
    return suspended, unplugged, noticed


def check(session, played, began_s, figures, *, suspended_s, enough, lost_s):
    suspended, unplugged, noticed = figures
    starts, late_ms = misalignment_ms(session, played, began_s)
    constant_ms = float(np.median(late_ms))
    off_ms = late_ms - constant_ms
    parts = np.split(off_ms, np.searchsorted(starts, (suspended, unplugged)))
    report = (
        f"constant offset {constant_ms:.2f} ms; "
        f"{len(off_ms)} windows of speech within {np.abs(off_ms).max():.2f} ms "
        f"(p95 {np.percentile(np.abs(off_ms), 95):.2f}, "
        f"medians of the three parts {', '.join(f'{np.median(part):.2f}' for part in parts)}); "
        f"unplugging seen after {(noticed - unplugged) * 1e3:.0f} ms; "
        f"{session.source.n_lost} samples lost in the overflow; {session.source.stamps}"
    )
    sys.stdout.write(f"\n{report}\n")
    assert len(off_ms) >= enough, report
    assert np.abs(off_ms).max() < 5.0, report
    assert 0.0 < constant_ms < 40.0, report
    assert all(len(part) for part in parts), report
    assert noticed - unplugged < lost_s, report
    assert (np.diff(session.stamps) > 0).all()
    assert session.source.n_lost / SFREQ == pytest.approx(suspended_s, abs=0.35)
    jumps = np.diff(session.stamps)
    gaps = jumps[jumps > 0.1]  # of the overflow and the unplugged device; a busy computer may overflow again
    assert len(gaps) >= 2
    assert gaps.sum() - gaps.max() == pytest.approx(session.source.n_lost / SFREQ, abs=0.1), "all is told"
    assert jumps[jumps < 0.1].max() < (1 + 1.1 * SLEW) / SFREQ, "samples are equally spaced"
    assert jumps.max() > 1.0


def test_an_overflow_of_the_host_is_a_gap_of_the_right_length(virtual_mic):
    """32 channels at 96 kHz fill the server's 4 MB in a third of a second; of the rest it says nothing."""
    sfreq, blocks, stalls = 96_000.0, [], [0.0]

    def take(time_, data):
        blocks.append((time_, data[:, :1].copy()))
        stall_s, stalls[0] = stalls[0], 0.0
        time.sleep(stall_s)

    (server, *_) = [device for device in portaudio.inputs() if device.name == "pulse"]
    capture = portaudio.Capture(server, sfreq, 32, 960, pylsl.local_clock, take, lambda: None)
    try:
        for stall_s in (1.0, 0.0):
            n_before = len(blocks)
            wait_until(lambda n=n_before: len(blocks) > n + 100)
            stalls[0] = stall_s
    finally:
        capture.close()
    clock = BlockClock(sfreq)
    pieces = [piece for time_, data in blocks for piece in clock.step(time_, data)] + clock.flush()
    stamps = np.concatenate([times for times, _ in pieces])
    assert len(stamps) == sum(len(data) for _, data in blocks)
    jumps = np.diff(stamps)
    assert jumps.max() > 0.3
    assert clock.n_lost / sfreq == pytest.approx(jumps[jumps > 0.01].sum(), abs=5e-3)
    entries = [time_.entry_s for time_, _ in blocks]
    assert stamps[-1] == pytest.approx(entries[-1], abs=0.03), "the end lies where the clock says"


@needs_speech
def test_captured_windows_line_up_with_what_was_spoken(virtual_mic, tmp_path):
    played = talk(60.0)
    session = Session(MicrophoneSource("vmic_src"))
    try:
        began_s = virtual_mic.play(write_wav(tmp_path / "talk.wav", played))
        figures = inject(
            session, virtual_mic, before_s=5.0, suspended_s=0.8, between_s=5.0, unplugged_s=0.2, after_s=5.0
        )
    finally:
        session.source.close()
    check(session, played, began_s, figures, suspended_s=0.8, enough=20, lost_s=3.0)


@needs_speech
@pytest.mark.slow
def test_two_minutes_line_up(virtual_mic, tmp_path):
    played = talk(180.0, first=40)
    session = Session(MicrophoneSource("vmic_src"))
    try:
        began_s = virtual_mic.play(write_wav(tmp_path / "talk.wav", played))
        figures = inject(
            session,
            virtual_mic,
            before_s=45.0,
            suspended_s=2.0,
            between_s=35.0,
            unplugged_s=5.0,
            after_s=40.0,
        )
    finally:
        session.source.close()
    check(session, played, began_s, figures, suspended_s=2.0, enough=250, lost_s=LOST_S)
