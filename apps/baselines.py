"""``bci-stream baselines``: yardsticks in the harness of ``train``, for ``compare`` beside its runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from apps.console import say, write_line
from apps.corpora import open_corpus
from apps.training_run import RESULTS, MachineOptions, SplitOptions
from apps.training_view import show_result
from bci_stream.errors import ConfigError, ResultError
from bci_stream.training.baselines import BASELINES, BaselineSettings, run_baseline, save_baseline
from bci_stream.training.classical import EEG_MODELS, VOICE_MODELS
from bci_stream.training.experiment import Machine
from bci_stream.training.folders import refuse_place
from bci_stream.training.parallel import Workers
from bci_stream.training.reference_nets import REFERENCE_NETS
from bci_stream.training.results import is_result, read_result
from bci_stream.training.run_result import RunResult
from bci_stream.training.splits import Split
from bci_stream.training.trials import Corpus


@dataclass(frozen=True, slots=True)
class BaselinesOptions:
    """What ``baselines`` was asked to do; ``models``: names with commas, None for all that fit."""

    data: str | None = None
    subjects: str | None = None
    models: str | None = None
    use_audio: bool = False
    settings: BaselineSettings = field(default_factory=BaselineSettings)
    split: SplitOptions = field(default_factory=SplitOptions)
    machine: MachineOptions = field(default_factory=MachineOptions)
    workers: Workers = field(default_factory=Workers)
    out: Path | None = None
    restart: bool = False
    as_json: bool = False


def run(options: BaselinesOptions) -> None:
    """Run each, save each, show each."""
    machine = options.machine.prepare()
    corpus = open_corpus(options.data, subjects=options.subjects)
    say(corpus.description)
    split = options.split.split(tuple(corpus.people), options.settings.seed)
    folder = options.out or RESULTS / "baselines"
    results = {
        name: _run_one(name, corpus, split, machine, folder / name, options)
        for name in _chosen(options, corpus)
    }
    if options.as_json:
        write_line(json.dumps({name: result.metrics for name, result in results.items()}))
        return
    for result in results.values():
        show_result(result)
    say(f"results: {folder}; beside a run of yours: bci-stream compare RESULT {folder / next(iter(results))}")


def _chosen(options: BaselinesOptions, corpus: Corpus) -> list[str]:
    if options.models:
        names = [name.strip() for name in options.models.split(",") if name.strip()]
        unknown = [name for name in names if name not in BASELINES]
        if unknown or not names:
            said = ", ".join(unknown) or options.models
            raise ConfigError(f"--models {said}: not known; choose of {', '.join(BASELINES)}")
        return names
    eeg = [*EEG_MODELS, *REFERENCE_NETS] if corpus.ch_names else []
    voice = list(VOICE_MODELS) if options.use_audio or not eeg else []
    return eeg + voice


def _run_one(
    name: str, corpus: Corpus, split: Split, machine: Machine, out: Path, options: BaselinesOptions
) -> RunResult:
    n_run = options.split.run_folds or None
    asked = json.dumps([name, corpus.digest(), str(split.folds), n_run, asdict(options.settings)])
    mark = hashlib.sha256(asked.encode()).hexdigest()[:8]
    if is_result(out) and not options.restart:
        found = read_result(out)
        if dict(found.config).get("fingerprint") == mark:
            return found
        raise ResultError(f"{out} holds another result; choose another --out, or --restart to replace it")
    refuse_place(out, is_result if options.restart else None)
    say(f"{name}: {n_run or len(split.folds)} folds")
    trials, data_sha256 = run_baseline(
        name,
        corpus,
        split,
        options.settings,
        machine=machine,
        workers=options.workers,
        n_run=n_run,
        report=say,
    )
    config = {"fingerprint": mark, "data": options.data}
    return save_baseline(
        out,
        name,
        corpus,
        split,
        trials,
        data_sha256,
        options.settings,
        config=config,
        replace=options.restart,
    )
