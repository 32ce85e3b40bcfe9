"""Several live sources as one."""

import numpy as np

from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset
from bci_stream.sources.combined import CombinedSource
from bci_stream.sources.lsl_inlet import InletStatus

RATES = {EEG: 250.0, AUDIO: 16_000.0}


class Clock:
    """Time that passes only in :class:`Steady`'s waiting."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


class Steady:
    """A source whose samples come evenly on a clock; it waits by moving the clock on."""

    def __init__(self, role, clock, state="live"):
        self.role, self.clock, self.state = role, clock, state
        self.sfreq = RATES[role]
        self.t0, self.n_taken, self.waits = clock(), 0, []
        self.measured = self.closed = False

    def read(self, missing_s, timeout_s=0.1):
        self.waits.append(timeout_s)
        if self.state != "live":
            self.clock.now_s += timeout_s
            return []
        due_s = self.t0 + self.n_taken / self.sfreq + missing_s.get(self.role, 0.0)
        if timeout_s:
            self.clock.now_s += min(timeout_s, max(0.0, due_s - self.clock()))
        n = int((self.clock() - self.t0) * self.sfreq + 1e-6) - self.n_taken
        if n <= 0:
            return []
        stamps = self.t0 + (self.n_taken + np.arange(n)) / self.sfreq
        offsets = [] if self.measured else [ClockOffset(self.role, stamps[0], 0.0)]
        self.n_taken, self.measured = self.n_taken + n, True
        return [*offsets, Chunk(self.role, stamps, np.zeros((n, 1), np.float32))]

    def status(self):
        return {self.role: InletStatus(self.role, self.state, 0, "", self.role, "", self.clock())}

    def close(self):
        self.closed = True


def combined(**states):
    clock = Clock()
    parts = [Steady(role, clock, states.get(role, "live")) for role in (EEG, AUDIO)]
    return CombinedSource(parts, RATES, clock), parts, clock


def n_samples(events, role):
    return sum(len(e.timestamps) for e in events if isinstance(e, Chunk) and e.stream == role)


def test_it_waits_for_the_stream_that_lacks_most_and_takes_the_others_along():
    source, (eeg, audio), clock = combined()
    source.read({}, 0.0)
    events = source.read({EEG: 0.2, AUDIO: 0.1}, 1.0)
    assert n_samples(events, EEG) == 50
    assert n_samples(events, AUDIO) == 3200
    assert clock() - 100.0 < 0.21
    assert max(audio.waits) == 0.0
    assert sum(isinstance(e, ClockOffset) for e in events) == 2
    assert max(eeg.waits) <= 0.025
    assert sum(isinstance(e, Chunk) for e in events) == 2, "neighbouring chunks are one"


def test_a_lost_stream_is_not_waited_for():
    source, _, clock = combined(audio="lost")
    source.read({}, 0.0)
    events = source.read({EEG: 0.1, AUDIO: 9.0}, 1.0)
    assert n_samples(events, EEG) == 25
    assert clock() - 100.0 < 0.11


def test_when_all_are_lost_the_time_out_ends_it():
    source, _, clock = combined(audio="lost", eeg="lost")
    source.read({}, 0.0)
    assert source.read({EEG: 0.1, AUDIO: 0.1}, 0.1) == []
    assert 0.0 < clock() - 100.0 <= 0.126


def test_all_streams_begin_together():
    source, (_, audio), clock = combined()
    clock.now_s += 3.0
    audio.n_taken = 16_000  # the streams were opened one after the other
    first = source.read({EEG: 0.2, AUDIO: 0.2}, 0.0)
    assert [type(e) for e in first] == [ClockOffset, ClockOffset]
    events = source.read({EEG: 0.2, AUDIO: 0.2}, 1.0)
    assert {e.timestamps[0] for e in events if isinstance(e, Chunk)} == {103.0}


def test_statuses_are_merged_and_all_are_closed():
    source, parts, _ = combined(audio="lost")
    assert {role: s.state for role, s in source.status().items()} == {EEG: "live", AUDIO: "lost"}
    source.close()
    assert all(part.closed for part in parts)
