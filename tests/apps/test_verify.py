"""``verify``: a real session over LSL is its recording; whatever is changed of either is named."""

import json
import shutil
import struct

import numpy as np
import pytest
import pyxdf

from apps.choice import DEMO_BUNDLE
from apps.live import run_live
from apps.live_ledger import Ledger, ledger_of
from apps.live_recording import RecordingChoice
from apps.outputs import OutputChoice
from bci_stream.model.bundle import export_bundle, load_bundle
from tests.apps.command import here
from tests.apps.live_session import Director, live_options, person

N_LEAST = 12


class Seen(list):
    """The ends of the windows whose newest hop of EEG was good, told as they come."""

    def __call__(self, outcome):
        eeg = outcome.window.streams["eeg"]
        if not eeg.mask[-round(0.2 * eeg.sfreq) :].any():
            self.append(outcome.window.t_end)


@pytest.fixture(scope="module")
def recorded(lsl_isolation, tmp_path_factory):
    """A recorded session with its voice, its headset killed and back again; and an instant of good EEG."""
    path, good = tmp_path_factory.mktemp("session") / "one.xdf", Seen()
    with person("LedV", lsl_isolation, seed=3) as voice, person("Led", lsl_isolation) as headset:
        voice.wait_ready()
        headset.wait_ready()

        def play(director):
            director.wait_until(lambda: len(good) >= N_LEAST)
            headset.kill()
            n_before = len(good)
            with person("Led", lsl_isolation) as returned:
                returned.wait_ready()
                director.wait_until(lambda: len(good) >= n_before + N_LEAST)

        with Director(play) as director:
            finished = run_live(live_options("Led", RecordingChoice(path, audio=True)), good)
    assert director.error is None
    assert finished.session.error is None
    assert finished.recording.error is None
    return path, good[N_LEAST // 2] - 0.1


@pytest.fixture
def session(recorded):
    return recorded[0]


@pytest.fixture
def copy(session, tmp_path):
    """The recording and its ledger, to be spoilt."""
    for path in (session, ledger_of(session)):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / session.name


def verified(path, *arguments):
    result = here("verify", path, "--json", *arguments, cwd=path.parent)
    return result.code, json.loads(result.out) if result.out else result.err


def test_a_recorded_session_verifies(session):
    code, verdict = verified(session)
    assert (code, verdict["same"]) == (0, True), verdict
    assert verdict["n_same"] == verdict["n_windows"] > 2 * N_LEAST
    assert verdict["compared"] == ["eeg", "audio"]
    assert verdict["ended"]
    assert (verdict["settings"], verdict["libraries"]) == ({}, {})


def test_its_ledger_is_the_owners_and_holds_no_samples(session):
    path = ledger_of(session)
    assert path.stat().st_mode & 0o777 == 0o600
    ledger = Ledger(path)
    assert path.stat().st_size < 1500 * (len(ledger.entries) + 2)
    assert {name for e in ledger.entries.values() for name, ms in e.latency.items() if ms is not None} >= {
        "algorithmic_s",
        "inference_ms",
    }


def altered(path, role, t_s, value_at):
    """Change the EEG or voice sample of the recording that is nearest to a local time; gives its stamp."""
    kind = {"eeg": "EEG", "audio": "Audio"}[role]
    streams = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)[0]
    stream = next(s for s in streams if s["info"]["type"][0] == kind)
    at = int(np.argmin(np.abs(stream["time_stamps"] - t_s)))
    stamp = struct.pack("<d", stream["time_stamps"][at])
    data = bytearray(path.read_bytes())
    place = data.find(b"\x08" + stamp + np.asarray(stream["time_series"][at], "<f4").tobytes()) + 9
    assert place > 9, "the sample was not found in the file"
    data[place : place + 4] = value_at(bytes(data[place : place + 4]))
    path.write_bytes(data)
    return float(stream["time_stamps"][at])


def flip(four):
    return bytes((four[0], four[1] ^ 0x40, *four[2:]))


@pytest.mark.parametrize("role", ["eeg", "audio"])
def test_one_flipped_bit_of_one_sample_is_named(recorded, copy, role):
    stamp = altered(copy, role, recorded[1], flip)
    code, verdict = verified(copy)
    assert code == 1
    assert verdict["why"][0] == f"input of {role}"
    t_start, t_end = verdict["interval_s"]
    assert t_end - 0.7 < stamp < t_end, "the first window whose newest hop holds it, or the filter's echo"
    assert verdict["n_same"] > 0
    ok, plain = here("verify", copy, cwd=copy.parent), f"input of {role}"
    assert ok.code == 1
    assert plain in ok.err
    assert f"window {verdict['index']} [{t_start:.3f}, {t_end:.3f}) s is the first" in ok.err


def test_a_sample_that_becomes_no_number_is_a_mask(recorded, copy):
    altered(copy, "eeg", recorded[1], lambda _: struct.pack("<f", float("nan")))
    code, verdict = verified(copy)
    assert (code, verdict["why"][0]) == (1, "mask of eeg"), verdict


