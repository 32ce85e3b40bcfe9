"""The training commands as a user types them, on generated people."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bci_stream.model.bundle import load_bundle
from bci_stream.training.eav_writer import write_eav
from bci_stream.training.generator import GeneratorSettings
from bci_stream.training.results import read_result
from tests.apps.command import ROOT, here
from tests.sources.xdf_bytes import (
    channels_xml,
    clock_offset,
    file_header,
    header_xml,
    samples,
    stream_header,
)


def process(*command, env, cwd):
    """A command in a process of its own."""
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, timeout=600, check=False)


def write_recording(path, channels, seconds):
    """EEG of noise at 250 Hz and a voice at 16 kHz, as a recorder would write them."""
    rng = np.random.default_rng(0)
    eeg = (20 * rng.standard_normal((round(250 * seconds), len(channels)))).astype(np.float32)
    audio = (0.1 * rng.standard_normal((round(16000 * seconds), 1))).astype(np.float32)
    streams = {1: (eeg, 250), 2: (audio, 16000)}
    headers = {
        1: header_xml("Amp", "EEG", len(channels), 250, desc=channels_xml(channels, "microvolts", "EEG")),
        2: header_xml("Mic", "Audio", 1, 16000, desc=channels_xml(["voice"])),
    }
    data = file_header() + b"".join(stream_header(i, xml) for i, xml in headers.items())
    for second in np.arange(0, seconds, 0.5):  # recorders take turns
        for i, (values, sfreq) in streams.items():
            start, stop = round(second * sfreq), round((second + 0.5) * sfreq)
            data += clock_offset(i, 100.0 + second, 0.0)
            data += samples(i, (100.0 + np.arange(start, stop) / sfreq).tolist(), values[start:stop])
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def bci(home):
    """``bci-stream`` with arguments, in ``home`` if no other ``cwd`` is given, where all it keeps is."""
    keeps = {"BCI_STREAM_HOME": home, "BCI_STREAM_CACHE": home / "cache", "BCI_STREAM_EAV": None}
    return lambda *arguments, cwd=home, **variables: here(*arguments, cwd=cwd, **(keeps | variables))


@pytest.fixture(scope="module")
def eav(home):
    folder = home / "EAV"
    write_eav(folder, GeneratorSettings(n_people=3, n_trials=15, trial_s=2.0))
    return folder


@pytest.fixture(scope="module")
def quick(eav):
    """What makes a training short."""
    return ("--data", eav, "--use-audio", "--window", "2", "--folds", "3", "--workers", "1")


@pytest.fixture(scope="module")
def options(quick):
    return (*quick, "--fusion-mode", "gated", "--num-epochs", "1")


@pytest.fixture(scope="module")
def trained(home, bci, options):
    """A result of ``train`` on generated people in EAV's layout."""
    out = home / "result"
    done = bci("train", *options, "--out", out)
    assert done.code == 0, done.err
    return out, done


def test_train_leaves_figures_plots_a_card_and_a_bundle(trained):
    out, done = trained
    result = read_result(out)
    assert len(result.folds) == 3
    assert result.generated
    assert result.oracle is not None
    assert set(result.metrics) == {"both", "eeg", "audio"}
    assert "test people never seen" in result.protocol
    assert {path.name for path in (out / "plots").iterdir()} >= {
        "confusion.png",
        "people.png",
        "training.png",
    }
    assert list((out / "tensorboard").rglob("events*"))
    assert len(result.predictions.labels) == 3 * 15
    assert "no claim about people" in " ".join(done.err.split())
    card = (out / "card.md").read_text()
    for said in ("Generated data", "Protocol", "Limits", "Chance is 20.0%", "sha256"):
        assert said in card


def test_the_bundle_loads_in_replay_without_further_flags(trained, bci, home):
    out, _ = trained
    contract = load_bundle(out / "bundle.bci").contract
    assert contract.training.protocol == read_result(out).protocol
    assert contract.metrics["test_accuracy_both"] == pytest.approx(
        read_result(out).metrics["both"]["accuracy"]
    )
    recording = write_recording(home / "a.xdf", contract.eeg.channels, seconds=5.0)
    done = bci("replay", recording, "--bundle", out / "bundle.bci", "--json")
    assert done.code == 0, done.err
    answers = [line for line in map(json.loads, done.out.splitlines()) if line.get("probs")]
    assert answers
    assert set(answers[-1]["stood_on"]) == {"eeg", "audio"}
    assert sum(answers[-1]["probs"]) == pytest.approx(1, abs=1e-3)


def test_the_same_command_again_only_reads_the_result(trained, bci, options):
    out, _ = trained
    before = (out / "metrics.json").stat().st_mtime_ns
    done = bci("train", *options, "--out", out, "--json")
    assert done.code == 0, done.err
    assert (out / "metrics.json").stat().st_mtime_ns == before
    assert json.loads(done.out)["metrics"]["both"]["n"] == 45
    other = bci("train", *options, "--seed", "1", "--out", out)
    assert other.code == 2
    assert "holds another result" in other.err


