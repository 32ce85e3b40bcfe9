"""``bci-stream doctor``: the whole of it on this machine, and every verdict by figures."""

import json
import socket
import stat

import pytest

from apps import doctor
from apps import doctor_verdicts as verdicts
from apps.doctor import DoctorOptions, probe
from apps.doctor_verdicts import Verdict
from bci_stream.sources.simulator import DEMO_MONTAGE, SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from tests.apps.command import bci

GB = verdicts.GB


def test_everything_is_looked_at_and_the_exit_code_tells(lsl_isolation, tmp_path):
    """With a headset on the network, which the demo bundle takes."""
    person = SimulatorProcess(
        SimulatorSettings(ch_names=DEMO_MONTAGE), name_prefix="Doc", lsl=(lsl_isolation, "machine")
    )
    with person:
        person.wait_ready()
        done = bci("doctor", "--json", "--folder", tmp_path / "new" / "folder", "--session-id", lsl_isolation)
    found = {f["name"]: f for f in json.loads(done.out)["findings"]}
    assert set(found) == {
        *("Python", "CPU", "memory", "recordings", "liblsl", "LSL scope", "LSL ports", "LSL loopback"),
        *("clock", "microphones", "window", "torch", "numba cache", "bundle", "streams"),
    }
    assert all(f["fix"] for f in found.values() if f["verdict"] != "OK")
    assert done.code == (1 if any(f["verdict"] == "FAIL" for f in found.values()) else 0)
    assert "100 of 100 samples" in found["LSL loopback"]["found"]
    assert found["torch"]["verdict"] == found["bundle"]["verdict"] == "OK"
    assert found["streams"]["verdict"] == "OK", found["streams"]
    assert "the model takes DocEEG as eeg and DocAudio as audio" in found["streams"]["found"]
    assert lsl_isolation in found["LSL scope"]["found"]
    assert not (tmp_path / "new").exists()


