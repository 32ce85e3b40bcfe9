"""A headset and a microphone in virtual time, whose truth is known, in front of the real pipeline.

What happens to them is ordered step by step (see :mod:`benchmarks.reliability.machine`); after each tick of a
tenth of a second the windows that came of it are held against the truth.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from apps.choice import Prepared
from apps.live_recording import session_facts
from apps.recorded_session import foreign_markers, replayed
from apps.recording import BoundRecording
from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.engine.session import replay
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Event, StreamInfo, StreamSpec
from bci_stream.sinks.freshness import Freshness
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_file import ChunkFile
from bci_stream.sinks.xdf_headers import as_bound, prediction_streams
from bci_stream.sinks.xdf_session import RecordedPipeline, RecordingSink
from bci_stream.sources.binding import bind_audio, bind_eeg
from bci_stream.sources.clock_guard import ClockGuard
from bci_stream.sources.lsl_identity import match
from bci_stream.sources.recordings import open_recording
from bci_stream.sources.xdf import XdfSource

if TYPE_CHECKING:
    from bci_stream.model.predictor import StreamingPredictor

T0 = 5000.0
TICK_S = 0.1
TOLD_S = 0.75  # after a loss until it can be told from a stall: half a second of late samples, and a hop
LIVE_S = 0.5
LATENCY_S = 0.02
PAIR_S = 2.0
SWAY_HZ, SWAY = 0.9, {EEG: 100.0, AUDIO: 0.5}
PLACED_S = 10e-3  # how far a good sample may be from its place
CALM_S = 3.0  # after which nothing of an earlier event may show


def sway(role: str, times: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What every channel carries at a true time: so a sample tells when it was taken."""
    return np.asarray(SWAY[role] * np.sin(2 * np.pi * SWAY_HZ * (times - T0)))