def test_another_bundle_with_the_same_weights_is_named(session, tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    demo = load_bundle(DEMO_BUNDLE)
    other = tmp_path / "other.bci"
    sha256 = export_bundle(demo.network, demo.contract.model_copy(update={"created": "another day"}), other)
    code, verdict = verified(session, "--bundle", other)
    assert (code, verdict["why"]) == (1, ["bundle"])
    assert verdict["bundles"] == [demo.sha256, sha256]
    words = here("verify", session, "--bundle", other, cwd=tmp_path)
    assert f"{demo.sha256[:12]}… answered then, {sha256[:12]}… now" in words.err


def test_other_weights_are_a_bundle_before_they_are_logits(session, tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    demo = load_bundle(DEMO_BUNDLE)
    with torch.no_grad():
        next(demo.network.classifier.parameters()).mul_(1.5)
    export_bundle(demo.network, demo.contract, tmp_path / "other.bci")
    code, verdict = verified(session, "--bundle", tmp_path / "other.bci")
    assert (code, verdict["why"][0]) == (1, "bundle")


def test_a_changed_setting_is_named(session):
    code, verdict = verified(session, "--mains", 60)
    assert (code, verdict["why"][0]) == (1, "input of eeg")
    assert verdict["settings"] == {"mains_hz": ["50.0", "60.0"]}
    words = here("verify", session, "--mains", 60, cwd=session.parent)
    assert "(mains_hz was 50.0, here it is 60.0)" in words.err


def test_a_setting_that_makes_no_difference_is_said_and_does_no_harm(session):
    result = here("verify", session, "--fit", "interpolate", cwd=session.parent)
    assert result.code == 0, result.err
    assert "fit was exact, here it is interpolate: it makes no difference" in result.err


def test_a_recording_that_lacks_its_end_lacks_windows(copy):
    data = copy.read_bytes()
    copy.write_bytes(data[: 2 * len(data) // 3])
    code, verdict = verified(copy)
    assert code == 1
    assert verdict["n_same"] > 0
    assert verdict["n_same"] + verdict["n_different"] == verdict["n_windows"]


def test_a_ledger_that_was_touched_is_refused(copy):
    path = ledger_of(copy)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join([*lines[:20], lines[20].replace(b'"deadline": ', b'"deadline":  '), *lines[21:]])
    )
    assert verified(copy)[0] == 2
    path.write_bytes(b"".join([*lines[:20], *lines[21:]]))
    code, words = verified(copy)
    assert code == 2
    assert "line 21" in words


def test_a_killed_sessions_ledger_verifies_as_far_as_it_goes(copy):
    path = ledger_of(copy)
    path.write_bytes(path.read_bytes()[:-1000])
    result = here("verify", copy, cwd=copy.parent)
    assert result.code == 0, result.err
    assert "its session was killed" in result.err


def test_a_replays_ledger_serves_too_and_names_are_never_taken(session, tmp_path):
    ledger = tmp_path / "replay.jsonl"
    assert here("replay", session, "--ledger", ledger, cwd=tmp_path).code == 0
    code, verdict = verified(session, "--ledger", ledger)
    assert (code, verdict["same"]) == (0, True), verdict
    again = here("replay", session, "--ledger", ledger, cwd=tmp_path)
    assert again.code == 2
    assert "never overwritten" in again.err


@pytest.mark.parametrize(
    "content", [None, b"", b"{}\n", b"\xff\n", b'{"kind": "window"}\n', b"[" * 50_000 + b"\n"]
)
def test_no_ledger_is_bad_input(copy, content):
    path = ledger_of(copy)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    code, words = verified(copy)
    assert code == 2
    assert words.startswith("error: ledger")
    assert words.count("\n") == 1


def test_a_voice_that_was_not_recorded_is_said_and_the_eeg_still_compared(lsl_isolation, tmp_path):
    good, path = Seen(), tmp_path / "silent.xdf"
    with person("Mut", lsl_isolation) as headset, person("MutV", lsl_isolation) as voice:
        headset.wait_ready()
        voice.wait_ready()
        options = live_options("Mut", RecordingChoice(path), outputs=OutputChoice())
        with Director(lambda director: director.wait_until(lambda: len(good) >= N_LEAST)) as director:
            run_live(options, good)
    assert director.error is None
    code, words = verified(path)
    assert code == 2
    assert "the session heard audio" in words
    code, verdict = verified(path, "--no-audio")
    assert verdict["compared"] == ["eeg"]
    assert not verdict["whole"]
    assert (code, verdict["same"]) == (0, True), verdict
    assert verdict["n_same"] >= 5
    assert verdict["n_same"] + verdict["n_open"] == verdict["n_windows"]
    altered(path, "eeg", good[N_LEAST // 2] - 0.1, flip)
    code, verdict = verified(path, "--no-audio")
    assert (code, verdict["why"]) == (1, ["input of eeg"])
