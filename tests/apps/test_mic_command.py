"""``bci-stream mic`` and ``live --mic`` on a real virtual PortAudio device."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pylsl
import pytest

from apps.choice import ModelChoice, StreamChoice, load_model, prepare
from apps.live_recording import begin
from apps.live_streams import open_source
from apps.mic import MicOptions, run
from apps.record import Destination
from apps.recorded_session import replayed
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.session import Session, replay
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, Chunk
from bci_stream.sources import portaudio
from bci_stream.sources.binding import bind_audio, bind_eeg
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.mic_devices import MicDevice
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from bci_stream.sources.xdf import XdfRecording, XdfSource
from tests.apps.command import ROOT, bci
from tests.voices import noise, vowel

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")
soundfile = pytest.importorskip("soundfile", reason="soundfile comes with the train extra")


class Kept:
    """What a session said, copied out of the rings."""

    def __init__(self):
        self.said = {}

    def put(self, prediction, window):
        parts = {
            role: (p.data.tobytes(), p.mask.tobytes(), p.marks.tobytes())
            for role, p in window.streams.items()
        }
        said = None if prediction is None else (prediction.logits, prediction.stood_on, prediction.tags)
        self.said[window.index] = (window.t_end, parts, repr(said))


def wait_until(condition, timeout_s=60.0, note=lambda: ""):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"the condition never came true {note()}"
        time.sleep(0.01)


def one_line(result):
    """The error's one line; nothing else on stderr."""
    assert result.code == 2
    (line,) = [line for line in result.err.splitlines() if line.strip()]
    return line


def test_microphones_are_listed_by_the_name_that_is_asked_for(virtual_mic):
    virtual_mic.add_another()
    (first, second) = bci("mic", "--list", "--json").records("microphone")
    assert {first["source"], second["source"]} == {"vmic_src", "other_src"}
    assert [r["source"] for r in (first, second) if r["default"]] == ["other_src"]
    assert "vmic_src" in bci("mic", "--list").out
    line = one_line(bci("mic", "--device", "_src"))
    assert "2 microphones fit '_src'" in line
    assert "vmic_src" in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"rate_hz": 12.0}, "12 Hz makes no sense"),
        ({"block_ms": 500.0}, "500 ms makes no sense"),
        ({"seconds": -1.0}, "--seconds -1 makes no sense"),
        ({"name": " "}, "the stream needs a name"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_device_is_looked_at(arguments, complaint):
    usual = MicOptions(None, "Microphone", None, 10.0, False, None, None, None, False)
    with pytest.raises(ConfigError, match=complaint):
        run(replace(usual, **arguments))


def test_a_name_that_nothing_has_is_one_line_with_what_there_is(virtual_mic):
    line = one_line(bci("mic", "--device", "nothing like it"))
    assert "no microphone named 'nothing like it'; found 'Unix FIFO source" in line


def test_a_machine_without_a_sound_server_has_no_microphone(virtual_mic):
    virtual_mic.kill()
    assert "no microphone" in one_line(bci("mic"))
    assert "no microphone" in bci("mic", "--list").err


def test_without_portaudio_the_line_says_what_to_install():
    """sounddevice itself, told by the system that there is no such library."""
    code = (
        "import ctypes.util, sys; ctypes.util.find_library = lambda name: None;"
        "sys.argv = ['bci-stream', 'mic']; from apps.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=120
    )
    assert done.returncode == 2
    assert "PortAudio is not installed" in done.stderr
    assert "libportaudio2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_that_cannot_be_opened_is_explained(virtual_mic, monkeypatch):
    """What PortAudio really says of a source that is not there, and its own codes for the rest."""
    monkeypatch.setenv("PULSE_SOURCE", "gone_src")
    (server, *_) = [d for d in portaudio.inputs() if d.name == "pulse"]
    with pytest.raises(portaudio.DeviceError, match=r"could not be opened: .*is it plugged in"):
        portaudio.open_capture(server, 16_000.0, 0.01, pylsl.local_clock, lambda *_: None, lambda: None)
    import sounddevice

    lib = sounddevice._lib
    mic = MicDevice(0, "Yeti", "ALSA", 1, 44_100.0)
    busy = portaudio.explain(lib.paDeviceUnavailable, "Device unavailable", mic, 16_000.0)
    assert "in use by another program" in str(busy)
    rate = portaudio.explain(lib.paInvalidSampleRate, "Invalid sample rate", mic, 16_000.0)
    assert "does not take 16000 Hz; its own rate is 44100 Hz" in str(rate)


def test_one_voice_at_a_time():
    with pytest.raises(ConfigError, match="--mic takes the voice from a microphone here"):
        StreamChoice(audio="Other", mic="default")


def publish(session_id, *arguments):
    command = [sys.executable, "-m", "bci_stream", "mic", "--session-id", session_id, *arguments]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )


