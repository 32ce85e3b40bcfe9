"""The recorder with real files: a session is its recording, and a bad disk costs the recording alone."""

import json
import os
import resource
import shutil
import subprocess
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from sink_outcomes import CLASSES, make_prediction, no_decision

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.engine.session import Session, replay
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Marker, StreamInfo, StreamSpec
from bci_stream.model.bundle import export_bundle, load_bundle
from bci_stream.model.contract import Contract, EegContract
from bci_stream.model.network import build_network
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_file import ChunkFile, note_of
from bci_stream.sinks.xdf_headers import as_bound, as_markers, as_received, prediction_streams
from bci_stream.sinks.xdf_recovery import finish_all
from bci_stream.sinks.xdf_session import RecordedPipeline, RecordedSource, RecordingSink, ReplayedPipeline
from bci_stream.sources.binding import bind_audio, bind_eeg
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_events import simulated_events
from bci_stream.sources.simulator_faults import ClockReset, Faults, Outage, StreamFaults
from bci_stream.sources.xdf import XdfRecording, XdfSource

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")

NAMES = ("Fz", "Cz", "Pz", "Oz", "T7", "T8")
SPECS = {EEG: StreamSpec(EEG, NAMES, 250.0), AUDIO: StreamSpec(AUDIO, ("audio",), 16_000.0)}
INFOS = {
    EEG: StreamInfo("a", "Amp", "EEG", 6, 250.0, "float32", "amp-1", ch_names=NAMES),
    AUDIO: StreamInfo("b", "Mic", "Audio", 1, 16_000.0, "float32", "mic-1", ch_names=("voice",)),
    "markers": StreamInfo("c", "Cues", "Markers", 1, 0.0, "string", "cues-1"),
}


def streams(*, audio=True):
    roles = (EEG, AUDIO) if audio else (EEG,)
    bound = [as_bound(INFOS[role], SPECS[role]) for role in roles]
    return [*bound, as_markers("markers", INFOS["markers"])]


def wait_until(condition, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.002)


# -- a session is its recording -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A real bundle with random weights: what it says means nothing, but it says it exactly."""
    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BCI_STREAM_HOME", str(folder))
        torch.manual_seed(0)
        contract = Contract(eeg=EegContract(channels=NAMES), fusion="gated")
        export_bundle(build_network(contract).eval(), contract, folder / "random.bci")
        yield load_bundle(folder / "random.bci")


class Turns:
    """A source that hands out a session turn by turn, and the clock that goes with it.

    ``stall``: what arrives between these seconds from the start comes at the end of it, all at once.
    """

    def __init__(self, events, turn_s, stall=(0.0, 0.0)):
        self._events, self._turn_s, self._at = list(events), turn_s, 0
        arrivals = [event.arrival_s if isinstance(event, Chunk) else 0.0 for event in self._events]
        due = np.maximum.accumulate(arrivals)
        self.now_s = begin = next(t for t in arrivals if t)
        held = (due - begin >= stall[0]) & (due - begin < stall[1])
        self._due = np.where(held, begin + stall[1], due)
        self.over = threading.Event()

    def read(self, missing_s, timeout_s=0.1):
        if self._at == len(self._events):
            self.over.set()
            time.sleep(0.001)
            return []
        self.now_s += self._turn_s
        begin, self._at = self._at, int(np.searchsorted(self._due, self.now_s, side="right"))
        return self._events[begin : self._at]

    def close(self):
        pass


class Outcomes:
    """Everything of an outcome that must not differ, copied out of the rings."""

    def __init__(self):
        self.kept = {}

    def put(self, prediction, window):
        parts = {
            role: (p.data.tobytes(), p.mask.tobytes(), p.marks.tobytes(), p.coverage, p.gaps, p.t_start)
            for role, p in window.streams.items()
        }
        said = None
        if prediction is not None:
            said = (prediction.logits, prediction.probs, prediction.label, prediction.heads, prediction.tags)
        self.kept[window.index] = (window.t_start, window.t_end, parts, repr(said))


def new_pipeline(bundle, specs):
    plans = plan_for_contract(specs, bundle.contract)
    return Pipeline(plans, window_settings(bundle.contract), StreamingPredictor(bundle))


