"""Real sockets on loopback: clients that read, stand still, are killed, and should not be let in."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from sink_outcomes import make_prediction, no_decision
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from bci_stream.errors import ConfigError, StreamError
from bci_stream.sinks.address import Address
from bci_stream.sinks.base import SinkRunner
from bci_stream.sinks.jsonl import prediction_record
from bci_stream.sinks.websocket import MAX_CLIENTS, WebSocketSink

WAIT_S = 20.0


def wait_until(condition, timeout_s=WAIT_S):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition never came true"
        time.sleep(0.005)


@pytest.fixture
def sink():
    sink = WebSocketSink(Address("127.0.0.1", 0))
    yield sink
    sink.close()


def url(sink):
    return f"ws://{sink.address}"


def joined(prediction):
    return json.loads(json.dumps(prediction_record(prediction)))


def test_every_client_gets_the_same_record_as_json_lines_have(sink):
    with connect(url(sink)) as one, connect(url(sink)) as two:
        wait_until(lambda: sink.n_clients == 2)
        said = [make_prediction(0), no_decision(1), make_prediction(2, valid_until=1003.5)]
        heard = {one: [], two: []}
        for prediction in said:
            sink.put(prediction, None)
            sink.put(None, None)
            for client, records in heard.items():
                records.append(json.loads(client.recv(WAIT_S)))
        assert heard[one] == heard[two] == [joined(prediction) for prediction in said]
    wait_until(lambda: sink.n_clients == 0)
    assert (sink.n_clients_in_all, sink.n_sent, sink.n_skipped) == (2, 6, 0)


def test_whoever_comes_later_is_told_the_newest_at_once(sink):
    sink.put(make_prediction(0), None)
    sink.put(make_prediction(1), None)
    with connect(url(sink)) as late:
        assert json.loads(late.recv(WAIT_S))["index"] == 1


def test_a_client_that_stands_still_gets_the_newest_and_no_backlog(sink):
    """It answers no ping while it stands still, so next to nothing is on its way to it."""
    gate = threading.Event()
    with connect(url(sink)) as quick, StillClient(sink.address, gate) as still:
        wait_until(lambda: sink.n_clients == 2)
        for index in range(500):
            sink.put(make_prediction(index), None)
            assert json.loads(quick.recv(WAIT_S))["index"] == index  # it is not held up by the other
        wait_until(lambda: sink.n_skipped > 480)
        gate.set()
        seen = still.until(499)
    assert len(seen) <= 50  # of 500: what was on its way before the first ping went unanswered
    assert seen[-1] == 499
    assert seen == sorted(seen)


class StillClient:
    """A WebSocket client in a process of its own that is stopped, and goes on when the gate opens."""

    CODE = """
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as socket:
    print("ready", flush=True)
    for message in socket:
        print(json.loads(message)["index"], flush=True)
