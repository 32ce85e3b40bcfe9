"""Every real recording through the command, with the outcome that its streams allow."""

import json
import shutil

import pytest

from tests.apps.command import bci
from tests.recordings import XDF_COMPOSITE, XDF_DEV, needs_recordings

pytestmark = needs_recordings
EIGHT = "Fp1,Fp2,C3,C4,P7,P8,O1,O2"
T0 = 5000.25


def predicted(path, *options):
    return bci("replay", path, "--speed", "max", "--fit", "interpolate", "--json", *options)


@pytest.mark.parametrize(
    ("path", "options", "stood_on"),
    [
        (XDF_COMPOSITE / "comp_onehost_clean.xdf", [], ["eeg", "audio"]),
        (XDF_COMPOSITE / "comp_onehost_gap3s.xdf", [], ["eeg", "audio"]),
        (XDF_COMPOSITE / "comp_truncated70.xdf", [], ["eeg", "audio"]),
        (XDF_COMPOSITE / "comp_twohost_offset_drift.xdf", [], ["eeg", "audio"]),
        (XDF_COMPOSITE / "comp_onehost_clean.xdf", ["--no-eeg"], ["audio"]),
        (XDF_DEV / "muselsl2_sub-P001.xdf", [], ["eeg"]),
        (XDF_DEV / "muselsl2_sub-P002.xdf", [], ["eeg"]),
        (XDF_DEV / "bciessentials_ssvep_example.xdf", [], ["eeg"]),
        (XDF_DEV / "eeglab_test.xdf", ["--channels", EIGHT], ["eeg"]),
        (XDF_DEV / "magicblink_handSix.xdf", ["--channels", EIGHT], ["eeg"]),
        (XDF_DEV / "eeglab_test.xdf", [], ["eeg"]),  # by its device's profile, as the next
        (XDF_DEV / "magicblink_handSix.xdf", [], ["eeg"]),
        (XDF_DEV / "clock_resets.xdf", ["--channels", EIGHT], ["eeg"]),
    ],
)
def test_recordings_with_electrodes_or_voice_are_classified(path, options, stood_on):
    result = predicted(path, *options)
    assert result.code == 0, result.err
    said = [p for p in result.records("prediction") if p["label"] is not None]
    assert len(said) > 10
    assert any(p["stood_on"] == stood_on for p in said)
    for p in said:
        assert sum(p["probs"]) == pytest.approx(1.0, abs=1e-5)
        if "eeg" in p["stood_on"]:
            assert p["interpolated"] > 0
    alone = len(stood_on) == 1
    assert all((f"{stood_on[0]} only" in p["tags"]) == alone for p in said if p["stood_on"] == stood_on)


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        (XDF_DEV / "minimal.xdf", [], "10 Hz"),
        (XDF_DEV / "empty_streams.xdf", [], "neither EEG nor audio"),
        (XDF_DEV / "eeglab_test.xdf", ["--device", "none"], "--channels"),
        (XDF_DEV / "magicblink_handSix.xdf", ["--device", "none"], "--channels"),
        (XDF_DEV / "clock_resets.xdf", [], "--channels"),  # called BioSemi, and none by its rate and header
    ],
)
def test_recordings_that_do_not_fit_are_refused_with_what_to_do(path, options, words):
    result = predicted(path, *options)
    assert result.code == 2
    assert words in result.err
    assert result.out == ""


def test_exact_fit_names_the_missing_electrodes_and_the_flag():
    result = bci("replay", XDF_COMPOSITE / "comp_onehost_clean.xdf", "--json")
    assert result.code == 2
    assert "Fp1" in result.err
    assert "--fit interpolate" in result.err


@pytest.mark.parametrize(
    "path", sorted(XDF_DEV.glob("*.xdf")) + sorted(XDF_COMPOSITE.glob("*.xdf")), ids=lambda p: p.stem
)
def test_without_a_model_every_recording_shows_windows(path):
    result = bci("replay", path, "--no-model", "--json")
    assert result.code == 0, result.err
    windows = result.records("window")
    assert windows
    for window in windows:
        for part in window["streams"].values():
            assert part["t_start"] == pytest.approx(window["t_start"], abs=1e-3)
            assert part["t_end"] == pytest.approx(window["t_end"], abs=1e-3)


def all_gaps(result, role):
    return sorted({tuple(g) for w in result.records("window") for g in w["streams"][role]["gaps"]})


def test_the_gap_is_marked_where_it_is():
    truth = json.loads((XDF_COMPOSITE / "truth.json").read_text())["comp_onehost_gap3s"]["gap"]
    gaps = all_gaps(bci("replay", XDF_COMPOSITE / "comp_onehost_gap3s.xdf", "--no-model", "--json"), "eeg")
    whole = [g for g in gaps if g[0] > T0 + 5 and g[1] - g[0] > 3.0]
    assert any(abs(a - (T0 + truth[0])) < 0.02 and abs(b - (T0 + truth[1])) < 0.02 for a, b in whole)


def test_streams_start_where_the_truth_says():
    result = bci("replay", XDF_COMPOSITE / "comp_twohost_offset_drift.xdf", "--no-model", "--json")
    first = result.records("window")[0]["streams"]
    assert first["audio"]["gaps"][0][1] == pytest.approx(T0, abs=1e-3)
    assert first["eeg"]["gaps"][0][1] == pytest.approx(T0, abs=5e-3)  # the grid has a row every 4 ms
    truth = json.loads((XDF_COMPOSITE / "truth.json").read_text())["comp_twohost_offset_drift"]
    markers = [m["t"] for m in result.records("marker")]
    assert markers == pytest.approx(truth["pulses_recorder_clock"], abs=1e-3)


def test_a_clock_reset_is_counted_beside_the_steps_of_a_clock_that_wanders():
    """Its source ran at 92 to 93 of 100 Hz; four times its stamps got later by 10 to 30 ms and stayed so."""
    result = bci("replay", XDF_DEV / "clock_resets.xdf", "--no-model", "--json")
    (summary,) = result.records("summary")
    assert summary["streams"]["eeg"]["n_clock_resets"] == 1
    assert 1 <= summary["streams"]["eeg"]["n_gaps"] <= 5


def test_a_truncated_file_plays_to_its_last_whole_sample():
    result = bci("replay", XDF_COMPOSITE / "comp_truncated70.xdf", "--no-model", "--json")
    assert "cut off" in result.err
    (summary,) = result.records("summary")
    assert summary["streams"]["eeg"]["n_samples"] == 3588
    assert summary["streams"]["audio"]["n_samples"] >= 223_232


def test_two_runs_and_two_speeds_say_the_same(tmp_path):
    path = tmp_path / "short.xdf"
    shutil.copy(XDF_COMPOSITE / "comp_onehost_clean.xdf", path)
    fast = predicted(path, "--stop", "8").records("prediction")
    slow = bci("replay", path, "--speed", "20", "--fit", "interpolate", "--json", "--stop", "8").records(
        "prediction"
    )
    timeless = [{k: v for k, v in p.items() if k not in ("latency", "age_s")} for p in fast]
    assert timeless
    assert timeless == [{k: v for k, v in p.items() if k not in ("latency", "age_s")} for p in slow]
