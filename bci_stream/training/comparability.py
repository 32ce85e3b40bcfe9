"""Which runs may be compared, and which of them are one method with several seeds."""

from __future__ import annotations

from collections.abc import Sequence

from bci_stream.errors import ResultError
from bci_stream.training.run_result import RunResult


def refuse_unlike(runs: Sequence[RunResult], sources: Sequence[str]) -> None:
    """Runs must share people, folds, data and classes, and leak all or none.

    Raises:
        ResultError: the first thing in which two runs differ and may not.
    """
    for run, source in zip(runs[1:], sources[1:], strict=True):
        _refuse_difference(runs[0], sources[0], run, source)
    _refuse_other_folds(runs, sources)


def people_of(run: RunResult) -> tuple[str, ...]:
    """Who was tested, by name."""
    return tuple(sorted(set(run.predictions.persons)))


def _refuse_difference(a: RunResult, at_a: str, b: RunResult, at_b: str) -> None:
    """One clear line for the first thing in which two runs differ and may not."""
    if a.leaks != b.leaks:
        leaking, sound = (at_a, at_b) if a.leaks else (at_b, at_a)
        raise ResultError(
            f"{leaking} LEAKS (its test people were seen in training) and {sound} does not; "
            "compare like with like"
        )
    for what, mine, other in (
        ("data", f"{a.data_name} {a.data_sha256[:12]}", f"{b.data_name} {b.data_sha256[:12]}"),
        ("classes", ", ".join(a.classes), ", ".join(b.classes)),
        ("split", f"{a.split}, {a.protocol}", f"{b.split}, {b.protocol}"),
    ):
        if mine != other:
            raise ResultError(
                f"{at_a} and {at_b} differ in {what} ({mine} / {other}); compare like with like"
            )
    lacking = sorted(set(people_of(a)) ^ set(people_of(b)))
    if lacking:
        raise ResultError(
            f"{at_a} and {at_b} were tested on different people ({', '.join(lacking[:5])} only in one); "
            "run both on the same people"
        )
    if set(a.predictions.trial_ids(a.classes)) != set(b.predictions.trial_ids(b.classes)):
        raise ResultError(
            f"{at_a} and {at_b} were tested on different trials of the same people; run both again"
        )


def _refuse_other_folds(runs: Sequence[RunResult], sources: Sequence[str]) -> None:
    """Runs of one seed share their folds; else one was trained on people the other was not."""
    first: dict[int, int] = {}
    for i, run in enumerate(runs):
        j = first.setdefault(run.seed, i)
        if runs[j].folds != run.folds:
            raise ResultError(
                f"{sources[j]} and {sources[i]} split the people differently at seed {run.seed}; "
                "run both with the same --split and seed"
            )


def runs_by_method(runs: Sequence[RunResult], sources: Sequence[str]) -> dict[str, list[RunResult]]:
    """Runs by mode; by name where a mode was run twice with one seed or with other modalities."""
    modes = {(run.mode, run.seed) for run in runs}
    heard = {(run.mode, run.modalities) for run in runs}
    by_mode = len(modes) == len(runs) and len(heard) == len({run.mode for run in runs})
    groups: dict[str, list[RunResult]] = {}
    seen: dict[tuple[str, int], str] = {}
    for run, source in zip(runs, sources, strict=True):
        key = run.mode if by_mode else run.name
        earlier = seen.setdefault((key, run.seed), source)
        if earlier != source or sources.count(source) > 1:
            raise ResultError(
                f"{earlier} and {source} are both {key} with seed {run.seed}; give each run once"
            )
        groups.setdefault(key, []).append(run)
    if len(groups) < 2:
        raise ResultError(f"all runs are of {next(iter(groups))}; give runs of two modes or more")
    return groups
