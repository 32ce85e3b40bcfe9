"""The simulated person on a real network: published by one process, pulled by another.

Each test that pulls runs in an interpreter of its own: liblsl reads its configuration once a process.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bci_stream.errors import ConfigError, StreamLostError
from bci_stream.sources.lsl_config import configure_lsl, lsl_config_text
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_faults import Faults, Outage, StreamFaults
from bci_stream.sources.simulator_process import SimulatorProcess

PERSON = SimulatorSettings(seed=2, person=4, ch_names=("Fp1", "T8", "Oz"), dwell_s=(1.0, 1.0))

PULL = """
import json, sys, time
import pylsl
from bci_stream.sources.lsl_config import configure_lsl

configure_lsl(sys.argv[1])
found = {}
deadline = time.monotonic() + 20
while len(found) < 3 and time.monotonic() < deadline:
    found |= {info.name(): info for info in pylsl.resolve_streams(1.5)}
inlets = {name: pylsl.StreamInlet(info, recover=False) for name, info in found.items()}
for inlet in inlets.values():
    inlet.open_stream(10)
pulled = {name: [[], [], inlet.info(10).as_xml()] for name, inlet in inlets.items()}
deadline = time.monotonic() + 2.5
while time.monotonic() < deadline:
    for name, inlet in inlets.items():
        data, stamps = inlet.pull_chunk(0.0, 4096, as_numpy=False)
        pulled[name][0] += data
        pulled[name][1] += list(stamps)
    time.sleep(0.02)
json.dump(pulled, sys.stdout)
"""

WAIT_FOR_RETURN = """
import json, sys
import pylsl
from bci_stream.sources.lsl_config import configure_lsl

configure_lsl(sys.argv[1])

def an_inlet():
    for _ in range(10):
        for info in pylsl.resolve_streams(1.5):
            if info.name() == "SimEEG":
                return pylsl.StreamInlet(info, recover=False)
    raise SystemExit("no SimEEG")

inlet = an_inlet()
last = inlet.pull_sample(10)[1]
try:
    while True:
        last = inlet.pull_sample(5)[1] or last
except pylsl.util.LostError:
    pass
inlet = an_inlet()
first = inlet.pull_sample(10)[1]
xml = inlet.info(5)
json.dump([float(xml.desc().child("simulation").child_value("t0")), last, first], sys.stdout)
"""


def test_a_disconnected_outlet_is_lost_and_comes_back_where_ordered():
    session_id = a_session_id("disconnect")
    starts = range(6, 60, 10)  # one of them comes after the inlet, however slow the computer is
    faults = Faults(eeg=StreamFaults(disconnects=tuple(Outage(t, 1.0) for t in starts)))
    with SimulatorProcess(PERSON, faults=faults, lsl=(session_id, "machine")) as simulator:
        simulator.wait_ready()
        t0, last, first = pull(session_id, WAIT_FOR_RETURN)
    start = min(t for t in starts if t > last - t0)
    assert last - t0 >= start - 0.5
    assert first - t0 >= start + 1.0


def pull(session_id, script=PULL):
    done = subprocess.run(
        [sys.executable, "-c", script, session_id], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def a_session_id(name):
    return f"test-{name}-{os.getpid()}"


@pytest.fixture(scope="module")
def pulled():
    session_id = a_session_id("publish")
    with SimulatorProcess(PERSON, source_id="sim-7", lsl=(session_id, "machine")) as simulator:
        simulator.wait_ready()
        return pull(session_id)


def header(xml):
    from xml.etree import ElementTree

    return ElementTree.fromstring(xml)


def test_three_streams_are_on_the_network(pulled):
    assert {
        name: (header(xml).findtext("type"), header(xml).findtext("source_id"))
        for name, (_, _, xml) in pulled.items()
    } == {
        "SimEEG": ("EEG", "sim-7-eeg"),
        "SimAudio": ("Audio", "sim-7-audio"),
        "SimMarkers": ("Markers", "sim-7-markers"),
    }


def test_the_eeg_header_says_what_the_xdf_specification_asks_for(pulled):
    eeg = header(pulled["SimEEG"][2])
    channels = eeg.findall("desc/channels/channel")
    assert [c.findtext("label") for c in channels] == ["Fp1", "T8", "Oz"]
    assert {(c.findtext("unit"), c.findtext("type")) for c in channels} == {("microvolts", "EEG")}
    assert float(eeg.findtext("nominal_srate")) == 250.0
    assert eeg.findtext("desc/reference/label")
    assert eeg.findtext("desc/acquisition/manufacturer") == "bci_stream"


@pytest.mark.parametrize(("name", "sfreq", "column"), [("SimEEG", 250.0, 0), ("SimAudio", 16_000.0, 1)])
def test_the_samples_are_the_persons_and_the_stamps_their_true_times(pulled, name, sfreq, column):
    data, stamps, xml = pulled[name]
    t0 = float(header(xml).findtext("desc/simulation/t0"))
    indices = np.round((np.array(stamps) - t0) * sfreq).astype(int)
    assert len(indices) > sfreq
    assert np.all(np.diff(indices) == 1)
    np.testing.assert_allclose(stamps, t0 + indices / sfreq, atol=1e-6)
    rendered = Simulator(PERSON).render(0.0, (indices[-1] + 1) / sfreq)[column]
    np.testing.assert_array_equal(np.squeeze(np.array(data, np.float32)), rendered[indices])


def test_the_markers_name_the_truth(pulled):
    labels, stamps, xml = pulled["SimMarkers"]
    t0 = float(header(xml).findtext("desc/simulation/t0"))
    truth = {round(s.t_start, 6): f"class:{s.label}" for s in Simulator(PERSON).truth(60.0)}
    assert len(labels) >= 2
    assert [truth[round(stamp - t0, 6)] for stamp in stamps] == [label for (label,) in labels]


def test_a_killed_simulator_is_gone_and_a_stopped_one_ends_by_itself():
    killed = SimulatorProcess(PERSON, lsl=(a_session_id("kill"), "machine"))
    killed.start()
    killed.wait_ready()
    assert killed.alive
    killed.kill()
    assert not killed.alive
    with SimulatorProcess(PERSON, lsl=(a_session_id("stop"), "machine")) as stopped:
        stopped.wait_ready()
    assert not stopped.alive


def test_a_simulator_that_cannot_start_says_so(capfd):
    wrong = SimulatorProcess(PERSON, lsl=("no good", "machine"))
    wrong.start()
    with pytest.raises(StreamLostError, match="exit code 1"):
        wrong.wait_ready()
    assert "LSL session id" in capfd.readouterr().err


@pytest.mark.parametrize("wrong", ["", "a b", "a\nResolveScope = global", "x" * 65, "-a", "a;b"])
def test_a_session_id_that_could_write_configuration_is_refused(wrong):
    with pytest.raises(ConfigError, match="session id"):
        configure_lsl(wrong)


def test_a_scope_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="machine, link"):
        lsl_config_text("lab", "galaxy")
