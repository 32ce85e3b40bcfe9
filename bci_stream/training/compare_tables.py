"""A comparison as tables and sentences, for a terminal, a report or a program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from bci_stream.training.comparison import Comparison

Row = tuple[str, ...]
Table = tuple[Row, Sequence[Row]]  #: head and rows

NONE: Final = "\u2013"  # a dash
MINUS: Final = "\u2212"
HOW: Final = (
    "Each person's score is the mean over seeds; differences are paired by person. p: Wilcoxon's signed-rank "
    "test from 20 people on, else sign flips; two-sided. Holm p is corrected for all pairs. d: mean "
    "difference over its standard deviation. r: rank-biserial correlation. Intervals: 95 %, 10,000 draws of "
    "people. Detectable: the least true difference that this many people show in 4 of 5 studies, after "
    "Bonferroni."
)
LEAKS: Final = "LEAKS: test people were seen in training. These figures say nothing of new people."


def points(share: float, signed: bool = False) -> str:
    """A share as points; a dash where there is none."""
    return NONE if math.isnan(share) else f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}"


def p_value(p: float | None) -> str:
    """Three decimals, never zero."""
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def plain(number: float) -> str:
    """Two decimals with a sign; a dash where it is undefined."""
    return f"{number:+.2f}" if math.isfinite(number) else NONE


def method_table(comparison: Comparison) -> Table:
    """A row per method, the best first."""
    score = f"{comparison.metric.replace('_', ' ')} (%)"
    rows: list[Row] = [
        (
            method.name,
            points(method.mean),
            f"{points(method.ci.low)} to {points(method.ci.high)}",
            f"{method.rank:.2f}",
            ", ".join(map(str, method.seeds)),
            method.pattern,
        )
        for method in comparison.methods
    ]
    return ("method", score, "95 % interval", "mean rank", "seeds", "uses"), rows


def pair_table(comparison: Comparison) -> Table:
    """A row per pair."""
    head: Row = ("pair", "points", "95 % interval", "Wilcoxon p", "permutation p", "Holm p", "d", "r")
    rows: list[Row] = []
    for pair in comparison.pairs:
        found = pair.paired
        row = (
            f"{pair.a} {MINUS} {pair.b}",
            points(found.difference, signed=True),
            f"{points(found.ci.low, signed=True)} to {points(found.ci.high, signed=True)}",
            p_value(found.wilcoxon_p),
            p_value(found.permutation_p),
            p_value(pair.holm_p),
            plain(found.cohen_d),
            plain(found.rank_biserial),
            points(found.detectable),
            pair.verdict,
        )
        rows.append(row)
    return (*head, "detectable", "verdict"), rows


def conclusion(comparison: Comparison) -> str:
    """What was found, and what could have been, in two sentences."""
    found = [pair for pair in comparison.pairs if pair.found]
    n = len(comparison.pairs)
    first = f"{len(found)} of {n} pair{'s' * (n > 1)} differ{'s' * (n == 1)} after Holm's correction."
    if len(found) == n:
        return first
    if math.isnan(comparison.detectable):
        return f"{first} With one person nothing can be found."
    return (
        f"{first} No difference found is not proof of equality: with {len(comparison.people)} people this "
        f"could have found {points(comparison.detectable)} points (80 % power, after Bonferroni)."
    )


def facts(comparison: Comparison) -> list[str]:
    """What the figures stand on, a line each."""
    level, bound = comparison.chance
    lines = [
        comparison.footnote,
        f"Chance: {points(level)} %; guessing reaches {points(bound)} % over all trials one time in twenty.",
    ]
    if comparison.oracle is not None:
        lines.append(f"The best that can be reached on these generated data: {points(comparison.oracle)} %.")
    return lines + list(comparison.notes)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """For programs; shares, not points, and null where a figure is undefined."""
    return {
        "metric": comparison.metric,
        "pattern": comparison.pattern,
        "protocol": comparison.protocol,
        "split": comparison.split,
        "leaks": comparison.leaks,
        "generated": comparison.generated,
        "data": comparison.data_name,
        "n_people": len(comparison.people),
        "n_trials": comparison.n_trials,
        "chance": list(comparison.chance),
        "oracle": comparison.oracle,
        "detectable": _number(comparison.detectable),
        "methods": [
            {
                "name": method.name,
                "pattern": method.pattern,
                "seeds": list(method.seeds),
                "mean": method.mean,
                "ci95": [_number(edge) for edge in method.ci],
                "rank": method.rank,
                "people": dict(zip(comparison.people, method.scores.tolist(), strict=True)),
            }
            for method in comparison.methods
        ],
        "pairs": [
            {
                "a": pair.a,
                "b": pair.b,
                "difference": pair.paired.difference,
                "ci95": [_number(edge) for edge in pair.paired.ci],
                "sd": _number(pair.paired.sd),
                "wilcoxon_p": pair.paired.wilcoxon_p,
                "permutation_p": pair.paired.permutation_p,
                "holm_p": pair.holm_p,
                "cohen_d": _number(pair.paired.cohen_d),
                "rank_biserial": pair.paired.rank_biserial,
                "detectable": _number(pair.paired.detectable),
                "verdict": pair.verdict,
            }
            for pair in comparison.pairs
        ],
        "notes": list(comparison.notes),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
