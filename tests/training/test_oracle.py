"""Every way of fusing learns what the generator hides, nearly as well as can be: minutes, so marked slow."""

import numpy as np
import pytest

from bci_stream.model.fusion import FUSION_MODES
from bci_stream.training.augment import MILD
from bci_stream.training.batches import DrawSettings
from bci_stream.training.experiment import Machine, run_experiment
from bci_stream.training.fit import FitSettings
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings, class_means
from bci_stream.training.recipe import Recipe
from bci_stream.training.splits import subject_kfold


def best_of_a_plain_mean(settings: GeneratorSettings, n: int = 200_000) -> float:
    """What the mean of two exact posteriors reaches: less than the oracle, which multiplies them."""
    rng, corners = np.random.default_rng(0), class_means(len(settings.classes))
    truth, mean = rng.integers(len(corners), size=n), 0.0
    for separation in (settings.eeg_separation, settings.audio_separation):
        means = separation * corners
        seen = means[truth] + rng.standard_normal((n, means.shape[1]))
        posterior = np.exp(seen @ means.T - 0.5 * (means**2).sum(1))
        mean = mean + posterior / posterior.sum(1, keepdims=True)
    return float(np.mean(mean.argmax(1) == truth))


def test_a_mean_of_exact_posteriors_is_below_the_oracle():
    settings = GeneratorSettings()
    assert best_of_a_plain_mean(settings) == pytest.approx(0.845, abs=0.004)
    assert GeneratedCorpus(settings).oracle["both"] == pytest.approx(0.865, abs=0.004)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", FUSION_MODES)
def test_a_mode_comes_within_five_points_of_what_is_possible_for_people_it_has_not_met(mode, cache, tmp_path):
    """As ``baseline-experiment --people 72 --trials 40 --num-epochs 6``: 720 test trials of 18 people."""
    corpus = GeneratedCorpus(GeneratorSettings(n_people=72, n_trials=40, trial_s=4.0))
    draw = DrawSettings(batch_size=16, augmentation=MILD)
    fit = FitSettings(n_epochs=6, learning_rate=1e-3, weight_decay=0.3, mixup=0.4, patience=6, draw=draw)
    recipe = Recipe(fusion=mode, window_s=4.0, fit=fit)
    split = subject_kfold(corpus.people, n_folds=4)
    outcome = run_experiment(corpus, recipe, split, tmp_path, machine=Machine(cache=cache), n_run=1)
    assert len(outcome.trials.labels) == 720
    assert outcome.trials.accuracy("both") > corpus.oracle["both"] - 0.05
