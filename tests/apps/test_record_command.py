"""``bci-stream record`` and the recording of a live session, over a real liblsl."""

import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pylsl
import pytest

from apps.record import Destination, RecordOptions, run
from bci_stream.errors import BciStreamError
from bci_stream.sinks.xdf_file import note_of
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from tests.apps.command import ROOT, bci

pyxdf = pytest.importorskip("pyxdf", reason="pyxdf comes with the dev extra")


def wait_until(condition, timeout_s=60.0, note=lambda: ""):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"the condition never came true {note()}"
        time.sleep(0.01)


def person(prefix, session_id, **fields):
    settings = SimulatorSettings(**fields)
    return SimulatorProcess(settings, name_prefix=prefix, source_id=prefix, lsl=(session_id, "machine"))


@pytest.fixture(scope="module")
def headset(lsl_isolation):
    with person("Rec", lsl_isolation, ch_names=("Fz", "Cz", "Pz")) as process:
        process.wait_ready()
        yield lsl_isolation


def by_name(path):
    return {s["info"]["name"][0]: s for s in pyxdf.load_xdf(path)[0]}


def test_everything_but_the_voice_is_recorded_and_the_next_run_gets_the_next_number(headset, tmp_path):
    where = ("--folder", tmp_path, "--subject", "P1", "--session-id", headset)
    done = bci("record", *where, "--seconds", "2", "--json")
    assert done.code == 0, done.err
    assert "not recorded without --audio" in done.err
    path = tmp_path / "sub-P1" / "eeg" / "sub-P1_task-recording_run-001_eeg.xdf"
    (said,) = done.records("recording")
    assert said["file"] == str(path)
    assert said["bytes"] == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    streams = by_name(path)
    assert set(streams) == {"RecEEG", "RecMarkers"}
    eeg = streams["RecEEG"]
    assert len(eeg["time_stamps"]) == said["samples"]["RecEEG"] > 400
    assert [c["label"][0] for c in eeg["info"]["desc"][0]["channels"][0]["channel"]] == ["Fz", "Cz", "Pz"]
    assert eeg["info"]["desc"][0]["simulation"][0]["seed"] == ["0"]  # all that the header said
    assert len(eeg["clock_times"]) >= 1
    np.testing.assert_allclose(np.diff(eeg["time_stamps"]), 1 / 250, atol=1e-3)
    before = path.read_bytes()
    run(options(tmp_path, subject="P1", seconds=0.5))
    assert path.with_name("sub-P1_task-recording_run-002_eeg.xdf").exists()
    assert path.read_bytes() == before


def options(tmp_path, **fields):
    """What the parser makes of a command line."""
    where = {name: fields.pop(name) for name in ("file", "subject", "run") if name in fields}
    given = {"streams": (), "audio": False, "seconds": 1.0, "wait_s": 5.0} | fields
    destination = Destination(folder=tmp_path, **where)
    return RecordOptions(destination=destination, scope=None, session_id=None, as_json=False, **given)


def test_the_voice_is_recorded_when_it_is_asked_for(headset, tmp_path):
    out = tmp_path / "x.xdf"
    run(options(tmp_path, file=out, audio=True, streams=("RecAudio",)))
    streams = by_name(out)
    assert set(streams) == {"RecAudio"}
    assert len(streams["RecAudio"]["time_stamps"]) > 10_000


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"subject": "a/b"}, "letters and digits"),
        ({"run": 0}, "run 0"),
        ({"seconds": -1.0}, "makes no sense"),
        ({"file": "taken.xdf"}, "never overwritten"),
        ({"file": "x.txt"}, "an .xdf file"),
        ({"file": "taken.xdf/x.xdf"}, "cannot make recording"),
        ({"streams": ("Nobody",), "wait_s": 0.7}, "found"),
        ({"streams": ("RecAudio",), "wait_s": 0.7}, "without --audio"),
    ],
)
def test_what_cannot_be_is_one_line(headset, tmp_path, fields, said):
    (tmp_path / "taken.xdf").write_bytes(b"mine")
    if "file" in fields:
        fields = fields | {"file": tmp_path / fields["file"]}
    with pytest.raises(BciStreamError, match=said) as caught:
        run(options(tmp_path, **fields))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "taken.xdf").read_bytes() == b"mine"
    assert [p.name for p in tmp_path.rglob("*")] == ["taken.xdf"]


def started(*arguments):
    return subprocess.Popen([sys.executable, "-m", "bci_stream", "record", *map(str, arguments)], cwd=ROOT)


def test_a_killed_recording_opens_and_the_next_start_finishes_it(headset, tmp_path, capsys):
    where = ("--folder", tmp_path, "--subject", "P1", "--session-id", headset)
    process = started(*where)
    path = tmp_path / "sub-P1" / "eeg" / "sub-P1_task-recording_run-001_eeg.xdf"
    wait_until(lambda: path.exists() and path.stat().st_size > 20_000)
    process.send_signal(signal.SIGKILL)
    killed_s = pylsl.local_clock()
    process.wait()
    assert note_of(path).exists()
    eeg = by_name(path)["RecEEG"]
    assert killed_s - eeg["time_stamps"][-1] < 0.25 + 0.05  # 50 ms for the kill itself and the way here
    run(options(tmp_path, subject="P1", seconds=0.3))
    assert "finished an earlier recording" in capsys.readouterr().err
    assert not note_of(path).exists()
    finished = by_name(path)["RecEEG"]
    assert int(finished["footer"]["info"]["sample_count"][0]) == len(eeg["time_stamps"])


def test_ctrl_c_ends_a_recording_whole(headset, tmp_path):
    out = tmp_path / "x.xdf"
    process = started("--out", out, "--session-id", headset)
    wait_until(lambda: out.exists() and out.stat().st_size > 10_000)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert not note_of(out).exists()
    assert "footer" in by_name(out)["RecEEG"]
    again = bci("record", "--out", out)
    assert again.code == 2
    assert [line for line in again.err.splitlines() if line.startswith("error:")] == again.err.splitlines()
