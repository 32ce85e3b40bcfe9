"""A finished experiment as a result directory: figures, predictions, networks, plots, bundle and card."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from bci_stream import __version__
from bci_stream.errors import ConfigError
from bci_stream.model.bundle import export_bundle
from bci_stream.model.contract import Contract, Training
from bci_stream.model.network import FusionNetwork
from bci_stream.training.card import bundle_card
from bci_stream.training.experiment import FoldResult, Outcome
from bci_stream.training.metrics import describe
from bci_stream.training.recipe import Recipe
from bci_stream.training.results import write_result
from bci_stream.training.run_plots import run_figures
from bci_stream.training.run_result import Predictions, RunResult, make_result
from bci_stream.training.splits import POOLED, WITHIN
from bci_stream.training.trials import Corpus

BUNDLE = "bundle.bci"


def save_outcome(
    path: Path,
    outcome: Outcome,
    corpus: Corpus,
    recipe: Recipe,
    *,
    name: str,
    config: Mapping[str, Any],
    replace: bool = False,
    created: str = "",
    logs: Path | None = None,
) -> RunResult:
    """Write everything about a run to ``path``, whole or not at all.

    ``config``: what was asked for, beside the recipe. ``created``: ISO 8601, for the bundle. ``logs``: a
    folder of TensorBoard's to go with it.

    Raises:
        ResultError: something else is there, or it cannot be written.
    """
    trials = outcome.trials
    oracle = getattr(corpus, "oracle", None) or {}
    result = make_result(
        outcome.split,
        Predictions(trials.persons, trials.trials, trials.labels, trials.probs),
        name=name,
        mode=recipe.fusion if len(recipe.modalities) > 1 else recipe.modalities[0],
        modalities=recipe.modalities,
        data_name=corpus.name,
        data_sha256=outcome.data_sha256,
        generated=corpus.generated,
        classes=corpus.classes,
        seed=recipe.seed,
        oracle=oracle.get(outcome.pattern),
        versions=versions(),
        config={"recipe": recipe.as_dict(), **config},
    )

    def fill(folder: Path) -> None:
        _write_details(folder, outcome)
        for fold in (*outcome.folds, *([outcome.final] if outcome.final else [])):
            _write_network(folder / fold.name, fold, outcome.contract)
        for title, figure in run_figures(result, outcome).items():
            (folder / "plots").mkdir(exist_ok=True)
            figure.savefig(folder / "plots" / f"{title}.png", dpi=150)
        if logs is not None and logs.exists():
            shutil.copytree(logs, folder / "tensorboard")
        network = network_for_use(outcome)
        if network is not None:
            contract = _contract(outcome, corpus, recipe, result, created)
            export_bundle(network, contract, folder / BUNDLE)
            (folder / "card.md").write_text(bundle_card(result, outcome, corpus), encoding="utf-8")

    write_result(path, result, fill=fill, replace=replace)
    return result


def network_for_use(outcome: Outcome) -> FusionNetwork | None:
    """What becomes the bundle: the final fit, or the network of the only fold; else None."""
    if outcome.final is not None:
        return outcome.final.network
    return outcome.folds[0].network if len(outcome.folds) == 1 else None


def wants_final(split_kind: str, n_folds: int) -> bool:
    """Whether a fit to everybody makes sense after these folds: not for personal or leaking ones."""
    return n_folds > 1 and split_kind not in (WITHIN, POOLED)


def versions() -> dict[str, str]:
    """Of what decides a result, and how many threads torch had."""
    return {
        "bci_stream": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "torch_threads": str(torch.get_num_threads()),
    }


def _contract(outcome: Outcome, corpus: Corpus, recipe: Recipe, result: RunResult, created: str) -> Contract:
    figures = {}
    for pattern, found in result.metrics.items():
        for key in ("accuracy", "balanced_accuracy", "ece"):
            figures[f"test_{key}_{pattern}"] = float(found[key])
    figures["test_people"] = float(result.metrics[outcome.pattern]["n_people"])
    figures["test_trials"] = float(result.metrics[outcome.pattern]["n"])
    if result.oracle is not None:
        figures["oracle_accuracy"] = float(result.oracle)
    training = Training(
        data_sha256=outcome.data_sha256,
        description=corpus.description,
        protocol=outcome.split.protocol,
        seed=recipe.seed,
    )
    return outcome.contract.model_copy(update={"metrics": figures, "training": training, "created": created})


def _write_details(folder: Path, outcome: Outcome) -> None:
    trials = outcome.trials
    details = {
        "history": {fold.name: [_epoch(e) for e in fold.history] for fold in outcome.folds},
        "best_epoch": {fold.name: fold.best_epoch for fold in outcome.folds},
        "accuracy_by_seconds": {
            fold.name: [fold.by_time.t_s.tolist(), fold.by_time.accuracy.tolist()]
            for fold in outcome.folds
            if fold.by_time is not None
        },
        "before_temperature": {
            pattern: {key: found[key] for key in ("ece", "brier", "nll")}
            for pattern, found in (
                (pattern, describe(probs, trials.labels, trials.persons))
                for pattern, probs in trials.raw.items()
            )
        },
    }
    (folder / "details.json").write_text(json.dumps(details, indent=1), encoding="utf-8")


def _epoch(epoch: Any) -> dict[str, Any]:
    return {name: getattr(epoch, name) for name in epoch.__slots__}


def _write_network(folder: Path, fold: FoldResult, contract: Contract) -> None:
    """The fold's weights and contract, for looking inside later."""
    folder.mkdir()
    weights = {name: tensor.detach().contiguous() for name, tensor in fold.network.state_dict().items()}
    (folder / "network.safetensors").write_bytes(safetensors.torch.save(weights))
    (folder / "contract.json").write_text(contract.model_dump_json(indent=1), encoding="utf-8")


def read_network(folder: Path) -> tuple[Contract, FusionNetwork]:
    """A fold's network, as :func:`save_outcome` wrote it.

    Raises:
        ConfigError: it is not there.
    """
    from bci_stream.model.bundle import restore_network
    from bci_stream.model.contract import Temperatures

    try:
        contract = Contract.model_validate_json((folder / "contract.json").read_text(encoding="utf-8"))
        weights = safetensors.torch.load((folder / "network.safetensors").read_bytes())
    except OSError as error:
        raise ConfigError(f"{folder} holds no network: {error.strerror}; give a fold of a result") from error
    fused, *others = weights["temperatures"].tolist()
    names = (*contract.modalities, "concat", "gated")[: len(others)]
    heads = dict(zip(names, others, strict=True))
    contract = contract.model_copy(update={"temperatures": Temperatures(fused=fused, heads=heads)})
    return contract, restore_network(contract, weights)
