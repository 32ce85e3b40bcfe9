"""Where predictions go besides the screen: LSL, OSC, WebSocket, CSV, JSON lines; several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from apps.console import say, warn
from bci_stream.errors import ConfigError
from bci_stream.sinks.address import LOOPBACK, parse_address
from bci_stream.sinks.base import Sink, SinkRunner
from bci_stream.sinks.csv import CsvSink
from bci_stream.sinks.jsonl import JsonLinesFile, JsonLinesSink
from bci_stream.sinks.whole_file import check_free

if TYPE_CHECKING:
    from apps.choice import Prepared
    from bci_stream.model.contract import Contract
    from bci_stream.sinks.osc import OscSink
    from bci_stream.sinks.websocket import WebSocketSink


@dataclass(frozen=True, slots=True)
class OutputChoice:
    """What the user asked for; None for what was not.

    ``publish``: prefix of LSL streams. ``osc``: HOST:PORT. ``ws``: [HOST:]PORT. ``stdout``: JSON lines there.
    ``windows``: the JSON lines tell of windows too.
    """

    publish: str | None = None
    osc: str | None = None
    ws: str | None = None
    ws_origins: tuple[str, ...] = ()
    csv: Path | None = None
    jsonl: Path | None = None
    stdout: TextIO | None = None
    windows: bool = False

    def check(self, has_model: bool) -> None:
        """Raise ConfigError for what makes no sense or is taken, before anything is opened."""
        if self.osc is not None:
            parse_address(self.osc, "--osc")
        if self.ws is not None:
            parse_address(self.ws, "--ws", LOOPBACK, any_port=True)
        elif self.ws_origins:
            raise ConfigError("--ws-origin says who may read the WebSocket: add --ws PORT")
        for path, what in ((self.csv, "CSV file"), (self.jsonl, "JSON lines file")):
            if path is not None:
                check_free(path, what)
        wanted = {"--publish": self.publish, "--osc": self.osc, "--ws": self.ws, "--csv": self.csv}
        asked = [option for option, value in wanted.items() if value is not None]
        if asked and not has_model:
            raise ConfigError(f"{asked[0]} sends predictions, and --no-model makes none: drop one of them")


@dataclass(frozen=True, slots=True)
class Output:
    """One output at work: what a person calls it, its thread, and what it has to say of itself."""

    name: str
    runner: SinkRunner
    details: Callable[[], str] = str

    def words(self) -> str:
        """How it has been doing."""
        words = f"{self.runner.n_delivered} delivered, {self.runner.n_dropped} dropped"
        if self.runner.n_taken_back:
            words += f", {self.runner.n_taken_back} taken back"
        return f"{words}{self.details()}"


class Outputs:
    """All outputs of a session. ``clock``: the local LSL clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: list[Output] = []
        self._told: set[str] = set()
        self._notes: list[JsonLinesSink | JsonLinesFile] = []

    def open(self, choice: OutputChoice, prepared: Prepared) -> None:
        """Open what was asked for. Raises ConfigError when one cannot be; close what was opened then."""
        for name, sink, details in _sinks(choice, prepared):
            is_log = isinstance(sink, (JsonLinesSink, JsonLinesFile, CsvSink))
            if isinstance(sink, (JsonLinesSink, JsonLinesFile)):
                self._notes.append(sink)
            runner = SinkRunner(sink, clock=self._clock, is_log=is_log)
            self._all.append(Output(name, runner, details))

    @property
    def runners(self) -> list[SinkRunner]:
        """What the session hands its outcomes to."""
        return [output.runner for output in self._all]

    def add(self, name: str, sink: Sink) -> None:
        """One more, which is told everything and nothing but what the session said."""
        self._all.append(Output(name, SinkRunner(sink)))

    def note(self, record: Mapping[str, object]) -> None:
        """Something that belongs to no window, into JSON lines; their runners tell of a full disk."""
        for sink in self._notes:
            with suppress(OSError):
                sink.note(record)

    def close(self) -> None:
        """Deliver what is queued and say what went wrong, one line each."""
        for output in self._all:
            output.runner.close()
        for trouble in self.new_troubles():
            warn(trouble)

    def new_troubles(self) -> list[str]:
        """One line for each output that ended early and has not been told of yet."""
        found = {output.name: output.runner.error for output in self._all if output.runner.error}
        news = [f"{name}: {error}" for name, error in found.items() if name not in self._told]
        self._told |= set(found)
        return news

    def records(self) -> list[dict[str, object]]:
        """The same for a program."""
        return [
            {
                "output": output.name,
                "n_delivered": output.runner.n_delivered,
                "n_dropped": output.runner.n_dropped,
                "n_taken_back": output.runner.n_taken_back,
                "details": output.details().removeprefix("; "),
                "error": output.runner.error,
            }
            for output in self._all
        ]

    def rows(self) -> list[tuple[str, str]]:
        """For the summary: what each delivered and dropped."""
        return [(output.name, output.words()) for output in self._all]


