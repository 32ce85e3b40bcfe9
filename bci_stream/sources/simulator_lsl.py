"""Publishes a simulated person as three real LSL streams.

Chunks are pushed at absolute deadlines, so the schedule does not drift, with explicit stamps: a
sample's stamp is the time at which it was taken on ``clock``, unless faults say otherwise.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pylsl

from bci_stream.messages import AUDIO, EEG, FloatArray, TimeArray
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_faults import Faults, Indices, Transport, transports

Truth = Callable[[Mapping[str, Any]], None]
EEG_CHUNK_S: Final = 0.010
AUDIO_CHUNK_S: Final = 0.020
_LEAD_S: Final = 0.05  # between making the outlets and the first sample


def publish(
    settings: SimulatorSettings,
    *,
    duration_s: float,
    faults: Faults | None = None,
    name_prefix: str = "Sim",
    source_id: str = "bci-stream-simulator",
    clock: Callable[[], float] = pylsl.local_clock,
    stop: Callable[[], bool] = lambda: False,
    truth: Truth | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Publish ``<prefix>EEG``, ``<prefix>Audio`` and ``<prefix>Markers`` for ``duration_s`` of real time.

    Source ids are ``<source_id>-eeg`` and so on. ``ready`` is called once the outlets exist; ``stop`` is
    asked before every chunk. The header's ``desc/simulation/t0`` is the stamp of the first sample.
    In a disconnect the outlet is destroyed and made anew. ``truth`` takes what was lost, as it is lost,
    and the totals in the end, as records. Raises ConfigError for settings that make no sense.
    """
    t0 = clock() + _LEAD_S
    simulator = Simulator(settings)
    headers = _Headers(settings, name_prefix, source_id, t0)
    ways = transports(settings, faults or Faults(), t0)
    senders: list[_Sender | _MarkerSender] = [
        _Sender(headers.eeg, ways[EEG], simulator, EEG_CHUNK_S, truth),
        _Sender(headers.audio, ways[AUDIO], simulator, AUDIO_CHUNK_S, truth),
        _MarkerSender(headers.markers, simulator, t0, truth),
    ]
    if truth is not None:
        truth(
            {"kind": "start", "t0": t0, "eeg_sfreq": settings.eeg_sfreq, "audio_sfreq": settings.audio_sfreq}
        )
    ready()
    for tick in itertools.count(1):
        deadline = t0 + min(tick * EEG_CHUNK_S, duration_s)
        for sender in senders:
            sender.prepare(deadline)
        time.sleep(max(0.0, deadline - clock()))
        for sender in senders:
            sender.push()
        if stop() or tick * EEG_CHUNK_S >= duration_s:
            break
    for sender in senders:
        sender.finish()


class _Sender:
    """Renders a regular stream's next chunk ahead of its deadline and pushes it then."""

    def __init__(
        self,
        header: Callable[[], pylsl.StreamInfo],
        transport: Transport,
        simulator: Simulator,
        chunk_s: float,
        truth: Truth | None = None,
    ) -> None:
        self._header = header
        self._truth = truth
        self._n_delivered = 0
        self._impostor: pylsl.StreamOutlet | None = None
        self._transport = transport
        self._simulator = simulator
        self._every = round(chunk_s / EEG_CHUNK_S)
        self._tick = 0
        self._outlet: pylsl.StreamOutlet | None = pylsl.StreamOutlet(header())
        self._chunk: tuple[FloatArray, TimeArray] | None = None
        self._connected, self._impersonated = True, False

    def prepare(self, deadline: float) -> None:
        self._tick += 1
        self._connected = self._transport.connected(deadline)
        self._impersonated = self._transport.impersonated(deadline)
        if self._tick % self._every:
            return
        n_before = self._transport.n_sent
        # A sample that is due at the very deadline belongs to the next chunk.
        indices = self._transport.advance(deadline - 1e-6)
        self._tell(n_before, indices)
        data = self._simulator.read(self._transport.role, self._transport.n_sent - n_before)[
            indices - n_before
        ]
        self._chunk = (self._transport.spoil(indices, data), self._transport.stamps(indices))

    def push(self) -> None:
        if not self._connected:
            self._outlet = None
        elif self._outlet is None:
            self._outlet = pylsl.StreamOutlet(self._header())
        if self._outlet is not None and self._chunk is not None and len(self._chunk[0]):
            data, stamps = self._chunk
            self._outlet.push_chunk(data, stamps.tolist())
        if self._chunk is not None:
            self._impersonate(max(1, len(self._chunk[0])))
        self._chunk = None

    def _impersonate(self, n: int) -> None:
        """Somebody with the same name, type and source id, and another header; all of its samples are 1."""
        if not self._impersonated:
            self._impostor = None
            return
        header = self._header()
        if self._impostor is None:
            header.desc().append_child_value("impostor", "yes")
            header.desc().child("channels").child("channel").child("label").first_child().set_value("Fake")
            self._impostor = pylsl.StreamOutlet(header)
        self._impostor.push_chunk(np.ones((n, header.channel_count()), np.float32))

    def _tell(self, n_before: int, indices: Indices) -> None:
        self._n_delivered += len(indices)
        n_taken = self._transport.n_sent - n_before
        if self._truth is None or len(indices) == n_taken:
            return
        lost = np.setdiff1d(np.arange(n_before, self._transport.n_sent), indices)
        for run in np.split(lost, np.flatnonzero(np.diff(lost) > 1) + 1):
            t_lost = self._transport.true_times(run[:1])
            record = {"kind": "lost", "stream": self._transport.role, "first": int(run[0])}
            self._truth({**record, "n": len(run), "t": float(t_lost[0])})

    def finish(self) -> None:
        """Say the totals."""
        if self._truth is not None:
            n_taken = self._transport.n_sent
            record = {"kind": "total", "stream": self._transport.role, "n_taken": n_taken}
            self._truth({**record, "n_delivered": self._n_delivered, "n_lost": n_taken - self._n_delivered})


