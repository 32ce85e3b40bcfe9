"""The examples as a person runs them: real processes, a real browser, real sockets."""

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pylsl
import pytest

from bci_stream.messages import Latency, Prediction
from bci_stream.sinks.address import Address
from bci_stream.sinks.base import SinkRunner
from bci_stream.sinks.lsl import LslPredictionSink
from bci_stream.sinks.osc import OscSink
from bci_stream.sinks.websocket import WebSocketSink
from tests.examples.devtools import CHROMIUM, Page

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
CLASSES = ("neutral", "happiness", "calm")
HOP_S = 0.2


def prediction(index, label, validity_s=1.2):
    now_s = pylsl.local_clock()
    return Prediction(
        index=index,
        t_start=now_s - 5.0,
        t_end=now_s,
        classes=CLASSES,
        logits=(0.0, 1.0, 0.0),
        probs=tuple(0.8 if name == label else 0.1 for name in CLASSES),
        label=label,
        confidence=0.8 if label else 0.0,
        stood_on=("eeg", "audio") if label else (),
        coverage={"eeg": 1.0, "audio": 1.0},
        heads={},
        interpolated=0.0,
        gate=0.5,
        bundle_sha256="ab",
        latency=Latency(0.04),
        age_s=0.0,
        valid_until=now_s + validity_s,
    )


class Player:
    """Puts a label every hop, as a session does, until it is told another or to be silent."""

    def __init__(self, *sinks):
        self.runners = [SinkRunner(sink, clock=pylsl.local_clock) for sink in sinks]
        self.label, self.silent = "calm", threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def _play(self):
        index = 0
        while not self._over.wait(HOP_S / 4):
            if not self.silent.is_set():
                for runner in self.runners:
                    runner.put(prediction(index, self.label))
                index += 1

    def close(self):
        self._over.set()
        self._thread.join()
        for runner in self.runners:
            runner.close()


class Example:
    """An example in a process of its own, and the lines that it writes."""

    def __init__(self, name, *arguments):
        command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self._came = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._came:
                self.lines.append(line.strip())
                self._came.notify_all()

    def wait_for(self, words, timeout_s=60.0):
        with self._came:
            assert self._came.wait_for(lambda: any(words in line for line in self.lines), timeout_s), (
                words,
                self.lines,
            )
            return next(line for line in self.lines if words in line)

    def close(self):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()


def free_udp_port():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_a_game_follows_the_player_over_osc():
    port = free_udp_port()
    game, player = Example("game_osc.py", port), Player(OscSink(Address("127.0.0.1", port)))
    try:
        game.wait_for("a lake at dusk")
        player.label = "happiness"
        game.wait_for("a sunny meadow")
        player.silent.set()
        game.wait_for("a plain arena")
    finally:
        player.close()
        game.close()
    assert game.lines == [
        f"the player is in {a}" for a in ("a lake at dusk", "a sunny meadow", "a plain arena")
    ]


def test_a_stimulus_program_reads_markers_and_probabilities_over_lsl(lsl_isolation):
    name = "example-emotion"
    player = Player(LslPredictionSink(name, CLASSES, HOP_S, name))
    reader = Example("marker_reader.py", name)
    try:
        line = reader.wait_for("calm")
        assert abs(float(line.split()[0]) - pylsl.local_clock()) < 60.0
        reader.wait_for("'calm': 0.8")
        player.silent.set()
        reader.wait_for("no decision")
        player.close()
        reader.wait_for("the session is over")
        assert reader.process.wait(30) == 0
    finally:
        player.close()
        reader.close()


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to open the page in")


@needs_browser
def test_a_web_page_in_a_real_browser_reads_the_socket(tmp_path):
    player = Player(server := WebSocketSink(Address("127.0.0.1", 0), origins=("null",)))
    url = f"{(EXAMPLES / 'page.html').as_uri()}?port={server.address.port}"
    try:
        with Page(url, tmp_path / "profile") as page:
            text = page.wait_for("calm\n80 %, on eeg and audio")
            assert all(name in text for name in CLASSES)
            player.label = "happiness"
            assert page.wait_for("happiness\n80 %").startswith("happiness")
            player.silent.set()
            assert page.wait_for("stale").startswith("no decision")
            player.silent.clear()
            page.wait_for("happiness\n80 %")
            player.close()
            page.wait_for("not connected")
            player = Player(WebSocketSink(server.address, origins=("null",)))  # the page is still open
            page.wait_for("calm\n80 %")
    finally:
        player.close()


@needs_browser
def test_a_page_from_a_server_of_this_computer_is_let_in_and_a_file_is_not(tmp_path):
    player = Player(server := WebSocketSink(Address("127.0.0.1", 0)))
    query = f"?port={server.address.port}"
    handler = partial(QuietHandler, directory=str(EXAMPLES))
    try:
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            local = f"http://localhost:{web.server_address[1]}/page.html{query}"
            with Page(local, tmp_path / "profile") as page:
                page.wait_for("calm\n80 %")
                assert server.n_clients_in_all == 1
                page.go((EXAMPLES / "page.html").as_uri() + query)
                page.wait_for("not connected")
            web.shutdown()
        assert server.n_clients_in_all == 1
    finally:
        player.close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.parametrize("name", ["game_osc.py", "marker_reader.py"])
def test_an_example_stays_short(name):
    assert len((EXAMPLES / name).read_text().splitlines()) <= 60
