"""The search: real Optuna studies in real databases, real fits."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import optuna
import pytest

from bci_stream.errors import ConfigError, ResultError
from bci_stream.messages import AUDIO
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.training.experiment import Machine
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.parallel import Workers, run_folds
from bci_stream.training.recipe import read_recipe
from bci_stream.training.splits import make_split
from bci_stream.training.sweep import SweepSettings, run_sweep, suggested
from bci_stream.training.sweep_report import write_sweep


@pytest.fixture(scope="module")
def split(corpus):
    return make_split("subject-kfold", tuple(corpus.people), seed=0, n_folds=3)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def test_a_search_ends_with_a_recipe_and_goes_on_when_started_again(
    corpus, make_recipe, split, cache, tmp_path
):
    def search(n_trials):
        settings = SweepSettings(n_trials, n_folds=1)
        return run_sweep(
            corpus,
            make_recipe(1),
            split,
            url(tmp_path),
            settings,
            machine=Machine(cache=cache),
            report=said.append,
        )

    said: list[str] = []
    first = search(2)
    assert len(first.tried) == 2
    assert sum("recipe " in line for line in said) == 2
    second = search(3)
    assert {tried.number for tried in second.tried} == {0, 1, 2}
    assert sum("recipe " in line for line in said) == 3  # the first two were not run again
    draws = {tuple(sorted(tried.varied.items())) for tried in second.tried}
    assert len(draws) == 3
    best = max(second.tried, key=lambda tried: tried.accuracy)
    assert second.best.fit.learning_rate == best.varied["learning_rate"]
    path = write_sweep(tmp_path / "out", second, "a protocol")
    assert read_recipe(path) == second.best
    assert "a protocol" in (tmp_path / "out" / "sweep.md").read_text()
    assert len(json.loads((tmp_path / "out" / "sweep.json").read_text())["tried"]) == 3


def test_a_search_is_worth_what_its_folds_say(corpus, make_recipe, split, cache, tmp_path):
    machine = Machine(cache=cache)
    found = run_sweep(
        corpus, make_recipe(1), split, url(tmp_path), SweepSettings(1, n_folds=2), machine=machine
    )
    answers = run_folds(corpus, found.best, split, (0, 1), (0,), machine=machine)
    assert found.tried[0].accuracy == pytest.approx(sum(a.accuracy for a in answers) / 2, abs=1e-12)


def test_folds_in_other_processes_give_the_same_bits(corpus, make_recipe, split, cache):
    recipe, machine = make_recipe(1), Machine(cache=cache)
    alone = run_folds(corpus, recipe, split, (0, 1), (0,), machine=machine)
    assert run_folds(corpus, recipe, split, (0, 1), (0,), machine=machine, workers=Workers(2)) == alone


def test_a_study_of_other_data_is_refused(corpus, make_recipe, split, cache, tmp_path):
    settings, machine = SweepSettings(1, n_folds=1), Machine(cache=cache)
    run_sweep(corpus, make_recipe(1), split, url(tmp_path), settings, machine=machine)
    other = GeneratedCorpus(GeneratorSettings(seed=1, n_people=6, n_trials=10, trial_s=3.0))
    with pytest.raises(ResultError, match="other data"):
        run_sweep(other, make_recipe(1), split, url(tmp_path), settings, machine=machine)


@pytest.mark.parametrize("storage", ["nowhere://x", "sqlite:////no/such/folder/study.db", "plain words"])
def test_a_storage_that_cannot_be_is_one_line(storage, corpus, make_recipe, split):
    with pytest.raises(ConfigError, match="no study can be kept there"):
        run_sweep(corpus, make_recipe(1), split, storage)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SweepSettings(0), "--trials 0"),
        (lambda: SweepSettings(1, 0), "--look-at 0"),
        (lambda: Workers(0), "--jobs 0"),
        (lambda: Workers(1, "slurm"), "local or ray"),
    ],
)
def test_senseless_settings_are_refused(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_every_recipe_of_the_space_can_be_built(corpus, make_recipe):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(40):
        recipe = suggested(study.ask(), make_recipe())
        recipe.contract(corpus.classes, corpus.ch_names)
        seen.add(recipe.fusion)
    assert seen == set(FUSION_MODES)


def test_the_voice_alone_has_no_fusion_to_search(make_recipe):
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    suggested(trial, make_recipe(modalities=(AUDIO,)))
    assert "fusion" not in trial.params
    assert "front" not in trial.params


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"fusion": "magic"}'])
def test_a_file_that_is_no_recipe_is_one_line(text, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_recipe(path)


def test_a_recipe_that_falls_behind_is_given_up(corpus, make_recipe, split, cache, tmp_path):
    """Five recipes that did well are put into the study by hand; the next cannot reach them."""
    settings, machine = SweepSettings(1, n_folds=1), Machine(cache=cache)
    run_sweep(corpus, make_recipe(1), split, url(tmp_path), settings, machine=machine)
    study = optuna.load_study(study_name="bci-stream", storage=url(tmp_path))
    for _ in range(5):
        trial = study.ask()
        trial.set_user_attr("recipe", suggested(trial, make_recipe(1)).as_dict())
        for step in range(4):
            trial.report(1.0, step)
        study.tell(trial, 1.0)
    found = run_sweep(
        corpus, make_recipe(1), split, url(tmp_path), SweepSettings(7, n_folds=1), machine=machine
    )
    assert found.tried[-1].given_up


@pytest.mark.timeout(600)
def test_a_real_ray_instance_gives_the_same_bits(tmp_path):
    """In a process of its own: Ray leaves threads and sockets behind that are no concern of other tests."""
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        import ray, torch
        from bci_stream.training.batches import DrawSettings
        from bci_stream.training.experiment import Machine
        from bci_stream.training.fit import FitSettings
        from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
        from bci_stream.errors import ConfigError
        from bci_stream.training.parallel import Workers, run_folds
        from bci_stream.training.recipe import Recipe
        from bci_stream.training.splits import make_split

        torch.set_num_threads(1)
        corpus = GeneratedCorpus(GeneratorSettings(n_people=3, n_trials=5, trial_s=1.0))
        fit = FitSettings(n_epochs=1, patience=0, draw=DrawSettings(min_steps=2))
        recipe = Recipe(window_s=1.0, fit=fit)
        split = make_split("subject-kfold", tuple(corpus.people), seed=0, n_folds=3)
        machine = Machine(cache=Path(sys.argv[1]))
        alone = run_folds(corpus, recipe, split, (0, 1), (0,), machine=machine)
        ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR")
        try:
            beside = run_folds(corpus, recipe, split, (0, 1), (0,), machine=machine,
                               workers=Workers(1, "ray"))
            try:
                run_folds(corpus, recipe, split, (0, 1), (0,), machine=machine, workers=Workers(2, "ray"))
            except ConfigError as error:
                print(error)
        finally:
            ray.shutdown()
        assert beside == alone, (beside, alone)
        print("the same")
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
    )
    too_many = "--jobs 2: the Ray cluster has 1 CPUs; use as many or less"
    assert done.stdout.splitlines() == [too_many, "the same"], done.stderr[-2000:]
