"""A plan of faults does what it says, over real LSL too; a wrong one is said in one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, Chunk
from bci_stream.sources.fault_plan import FaultPlan, load_plan
from bci_stream.sources.lsl import LslRequest, LslSource
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events
from bci_stream.sources.simulator_faults import Transport

PERSON = SimulatorSettings(seed=1, ch_names=("Fz", "Cz", "Oz"), audio_sfreq=8_000.0)
EXAMPLE = Path(__file__).parents[2] / "examples" / "faults.yaml"


def chunks(plan, role, duration_s=6.0):
    faults = FaultPlan.model_validate(plan).faults(PERSON.ch_names)
    found = [
        e for e in simulated_events(PERSON, faults, duration_s) if isinstance(e, Chunk) and e.stream == role
    ]
    return np.concatenate([c.timestamps for c in found]), np.concatenate([c.data for c in found]), found


def test_the_example_is_a_plan():
    faults = load_plan(EXAMPLE).faults(SimulatorSettings().ch_names)
    assert faults.eeg.burst_n == 12
    assert len(faults.eeg.freezes) == len(faults.eeg.impostors) == len(faults.eeg.disconnects) == 1
    assert faults.audio.gaps[0].duration_s == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("eeg: {packets: {loss: 2}}", "eeg.packets.loss: Input should be less than or equal to 1"),
        ("eeg: {faults: [{kind: gap, at: 1}]}", "eeg.faults.0.gap.for_s: Field required"),
        ("eeg: {faults: [{kind: tsunami, at: 1, for_s: 1}]}", "eeg.faults.0: Input tag 'tsunami'"),
        ("eeg: {faults: [{kind: gap, at: .nan, for_s: 1}]}", "eeg.faults.0.gap.at"),
        ("headset: {}", "headset: Extra inputs are not permitted"),
        ("- 1", "a mapping with eeg and audio is expected"),
        ("a: [", "fault plan"),
    ],
)
def test_a_wrong_plan_is_said_in_one_line(tmp_path, text, words):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channel", ["Pz", 3])
def test_a_channel_that_is_not_there_is_named(channel):
    plan = FaultPlan.model_validate(
        {"eeg": {"faults": [{"kind": "flat", "at": 1, "for_s": 1, "channel": channel}]}}
    )
    with pytest.raises(ConfigError, match=rf"eeg.faults.0: no channel '?{channel}'?; there are"):
        plan.faults(PERSON.ch_names)


def test_a_freeze_holds_back_and_then_sends_all_with_old_stamps():
    stamps, _, found = chunks({"eeg": {"faults": [{"kind": "freeze", "at": 2, "for_s": 2.5}]}}, EEG)
    assert len(stamps) == 6 * 250
    arrivals = np.array([c.arrival_s for c in found])
    assert np.diff(arrivals).max() == pytest.approx(2.5, abs=0.05)
    burst = found[int(np.diff(arrivals).argmax()) + 1]
    assert burst.arrival_s - burst.timestamps[0] == pytest.approx(2.5, abs=0.05)


def test_values_are_swapped_scaled_and_silenced():
    plan = {
        "eeg": {
            "faults": [
                {"kind": "swap", "at": 1, "for_s": 1, "channels": ["Fz", "Oz"]},
                {"kind": "unit", "at": 3, "for_s": 1, "factor": 1e-6},
            ]
        },
        "audio": {"faults": [{"kind": "silence", "at": 2, "for_s": 1}]},
    }
    clean_t, clean, _ = chunks({}, EEG)
    _, spoilt, _ = chunks(plan, EEG)
    t = clean_t - T0_S
    swapped, scaled = (t >= 1) & (t < 2), (t >= 3) & (t < 4)
    np.testing.assert_array_equal(spoilt[swapped], clean[swapped][:, [2, 1, 0]])
    np.testing.assert_allclose(spoilt[scaled], clean[scaled] * 1e-6, rtol=1e-5)
    np.testing.assert_array_equal(spoilt[~swapped & ~scaled], clean[~swapped & ~scaled])
    t_audio, voice, _ = chunks(plan, AUDIO)
    quiet = (t_audio - T0_S >= 2) & (t_audio - T0_S < 3)
    assert np.all(voice[quiet] == 0)
    assert np.any(voice[~quiet] != 0)


def test_late_packets_keep_their_order_and_are_late_by_what_was_asked():
    plan = {"eeg": {"packets": {"samples": 5, "late_ms": 20, "stall_share": 0.02, "stall_ms": 250}}}
    faults = FaultPlan.model_validate(plan).faults(PERSON.ch_names).eeg
    way = Transport(EEG, 250.0, faults, 100.0, seed=3)
    late = []
    newest = -np.inf
    for now in np.arange(100.0, 160.0, 0.05):
        indices = way.advance(now)
        if len(indices):
            stamps, true = way.stamps(indices), way.true_times(indices)
            late += (stamps - true)[4::5].tolist()
            assert stamps[4] >= newest - 1e-9
            newest = stamps[-1]
    assert 0.015 < np.median(late) < 0.06
    assert 0.2 < max(late) < 0.6


def test_the_command_writes_the_truth_and_an_impostor_is_refused(tmp_path, lsl_isolation):
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "seed: 3\n"
        "eeg:\n"
        "  packets: {samples: 5, loss: 0.05}\n"
        "  faults:\n"
        "    - {kind: gap, at: 1, for_s: 0.5}\n"
        "    - {kind: disconnect, at: 5, for_s: 600}\n"
        "    - {kind: impostor, at: 5, for_s: 600}\n"
    )
    command = [sys.executable, "-m", "apps.cli", "simulate", "--name", "Fp", "--faults", str(plan)]
    command += ["--seconds", "120", "--session-id", lsl_isolation, "--scope", "machine"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        source = LslSource([LslRequest(EEG, "FpEEG")], resolve_s=60.0)
        source.open()
        values = []
        while process.poll() is None:
            values += [e.data for e in source.read({EEG: 0.1}) if isinstance(e, Chunk)]
            refused = source.status()[EEG].state == "refused"
            if refused:
                break
        source.close()
        process.terminate()
        assert process.wait(60) == 0
    records = [json.loads(line) for line in (tmp_path / "plan.truth.jsonl").read_text().splitlines()]
    assert refused
    assert not any((data == 1.0).all(axis=1).any() for data in values)
    kinds = [record["kind"] for record in records]
    assert kinds[:4] == ["start", "gap", "disconnect", "impostor"]
    total = next(r for r in records if r["kind"] == "total" and r["stream"] == EEG)
    assert total["n_lost"] == sum(r["n"] for r in records if r["kind"] == "lost" and r["stream"] == EEG)
    assert total["n_lost"] > 0.5 * 250
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 2
    assert "exists" in again.stderr or "already" in again.stderr
