"""The calibration's ladder on the affective-music recordings: fitted to one day, tested on the next.

    python scripts/figures_ladder.py FOLDER [--epochs N] [--seeds N] [--json FILE]

For each person the base is trained on all other people. The ladder is fitted to the trials of the first day
alone, its rung chosen by blocks of that day, and read once on the second day. Every day starts alignment and
normalisation from nothing. Ehrlich et al. 2019, doi 10.1371/journal.pone.0213516.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from bci_stream.errors import BciStreamError
from bci_stream.messages import EEG
from bci_stream.model.network import FusionNetwork, build_network
from bci_stream.training.affective_music import AffectiveMusicCorpus
from bci_stream.training.batches import DrawSettings
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.fit import FitSettings, fit
from bci_stream.training.metrics import Floats, chance_level
from bci_stream.training.recipe import Recipe
from bci_stream.training.sessions import Session
from calibration.finetune import Calibrated, FinetuneSettings, calibrate
from calibration.verdict import over_trials
from scripts.figures_music import WINDOW_S, Days, day_of, permutation_p, person_of


@dataclass(frozen=True, slots=True)
class Found:
    """All persons' tested trials together. ``*_ci``: bootstrap over trials. ``p``: of permuting labels."""

    n: int
    base: float
    base_ci: tuple[float, float]
    fitted: float
    fitted_ci: tuple[float, float]
    gain: float
    gain_ci: tuple[float, float]
    p: float
    bound: float
    n_accepted: int
    n_fits: int


def recipe_of(n_epochs: int) -> Recipe:
    """The recipe of ``figures_music.py``."""
    fitting = FitSettings(n_epochs=n_epochs, learning_rate=5e-4, patience=0, draw=DrawSettings(min_steps=10))
    return Recipe(modalities=(EEG,), window_s=WINDOW_S, fit=fitting)


def base_for(person: str, sessions: Sequence[Session], recipe: Recipe, corpus: Days) -> FusionNetwork:
    """A model trained on everybody else."""
    torch.manual_seed(recipe.seed)
    others = [session for session in sessions if person_of(session) != person]
    network = build_network(recipe.contract(corpus.classes, corpus.ch_names))
    return fit(network, others, others, recipe.fit, same_people=True).network


def ladder(
    base: FusionNetwork, mine: Sequence[Session], classes: Sequence[str], settings: FinetuneSettings
) -> Calibrated:
    """Fitted to a person's first day, tested on the second."""
    first, second = sorted({day_of(session) for session in mine})[:2]
    known, later = ([s for s in mine if day_of(s) == day] for day in (first, second))
    return calibrate(base, known, classes, settings, later=later)


def found_of(fits: Sequence[tuple[str, Calibrated]], n_classes: int) -> Found:
    """``fits``: by day; fits of one day with several seeds are averaged over their trials."""
    days = sorted({day for day, _ in fits})
    base, fitted, labels, of = [], [], [], []
    named: list[Floats] = []
    for day in days:
        mine = [one for other, one in fits if other == day]
        base.append(np.mean([one.base_answers.right(one.labels, EEG) for one in mine], axis=0))
        fitted.append(np.mean([one.answers.right(one.labels, EEG) for one in mine], axis=0))
        named.append(np.array([one.answers.probs[EEG].argmax(1) for one in mine]))
        labels.append(mine[0].labels)
        of += [day] * len(mine[0].labels)
    before, after, truth = (np.concatenate(parts) for parts in (base, fitted, labels))
    accuracy = float(after.mean())
    return Found(
        n=len(truth),
        base=float(before.mean()),
        base_ci=over_trials(before),
        fitted=accuracy,
        fitted_ci=over_trials(after),
        gain=float((after - before).mean()),
        gain_ci=over_trials(after - before),
        p=permutation_p(np.concatenate(named, axis=1), truth, np.array(of), accuracy),
        bound=chance_level(truth, n_classes)[1],
        n_accepted=sum(one.verdict.better for _, one in fits),
        n_fits=len(fits),
    )


def lines_of(fits: Sequence[tuple[str, Calibrated]], found: Found) -> list[str]:
    """What is printed."""
    lines = [f"{day}: {one.chosen.rung}; {one.verdict.words}" for day, one in fits]
    return [
        *lines,
        f"{found.n} trials of second days: base {_share(found.base, found.base_ci)}, "
        f"calibrated on the first day {_share(found.fitted, found.fitted_ci)}, "
        f"permutation p = {found.p:.2f}, "
        f"guessing stays under {100 * found.bound:.0f} % (95 %)",
        f"gain {100 * found.gain:+.0f} points "
        f"[{100 * found.gain_ci[0]:+.0f}, {100 * found.gain_ci[1]:+.0f}]; "
        f"accepted as better: {found.n_accepted} of {found.n_fits} fits",
    ]


def _share(value: float, ci: tuple[float, float]) -> str:
    return f"{100 * value:.0f} % [{100 * ci[0]:.0f}, {100 * ci[1]:.0f}]"


def run(folder: Path, n_epochs: int, n_seeds: int, settings: FinetuneSettings) -> tuple[list[str], Found]:
    """Every person, every seed of the base."""
    torch.set_num_threads(1)
    corpus = Days(AffectiveMusicCorpus(folder))
    recipe = recipe_of(n_epochs)
    sessions = prepare_corpus(corpus, recipe.contract(corpus.classes, corpus.ch_names)).sessions
    fits = []
    for person in sorted({person_of(session) for session in sessions}):
        mine = [session for session in sessions if person_of(session) == person]
        for seed in range(n_seeds):
            base = base_for(person, sessions, recipe.seeded(seed), corpus)
            fits.append((sorted({day_of(s) for s in mine})[1], ladder(base, mine, corpus.classes, settings)))
    found = found_of(fits, len(corpus.classes))
    return lines_of(fits, found), found


def main() -> int:
    """Read the arguments, print what was found."""
    parser = argparse.ArgumentParser(description="the calibration's ladder on the affective-music recordings")
    parser.add_argument("folder", type=Path, help="holds P01_S01_calibration.mat, …")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3, help="of the base")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    try:
        lines, found = run(asked.folder, asked.epochs, asked.seeds, FinetuneSettings())
    except BciStreamError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if asked.json is not None:
        asked.json.write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