_Made = tuple[str, Sink, Callable[[], str]]


def _sinks(choice: OutputChoice, prepared: Prepared) -> Iterator[_Made]:
    """Files come last: where a port is taken, none is left behind with nothing in it."""
    if prepared.bundle is not None:
        yield from _network_sinks(choice, prepared.bundle.contract)
    windows = choice.windows or prepared.predictor is None
    if choice.stdout is not None:
        yield "JSON lines", JsonLinesSink(choice.stdout, windows=windows), str
    if choice.jsonl is not None:
        yield f"JSON lines {choice.jsonl}", JsonLinesFile(choice.jsonl, windows=windows), str
    if choice.csv is not None and prepared.bundle is not None:
        contract = prepared.bundle.contract
        yield f"CSV {choice.csv}", CsvSink(choice.csv, contract.classes, contract.modalities), str


def _network_sinks(choice: OutputChoice, contract: Contract) -> Iterator[_Made]:
    if choice.publish is not None:
        from bci_stream.sinks.lsl import LslPredictionSink

        name = choice.publish
        sink = LslPredictionSink(name, contract.classes, contract.hop_s, f"bci-stream-{name}")
        say(f"LSL: {name}-decisions and {name}-probabilities, for every computer that LSL reaches")
        yield f"LSL {name}", sink, str
    if choice.osc is not None:
        yield _osc(choice.osc)
    if choice.ws is not None:
        yield _websocket(choice)


def _osc(text: str) -> _Made:
    from bci_stream.sinks.osc import OscSink

    sink = OscSink(parse_address(text, "--osc"))
    say(f"OSC: to {sink.address}, addresses /bci/…")
    if not sink.address.is_loopback:
        warn(f"OSC leaves this computer, unencrypted, for {sink.address}")
    return f"OSC {sink.address}", sink, lambda: _osc_details(sink)


def _osc_details(sink: OscSink) -> str:
    return f"; {sink.n_refused} not taken by the network ({sink.trouble})" if sink.n_refused else ""


def _websocket(choice: OutputChoice) -> _Made:
    from bci_stream.sinks.websocket import WebSocketSink

    address = parse_address(choice.ws or "", "--ws", LOOPBACK, any_port=True)
    sink = WebSocketSink(address, choice.ws_origins)
    say(f"WebSocket: listens on ws://{sink.address}")
    if not sink.address.is_loopback:
        warn(
            f"the WebSocket listens beyond this computer, on {sink.address}, unencrypted, to whoever connects"
        )
    return f"WebSocket {sink.address}", sink, lambda: _websocket_details(sink)


def _websocket_details(sink: WebSocketSink) -> str:
    return (
        f"; {sink.n_clients_in_all} clients, {sink.n_sent} records sent to them, "
        f"{sink.n_skipped} skipped for slow ones"
    )
