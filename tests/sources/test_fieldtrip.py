"""A FieldTrip buffer on loopback: what it holds arrives, and its death and return are told."""

import socket
import threading
import time
import warnings

import numpy as np
import pytest

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.errors import ConfigError, StreamFormatError, StreamNotFoundError
from bci_stream.messages import EEG, Chunk
from bci_stream.sources.fieldtrip import FieldTripSource
from bci_stream.sources.lsl_link import local_clock
from bci_stream.timeline.windows import WindowSettings
from tests.sources.fieldtrip_server import FLOAT64, INT16, Acquisition, FieldTripServer

pytest.importorskip("mne_realtime", reason="mne-realtime comes with the extra mne")

NAMES = ("Fz", "Cz", "Pz")
SFREQ = 250.0


def signals(first, n):
    t = np.arange(first, first + n) / SFREQ
    return np.stack([40 * np.sin(2 * np.pi * (4 + k) * t) for k in range(3)], 1)


class Amplifier:
    """Measures in real time into a buffer, 10 samples a block, until it is stopped."""

    def __init__(self, port, cues=()):
        self.acquisition = Acquisition(port)
        self.acquisition.header(NAMES, SFREQ)
        self._cues = dict(cues)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        n, began = 0, time.monotonic()
        while not self._stop.wait(max(0.0, began + (n + 10) / SFREQ - time.monotonic())):
            try:
                self.acquisition.data(signals(n, 10))
                if n in self._cues:
                    self.acquisition.event("trigger", self._cues[n], n)
            except OSError:  # the server was killed
                return
            n += 10

    def stop(self):
        self._stop.set()
        self._thread.join()
        self.acquisition.close()


@pytest.fixture
def server():
    servers = [FieldTripServer()]
    yield servers
    servers[-1].close()


def read_until(source, condition, timeout_s=60.0):
    events, deadline = [], time.monotonic() + timeout_s
    while not condition(events):
        assert time.monotonic() < deadline, "waited in vain"
        events += source.read({EEG: 0.2}, 0.1)
    return events


def values_of(events):
    return np.concatenate([np.empty((0, 3)), *(e.data for e in events if isinstance(e, Chunk))])


def test_samples_and_events_arrive_whole_and_on_the_local_clock(server):
    amplifier = Amplifier(server[0].port, {300: "happy", 500: "calm"})
    source = FieldTripSource(f"127.0.0.1:{server[0].port}")
    binding = source.open()[EEG]
    pipeline = Pipeline(plan_without_model({EEG: binding.spec}), WindowSettings(1.0, 0.2, 0.3))
    try:
        events = read_until(source, lambda events: len(values_of(events)) > 700)
        now_s = local_clock()
    finally:
        source.close()
        amplifier.stop()
    assert (binding.ch_names, binding.sfreq) == (NAMES, SFREQ)
    assert binding.notes == ("stream declares no unit: taken as µV",)
    values = values_of(events)
    first = int(np.argmin([np.abs(values[:50] - signals(n, 50)).max() for n in range(600)]))
    np.testing.assert_allclose(values, signals(first, len(values)), atol=1e-4)  # none lost, none twice
    covered = [o.window.streams[EEG].coverage for event in events for o in pipeline.step(event)]
    assert covered[-1] == 1.0
    assert pipeline.health()[EEG].n_gaps == 0
    assert -0.5 < now_s - pipeline.health()[EEG].newest_s < 60
    assert [m.label for m in pipeline.markers] == ["happy", "calm"]
    assert pipeline.markers[1].timestamp - pipeline.markers[0].timestamp == pytest.approx(0.8, abs=0.25)


def test_mne_realtime_itself_reads_the_same_server(server):
    """The judge of the test's server."""
    import mne
    from mne_realtime import FieldTripClient

    acquisition = Acquisition(server[0].port)
    acquisition.header(NAMES, SFREQ, FLOAT64)
    acquisition.data(signals(0, 500), FLOAT64)
    info = mne.create_info(list(NAMES), SFREQ, "eeg")
    with warnings.catch_warnings(), FieldTripClient(info, "127.0.0.1", server[0].port, wait_max=10) as client:
        warnings.simplefilter("ignore")
        epoch = client.get_data_as_epoch(n_samples=200)
    np.testing.assert_allclose(epoch.get_data()[0].T, signals(300, 200))
    acquisition.close()


def test_counts_are_scaled_by_the_headers_resolutions(server):
    acquisition = Acquisition(server[0].port)
    acquisition.header(NAMES, SFREQ, INT16, resolutions=[0.1, 0.2, 0.5])
    source = FieldTripSource(f"127.0.0.1:{server[0].port}")
    source.open()
    try:
        assert values_of(source.read({EEG: 0.2}, 0.0)).size == 0
        acquisition.data(np.array([[10, 10, 10], [-20, 0, 2]]), INT16)
        values = values_of(read_until(source, lambda events: len(values_of(events)) == 2))
    finally:
        source.close()
        acquisition.close()
    np.testing.assert_allclose(values, [[1, 2, 5], [-2, 0, 1]], rtol=1e-6)


def test_a_killed_server_is_told_and_taken_back(server):
    port = server[0].port
    amplifier = Amplifier(port)
    source = FieldTripSource(f"127.0.0.1:{port}", lost_s=1.0)
    source.open()
    try:
        read_until(source, lambda events: len(values_of(events)) > 50)
        server[0].close()
        read_until(source, lambda _: source.status()[EEG].state == "lost")
        assert "is gone" in source.status()[EEG].note
        amplifier.stop()
        server.append(FieldTripServer(port))
        amplifier = Amplifier(port)
        read_until(source, lambda events: len(values_of(events)) > 50)
        status = source.status()[EEG]
        assert (status.state, status.n_reconnects) == ("live", 1)
    finally:
        source.close()
        amplifier.stop()


def test_what_is_no_buffer_gets_one_line(server):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        free = deaf.getsockname()[1]
    for address in ("", "host:", ":1", "host:x", "host:70000"):
        with pytest.raises(ConfigError, match="is no HOST:PORT"):
            FieldTripSource(address)
    with pytest.raises(StreamNotFoundError, match="answers"):
        FieldTripSource(f"127.0.0.1:{free}").open()
    with pytest.raises(StreamNotFoundError, match="has no header yet"):
        FieldTripSource(f"127.0.0.1:{server[0].port}").open()
    acquisition = Acquisition(server[0].port)
    acquisition.header(NAMES, 0.0)
    with pytest.raises(StreamFormatError, match="3 channels at 0 Hz, which cannot be"):
        FieldTripSource(f"127.0.0.1:{server[0].port}").open()
    acquisition.close()


def test_a_server_of_something_else_gets_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet():
            connection, _ = other.accept()
            with connection:
                connection.recv(8)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(StreamNotFoundError, match="none of a FieldTrip buffer"):
            FieldTripSource(f"127.0.0.1:{other.getsockname()[1]}").open()
        thread.join()