def live(bundle, events, path, turn_s=0.2, stall=(0.0, 0.0)):
    """A session over these events, recorded; what it said."""
    recorder = XdfRecorder(path, [*streams(), *prediction_streams("s", bundle.contract.classes, SPECS, {})])
    source, seen = Turns(events, turn_s, stall), Outcomes()
    recorded = RecordedSource(source, recorder)
    sinks = [seen, RecordingSink(recorder, (EEG, AUDIO))]
    pipeline = RecordedPipeline(new_pipeline(bundle, SPECS), recorder)
    session = Session(recorded, pipeline, sinks, lambda: recorded.now_s)
    session.start()
    wait_until(source.over.is_set, 120.0)
    session.stop()
    recorder.close()
    assert session.error is None
    assert recorder.error is None
    return seen.kept


def played(bundle, path, heeded=ReplayedPipeline):
    """What a replay of the recording says, through bindings made of the file alone."""
    with XdfRecording.open(path) as recording:
        found = {info.name: info for info in recording.streams}
        bindings = {EEG: bind_eeg(found["Amp"]), AUDIO: bind_audio(found["Mic"])}
        specs = {role: binding.spec for role, binding in bindings.items()}
        texts = [info.key for info in recording.streams if info.dtype == "string"]
        source, seen = XdfSource(recording, bindings, texts), Outcomes()
        pipeline = new_pipeline(bundle, specs)
        for outcome in replay(source.events(), heeded(pipeline)):
            seen.put(outcome.prediction, outcome.window)
        assert recording.warnings == ()
    return seen.kept, pipeline


def troubled(duration_s):
    """Drift, losses, bursts, gaps, a reconnect with another clock, a voice that is gone for long."""
    third = duration_s / 3
    return Faults(
        eeg=StreamFaults(
            clock_offset_s=345.6,
            drift_ppm=40.0,
            rate_ppm=-30.0,
            burst_n=5,
            jitter_s=3e-3,
            loss=0.01,
            gaps=(Outage(0.3 * third, 0.7),),
            disconnects=(Outage(third, 4.0),),
            clock_resets=(ClockReset(third + 1.0, 1234.5, 3.0),),
        ),
        audio=StreamFaults(
            clock_offset_s=-12.0,
            drift_ppm=-60.0,
            disconnects=(Outage(2 * third, 2.5),),
            gaps=(Outage(2.0, 0.3),),
        ),
        seed=5,
    )


@pytest.mark.parametrize(
    ("duration_s", "n_least"), [(24.0, 100), pytest.param(108.0, 500, marks=pytest.mark.slow)]
)
def test_a_replay_of_its_own_recording_is_the_session_bit_for_bit(bundle, tmp_path, duration_s, n_least):
    person = SimulatorSettings(ch_names=NAMES, seed=3)
    events = list(simulated_events(person, troubled(duration_s), duration_s))
    path = tmp_path / "session.xdf"
    said = live(bundle, events, path)
    again, pipeline = played(bundle, path)
    assert len(said) >= n_least
    differing = [index for index, outcome in said.items() if again.get(index) != outcome]
    assert differing == []
    assert pipeline.health()[EEG].n_gaps >= 2  # the trouble was there
    assert pipeline.health()[EEG].n_clock_resets == 1
    assert pipeline.health()[AUDIO].n_gaps >= 2


def test_windows_that_the_wall_clock_closed_are_closed_again(bundle, tmp_path):
    """Everything stands still for 2 s and then comes at once: too late, live and replayed alike."""
    person = SimulatorSettings(ch_names=NAMES, seed=6)
    events = list(simulated_events(person, Faults(), 14.0))
    path = tmp_path / "session.xdf"
    said = live(bundle, events, path, stall=(6.0, 8.0))
    again, pipeline = played(bundle, path)
    assert [index for index, outcome in said.items() if again.get(index) != outcome] == []
    assert pipeline.health()[EEG].n_late > 100
    deaf, _ = played(bundle, path, heeded=lambda plain: plain)
    assert any(deaf.get(index) != outcome for index, outcome in said.items())  # it does depend on that