def test_a_published_microphone_tells_all_about_itself_and_survives_its_server(
    virtual_mic, lsl_isolation, tmp_path
):
    tone = np.sin(2 * np.pi * 300 * np.arange(60 * 16_000) / 16_000) / 2
    soundfile.write(tmp_path / "tone.wav", tone, 16_000)
    virtual_mic.play(tmp_path / "tone.wav")
    arguments = ("--device", "vmic_src", "--name", "TestMic", "--json", "--scope", "machine")
    process = publish(lsl_isolation, *arguments)
    source = LslSource([LslRequest(AUDIO, "TestMic")], resolve_s=60.0)
    try:
        info = source.open()[AUDIO].info
        chunks = []

        def more():
            chunks.extend(e for e in source.read({AUDIO: 0.1}) if isinstance(e, Chunk))
            return sum(len(c.timestamps) for c in chunks)

        wait_until(lambda: more() > 16_000)
        newest = chunks[-1]
        assert newest.arrival_s - newest.timestamps[-1] < 1.0
        assert newest.data[:, 0].std() == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
        virtual_mic.kill()
        wait_until(lambda: (more(), source.status()[AUDIO].state)[1] == "stalled")
        lost_s = pylsl.local_clock()
        virtual_mic.start()
        n_before = more()
        wait_until(lambda: more() > n_before + 16_000)
        stamps = np.concatenate([c.timestamps for c in chunks])
        assert (np.diff(stamps) > 0).all()
        assert np.diff(stamps).max() > 0.5
        assert stamps[-1] > lost_s
    finally:
        source.close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "AUDIO LOST" in err
    assert "is back" in err
    record = json.loads(out.splitlines()[-1])
    assert record["reconnects"] == 1
    assert (info.type, info.dtype, info.sfreq) == ("Audio", "float32", 16_000.0)
    assert info.ch_units == ("normalized",)
    for text in ("PortAudio", "PulseAudio", "vmic_src", "stamped by arrival", "can_drop_samples"):
        assert text in info.xml


def played(path, prepared):
    """The recording once more through the engine."""
    with XdfRecording.open(path) as recording:
        found = {info.type: info for info in recording.streams}
        bindings = {EEG: bind_eeg(found["EEG"]), AUDIO: bind_audio(found["Audio"])}
        texts = [info.key for info in recording.streams if info.dtype == "string"]
        source, kept = XdfSource(recording, bindings, texts), Kept()
        pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
        for outcome in replay(source.events(), replayed(pipeline)):
            kept.put(outcome.prediction, outcome.window)
    return kept.said


def test_the_eeg_goes_on_without_the_microphone_and_the_recording_replays_bit_for_bit(
    virtual_mic, lsl_isolation, tmp_path
):
    rng = np.random.default_rng(0)
    talk = np.concatenate([vowel(40.0, 0.1), noise("pink", 20.0, -50, rng)])
    soundfile.write(tmp_path / "talk.wav", talk, 16_000)
    virtual_mic.play(tmp_path / "talk.wav")
    headset = SimulatorProcess(
        SimulatorSettings(), name_prefix="M", source_id="M", lsl=(lsl_isolation, "machine")
    )
    with headset:
        headset.wait_ready()
        source, bindings = open_source(StreamChoice(eeg="MEEG", mic="vmic_src"), 60.0)
        model = ModelChoice(voice_gate=True)
        specs = {role: b.spec for role, b in bindings.items() if role in (EEG, AUDIO)}
        prepared = prepare(model, load_model(model), specs)
        recording = begin(Destination(file=tmp_path / "both.xdf"), source, bindings, prepared, audio=True)
        pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
        said, kept = [], Kept()
        session = Session(
            recording.source,
            recording.pipeline(pipeline),
            [recording.sink, kept],
            pylsl.local_clock,
            lambda o: said.append(o.prediction),
        )
        session.start()
        try:
            wait_until(lambda: any(p and p.stood_on == (EEG, AUDIO) for p in said))
            killed_s = pylsl.local_clock()
            virtual_mic.kill()
            wait_until(lambda: source.status()[AUDIO].state == "lost")
            noticed_s = pylsl.local_clock() - killed_s
            assert "AUDIO LOST" in source.status()[AUDIO].note
            wait_until(lambda: any(p and p.stood_on == (EEG,) and p.t_end > killed_s for p in said))
            virtual_mic.start()
            virtual_mic.play(tmp_path / "talk.wav")
            wait_until(lambda: source.status()[AUDIO].n_reconnects == 1)
            back_s = pylsl.local_clock()
            wait_until(lambda: said[-1] and said[-1].stood_on == (EEG, AUDIO) and said[-1].t_end > back_s)
        finally:
            session.stop()
            recording.recorder.close()
    assert session.error is None
    assert noticed_s < 3.0  # half a second, where the machine is free: the slow suite measures it
    meanwhile = [p.t_end for p in said if p and killed_s < p.t_end < back_s]
    np.testing.assert_allclose(np.diff(meanwhile), 0.2, atol=1e-6)
    again = played(tmp_path / "both.xdf", prepare(model, prepared.bundle, specs))
    assert [i for i, outcome in kept.said.items() if again.get(i) != outcome] == []
    streams = {s["info"]["type"][0]: s for s in pyxdf.load_xdf(tmp_path / "both.xdf")[0]}
    assert "PortAudio" in str(streams["Audio"]["info"]["desc"])
    stamps = pyxdf.load_xdf(tmp_path / "both.xdf", dejitter_timestamps=False)[0]
    (voice,) = [s["time_stamps"] for s in stamps if s["info"]["type"][0] == "Audio"]
    assert (np.diff(voice) > 0).all()
    assert np.diff(voice).max() > 0.5
