"""Real UDP on loopback, read by python-osc's own server and, byte by byte, by nobody at all."""

import math
import socket
import threading

import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from sink_outcomes import CLASSES, make_prediction, no_decision

from bci_stream.errors import ConfigError
from bci_stream.sinks.address import Address, parse_address
from bci_stream.sinks.osc import OscSink

WAIT_S = 20.0


class Reader:
    """Takes every message; ``taken`` counts datagrams by their last message."""

    def __init__(self):
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(self.take)
        self.bundles, self.current = [], {}
        self.came = threading.Condition()
        self.server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def take(self, address, *arguments):
        with self.came:
            self.current[address] = arguments
            if address == "/bci/tags":
                self.bundles.append(self.current)
                self.current = {}
                self.came.notify_all()

    def wait(self, n):
        with self.came:
            assert self.came.wait_for(lambda: len(self.bundles) >= n, WAIT_S), self.bundles
        return self.bundles

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def reader():
    reader = Reader()
    yield reader
    reader.close()


def test_a_game_gets_everything_that_the_addresses_promise(reader):
    sink = OscSink(Address("localhost", reader.port))
    said = make_prediction(t_start=123456.7000001, t_end=123461.7000001, valid_until=123462.9000001, gate=0.5)
    sink.put(said, None)
    sink.put(None, None)
    (bundle,) = reader.wait(1)
    assert bundle["/bci/prediction"] == ("happiness", 0.625)
    assert bundle["/bci/classes"] == CLASSES
    assert bundle["/bci/probabilities"] == (0.25, 0.625, 0.125)
    assert [bundle[f"/bci/probability/{name}"] for name in CLASSES] == [(0.25,), (0.625,), (0.125,)]
    assert bundle["/bci/stood_on"] == ("eeg", "audio")
    assert bundle["/bci/coverage/eeg"] == (1.0,)
    assert bundle["/bci/coverage/audio"] == (pytest.approx(0.8, abs=1e-7),)
    assert bundle["/bci/time"][:3] == (said.t_start, said.t_end, said.valid_until)  # doubles: the same bits
    assert bundle["/bci/time"][3] == pytest.approx(0.312)
    assert bundle["/bci/window"] == (0,)
    assert bundle["/bci/tags"] == ("interpolated 25%", "gap")
    assert (sink.n_sent, sink.n_refused) == (1, 0)
    sink.close()


def test_no_decision_is_a_word_and_no_number_that_breaks_a_reader(reader):
    sink = OscSink(Address("127.0.0.1", reader.port))
    sink.put(no_decision(2**40), None)
    (bundle,) = reader.wait(1)
    assert bundle["/bci/prediction"] == ("no decision", 0.0)
    assert bundle["/bci/probabilities"] == (-1.0, -1.0, -1.0)
    assert bundle["/bci/stood_on"] == ()
    assert bundle["/bci/window"] == (2**40,)
    assert not any(isinstance(v, float) and math.isnan(v) for v in bundle["/bci/probabilities"])
    sink.close()


def test_a_class_with_characters_that_osc_forbids_still_has_an_address(reader):
    sink = OscSink(Address("127.0.0.1", reader.port))
    sink.put(make_prediction(classes=("not calm", "a/b*{c}", "müde"), label="müde"), None)
    (bundle,) = reader.wait(1)
    assert bundle["/bci/classes"] == ("not calm", "a/b*{c}", "müde")
    assert {"/bci/probability/not_calm", "/bci/probability/a_b__c_", "/bci/probability/m_de"} <= set(bundle)
    sink.close()


def test_a_game_that_is_gone_or_starts_late_is_nobodys_trouble(reader):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = OscSink(Address("127.0.0.1", port))  # nobody is there now
    for index in range(200):
        sink.put(make_prediction(index), None)
    assert sink.n_sent + sink.n_refused == 200
    sink.close()


def test_what_the_network_refuses_is_counted_and_the_next_is_tried(monkeypatch):
    sink = OscSink(Address("127.0.0.1", 9))
    sink._client._sock.close()  # every send fails from here on, as with a network that is down
    sink.put(make_prediction(), None)
    sink.put(make_prediction(), None)
    assert (sink.n_sent, sink.n_refused) == (0, 2)
    assert sink.trouble == "Bad file descriptor"


@pytest.mark.parametrize("text", ["", "9000x", "host:", ":9000", "a:b:9000", "http://x:90", "h:99999", "h:0"])
def test_what_is_no_address_is_one_line(text):
    with pytest.raises(ConfigError, match="--osc") as caught:
        parse_address(text, "--osc")
    assert "\n" not in str(caught.value)


def test_addresses_as_people_write_them():
    assert parse_address("studio:9000", "--osc") == Address("studio", 9000)
    assert parse_address("[::1]:9000", "--osc") == Address("::1", 9000)
    assert str(Address("::1", 9000)) == "[::1]:9000"
    assert parse_address("8765", "--ws", "127.0.0.1") == Address("127.0.0.1", 8765)
    assert [Address(host, 1).is_loopback for host in ("127.0.0.1", "::1", "0.0.0.0", "10.0.0.1")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_host_that_nobody_knows_is_one_line():
    with pytest.raises(ConfigError, match="cannot be found") as caught:
        OscSink(Address("no-such-host.invalid", 9000))
    assert "\n" not in str(caught.value)