def test_the_recording_holds_every_event_as_it_came_and_what_was_said(bundle, tmp_path):
    person = SimulatorSettings(ch_names=NAMES, seed=4)
    events = list(simulated_events(person, troubled(9.0), 9.0))
    path = tmp_path / "session.xdf"
    said = live(bundle, events, path)
    with XdfRecording.open(path) as recording:
        by_name = {info.name: info.key for info in recording.streams}
        for name, role in (("Amp", EEG), ("Mic", AUDIO)):
            blocks = [b for b in recording.blocks({by_name[name]: 10**6}) if not isinstance(b, ClockOffset)]
            chunks = [e for e in events if isinstance(e, Chunk) and e.stream == role]
            assert np.concatenate([b.timestamps for b in blocks]).tobytes() == (
                np.concatenate([c.timestamps for c in chunks]).tobytes()
            )
            assert b"".join(b.values.tobytes() for b in blocks) == b"".join(c.data.tobytes() for c in chunks)
            offsets = [
                (e.remote_s, e.offset_s) for e in events if isinstance(e, ClockOffset) and e.stream == role
            ]
            assert list(zip(*recording.clock_offsets(by_name[name]), strict=True)) == offsets
        (cues,) = [b for b in recording.blocks({by_name["Cues"]: 10**6}) if not isinstance(b, ClockOffset)]
        assert [row[0] for row in cues.values] == [e.label for e in events if isinstance(e, Marker)]
    found, _ = pyxdf.load_xdf(path)
    ours = {stream["info"]["name"][0]: stream for stream in found}
    decisions = [json.loads(row[0]) for row in ours["s-decisions"]["time_series"]]
    assert [d["index"] for d in decisions] == [i for i, outcome in said.items() if outcome[3] != "None"]
    assert [str(tuple(d["logits"])) in said[d["index"]][3] for d in decisions].count(False) == 0
    np.testing.assert_array_equal(ours["s-decisions"]["time_stamps"], [d["t_end"] for d in decisions])
    probabilities = ours["s-probabilities"]["time_series"]
    np.testing.assert_array_equal(
        probabilities[:, :-1], np.array([d["probs"] for d in decisions], dtype=np.float32)
    )
    assert len(ours["s-quality"]["time_series"]) == len(said)
    coverage = [outcome[2][EEG][3] for outcome in said.values()]
    np.testing.assert_array_equal(ours["s-quality"]["time_series"][:, 0], np.float32(coverage))


def test_pyxdf_by_its_defaults_places_the_samples_where_we_do(tmp_path):
    """60 s with drift, jitter and a gap of 3 s, which is long enough for pyxdf to see it."""
    from bci_stream.sources.simulator_events import truth_times
    from bci_stream.timeline.clock import ClockTrack
    from bci_stream.timeline.stamps import Dejitter

    faults = Faults(
        eeg=StreamFaults(
            clock_offset_s=50.0, drift_ppm=40.0, jitter_s=1e-3, disconnects=(Outage(30.0, 3.0),)
        ),
        audio=StreamFaults(clock_offset_s=-3.0, drift_ppm=-20.0),
    )
    person = SimulatorSettings(ch_names=NAMES, seed=1, audio_sfreq=8000.0)
    events = list(simulated_events(person, faults, 60.0))
    path = tmp_path / "session.xdf"
    recorder = XdfRecorder(path, streams())
    for event in events:
        recorder.event(event)
    recorder.close()
    found = {s["info"]["name"][0]: s for s in pyxdf.load_xdf(path)[0]}
    truth = truth_times(person, faults, 60.0)
    for name, role, sfreq in (("Amp", EEG, 250.0), ("Mic", AUDIO, 8000.0)):
        chunks = [e for e in events if isinstance(e, Chunk) and e.stream == role]
        assert found[name]["time_series"].tobytes() == b"".join(c.data.tobytes() for c in chunks)
        clock, dejitter, ours = ClockTrack(), Dejitter(sfreq), []
        for event in (e for e in events if e.stream == role):
            pieces = (
                clock.admit(event.timestamps, event.data)
                if isinstance(event, Chunk)
                else clock.add_pair(event.remote_s, event.offset_s)
            )
            ours += [dejitter.step(local)[0] for local, _ in pieces]
        ours = np.concatenate(ours)
        theirs = found[name]["time_stamps"]
        since = truth[role] - truth[role][0]
        settled = (since > 1) & ~((since > 29.9) & (since < 34))
        assert np.abs(ours - theirs)[settled].max() < 1e-3


# -- a bad disk -------------------------------------------------------------------------------------------


def eeg_chunk(k, n=250, n_channels=6):
    values = np.full((n, n_channels), k, np.float32)
    return Chunk(EEG, 1000.0 + k + np.arange(n) / 250, values)


class HeldFile(ChunkFile):
    """A disk that takes nothing until it is let."""

    gate = threading.Event()

    def write(self, chunk):
        self.gate.wait(60.0)
        super().write(chunk)


