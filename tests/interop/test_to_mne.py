"""MNE's objects made of recordings and running sessions; mne-realtime fed from a session over real LSL."""

import time
import warnings

import numpy as np
import pylsl
import pytest

from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_without_model
from bci_stream.engine.session import Session
from bci_stream.errors import ConfigError, StreamFormatError
from bci_stream.interop.rt_client import SessionClient
from bci_stream.interop.to_mne import to_mne
from bci_stream.messages import EEG, Chunk, ClockOffset, Marker, StreamSpec
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.simulator import CLASSES, SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from bci_stream.timeline.windows import WindowSettings

mne = pytest.importorskip("mne", reason="MNE comes with the extra mne")

NAMES = ("Fz", "Cz", "Pz", "Oz")
SFREQ = 250.0
T0 = 100.0


def signals(times):
    return np.stack([40 * np.sin(2 * np.pi * (3 + k) * times) for k in range(4)], 1).astype(np.float32)


def pipeline():
    return Pipeline(plan_without_model({EEG: StreamSpec(EEG, NAMES, SFREQ)}), WindowSettings(2.0, 0.2, 0.3))


def feed(pipe, t_from, t_to):
    """Samples of [t_from, t_to) s after the start, exactly stamped."""
    times = T0 + np.arange(round(t_from * SFREQ), round(t_to * SFREQ)) / SFREQ
    for part in np.array_split(times, max(1, len(times) // 25)):
        list(pipe.step(Chunk(EEG, part, signals(part))))


def test_the_last_seconds_of_a_session_are_a_raw_with_gaps_markers_and_places():
    pipe = pipeline()
    assert pipe.recent(EEG) is None
    for name in (EEG, "markers"):
        list(pipe.step(ClockOffset(name, T0, 0.0)))
    feed(pipe, 0, 4.0)
    feed(pipe, 5.0, 8.0)
    list(pipe.step(Marker("markers", T0 + 6.5, "go")))
    raw = to_mne(pipe, seconds=4.5)
    words = {a["description"]: (a["onset"], a["duration"]) for a in raw.annotations}
    first_s = float(raw.info["description"].split(": ")[1].split()[0])
    assert raw.times[-1] + 1 / SFREQ == pytest.approx(4.5, abs=0.01)
    assert first_s + 4.5 == pytest.approx(T0 + 7.8, abs=0.21)
    assert words["BAD_gap"] == (pytest.approx(T0 + 4.0 - first_s, abs=0.009), pytest.approx(1.0, abs=0.018))
    assert words["go"] == (pytest.approx(T0 + 6.5 - first_s), 0.0)
    sound = np.ones(raw.n_times, bool)
    onset, duration = words["BAD_gap"]
    sound[int(onset * SFREQ) - 6 : int((onset + duration) * SFREQ) + 7] = False  # edges interpolate one-sided
    expected = signals(first_s + raw.times)[sound] * 1e-6
    np.testing.assert_allclose(raw.get_data().T[sound], expected, atol=2e-7)
    assert np.isfinite(raw.info["chs"][0]["loc"][:3]).all()
    epochs = to_mne(pipe, epochs=(-0.2, 0.5))
    assert (len(epochs), list(epochs.event_id)) == (1, ["go"])
    with pytest.raises(StreamFormatError, match=r"no marker stop .*there are go"):
        to_mne(pipe, epochs=(-0.2, 0.5), markers=["stop"])


def test_a_session_without_a_window_has_nothing_to_show():
    with pytest.raises(StreamFormatError, match="no EEG yet"):
        to_mne(pipeline())


def test_epochs_of_a_recording_leave_out_those_with_gaps(tmp_path):
    info = mne.create_info(list(NAMES), SFREQ, "eeg")
    raw = mne.io.RawArray(signals(np.arange(2500) / SFREQ).T * 1e-6, info, verbose="error")
    words = ["calm", "happy", "calm", "BAD_gap"]
    raw.set_annotations(mne.Annotations([1.0, 3.0, 6.0, 5.5], [0, 0, 0, 0.4], words))
    raw.save(tmp_path / "s_raw.fif", verbose="error")
    epochs = to_mne(tmp_path / "s_raw.fif", epochs=(-0.3, 0.5))
    assert [list(epochs.event_id)[code - 1] for code in epochs.events[:, 2]] == ["calm", "happy"]
    np.testing.assert_allclose(
        epochs.get_data(units="uV")[1].T, signals(np.arange(675, 876) / SFREQ), atol=1e-3
    )


def test_codes_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="make no sense"):
        SessionClient(pipeline(), {"go": 0}, -0.2, 0.5)
    with pytest.raises(ConfigError, match="make no sense"):
        SessionClient(pipeline(), {"go": 1}, 0.5, 0.5)


def test_rt_epochs_come_from_a_live_session(lsl_isolation):
    """The simulator in another process, over real LSL; each epoch is the session's own samples."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # mne-realtime says that it is succeeded by MNE-LSL
        mne_realtime = pytest.importorskip("mne_realtime")
    settings = SimulatorSettings(ch_names=NAMES, eeg_sfreq=SFREQ, dwell_s=(1.2, 1.6), transition_s=0.2)
    simulator = SimulatorProcess(settings, name_prefix="Rt", source_id="Rt", lsl=(lsl_isolation, "machine"))
    with simulator:
        simulator.wait_ready()
        source = LslSource(
            [LslRequest(EEG, "RtEEG"), LslRequest("markers", "RtMarkers", required=False)], resolve_s=60.0
        )
        specs = {role: b.spec for role, b in source.open().items() if role == EEG}
        pipe = Pipeline(plan_without_model(specs), WindowSettings(2.0, 0.2, 0.3))
        codes = {f"class:{label}": i for i, label in enumerate(CLASSES, 1)}
        client = SessionClient(pipe, codes, -0.2, 0.4)
        seen = {}

        def note(outcome):
            part = outcome.window.streams[EEG]
            first = round(part.t_start * part.sfreq)
            seen.update({first + i: row.copy() for i, row in enumerate(part.data) if part.mask[i] == 0})
            client(outcome)

        epochs = mne_realtime.RtEpochs(
            client, codes, -0.2, 0.4, stim_channel="STI 014", baseline=None, picks="eeg", verbose="error"
        )
        epochs.start()
        session = Session(source, pipe, [], pylsl.local_clock, note)
        session.start()
        try:
            deadline = time.monotonic() + 60
            while epochs._n_good < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            epochs.stop()
            session.stop()
    assert session.error is None
    iter(epochs)
    cut = [next(epochs) for _ in range(epochs._n_good)]  # its get_data does not fit MNE 1.13
    assert len(cut) >= 3
    assert {data.shape for data in cut} == {(4, 151)}
    markers = {m.timestamp: codes[m.label] for m in pipe.markers if m.label in codes}
    for data, (_, _, code) in zip(cut, epochs.events, strict=True):
        at = [
            round(t * SFREQ) - 50
            for t, of in markers.items()
            if of == code and all(round(t * SFREQ) - 50 + i in seen for i in range(151))
        ]
        originals = [np.array([seen[row + i] for i in range(151)]) for row in at]
        assert any(np.allclose(data.T * 1e6, original, atol=1e-3) for original in originals)


def test_a_marker_whose_epoch_has_a_gap_is_withheld():
    pipe = pipeline()
    client = SessionClient(pipe, {"go": 3}, -0.2, 0.5)
    buffers = []
    client.register_receive_callback(buffers.append)
    client.start_receive_thread(5)
    for name in (EEG, "markers"):
        list(pipe.step(ClockOffset(name, T0, 0.0)))
    for t in (1.0, 3.8, 5.1, 6.5):
        list(pipe.step(Marker("markers", T0 + t, "go")))
    times = T0 + np.concatenate([np.arange(1000), np.arange(1250, 2250)]) / SFREQ
    for part in np.array_split(times, 100):
        for outcome in pipe.step(Chunk(EEG, part, signals(part))):
            client(outcome)
    deadline = time.monotonic() + 60
    while sum(b.shape[1] for b in buffers) < 7.5 * SFREQ and time.monotonic() < deadline:
        time.sleep(0.01)
    client.stop_receive_thread()
    stim = np.concatenate(buffers, axis=1)[-1]
    assert {b.shape for b in buffers} == {(5, 50)}
    assert client.n_withheld == 2
    assert np.diff(np.flatnonzero(stim)).tolist() == [round(5.5 * SFREQ)]
    assert set(stim) == {0.0, 3.0}