"""

    def __init__(self, address, gate):
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, f"ws://{address}"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"
        self.process.send_signal(signal.SIGSTOP)
        self.gate = gate

    def until(self, last):
        assert self.gate.is_set()
        self.process.send_signal(signal.SIGCONT)
        seen = []
        while not seen or seen[-1] != last:
            seen.append(int(self.process.stdout.readline()))
        return seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_a_killed_client_and_one_that_never_reads_hold_nobody_up(sink):
    runner = SinkRunner(sink, capacity=10_000)
    blocked = raw_client(sink.address)
    with StillClient(sink.address, threading.Event()) as doomed, connect(url(sink)) as alive:
        wait_until(lambda: sink.n_clients == 3)
        os.kill(doomed.process.pid, signal.SIGKILL)
        for index in range(2000):  # each is handed over at once, whatever the clients do
            runner.put(make_prediction(index, tags=("x" * 2000,)))
        wait_until(lambda: runner.n_delivered == 2000)
        index = -1
        while index != 1999:
            index = json.loads(alive.recv(WAIT_S))["index"]
        wait_until(lambda: sink.n_clients <= 2)
        assert runner.n_dropped == 0
        assert sink.n_sent < 4100
        began_s = time.monotonic()
        runner.close(WAIT_S)
        assert time.monotonic() - began_s < WAIT_S / 2  # a client that is stuck is not waited for
    assert runner.error is None
    blocked.close()


def raw_client(address, origin=None):
    """Shakes hands and never reads another byte."""
    client = socket.create_connection((address.host, address.port))
    extra = f"Origin: {origin}\r\n" if origin else ""
    client.sendall(
        (
            f"GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{extra}"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    assert b"101" in client.recv(4096)
    return client


def test_close_gives_the_last_record_says_goodbye_and_frees_the_port():
    sink = WebSocketSink(Address("127.0.0.1", 0))
    with connect(url(sink)) as client:
        wait_until(lambda: sink.n_clients == 1)
        sink.put(make_prediction(41), None)
        sink.put(make_prediction(42), None)
        sink.close()
        seen = [json.loads(message)["index"] for message in client]
        assert seen[-1] == 42
        assert client.close_code == 1001
    again = WebSocketSink(sink.address)
    again.close()
    again.close()
    with pytest.raises(StreamError, match="has ended"):
        again.put(make_prediction(), None)


def test_a_port_that_is_taken_is_one_line(sink):
    with pytest.raises(ConfigError, match="choose another port") as caught:
        WebSocketSink(sink.address)
    assert str(sink.address.port) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert threading.active_count() < 50


@pytest.mark.parametrize("host", ["192.0.2.7", "no-such-host.invalid", "a..b"])
def test_an_address_that_is_not_this_computers_is_one_line(host):
    with pytest.raises(ConfigError, match="cannot listen there") as caught:
        WebSocketSink(Address(host, 0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:3000", True),
        ("https://lab.example", True),
        ("https://evil.example", False),
        ("file://", False),
        ("null", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("https://lab.example.evil.example", False),
    ],
)
def test_a_web_page_from_elsewhere_is_not_let_in(origin, welcome):
    sink = WebSocketSink(Address("127.0.0.1", 0), origins=("https://lab.example",))
    try:
        sink.put(make_prediction(), None)
        if welcome:
            with connect(url(sink), origin=origin) as page:
                assert json.loads(page.recv(WAIT_S))["index"] == 0
        else:
            with pytest.raises(InvalidStatus) as caught, connect(url(sink), origin=origin):
                pass
            assert caught.value.response.status_code == 403
    finally:
        sink.close()


def test_a_client_that_talks_and_one_too_many_are_shown_out(sink):
    with connect(url(sink)) as talker:
        for _ in range(17):
            talker.send("hello")
        with pytest.raises(ConnectionClosed) as caught:
            talker.recv(WAIT_S)
        assert caught.value.rcvd.code == 1008
    with connect(url(sink)) as shouter:
        shouter.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as caught:
            shouter.recv(WAIT_S)
        assert caught.value.rcvd.code == 1009
    wait_until(lambda: sink.n_clients == 0)
    crowd = [raw_client(sink.address) for _ in range(MAX_CLIENTS)]
    wait_until(lambda: sink.n_clients == MAX_CLIENTS)
    with connect(url(sink)) as late:
        with pytest.raises(ConnectionClosed) as caught:
            late.recv(WAIT_S)
        assert caught.value.rcvd.code == 1013
    for client in crowd:
        client.close()
    wait_until(lambda: sink.n_clients == 0)


def test_what_is_no_websocket_is_no_trouble(sink, capfd):
    for junk in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00" * 50, b""):
        with socket.create_connection((sink.address.host, sink.address.port)) as stranger:
            stranger.sendall(junk)
    with connect(url(sink)) as client:
        sink.put(make_prediction(3), None)
        assert json.loads(client.recv(WAIT_S))["index"] == 3
    assert capfd.readouterr().err == ""
