"""``bci-stream devices`` and ``--device``, as a user types them."""

import json
import subprocess
import sys

import numpy as np
import pylsl
import pytest

from apps.choice import StreamChoice
from apps.recording import bind_recording
from bci_stream.devices import builtin_profiles
from bci_stream.sources.xdf import XdfRecording
from tests.apps.command import ROOT, bci
from tests.sources import xdf_bytes as xdf
from tests.sources.published import CYTON, UNICORN

SFREQ = 250


def records(result):
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.fixture
def recording(tmp_path):
    """An XDF file of 12 s of an OpenBCI Cyton, in the unit that a factor makes of µV."""

    def write(factor=1.0, source_id="openbcigui", n_channels=8, desc=""):
        rng = np.random.default_rng(1)
        n = 12 * SFREQ
        data = (np.cumsum(rng.normal(0, 4, (n, n_channels)), axis=0) * factor).astype("<f4")
        header = xdf.header_xml(
            "obci_eeg1", n_channels=n_channels, sfreq=SFREQ, source_id=source_id, desc=desc
        )
        stamps = 100 + np.arange(n) / SFREQ
        parts = [xdf.samples(1, stamps[i : i + 200].tolist(), data[i : i + 200]) for i in range(0, n, 200)]
        path = tmp_path / "session.xdf"
        path.write_bytes(xdf.file_header() + xdf.stream_header(1, header) + b"".join(parts) + xdf.footer(1))
        return path

    return write


def test_profiles_are_listed_and_the_unverified_are_marked():
    listed = records(bci("devices", "--no-streams", "--json"))
    assert [r["name"] for r in listed] == [p.name for p in builtin_profiles()]
    assert all(r["kind"] == "profile" and r["label"] for r in listed)
    text = bci("devices", "--no-streams")
    assert text.code == 0
    (row,) = [line for line in text.out.splitlines() if "│ petal " in line]
    assert "unverified" in row
    (row,) = [line for line in text.out.splitlines() if "│ muse-lsl " in line]
    assert "unverified" not in row


def test_one_profile_is_shown_as_a_file_would_hold_it(tmp_path, monkeypatch):
    shown = bci("devices", "unicorn-all")
    assert "channels: [Fz, C3, Cz, C4, Pz, PO7, Oz, PO8, ACC_X" in shown.out
    body = "".join(f"  {line}\n" for line in shown.out.replace("unicorn-all:", "mine:").splitlines())
    path = tmp_path / "devices.yaml"
    path.write_text(f"version: 1\ndevices:\n{body}")
    assert bci("devices", "--check", path).code == 0
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    assert records(bci("devices", "--no-streams", "--json"))[0]["name"] == "mine"
    unknown = bci("devices", "unicron")
    assert unknown.code == 2
    assert "did you mean 'unicorn'?" in unknown.err


def test_a_file_of_ones_own_is_checked(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\ndevices:\n  x:\n    labell: X\n")
    wrong = bci("devices", "--check", path)
    assert wrong.code == 2
    assert f"{path} line 4: devices.x.labell: unknown key, did you mean 'label'?" in wrong.err
    assert "Traceback" not in wrong.err
    path.write_text("version: 1\ndevices:\n  x:\n    label: X\n")
    right = bci("devices", "--check", path, "--json")
    assert records(right)[0]["devices"] == ["x"]


def test_live_streams_are_matched_with_the_reason(lsl_isolation):
    headers = (("obci_eeg1", "EEG", 8, 250, "float32", "openbcigui"), ("stranger", "EEG", 2, 250))
    outlets = [pylsl.StreamOutlet(pylsl.StreamInfo(*header)) for header in headers]
    options = ("--scope", "machine", "--session-id", lsl_isolation, "--wait", "6")
    found = {r["name"]: r for r in records(bci("devices", "--streams", "--json", *options))}
    known = found["obci_eeg1"]
    assert known["device"] == "openbci-cyton"
    assert known["electrodes"] == list(CYTON)
    assert "source_id 'openbcigui'" in known["reasons"]
    assert found["stranger"]["device"] is None
    text = bci("devices", "--streams", *options)
    del outlets
    assert "openbci-cyton: OpenBCI Cyton (OpenBCI GUI), by 8 channels, 250 Hz" in text.out
    assert "no device that is known" in text.out


def test_a_replay_takes_the_electrodes_of_the_profile_and_says_so(recording):
    result = bci("replay", recording(), "--no-model", "--json")
    assert result.records("session")[0]["streams"]["eeg"]["channels"] == list(CYTON)
    assert "is taken as OpenBCI Cyton" in result.err


def test_the_users_word_and_another_device_win(recording):
    assert electrodes(recording(), device="none")[0] == "ch1"
    assert electrodes(recording(source_id="x"))[0] == "ch1"
    assert electrodes(recording(source_id="x"), device="brainflow-unicorn") == UNICORN
    assert electrodes(recording(), channels=UNICORN) == UNICORN
    assert electrodes(recording(), pick=("O2", "C3")) == ("O2", "C3")


def electrodes(path, **choice):
    with XdfRecording.open(path) as opened:
        return bind_recording(opened, StreamChoice(**choice), any_numeric=False).bindings["eeg"].ch_names


@pytest.mark.parametrize(("factor", "unit"), [(1e-6, "V"), (1e-3, "mV"), (1e3, "nV")])
def test_a_replay_of_another_unit_is_refused_with_the_flag(recording, factor, unit):
    path = recording(factor)
    refused = bci("replay", path, "--no-model", "--json")
    assert refused.code == 2
    assert f"say so with --unit {unit}" in refused.err
    assert len([line for line in refused.err.splitlines() if line.startswith("error:")]) == 1
    taken = bci("replay", path, "--no-model", "--json", "--unit", unit)
    assert taken.code == 0
    assert taken.records("window")


def test_a_live_session_in_volts_stops_with_one_line(lsl_isolation):
    code = (
        "import sys, time, numpy as np, pylsl\n"
        "from bci_stream.sources.lsl_config import configure_lsl\n"
        "configure_lsl(sys.argv[1])\n"
        "outlet = pylsl.StreamOutlet(pylsl.StreamInfo('InVolts', 'EEG', 4, 250, 'float32', 'v'))\n"
        "rng = np.random.default_rng(1)\n"
        "while True:\n"
        "    time.sleep(0.04)\n"
        "    outlet.push_chunk((rng.normal(0, 2e-5, (10, 4))).astype(np.float32))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, lsl_isolation], cwd=ROOT) as amplifier:
        try:
            options = ("--no-model", "--json", "--no-audio", "--seconds", "60", "--wait", "30")
            where = ("--scope", "machine", "--session-id", lsl_isolation)
            result = bci("live", "--eeg", "InVolts", *options, *where)
        finally:
            amplifier.kill()
    assert result.code == 2
    assert "the session stopped: stream 'InVolts'" in result.err
    assert "--unit V" in result.err
    assert result.records("window")  # they ran until it was known


def test_an_unknown_device_or_a_broken_file_is_one_line(recording, tmp_path, monkeypatch):
    result = bci("replay", recording(), "--no-model", "--device", "openbci-citon")
    assert result.code == 2
    assert "did you mean 'openbci-cyton'?" in result.err
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    (tmp_path / "devices.yaml").write_text("version: 1\ndevices: !!python/name:os.system {}\n")
    result = bci("replay", recording(), "--no-model")
    assert result.code == 2
    assert "devices.yaml line 2: the tag" in result.err
    assert "Traceback" not in result.err
    assert bci("replay", recording(), "--no-model", "--device", "none").code == 0
