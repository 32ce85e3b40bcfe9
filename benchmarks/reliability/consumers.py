"""A live session with every output open, and a consumer at each of them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pylsl
from pythonosc.osc_packet import OscPacket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from apps.choice import ModelChoice, StreamChoice
from apps.live_run import LiveRun, open_run
from apps.live_streams import LiveOptions
from apps.outputs import OutputChoice
from bci_stream.sinks.lsl import NO_DECISION

Heard = Callable[[str, float], None]  #: sink, t_end of a label


def live_options(prefix: str, outputs: OutputChoice, *, eeg: bool = True, audio: bool = True) -> LiveOptions:
    """A session on a simulated person's streams with the demo bundle."""
    return LiveOptions(
        streams=StreamChoice(
            eeg=f"{prefix}EEG" if eeg else None,
            audio=f"{prefix}Audio" if audio else None,
            want_eeg=eeg,
            want_audio=audio,
        ),
        model=ModelChoice(None, voice_gate=False),
        seconds=None,
        wait_s=60.0,
        lateness_s=None,
        scope=None,
        session_id=None,
        windows=False,
        as_json=False,
        outputs=outputs,
    )


class Consumers:
    """Opens the session, listens at every sink, and hands on each label that is taken for live."""

    NAMES = ("LSL", "OSC", "WebSocket", "JSON lines", "window")

    def __init__(self, prefix: str, folder: Path, heard: Heard) -> None:
        self._heard, self._lines = heard, folder / "said.jsonl"
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.settimeout(0.1)
        outputs = OutputChoice(
            publish=f"{prefix}Out", osc=f"127.0.0.1:{self._udp.getsockname()[1]}", ws="0", jsonl=self._lines
        )
        self.run = open_run(live_options(prefix, outputs), kind=LiveRun, smooth=True)
        self._prefix = prefix
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=listen, daemon=True)
            for listen in (self._lsl, self._osc, self._websocket, self._tail, self._frames)
        ]

    def __enter__(self) -> Self:
        self.run.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10.0)
        self.run.close()
        self._udp.close()

    @property
    def is_live(self) -> bool:
        """Whether the newest word is a label on fresh data of both streams."""
        last = self.run.session.snapshot().prediction
        return last is not None and last.label is not None and len(last.stood_on) == 2

    def _lsl(self) -> None:
        name = f"{self._prefix}Out-decisions"
        found = pylsl.resolve_byprop("name", name, timeout=60.0)
        inlet = pylsl.StreamInlet(found[0], recover=False)
        while not self._stop.is_set():
            sample, stamp = inlet.pull_sample(0.1)
            if sample is not None and sample[0] != NO_DECISION:
                self._heard("LSL", float(stamp))

    def _osc(self) -> None:
        while not self._stop.is_set():
            try:
                packet = self._udp.recv(65_536)
            except TimeoutError:
                continue
            said = {m.message.address: m.message.params for m in OscPacket(packet).messages}
            if said.get("/bci/prediction", [NO_DECISION])[0] != NO_DECISION:
                self._heard("OSC", float(said["/bci/time"][1]))

    def _websocket(self) -> None:
        sink: Any = next(s._sink for s in self.run.sinks if type(s._sink).__name__ == "WebSocketSink")
        with connect(f"ws://{sink.address}") as client:
            while not self._stop.is_set():
                try:
                    self._record("WebSocket", json.loads(client.recv(timeout=0.1)))
                except TimeoutError:
                    continue
                except ConnectionClosed:
                    return

    def _tail(self) -> None:
        while not self._lines.exists() and not self._stop.wait(0.05):
            pass
        with self._lines.open() as lines:
            while not self._stop.is_set():
                if line := lines.readline():
                    self._record("JSON lines", json.loads(line))
                else:
                    self._stop.wait(0.01)

    def _record(self, sink: str, record: dict[str, Any]) -> None:
        is_label = record.get("kind") == "prediction" and record.get("label") is not None
        if is_label and "late" not in record["tags"]:  # a log keeps what came late, and says so
            self._heard(sink, float(record["t_end"]))

    def _frames(self) -> None:
        newest = -1
        while not self._stop.wait(0.02):
            frame = self.run.frame()
            if frame.prediction is None or frame.prediction.index == newest:
                continue
            newest = frame.prediction.index
            if frame.decision.state == "decided":
                self._heard("window", frame.prediction.t_end)
