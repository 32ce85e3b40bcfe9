"""``bci-stream sweep`` and ``bci-stream baselines`` as a person runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("bci-stream")


def run(*words, folder):
    return subprocess.run(
        [PROGRAM, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=170, check=False
    )


@pytest.fixture(scope="module")
def eav(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    made = run("generate-eav", "data", "--people", 6, "--trials", 10, "--trial-seconds", 4, folder=folder)
    assert made.returncode == 0, made.stderr
    return folder


def test_a_search_and_a_training_of_what_it_found(eav):
    common = ("--data", "data", "--cache", "cache", "--num-epochs", 1, "--folds", 3)
    words = (
        "sweep",
        *common,
        "--use-audio",
        "--window",
        3,
        "--trials",
        2,
        "--look-at",
        1,
        "--out",
        "s",
        "--json",
    )
    done = run(*words, folder=eav)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["recipe"] == "s/recipe.json"
    assert "train it: bci-stream train --data data --recipe s/recipe.json" in done.stderr
    train = ("train", "--data", "data", "--cache", "cache", "--recipe", "s/recipe.json", "--folds", 3)
    trained = run(*train, "--run-folds", 1, "--no-bundle", "--out", "r", folder=eav)
    assert trained.returncode == 0, trained.stderr
    both = run(*train, "--dropout", 0.1, folder=eav)
    assert both.returncode == 2
    assert "--recipe decides --dropout too" in both.stderr


def test_baselines_are_saved_for_compare_and_read_back(eav):
    words = ("baselines", "--data", "data", "--cache", "cache", "--folds", 3, "--window", 3, "--out", "b")
    chosen = ("--models", "band-power-lda,mel-logistic")
    first = run(*words, *chosen, "--json", folder=eav)
    assert first.returncode == 0, first.stderr
    assert set(json.loads(first.stdout)) == {"band-power-lda", "mel-logistic"}
    again = run(*words, *chosen, "--json", folder=eav)
    assert again.stdout == first.stdout
    assert "folds" not in again.stderr  # nothing was run again
    other = run(*words, *chosen, "--seed", 1, folder=eav)
    assert other.returncode == 2
    assert "holds another result" in other.stderr
    compared = run("compare", "b/band-power-lda", "b/mel-logistic", "--pattern", "eeg", folder=eav)
    assert compared.returncode in (0, 2)
    assert "Traceback" not in compared.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("baselines", "--data", "data", "--models", "deep-magic"), "deep-magic"),
        (("sweep", "--data", "data", "--backend", "slurm"), "local or ray"),
        (("sweep", "--data", "data", "--window", "0.1"), "--window 0.1"),
        (("train", "--data", "data", "--recipe", "absent.json"), "absent.json"),
    ],
)
def test_bad_options_are_one_line(words, said, eav):
    done = run(*words, folder=eav)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
