"""``bci-stream evaluate`` on a run and on its bundle, as a user would."""

import json

import pytest
import torch

from apps.evaluate import EvaluateOptions, evaluate, run
from bci_stream.errors import ConfigError
from bci_stream.training.batches import DrawSettings
from bci_stream.training.evaluation_report import is_evaluation
from bci_stream.training.experiment import Machine, run_experiment
from bci_stream.training.fit import FitSettings
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.recipe import Recipe
from bci_stream.training.results import read_result
from bci_stream.training.saving import BUNDLE, save_outcome
from bci_stream.training.splits import make_split
from tests.apps.command import here


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("evaluate")
    patch = pytest.MonkeyPatch()
    patch.setenv("BCI_STREAM_HOME", str(home / "home"))
    patch.setenv("BCI_STREAM_CACHE", str(home / "cache"))
    yield home
    patch.undo()


@pytest.fixture(scope="module")
def generated(home):
    """The default generator, which ``--data generator`` means, but few and short trials of it."""
    patch = pytest.MonkeyPatch()
    few = GeneratorSettings(n_people=4, n_trials=10, trial_s=2.0)
    patch.setattr("apps.corpora.GeneratorSettings", lambda: few)
    yield GeneratedCorpus(few)
    patch.undo()


@pytest.fixture(scope="module")
def trained(home, generated):
    torch.set_num_threads(1)
    draw = DrawSettings(min_steps=5)
    recipe = Recipe(window_s=2.0, fit=FitSettings(n_epochs=1, patience=0, draw=draw))
    split = make_split("subject-kfold", generated.people, n_folds=3)
    outcome = run_experiment(
        generated, recipe, split, home / "work", machine=Machine(cache=home / "cache"), with_final=True
    )
    save_outcome(home / "run", outcome, generated, recipe, name="a run", config={})
    return home / "run"


def test_a_run_is_scored_as_it_was_when_it_was_trained(trained):
    found = evaluate(EvaluateOptions(trained, workers=1))
    stated = read_result(trained).metrics
    for pattern in ("both", "eeg", "audio"):
        assert found.metrics[pattern]["accuracy"] == pytest.approx(stated[pattern]["accuracy"])
    assert not found.leaks
    assert "no claim about people" in found.lines()[-1]


def test_everything_makes_a_report(trained, home, capsys):
    asked = {"robustness": True, "controls": True, "curve": True, "n_draws": 1, "n_permutations": 20}
    out = home / "report"
    run(EvaluateOptions(trained, out=out, workers=1))
    run(EvaluateOptions(trained, out=out, workers=1, as_json=True, **asked))  # replaces the first
    assert is_evaluation(out)
    found = json.loads((out / "evaluation.json").read_text())
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == found
    names = [one["name"] for one in found["robustness"]["conditions"]]
    assert names[0] == "undisturbed"
    assert {"EEG removed", "voice noise 0 dB", "8 of 16 electrodes lost", "voice 0.5 s late"} <= set(names)
    assert found["controls"]["n_permutations"] == 20
    assert {point["k"] for point in found["curve"]["points"]} == {0, 1}
    text = (out / "evaluation.md").read_text()
    assert "A small linear classifier is clearly better than the network" in text  # after five steps
    for said in ("test people never seen", "From the trial's number alone", "classifier head", "Robustness"):
        assert said in text
    assert "data:image/png" in (out / "evaluation.html").read_text()
    assert {path.name for path in out.iterdir()} >= {"robustness.png", "calibration.png"}


def test_a_bundle_on_the_data_it_was_trained_on_is_stamped(trained, generated):
    seen = evaluate(EvaluateOptions(trained / BUNDLE, data="generator", workers=1))
    assert seen.leaks
    assert seen.lines()[0].startswith("LEAKS")
    assert "the very data it was trained on" in seen.footnote


def test_a_bundle_on_two_people_has_no_controls_and_says_so(trained, generated):
    asked = EvaluateOptions(trained / BUNDLE, data="generator", subjects="2", controls=True, workers=1)
    found = evaluate(asked)
    assert found.controls is None
    assert "need three" in found.notes[0]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ks": "0,9"}, "K = 9 trials per class asked for, and subject1 has 1"),
        ({"ks": "one"}, "give whole numbers"),
        ({"n_permutations": 0}, "0 permutations"),
        ({"n_draws": 0}, "0 draws"),
        ({"subjects": "3"}, "was made from other data"),
    ],
)
def test_bad_input_is_one_clear_line(trained, change, complaint):
    options = EvaluateOptions(
        trained, workers=1, **{"robustness": True, "controls": True, "curve": True, **change}
    )
    with pytest.raises(ConfigError, match=complaint) as caught:
        evaluate(options)
    assert "\n" not in str(caught.value)


def test_a_bundle_needs_data(trained):
    with pytest.raises(ConfigError, match="name them with --data"):
        evaluate(EvaluateOptions(trained / BUNDLE))


def test_the_command_says_what_is_wrong(trained, tmp_path):
    done = here("evaluate", trained / BUNDLE, "--data", "nowhere", cwd=tmp_path)
    assert done.code == 2
    assert "there is no such folder" in done.err
    (tmp_path / "mine").write_text("not a folder")
    done = here("evaluate", trained / BUNDLE, "--data", "generator", "--out", "mine", cwd=tmp_path)
    assert done.code == 2
    assert "mine exists and is no directory" in done.err
