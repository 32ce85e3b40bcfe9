"""Small generated people, prepared once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bci_stream.training.batches import DrawSettings
from bci_stream.training.cache import Prepared, prepare_corpus
from bci_stream.training.fit import FitSettings
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.recipe import Recipe

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def corpus() -> GeneratedCorpus:
    return GeneratedCorpus(GeneratorSettings(n_people=6, n_trials=10, trial_s=3.0))


@pytest.fixture(scope="session")
def make_recipe() -> MakeRecipe:
    def make(n_epochs: int = 2, min_steps: int = 8, **fields: object) -> Recipe:
        fit = FitSettings(n_epochs=n_epochs, patience=0, draw=DrawSettings(min_steps=min_steps))
        return Recipe(window_s=3.0, fit=fit, **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def prepared(corpus: GeneratedCorpus, make_recipe: MakeRecipe, cache: Path) -> Prepared:
    return prepare_corpus(corpus, make_recipe().contract(corpus.classes, corpus.ch_names), cache)