def test_a_disk_that_stands_still_holds_nobody_up_and_what_was_left_out_is_said(tmp_path):
    HeldFile.gate = threading.Event()
    one = eeg_chunk(0)
    n_fit = 10
    bound = n_fit * (one.timestamps.nbytes + one.data.nbytes + 200)
    recorder = XdfRecorder(tmp_path / "x.xdf", streams(), queue_bytes=bound, opened=HeldFile)
    recorder.event(ClockOffset(EEG, 1000.0, 2.5))
    for k in range(100):  # would hang here if it waited
        recorder.event(eeg_chunk(k))
        recorder.event(Marker("markers", 1000.0 + k, f"cue {k}"))
    assert recorder._queued_bytes <= bound + (1 << 20)
    kept_now = 100 - recorder.status().n_dropped["Amp"] // 250
    assert 0 < kept_now <= n_fit
    HeldFile.gate.set()
    wait_until(lambda: recorder._queued_bytes == 0)
    recorder.event(eeg_chunk(200))
    recorder.close()
    assert recorder.error is None
    with XdfRecording.open(tmp_path / "x.xdf") as recording:
        keys = {info.type: info.key for info in recording.streams}
        stamps = np.concatenate(
            [b.timestamps for b in recording.blocks({keys["EEG"]: 10**6}) if hasattr(b, "values")]
        )
        (log,) = [b for b in recording.blocks({keys["RecorderLog"]: 10}) if hasattr(b, "values")]
        cues = [b for b in recording.blocks({keys["Markers"]: 1000}) if hasattr(b, "values")]
    assert sum(len(block.values) for block in cues) == 100  # small things had their reserve
    assert len(stamps) == (kept_now + 1) * 250
    gap = json.loads(log.values[0][0])
    assert gap["n_samples"] == (100 - kept_now) * 250
    assert gap["first_stamp"] == 1000.0 + kept_now
    assert log.timestamps[0] == 1000.0 + kept_now + 2.5
    assert gap["stream"] == "Amp"


def record_until_it_ends(path, n_most=3000):
    """Chunks of ever other content until the disk is full; how many samples were accepted, and the error."""
    recorder = XdfRecorder(path, streams())
    recorder.event(ClockOffset(EEG, 1000.0, 0.0))
    for k in range(n_most):
        recorder.event(eeg_chunk(k))
        recorder.event(Marker("markers", 1000.0 + k, f"cue {k}"))
        if k % 50 == 0:
            wait_until(lambda: recorder._queued_bytes == 0 or recorder.error is not None)
        if recorder.error is not None:
            break
    recorder.close()
    status = recorder.status()
    assert recorder.error is not None
    assert "\n" not in recorder.error
    assert str(path) in recorder.error
    recorder.event(eeg_chunk(0))  # the session goes on and may still say something
    return status