def test_what_fails_is_said_with_a_fix_and_exit_code_1(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.bci").write_bytes(b"no bundle")
    where = ("--folder", tmp_path / "file", "--bundle", tmp_path / "broken.bci")
    done = bci("doctor", *where)
    assert done.code == 1
    lines = done.out.splitlines()
    (recordings,) = [i for i, line in enumerate(lines) if line.startswith("FAIL  recordings: ")]
    assert "is a file" in lines[recordings]
    assert lines[recordings + 1].strip().startswith("-> give another one with --folder")
    assert any(line.startswith("FAIL  bundle: ") for line in lines)
    assert "Traceback" not in done.err


def test_a_folder_that_may_not_be_written_fails(tmp_path, monkeypatch):
    def refused(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
    finding = doctor._disk(tmp_path)
    assert (finding.verdict, finding.found) == (Verdict.FAIL, f"{tmp_path}: Permission denied")
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


def test_a_probe_that_hangs_is_ended(tmp_path):
    (tmp_path / "sounddevice.py").write_text("import time\ntime.sleep(600)\n")
    hung = probe("audio", {}, 4.0, {"PYTHONPATH": f"{doctor.Path(doctor.__file__).parent.parent}:{tmp_path}"})
    assert hung.facts == {}
    assert hung.problem == "no answer within 4 s"


def test_a_probe_that_dies_says_why():
    gone = probe("qt", {}, 60.0, {"QT_QPA_PLATFORM": "nonsense"})
    assert gone.facts == {}
    assert "nonsense" in gone.problem


def test_a_missing_library_is_no_failure_where_it_is_not_needed(tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    path = f"{doctor.Path(doctor.__file__).parent.parent}:{tmp_path}"
    finding = doctor._audio(probe("audio", {}, 60.0, {"PYTHONPATH": path}))
    assert finding.verdict is Verdict.WARN
    assert finding.found == "PortAudio is missing (PortAudio library not found)"


def test_free_ports_are_counted():
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        taken.listen()
        assert doctor.n_free_ports(port, 1) == 0


def test_the_settings_of_lsl_are_those_that_liblsl_reads(tmp_path, monkeypatch):
    path = tmp_path / "lsl_api.cfg"
    path.write_text("[ports]\nBasePort = 17000\n[lab]\nSessionID = mine\n[multicast]\nResolveScope = link\n")
    monkeypatch.setenv("LSLAPICFG", str(path))
    settings, source = doctor.lsl_settings()
    assert settings == {"BasePort": "17000", "SessionID": "mine", "ResolveScope": "link"}
    assert source == str(path)


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (verdicts.python_finding((3, 12), ""), Verdict.OK),
        (verdicts.python_finding((3, 14), ""), Verdict.FAIL),
        (verdicts.python_finding((3, 10), ""), Verdict.FAIL),
        (verdicts.scope_finding("site", "default", ""), Verdict.OK),
        (verdicts.scope_finding("machine", "default", ""), Verdict.WARN),
        (verdicts.scope_finding("site", "lab-3", ""), Verdict.WARN),
        (verdicts.ports_finding(16572, 32, 32), Verdict.OK),
        (verdicts.ports_finding(16572, 32, 3), Verdict.WARN),
        (verdicts.ports_finding(16572, 32, 0), Verdict.FAIL),
        (verdicts.ports_finding(16572, 4, 4), Verdict.OK),
        (verdicts.loopback_finding(3, [0.1, 0.2, 0.3]), Verdict.OK),
        (verdicts.loopback_finding(3, [9.0, 9.0, 9.0]), Verdict.WARN),
        (verdicts.loopback_finding(3, [0.1]), Verdict.FAIL),
        (verdicts.loopback_finding(3, []), Verdict.FAIL),
        (verdicts.clock_finding([1e-4], 0.01, 0.1, back=False), Verdict.OK),
        (verdicts.clock_finding([1e-4], 0.01, 0.1, back=True), Verdict.FAIL),
        (verdicts.clock_finding([15.6], 0.01, 0.1, back=False), Verdict.FAIL),
        (verdicts.clock_finding([], 0.01, 0.1, back=False), Verdict.FAIL),
        (verdicts.clock_finding([1e-4], 3.0, 0.1, back=False), Verdict.WARN),
        (verdicts.clock_finding([1e-4], 0.01, 15.0, back=False), Verdict.WARN),
        (verdicts.memory_finding(8 * GB), Verdict.OK),
        (verdicts.memory_finding(1 * GB), Verdict.WARN),
        (verdicts.memory_finding(0.5 * GB), Verdict.FAIL),
        (verdicts.memory_finding(None), Verdict.OK),
        (verdicts.cpu_finding(4, 0.2, "performance", ""), Verdict.OK),
        (verdicts.cpu_finding(4, None, "", ""), Verdict.OK),
        (verdicts.cpu_finding(4, 1.5, "", ""), Verdict.WARN),
        (verdicts.cpu_finding(1, 0.1, "", ""), Verdict.WARN),
        (verdicts.cpu_finding(4, 0.2, "powersave", "acpi-cpufreq"), Verdict.WARN),
        (verdicts.cpu_finding(4, 0.2, "powersave", "intel_pstate"), Verdict.OK),
        (verdicts.disk_finding("x", "", 50 * GB), Verdict.OK),
        (verdicts.disk_finding("x", "", 2 * GB), Verdict.WARN),
        (verdicts.disk_finding("x", "", 0.1 * GB), Verdict.FAIL),
        (verdicts.audio_finding("V19", "", ["mic"], "mic"), Verdict.OK),
        (verdicts.audio_finding("V19", "", [], ""), Verdict.WARN),
        (verdicts.qt_finding("6.9", "xcb", True, ""), Verdict.OK),
        (verdicts.qt_finding("6.9", "", True, "no display"), Verdict.WARN),
        (verdicts.qt_finding("6.9", "", False, "no library"), Verdict.FAIL),
        (verdicts.qt_finding("", "", False, "No module named 'PyQt6'"), Verdict.WARN),
        (verdicts.torch_finding({"version": "2", "threads": 2, "same": True}, ""), Verdict.OK),
        (verdicts.torch_finding({"version": "2", "threads": 2, "same": False}, ""), Verdict.FAIL),
        (verdicts.torch_finding({}, "No module named 'torch'"), Verdict.FAIL),
        (verdicts.numba_finding("0.61", "x", True, 3), Verdict.OK),
        (verdicts.numba_finding("0.61", "x", True, 0), Verdict.WARN),
        (verdicts.numba_finding("0.61", "x", False, 3), Verdict.WARN),
        (verdicts.bundle_finding("x.bci", "", "ab" * 32), Verdict.OK),
        (verdicts.bundle_finding("x.bci", "altered", ""), Verdict.FAIL),
        (verdicts.fit_finding(["A (EEG)"], "the model takes A", ""), Verdict.OK),
        (verdicts.fit_finding(["A (EEG)"], "", "electrode Fz is absent"), Verdict.WARN),
        (verdicts.fit_finding([], "", ""), Verdict.WARN),
    ],
)
def test_verdicts(finding, verdict):
    assert finding.verdict is verdict
    assert bool(finding.fix) == (verdict is not Verdict.OK)
    assert finding.name


def test_without_liblsl_one_line_says_so():
    (finding,) = doctor._lsl(DoctorOptions(), doctor.Probed({}, "No module named 'pylsl'"))
    assert finding.verdict is Verdict.FAIL
    assert "pylsl" in finding.fix


def test_a_scope_that_lsl_does_not_have_is_one_line():
    done = bci("doctor", "--scope", "moon")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "scope must be one of machine" in done.err


def test_an_interpreters_complaint_is_told_not_its_source():
    text = "Traceback (most recent call last):\n  raise ConfigError(x)\nmodule.ConfigError: no such thing\n"
    assert doctor._last_words(text, 1) == "module.ConfigError: no such thing"
    assert doctor._last_words("", -11) == "it ended with exit code -11"
