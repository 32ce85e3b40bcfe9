"""``bci-stream evaluate``: how good a bundle or a run is, against controls, and when things go wrong.

Also ``python apps/evaluate.py results/… --data FOLDER --robustness --controls --curve --out FOLDER``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from apps.console import out, say, warn, write_line
from apps.corpora import open_corpus
from apps.training_run import MachineOptions
from bci_stream.errors import ConfigError
from bci_stream.training.calibration_curve import calibration_curve
from bci_stream.training.controls import N_PERMUTATIONS, Controls, run_controls
from bci_stream.training.evaluation_report import HTML_FILE, Evaluation, is_evaluation, write_evaluation
from bci_stream.training.experiment import Machine
from bci_stream.training.folders import refuse_place
from bci_stream.training.held_out import HeldOut, hold_out_bundle, hold_out_result
from bci_stream.training.metrics import describe
from bci_stream.training.results import read_result
from bci_stream.training.robustness import RobustnessSettings, robustness
from bci_stream.training.trials import Corpus


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What ``evaluate`` was asked to do; see the command's help.

    ``ks``: trials per class of the calibration curve, as "0,2,4"; None: as many as there are.
    ``workers``: processes that prepare data; 0: as many as cores.
    """

    path: Path
    data: str | None = None
    subjects: str | None = None
    robustness: bool = False
    controls: bool = False
    curve: bool = False
    ks: str | None = None
    n_draws: int = 3
    n_permutations: int = N_PERMUTATIONS
    seed: int = 0
    workers: int = 1
    cache: Path | None = None
    out: Path | None = None
    as_json: bool = False


def run(options: EvaluateOptions) -> None:
    """Evaluate, print the findings, write the report where ``out`` says."""
    if options.out is not None:
        refuse_place(options.out, is_evaluation)
    found = evaluate(options)
    if options.out is not None:
        write_evaluation(options.out, found)
    if options.as_json:
        write_line(json.dumps(found.as_dict(), allow_nan=False))
    else:
        for line in (*found.lines(), found.footnote):
            out.print(line, markup=False)
    if options.out is not None:
        say(f"report: {options.out / HTML_FILE}")


def evaluate(options: EvaluateOptions) -> Evaluation:
    """Everything that was asked for.

    Raises:
        ConfigError: an option makes no sense, or the data do not fit.
        ResultError, BundleError, CorpusError: what was given is not what it should be.
    """
    ks = _ks(options.ks)
    machine = MachineOptions(workers=options.workers, cache=options.cache).prepare()
    held = _held_out(options, machine)
    if held.leaks:
        warn("the network has seen these people or trials: nothing here is a test")
    trials = held.answers()
    metrics = {
        pattern: describe(probs, trials.labels, trials.persons) for pattern, probs in trials.probs.items()
    }
    controls, note = _controls(held, options) if options.controls else (None, None)
    curve = calibration_curve(held, ks, report=say) if options.curve else None
    settings = RobustnessSettings(n_draws=options.n_draws, seed=options.seed)
    broken = (
        robustness(held, settings, n_workers=machine.n_workers, report=say) if options.robustness else None
    )
    return Evaluation(
        title=held.title,
        footnote=held.footnote,
        leaks=held.leaks,
        generated=held.generated,
        metrics=metrics,
        robustness=broken,
        controls=controls,
        curve=curve,
        notes=(note,) if note else (),
    )


def _controls(held: HeldOut, options: EvaluateOptions) -> tuple[Controls | None, str | None]:
    if held.split is None:
        return None, "Controls: none, they are trained on other people and need three at least."
    found = run_controls(
        held.sessions,
        held.split,
        held.contract.classes,
        n_permutations=options.n_permutations,
        seed=options.seed,
        report=say,
    )
    return found, None


def _ks(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise ConfigError(f"--k {text}: give whole numbers with commas between, as --k 0,2,4") from None


def _held_out(options: EvaluateOptions, machine: Machine) -> HeldOut:
    if options.path.is_dir():
        hold_out, corpus = hold_out_result, corpus_of_run(options)
    elif options.data is None:
        raise ConfigError("a bundle is evaluated on data: name them with --data FOLDER, or --data generator")
    else:
        hold_out, corpus = hold_out_bundle, open_corpus(options.data, subjects=options.subjects)
    return hold_out(options.path, corpus, cache=machine.cache, n_workers=machine.n_workers, report=say)


def corpus_of_run(options: EvaluateOptions) -> Corpus:
    """The data that the run was made from, where they are named or known.

    Raises:
        ConfigError: they are not there.
    """
    result = read_result(options.path)
    data = options.data or result.config.get("data")
    if data is None and result.data_name == "generated":
        data = "generator"
    if data is None or (options.data is None and data != "generator" and not Path(data).exists()):
        raise ConfigError(
            f"the data of {options.path} ({result.data_name}) are not here; name them with --data FOLDER"
        )
    people = {person for fold in result.folds for person in (*fold.test, *fold.train)}
    subjects = options.subjects or (str(len(people)) if data == "generator" else None)
    listening = bool(result.config.get("listening"))
    return open_corpus(str(data), listening=listening, subjects=subjects)


if __name__ == "__main__":
    from apps.cli import script

    script("evaluate")