def assert_all_accepted_reads_back(path, status):
    found = {s["info"]["name"][0]: s for s in pyxdf.load_xdf(path, dejitter_timestamps=False)[0]}
    n_eeg, n_cues = status.n_samples["Amp"], status.n_samples["Cues"]
    assert n_eeg > 1000
    expected = np.concatenate([eeg_chunk(k).timestamps for k in range(n_eeg // 250)])
    np.testing.assert_array_equal(found["Amp"]["time_stamps"], expected)
    np.testing.assert_array_equal(found["Amp"]["time_series"][:, 0], np.repeat(np.arange(n_eeg // 250), 250))
    assert [row[0] for row in found["Cues"]["time_series"]] == [f"cue {k}" for k in range(n_cues)]
    with XdfRecording.open(path) as recording:
        assert recording.warnings == ()
        assert recording.summary("1").n_samples == n_eeg
        assert recording.summary("3").n_samples == n_cues


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB in memory."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root; the limit of file size is tested instead")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this root may not mount; the limit of file size is tested instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_recording_behind_the_last_whole_chunk(small_disk):
    path = small_disk / "x.xdf"
    status = record_until_it_ends(path)
    assert "No space left" in status.error
    assert_all_accepted_reads_back(path, status)
    assert path.stat().st_size > 1_900_000
    finished, problems = finish_all(small_disk)  # still full, or the footers did fit
    assert len(finished) + len(problems) <= 1
    assert_all_accepted_reads_back(path, status)


def test_a_file_that_may_not_grow_ends_the_recording_behind_the_last_whole_chunk(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        status = record_until_it_ends(tmp_path / "x.xdf")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_all_accepted_reads_back(tmp_path / "x.xdf", status)


class FailingFile(ChunkFile):
    """A disk that breaks after some chunks, as one that is pulled out."""

    def write(self, chunk):
        if self.n_bytes > 50_000:
            raise OSError(5, "Input/output error")
        super().write(chunk)


def test_a_broken_disk_leaves_its_note_and_the_session_goes_on(tmp_path, bundle):
    events = list(simulated_events(SimulatorSettings(ch_names=NAMES), Faults(), 8.0))
    path = tmp_path / "x.xdf"
    recorder = XdfRecorder(path, streams(), opened=FailingFile)
    source, seen = Turns(events, 0.2), Outcomes()
    session = Session(
        RecordedSource(source, recorder), new_pipeline(bundle, SPECS), [seen], lambda: source.now_s
    )
    session.start()
    wait_until(source.over.is_set)
    session.stop()
    recorder.close()
    assert "Input/output error" in recorder.error
    assert session.error is None
    assert len(seen.kept) > 30
    assert note_of(path).exists()
    (done,), problems = finish_all(tmp_path)
    assert problems == []
    assert done.n_samples == dict(recorder.status().n_samples)


# -- the rest ---------------------------------------------------------------------------------------------


def test_streams_that_were_not_asked_for_are_not_in_the_file(tmp_path):
    recorder = XdfRecorder(tmp_path / "x.xdf", streams(audio=False))
    secret = np.full((16, 1), 0.123, np.float32)
    recorder.event(Chunk(AUDIO, np.arange(16.0), secret))
    recorder.event(eeg_chunk(0))
    recorder.close()
    assert secret[:4].tobytes() not in (tmp_path / "x.xdf").read_bytes()
    assert recorder.status().n_samples == {"Amp": 250, "Cues": 0}


def test_a_boundary_every_ten_seconds_and_the_status(tmp_path):
    now = [100.0]
    recorder = XdfRecorder(tmp_path / "x.xdf", streams(), clock=lambda: now[0])
    for k in range(45):
        now[0] = 100.0 + k
        recorder.event(eeg_chunk(k))
        wait_until(lambda: recorder._queued_bytes == 0)
    status = recorder.status()
    assert status.duration_s == 44.0
    assert status.n_free_bytes > 0
    assert 0 < status.left_s < float("inf")
    recorder.close()
    content = (tmp_path / "x.xdf").read_bytes()
    assert content.count(bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")) in (4, 5)
    assert recorder.status().n_bytes == len(content)
    assert not note_of(tmp_path / "x.xdf").exists()


def test_integers_and_several_texts_are_recorded_as_they_come(tmp_path):
    amp = StreamInfo("u1", "Raw", "EEG", 3, 100.0, "int16")
    words = StreamInfo("u2", "Words", "Markers", 2, 0.0, "string")
    recorder = XdfRecorder(tmp_path / "x.xdf", [as_received("u1", amp), as_received("u2", words)])
    values = np.arange(-15, 15, dtype=np.int16).reshape(10, 3)
    recorder.numbers("u1", np.arange(10) / 100, values)
    recorder.texts("u2", [0.5, 0.6], [("a", "b"), ("", "ü" * 400)])
    recorder.close()
    found = {s["info"]["name"][0]: s for s in pyxdf.load_xdf(tmp_path / "x.xdf")[0]}
    np.testing.assert_array_equal(found["Raw"]["time_series"], values)
    assert found["Raw"]["time_series"].dtype == np.int16
    assert [list(row) for row in found["Words"]["time_series"]] == [["a", "b"], ["", "ü" * 400]]


def test_no_decision_is_recorded_as_such(tmp_path):
    recorder = XdfRecorder(tmp_path / "x.xdf", prediction_streams("s", CLASSES, (EEG,), {"hop_s": "0.2"}))
    sink = RecordingSink(recorder, (EEG,))
    sink.put(no_decision(0), None)
    sink.put(replace(make_prediction(1), confidence=0.5), None)
    sink.put(None, None)
    recorder.close()
    found = {s["info"]["name"][0]: s for s in pyxdf.load_xdf(tmp_path / "x.xdf")[0]}
    labels = [json.loads(row[0])["label"] for row in found["s-decisions"]["time_series"]]
    assert labels == [None, "happiness"]
    assert found["s-decisions"]["info"]["desc"][0]["session"][0]["hop_s"] == ["0.2"]
    assert len(found["s-quality"]["time_series"]) == 0