def test_a_place_that_cannot_be_written_is_refused_before_training(bci, options, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = bci("train", *options, "--out", place, cwd=tmp_path)
        assert done.code == 2
        assert "choose another --out" in done.err
        assert "epoch" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_baseline_experiment_is_as_the_seed_has_it_and_learns(home):
    """As ``python apps/baseline_experiment.py``, in a process of its own."""
    arguments = [
        "--use-audio",
        "--fusion-mode",
        "gated",
        "--people",
        "8",
        "--trials",
        "10",
        "--num-epochs",
        "5",
        "--json",
    ]
    script = ROOT / "apps" / "baseline_experiment.py"
    done = process(sys.executable, script, *arguments, env=os.environ | {"NO_COLOR": "1"}, cwd=home)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert set(figures) == {"both", "eeg", "audio"}
    assert figures["both"]["accuracy"] > 0.35
    assert figures["both"]["oracle"] == pytest.approx(0.864, abs=0.03)


def test_compare_modalities_is_as_the_seed_has_it(bci, home, eav):
    command = ["compare-modalities", "--fusion-mode", "concat", "--quick", "--subjects", "1"]
    done = bci(*command, "--num-epochs", "1", BCI_STREAM_EAV=eav)
    assert done.code == 0, done.err
    assert "within subject, in order of time" in " ".join(done.err.split())
    for name in ("eeg", "audio", "late", "concat"):
        (folder,) = (home / "results").glob(f"eav-{name}-seed-0-*")
        assert read_result(folder).main_pattern in ("both", name)
    compared = bci("compare", *sorted((home / "results").glob("eav-*")), "--json")
    assert compared.code == 0, compared.err


def test_pooled_must_be_asked_for_by_name_and_says_leaks(bci, home, quick):
    options = (*quick, "--split", "pooled", "--run-folds", "1", "--num-epochs", "1")
    refused = bci("train", *options)
    assert refused.code == 2
    assert "--i-know-this-leaks" in refused.err
    out = home / "pooled"
    done = bci("train", *options, "--i-know-this-leaks", "--no-bundle", "--out", out)
    assert done.code == 0, done.err
    assert "LEAKS" in done.err
    result = read_result(out)
    assert result.leaks
    assert result.protocol.startswith("LEAKS")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("train", "--data", "nowhere"), "there is no such folder"),
        (("train", "--data", "."), "neither EAV"),
        (("train", "--fusion-mode", "sum"), "fusion mode 'sum' is not known; choose one of late, concat"),
        (("train", "--front", "fft"), "EEG front end 'fft' is not known"),
        (("train", "--split", "random"), "split 'random' is not known"),
        (("train", "--num-epochs", "0"), "--num-epochs 0 makes no sense"),
        (("train", "--learning-rate", "nan"), "--learning-rate nan makes no sense"),
        (("train", "--device", "tpu"), "--device 'tpu' is not known"),
        (("train", "--threads", "0"), "--threads 0"),
        (("train", "--seed", "-1"), "'--seed': -1 makes no sense: use 0 or more"),
        (("train", "--run-folds", "-1"), "'--run-folds': -1 makes no sense: use 0 or more"),
        (("train", "--workers", "-1"), "'--workers': -1 makes no sense: use 0 or more"),
        (("train", "--data", "generator", "--subjects", "x"), "by number"),
        (("compare", "nowhere", "nowhere too"), "nowhere"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, complaint, bci, tmp_path):
    done = bci(*arguments, cwd=tmp_path)
    assert done.code == 2
    assert complaint in " ".join(done.err.split())
    assert not (tmp_path / "results").exists()


def test_bad_input_of_a_process_of_its_own_shows_no_traceback(tmp_path):
    command = [sys.executable, ROOT / "apps" / "train.py", "--data", "nowhere"]
    done = process(*command, env=os.environ | {"NO_COLOR": "1"}, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: --data nowhere: there is no such folder")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda root: next((root / "subject2" / "Audio").iterdir()).unlink(), "has no sound"),
        (
            lambda root: (root / "subject2" / "EEG" / "subject2_eeg.mat").write_bytes(b"no"),
            "subject2_eeg.mat",
        ),
    ],
)
def test_spoiled_data_stop_the_training_and_leave_no_result(spoil, complaint, bci, tmp_path):
    write_eav(tmp_path / "EAV", GeneratorSettings(n_people=3, n_trials=5, trial_s=1.0))
    spoil(tmp_path / "EAV")
    options = ("--data", tmp_path / "EAV", "--use-audio", "--folds", "3", "--out", tmp_path / "out")
    done = bci("train", *options, "--workers", "1")
    assert done.code == 2
    assert complaint in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("error")]) == 1
    assert not (tmp_path / "out").exists()


def test_generated_eav_is_reproducible(tmp_path, bci):
    for name in ("a", "b"):
        command = ("generate-eav", tmp_path / name, "--people", "1", "--trials", "5", "--trial-seconds", "2")
        done = bci(*command)
        assert done.code == 0, done.err
        assert "oracle accuracy" in done.err
    from bci_stream.training.eav import EavCorpus

    for one, other in zip(*(EavCorpus(tmp_path / n).trials("subject1") for n in "ab"), strict=True):
        assert np.array_equal(one.eeg, other.eeg)
        assert np.array_equal(one.audio, other.audio)
