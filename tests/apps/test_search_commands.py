"""``bci-stream sweep`` and ``bci-stream baselines`` as a person runs them."""

import json

import pytest

from bci_stream.training.eav_writer import write_eav
from bci_stream.training.generator import GeneratorSettings
from tests.apps.command import here


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """``bci-stream`` with arguments, in a folder that has generated people in ``data``."""
    folder = tmp_path_factory.mktemp("search")
    write_eav(folder / "data", GeneratorSettings(n_people=6, n_trials=5, trial_s=2.0))
    return lambda *words: here(*words, cwd=folder, BCI_STREAM_CACHE=folder / "cache")


def test_a_search_and_a_training_of_what_it_found(run):
    common = ("--data", "data", "--workers", 1, "--folds", 3)
    search = ("--use-audio", "--window", 2, "--num-epochs", 1, "--trials", 2, "--look-at", 1, "--out", "s")
    done = run("sweep", *common, *search, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["recipe"] == "s/recipe.json"
    assert "train it: bci-stream train --data data --recipe s/recipe.json" in done.err
    train = ("train", *common, "--recipe", "s/recipe.json")
    trained = run(*train, "--run-folds", 1, "--no-bundle", "--out", "r")
    assert trained.code == 0, trained.err
    both = run(*train, "--dropout", 0.1)
    assert both.code == 2
    assert "--recipe decides --dropout too" in both.err


def test_baselines_are_saved_for_compare_and_read_back(run):
    words = ("baselines", "--data", "data", "--workers", 1, "--folds", 3, "--window", 2, "--out", "b")
    chosen = ("--models", "band-power-lda,tangent-space,mel-logistic")
    first = run(*words, *chosen, "--json")
    assert first.code == 0, first.err
    assert set(json.loads(first.out)) == {"band-power-lda", "tangent-space", "mel-logistic"}
    again = run(*words, *chosen, "--json")
    assert again.out == first.out
    assert "folds" not in again.err  # nothing was run again
    other = run(*words, *chosen, "--seed", 1)
    assert other.code == 2
    assert "holds another result" in other.err
    compared = run("compare", "b/band-power-lda", "b/tangent-space", "--pattern", "eeg", "--json")
    assert compared.code == 0, compared.err
    assert json.loads(compared.out)["n_people"] == 6
    unlike = run("compare", "b/band-power-lda", "b/mel-logistic", "--pattern", "eeg")
    assert unlike.code == 2
    assert "mel-logistic" in unlike.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("baselines", "--data", "data", "--models", "deep-magic"), "deep-magic"),
        (("sweep", "--data", "data", "--backend", "slurm"), "local or ray"),
        (("sweep", "--data", "data", "--window", "0.1"), "--window 0.1"),
        (("train", "--data", "data", "--recipe", "absent.json"), "absent.json"),
    ],
)
def test_bad_options_are_one_line(words, said, run):
    done = run(*words)
    assert done.code == 2
    assert said in done.err
