"""``bci-stream explain``: what a bundle, or the networks of a run, look at.

Also ``python apps/explain.py results/… --data FOLDER --out FOLDER``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from apps.console import out, say, write_line
from apps.corpora import open_corpus
from bci_stream.errors import ConfigError
from bci_stream.training.explain_numbers import Explanation
from bci_stream.training.explain_report import HTML_FILE, is_explanation, summary, write_explanation
from bci_stream.training.explain_run import explain_bundle, explain_result
from bci_stream.training.folders import refuse_place
from bci_stream.training.results import read_result
from bci_stream.training.trials import Corpus


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What ``explain`` was asked to do; see the command's help."""

    path: Path
    data: str | None = None
    subjects: str | None = None
    most_trials: int = 20
    out: Path | None = None
    cache: Path | None = None
    as_json: bool = False


def run(options: ExplainOptions) -> None:
    """Look inside, write the report, print the main findings."""
    if options.most_trials < 0:
        raise ConfigError(f"--trials {options.most_trials} makes no sense: use 1 or more, or 0 for all")
    folder = options.out or Path(f"{options.path.name.removesuffix('.bci')}-explained")
    refuse_place(folder, is_explanation)
    found = _explanation(options)
    write_explanation(folder, found)
    if options.as_json:
        write_line(json.dumps({"out": str(folder), **found.as_dict()}, allow_nan=False))
        return
    for line in (*summary(found), *found.absent, found.footnote):
        out.print(line, markup=False)
    say(f"report: {folder / HTML_FILE}")


def _explanation(options: ExplainOptions) -> Explanation:
    settings = {"most_trials": options.most_trials, "cache": options.cache}
    if options.path.is_dir():
        corpus = _corpus_of_run(options)
        return explain_result(options.path, corpus, report=say, **settings)  # type: ignore[arg-type]
    asked = None
    if options.data is not None:
        asked = open_corpus(options.data, subjects=options.subjects)
    return explain_bundle(options.path, asked, report=say, **settings)  # type: ignore[arg-type]


def _corpus_of_run(options: ExplainOptions) -> Corpus | None:
    """The data that the run was made from, where they are named or known; None where they are not there."""
    result = read_result(options.path)
    data = options.data or result.config.get("data")
    if data is None and result.data_name == "generated":
        data = "generator"
    if data is None or (options.data is None and data != "generator" and not Path(data).exists()):
        say(f"the data of this run ({result.data_name}) are not here: weights only; name them with --data")
        return None
    people = {person for fold in result.folds for person in (*fold.test, *fold.train)}
    subjects = options.subjects or (str(len(people)) if data == "generator" else None)
    listening = bool(result.config.get("listening"))
    return open_corpus(str(data), listening=listening, subjects=subjects)


if __name__ == "__main__":
    from apps.cli import script

    script("explain")
