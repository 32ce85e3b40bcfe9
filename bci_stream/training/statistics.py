"""Is one classifier better than another, for people? Paired tests over subjects, as MOABB does them.

A subject's score is the mean over seeds; the paired differences of all subjects are tested, two-sided: with
20 subjects or more by Wilcoxon's signed-rank test (Wilcoxon 1945), with fewer by flipping signs (exact up to
13, else 10,000 draws), as in Jayaram and Barachant (2018, arXiv 1805.06427). Pooled trials are never tested:
those of one subject are not independent. All pairs together are held to 5 % by Holm (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bci_stream.training.metrics import NAN, Floats, Interval, Ints, interval, people_draws

ALPHA: Final = 0.05
POWER: Final = 0.8
N_DRAWS: Final = 10_000
_EXACT_UP_TO = 13
_WILCOXON_FROM = 20
_SAME = 1e-9  # scores are ratios of small counts: differences below this are rounding


@dataclass(frozen=True, slots=True)
class Paired:
    """One classifier against another over ``n`` subjects, in the unit of the scores.

    ``difference``: mean over subjects, with its bootstrap interval ``ci``. ``sd``: of the differences.
    ``wilcoxon_p``: None below 20 subjects. ``cohen_d``: difference over ``sd``; NaN where nothing varies.
    ``rank_biserial``: -1 to 1. ``detectable``: the least true difference that this many subjects show in 4 of
    5 studies.
    """

    n: int
    difference: float
    ci: Interval
    sd: float
    wilcoxon_p: float | None
    permutation_p: float
    cohen_d: float
    rank_biserial: float
    detectable: float

    @property
    def p(self) -> float:
        """Of the test that fits the number of subjects."""
        return self.permutation_p if self.wilcoxon_p is None else self.wilcoxon_p


def paired(differences: Floats, *, alpha: float = ALPHA, seed: int = 0) -> Paired:
    """Everything about the paired differences (n,); ``alpha``: for which ``detectable`` is stated."""
    x = np.where(np.abs(differences) < _SAME, 0.0, differences)
    sd = float(x.std(ddof=1)) if len(x) > 1 else NAN
    return Paired(
        n=len(x),
        difference=float(x.mean()),
        ci=bootstrap_mean(x, seed=seed),
        sd=sd,
        wilcoxon_p=wilcoxon_p(x) if len(x) >= _WILCOXON_FROM else None,
        permutation_p=sign_flip_p(x, seed=seed),
        cohen_d=float(x.mean()) / sd if sd > _SAME else NAN,
        rank_biserial=rank_biserial(x),
        detectable=detectable_difference(sd, len(x), alpha),
    )


def wilcoxon_p(differences: Floats) -> float:
    """Two-sided signed-rank test; subjects without a difference are left out, and 1 if none is left."""
    from scipy.stats import wilcoxon

    rest = differences[np.abs(differences) > _SAME]
    if len(rest) == 0:
        return 1.0
    return float(wilcoxon(np.round(rest, 12)).pvalue)  # rounded, so that equal differences tie


def sign_flip_p(differences: Floats, *, seed: int = 0, n: int = N_DRAWS) -> float:
    """Two-sided permutation test of the mean: with no effect a difference could as well be its negative."""
    size = len(differences)
    if size <= _EXACT_UP_TO:
        flips = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
        return float(_as_extreme(flips, differences).mean())
    flips = np.random.default_rng(seed).integers(0, 2, (n, size))
    return float((1 + _as_extreme(flips, differences).sum()) / (1 + n))  # what was seen counts as a draw


def _as_extreme(flips: Ints, differences: Floats) -> np.ndarray:
    found: np.ndarray = np.abs((1 - 2 * flips) @ differences) >= abs(differences.sum()) - _SAME
    return found


def holm(p_values: Sequence[float]) -> Floats:
    """p-values that hold for all of the tests together, in the order given (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def rank_biserial(differences: Floats) -> float:
    """Share of signed ranks for minus share against (Kerby 2014): -1 to 1, and 0 where nothing differs."""
    from scipy.stats import rankdata

    rest = differences[np.abs(differences) > _SAME]
    if len(rest) == 0:
        return 0.0
    ranks = rankdata(np.round(np.abs(rest), 12))
    return float((ranks * np.sign(rest)).sum() / ranks.sum())


def bootstrap_mean(differences: Floats, *, seed: int = 0, n: int = N_DRAWS) -> Interval:
    """95 % percentile interval of the mean; subjects are drawn with replacement."""
    size = len(differences)
    if size < 2:
        return Interval(NAN, NAN)
    return interval(people_draws(size, seed, n) @ differences / size)


def detectable_difference(sd: float, n: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """Least true mean difference that a two-sided paired t test shows with this power (noncentral t).

    In the unit of ``sd``, the standard deviation of the paired differences; NaN below 2 subjects.
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2, norm, t

    if n < 2 or not np.isfinite(sd):
        return NAN
    # Noncentral t as a normal over every likely sample deviation: scipy's nct is NaN in its far tails.
    deviations = np.sqrt(chi2.ppf((np.arange(4000) + 0.5) / 4000, n - 1) / (n - 1))
    needed = t.ppf(1 - alpha / 2, n - 1) * deviations

    def lack(shift: float) -> float:
        return float(np.mean(norm.sf(needed - shift) + norm.cdf(-needed - shift)) - power)

    return float(brentq(lack, 0, needed.max() + 4) * sd / np.sqrt(n))


def average_ranks(scores: Floats) -> Floats:
    """(m,) mean rank of each classifier over subjects, 1 the best: scores (m, n)."""
    from scipy.stats import rankdata

    ranks: Floats = rankdata(-np.round(scores, 12), axis=0).mean(axis=1)
    return ranks


def indistinct_groups(ranks: Floats, differs: np.ndarray) -> list[tuple[int, ...]]:
    """Longest runs of classifiers, by rank, of which no two differ: the bars of a critical-difference plot.

    Args:
        ranks: (m,) mean ranks.
        differs: (m, m) whether two differ, after correction.
    """
    order = np.argsort(ranks, kind="stable").tolist()
    runs: list[tuple[int, ...]] = []
    for begin in range(len(order)):
        end = begin + 1
        while end < len(order) and not any(differs[order[end], other] for other in order[begin:end]):
            end += 1
        run = tuple(order[begin:end])
        if len(run) > 1 and not any(set(run) <= set(earlier) for earlier in runs):
            runs.append(run)
    return runs