class _MarkerSender:
    """Pushes the truth's changes when they are due."""

    def __init__(
        self,
        header: Callable[[], pylsl.StreamInfo],
        simulator: Simulator,
        t0: float,
        truth: Truth | None = None,
    ) -> None:
        self._truth = truth
        self._outlet = pylsl.StreamOutlet(header())
        self._simulator = simulator
        self._t0 = t0
        self._n_sent = 0
        self._due: list[tuple[str, float]] = []

    def prepare(self, deadline: float) -> None:
        segments = self._simulator.truth(deadline - self._t0)[self._n_sent :]
        self._n_sent += len(segments)
        if self._truth is not None:
            for segment in segments:
                span = {"t_start": self._t0 + segment.t_start, "t_end": self._t0 + segment.t_end}
                self._truth({"kind": "segment", "label": segment.label, **span})
        self._due = [(f"class:{segment.label}", self._t0 + segment.t_start) for segment in segments]

    def push(self) -> None:
        for label, stamp in self._due:
            self._outlet.push_sample([label], stamp)

    def finish(self) -> None:
        """Nothing to add."""


@dataclass(frozen=True)
class _Headers:
    """The three streams' headers, with the metadata that the XDF specification asks for."""

    settings: SimulatorSettings
    name_prefix: str
    source_id: str
    t0: float

    def eeg(self) -> pylsl.StreamInfo:
        info = self._info(
            "EEG", "EEG", len(self.settings.ch_names), self.settings.eeg_sfreq, pylsl.cf_float32
        )
        _describe_channels(info, self.settings.ch_names, "microvolts", "EEG")
        reference = info.desc().append_child("reference")
        for key, value in (("label", "simulated"), ("subtracted", "Yes"), ("common_average", "No")):
            reference.append_child_value(key, value)
        cap = info.desc().append_child("cap")
        cap.append_child_value("name", "simulated cap")
        cap.append_child_value("labelscheme", "10-05")
        return info

    def audio(self) -> pylsl.StreamInfo:
        info = self._info("Audio", "Audio", 1, self.settings.audio_sfreq, pylsl.cf_float32)
        _describe_channels(info, ("voice",), "normalized", "Audio")
        return info

    def markers(self) -> pylsl.StreamInfo:
        return self._info("Markers", "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string)

    def _info(self, suffix: str, kind: str, n_channels: int, sfreq: float, dtype: int) -> pylsl.StreamInfo:
        source_id = f"{self.source_id}-{suffix.lower()}"
        info = pylsl.StreamInfo(self.name_prefix + suffix, kind, n_channels, sfreq, dtype, source_id)
        acquisition = info.desc().append_child("acquisition")
        acquisition.append_child_value("manufacturer", "bci_stream")
        acquisition.append_child_value("model", "simulator")
        simulation = info.desc().append_child("simulation")
        simulation.append_child_value("seed", str(self.settings.seed))
        simulation.append_child_value("person", str(self.settings.person))
        simulation.append_child_value("t0", repr(self.t0))
        return info


def _describe_channels(info: pylsl.StreamInfo, names: tuple[str, ...], unit: str, kind: str) -> None:
    channels = info.desc().append_child("channels")
    for name in names:
        channel = channels.append_child("channel")
        for key, value in (("label", name), ("unit", unit), ("type", kind)):
            channel.append_child_value(key, value)