@dataclass
class Device:
    """One stream: what it has taken, what of it was delivered, and what is wrong with it now."""

    info: StreamInfo
    role: str
    names: tuple[str, ...]
    offset_s: float
    n_next: int = 0
    connected: bool = True
    frozen: bool = False
    silent_until: float = 0.0
    shift_s: float = 0.0
    bad_stamps: str = ""
    bad_values: bool = False
    burst: bool = False
    pair_due: float = T0 - 1.0
    disturbed: float = T0
    delivered_until: float = -np.inf
    pending: list[Chunk] = field(default_factory=list)
    missing: list[list[float]] = field(default_factory=list)
    guard: ClockGuard = field(default_factory=ClockGuard)

    @property
    def sfreq(self) -> float:
        """Nominal and true."""
        return self.info.sfreq

    def shows(self, local: Any) -> Any:
        """What its clock shows at a local time."""
        return local - self.offset_s + self.shift_s

    def take(self, now: float) -> Chunk | None:
        """The samples taken up to ``now``, stamped; None where they never existed for us."""
        stop = int(np.floor((now - T0) * self.sfreq + 1e-6)) + 1
        numbers = np.arange(self.n_next, stop)
        self.n_next = stop
        times = T0 + numbers / self.sfreq
        if not len(numbers):
            return None
        if not self.connected or now <= self.silent_until:
            self._miss(float(times[0]), float(times[-1]) + 1.0 / self.sfreq)
            return None
        data = np.repeat(sway(self.role, times)[:, None], len(self.names), axis=1).astype(np.float32)
        stamps = self.shows(times)
        if self.bad_values:
            data[:: max(1, len(data) // 3)] = np.nan
            self.bad_values = False
        if self.bad_stamps and len(stamps) > 6:
            stamps[2:5] = {"nan": np.nan, "huge": 1e15, "negative": -7.0, "same": stamps[1]}[self.bad_stamps]
            self.bad_stamps = ""
        return Chunk(self.role, stamps, data, now + LATENCY_S)

    def _miss(self, start: float, end: float) -> None:
        self.disturbed = end
        if self.missing and start - self.missing[-1][1] < 1.5 / self.sfreq:
            self.missing[-1][1] = end
        else:
            self.missing.append([start, end])


class FullFile(ChunkFile):
    """A recording on a disk that may be full."""

    full = False

    def write(self, chunk: bytes) -> None:
        """As a file's."""
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(chunk)


@dataclass
class Said:
    """What a window was, for a comparison bit by bit."""

    bits: tuple[Any, ...]
    logits: tuple[float, ...] | None

    @classmethod
    def of(cls, outcome: Outcome) -> Said:
        """Copied out of the rings."""
        window = outcome.window
        parts = [
            (role, part.data.tobytes(), part.mask.tobytes(), part.marks.tobytes(), part.gaps)
            for role, part in sorted(window.streams.items())
        ]
        bits = (window.index, window.t_start, window.t_end, window.deadline, *parts)
        return cls(bits, outcome.prediction.logits if outcome.prediction is not None else None)


class World:
    """The whole of it. ``predictor``: None for windows only, whose samples are then checked too."""

    def __init__(self, prepared: Prepared, predictor: StreamingPredictor | None, path: Path) -> None:
        self.now = T0
        self.prepared, self.path = prepared, path
        names = prepared.plans[EEG].spec.ch_names
        self.devices = {
            EEG: Device(_info(EEG, names, prepared.plans[EEG].spec.sfreq), EEG, names, 300.0),
            AUDIO: Device(
                _info(AUDIO, ("voice",), prepared.plans[AUDIO].spec.sfreq), AUDIO, ("voice",), -40.0
            ),
        }
        self._predictor = predictor
        self._inner = Pipeline(prepared.plans, prepared.settings, predictor)
        self._last_s: dict[str, float] = {}
        for role in self.devices:
            self._inner.tap(role, self._tap(role))
        self.file: FullFile | None = None
        facts = session_facts(prepared, tuple(self.devices))
        streams = [as_bound(device.info, _spec(device)) for device in self.devices.values()]
        streams += prediction_streams("bci-stream", (), tuple(self.devices), facts)
        self.recorder = XdfRecorder(path, streams, opened=self._opened)
        self._pipeline = cast(Pipeline, RecordedPipeline(self._inner, self.recorder))
        self._sink = RecordingSink(self.recorder, tuple(self.devices))
        self._fresh = Freshness()
        self.said: list[Said] = []
        self.n_swaps = 0
        self.n_live = 0

    # -- what is ordered --------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Time passes."""
        for _ in range(max(1, round(seconds / TICK_S))):
            self.now = round(self.now + TICK_S, 6)
            for device in self.devices.values():
                chunk = device.take(self.now)
                if chunk is not None:
                    device.pending.append(chunk)
                if device.connected and not device.frozen and not device.burst:
                    self._deliver(device)
            self._collect(self._pipeline.wait(self.now + LATENCY_S))

    def deliver_all(self) -> None:
        """What waited comes in a burst."""
        for device in self.devices.values():
            device.burst = False

    def jump(self, role: str, by_s: float) -> None:
        """The device's clock is put forward or back; liblsl measures it again within its interval."""
        device = self.devices[role]
        device.shift_s += by_s
        device.disturbed = self.now + PAIR_S

    def restart(self, role: str, changes: dict[str, Any], n_twins: int = 1) -> bool:
        """It offers itself again, perhaps changed or twice; whether it is taken back, by the real judge."""
        device = self.devices[role]
        found = [
            replace(device.info, uid=f"{self.now}-{n}", key=f"{self.now}-{n}", **changes)
            for n in range(n_twins)
        ]
        taken = match(device.info, found).info is not None
        if taken:
            device.connected, device.frozen = True, False
            device.guard, device.pending, device.pair_due = ClockGuard(), [], self.now
            device.disturbed = self.now + 1.0
        return taken

    def kill(self, role: str) -> None:
        """Its program dies; what it had not sent is lost."""
        device = self.devices[role]
        for chunk in device.pending:
            times = chunk.timestamps
            good = times[np.isfinite(times) & (np.abs(times) < 1e9)]
            if len(good):
                device._miss(
                    self.now - len(times) / device.sfreq
                    if len(good) < 2
                    else float(good[0] - device.shows(0.0)),
                    self.now,
                )
        device.connected, device.frozen, device.pending = False, False, []
        device.disturbed = self.now

    def swap(self) -> None:
        """Another predictor of the same bundle answers from now on."""
        if self._predictor is not None:
            from bci_stream.model.predictor import StreamingPredictor

            self._inner.swap(StreamingPredictor(self._predictor.bundle))
            self.n_swaps += 1

    def fill_disk(self) -> None:
        """No byte more fits."""
        assert self.file is not None
        self.file.full = True

    # -- what must hold ---------------------------------------------------------------------------------

    def check_file(self) -> None:
        """What is on disk opens at any time."""
        if self.path.stat().st_size > 10_000:
            with open_recording(self.path) as recording:
                assert recording.streams, "the recording names no stream"

    def check_memory(self) -> None:
        """No buffer grows beyond its bound."""
        for track in self._inner._tracks.values():
            rate = track.plan.spec.sfreq
            waiting_s = len(track.grid._t) / rate
            held_s = sum(len(times) for times, _ in track.clock._held) / rate
            # A backlog of a freeze comes in one go, and waits for the windows before it.
            assert waiting_s < 120.0, f"{waiting_s:.1f} s wait for the grid"
            assert held_s < 60.0, f"{held_s:.1f} s are held by the clock"

    def finish(self) -> None:
        """The end: the recording says the very same, and what was lost was counted."""
        self.recorder.close()
        full = self.file is not None and self.file.full
        assert (self.recorder.error is not None) == full, self.recorder.error
        if not full and self.said:
            self._compare()

    def _compare(self) -> None:
        from bci_stream.sources.xdf_recording import XdfRecording

        with XdfRecording.open(self.path) as recording:
            infos = {info.type: info for info in recording.streams}
            if EEG.upper() not in infos or "Audio" not in infos:
                return
            bindings = {EEG: bind_eeg(infos["EEG"]), AUDIO: bind_audio(infos["Audio"])}
            keys = tuple(info.key for info in recording.streams if info.dtype == "string")
            bound = BoundRecording(bindings, keys, ())
            source = XdfSource(recording, bound.bindings, foreign_markers(recording, bound.markers))
            if self._predictor is not None:
                self._predictor.reset()
            predictor = self._predictor if not self.n_swaps else None
            plans, settings = self.prepared.plans, self.prepared.settings
            pipeline = Pipeline(plans, settings, predictor)
            again = {said.bits[0]: said for said in map(Said.of, replay(source.events(), replayed(pipeline)))}
        for said in self.said:
            other = again.get(said.bits[0])
            assert other is not None, f"the replay lacks window {said.bits[0]}"
            assert other.bits == said.bits, f"window {said.bits[0]} differs in its replay"
            if predictor is not None:
                assert other.logits == said.logits, f"the logits of window {said.bits[0]} differ"

    # -- inside -----------------------------------------------------------------------------------------

    def _opened(self, path: Path) -> ChunkFile:
        self.file = FullFile(path)
        return self.file

    def _tap(self, role: str) -> Any:
        def tap(times: Any, data: Any, marks: Any, breaks: Any) -> None:
            assert np.isfinite(times).all(), f"a stamp of {role} is no number"
            assert (np.diff(times, prepend=self._last_s.get(role, -np.inf)) > 0).all(), f"{role} goes back"
            self._last_s[role] = float(times[-1])

        return tap

    def _deliver(self, device: Device) -> None:
        events: list[Event] = []
        if self.now >= device.pair_due:
            device.pair_due = self.now + PAIR_S
            shown = float(device.shows(self.now))
            events.append(ClockOffset(device.role, shown, self.now - shown))
        for chunk in device.pending:
            device.delivered_until = self.now
            events += _seconds(replace(chunk, arrival_s=self.now + LATENCY_S), device.sfreq)
        device.pending = []
        for event in device.guard.step(events):
            self.recorder.event(event)
            self._collect(self._pipeline.step(event))

    def _collect(self, outcomes: Iterator[Outcome]) -> None:
        for outcome in outcomes:
            self._check(outcome)
            self.said.append(Said.of(outcome))
            self._sink.put(outcome.prediction, outcome.window)

    def _check(self, outcome: Outcome) -> None:
        window, prediction = outcome.window, outcome.prediction
        assert not self.said or window.index > self.said[-1].bits[0], "windows go back"
        assert window.t_end <= self.now + 1.0, "a window of the future"
        for role, part in window.streams.items():
            self._check_gaps(self.devices[role], part)
            if self._predictor is None:
                self._check_values(self.devices[role], part)
        if prediction is None:
            return
        admitted = self._fresh.admit(prediction, self.now + LATENCY_S)
        if admitted.label is not None:
            self.n_live += 1
            for role in admitted.stood_on:
                newest = min(window.t_end, self._newest(self.devices[role], window.t_end))
                age_s = self.now + LATENCY_S - newest
                assert age_s <= LIVE_S + 0.02, f"a live label on {role} of {age_s:.2f} s ago"

    def _newest(self, device: Device, t_end: float) -> float:
        """The newest instant before ``t_end`` of which the device had delivered anything by now."""
        newest = min(t_end, device.delivered_until)
        for start, end in device.missing:
            if start < newest <= end:
                newest = start
        return newest

    def _check_gaps(self, device: Device, part: Any) -> None:
        instants = part.t_start + np.arange(len(part.mask)) / part.sfreq
        for start, end in device.missing:
            if device.delivered_until < end + TOLD_S:
                continue
            if end - start > 0.3 and end > part.t_start and start < part.t_end:
                inside = (instants > start + 0.06) & (instants < end - 0.06)
                assert (part.mask[inside] != 0).all(), f"{device.role}: samples where none were taken"

    def _check_values(self, device: Device, part: Any) -> None:
        if part.t_start < device.disturbed + CALM_S:
            return
        good = part.mask == 0
        good &= part.marks[:, 0] == 0
        instants = part.t_start + np.arange(len(part.mask)) / part.sfreq
        slope = 2 * np.pi * SWAY_HZ * SWAY[device.role]
        off_s = np.abs(part.data[good, 0] - sway(device.role, instants[good])) / slope
        assert not len(off_s) or off_s.max() < PLACED_S, f"{device.role} is off by {off_s.max() * 1e3:.1f} ms"


def _seconds(chunk: Chunk, sfreq: float) -> Iterator[Chunk]:
    most = int(sfreq)
    for at in range(0, len(chunk.timestamps), most):
        piece = slice(at, at + most)
        yield replace(chunk, timestamps=chunk.timestamps[piece], data=chunk.data[piece])


def _info(role: str, names: tuple[str, ...], sfreq: float) -> StreamInfo:
    return StreamInfo(
        key="1",
        name=f"World{role}",
        type="EEG" if role == EEG else "Audio",
        n_channels=len(names),
        sfreq=sfreq,
        dtype="float32",
        source_id=f"world-{role}",
        hostname="here",
        uid="first",
        ch_names=names,
        ch_units=("microvolts",) * len(names) if role == EEG else ("normalized",),
    )


def _spec(device: Device) -> StreamSpec:
    return StreamSpec(device.role, device.names, device.sfreq)
