"""EEG figures on the affective-music recordings: three moods, two people, two days each.

    python scripts/figures_music.py FOLDER [--epochs N] [--seeds N] [--json FILE]

Prints the README's table. Two protocols, both with every trial tested once:

cross-session
    Trained on all trials of one day, tested on the other day of the same person; both directions.
cross-subject
    Trained on all trials of one person, tested on the other; both directions.

Every day starts alignment and normalisation from nothing, so that no test sample has touched them. Nothing
was chosen by looking at test trials. Ehrlich et al. 2019, doi 10.1371/journal.pone.0213516.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bci_stream.errors import BciStreamError
from bci_stream.messages import EEG
from bci_stream.model.network import build_network
from bci_stream.training.affective_music import AffectiveMusicCorpus
from bci_stream.training.batches import DrawSettings
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.evaluate import score_sessions
from bci_stream.training.fit import FitSettings, fit
from bci_stream.training.metrics import Floats, chance_level, interval, people_draws, trial_probs
from bci_stream.training.recipe import Recipe
from bci_stream.training.sessions import UNLABELLED, Session
from bci_stream.training.trial_scores import trial_scores
from bci_stream.training.trials import Trial

N_DRAWS = 10_000
WINDOW_S = 5.0
STEP_TOKENS = 5  # LDA gets a window a second

Answer = Callable[[Sequence[Session], Sequence[Session], int], Floats]  # train, test, seed -> (n, K) probs


class Days:
    """The corpus with each day of each person as somebody of its own: "P01 S02"."""

    def __init__(self, corpus: AffectiveMusicCorpus) -> None:
        self._corpus = corpus
        self.name, self.generated = corpus.name, corpus.generated
        self.description, self.classes, self.ch_names = corpus.description, corpus.classes, corpus.ch_names
        days = {who: sorted({trial.condition for trial in corpus.trials(who)}) for who in corpus.people}
        self.people = tuple(f"{who} {day}" for who, found in days.items() for day in found)

    def trials(self, person: str) -> Iterator[Trial]:
        """Those of one day."""
        who, day = person.split()
        for trial in self._corpus.trials(who):
            if trial.condition == day:
                yield replace(trial, person=person)

    def files(self, person: str) -> Sequence[Path]:
        """All of the person's."""
        return self._corpus.files(person.split()[0])

    def digest(self) -> str:
        """Of the corpus, day by day."""
        return self._corpus.digest() + " by day"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``p``: of permuting the labels within each tested day."""

    protocol: str
    model: str
    n: int
    accuracy: float
    low: float
    high: float
    p: float
    bound: float

    def cells(self) -> tuple[str, ...]:
        """As they are printed."""
        accuracy = f"{100 * self.accuracy:.0f} % [{100 * self.low:.0f}, {100 * self.high:.0f}]"
        verdict = "above chance" if self.p < 0.05 else "not above chance"
        return self.protocol, self.model, str(self.n), accuracy, f"{self.p:.2f}", verdict


def day_of(session: Session) -> str:
    """The day, as "P01 S02"."""
    return session.person


def person_of(session: Session) -> str:
    """The person, as "P01"."""
    return session.person.split()[0]


def folds(protocol: str, sessions: Sequence[Session]) -> Iterator[tuple[list[Session], list[Session]]]:
    """Training and test trials."""
    if protocol == "cross-subject":
        for who in sorted({person_of(s) for s in sessions}):
            yield [s for s in sessions if person_of(s) != who], [s for s in sessions if person_of(s) == who]
        return
    for day in sorted({day_of(s) for s in sessions}):
        mine = [s for s in sessions if person_of(s) == day.split()[0]]
        yield [s for s in mine if day_of(s) != day], [s for s in mine if day_of(s) == day]


def encoder(recipe: Recipe, corpus: Days, hold_back: bool) -> Answer:
    """Our band-power encoder; ``hold_back``: the last fifth of the training trials picks the epoch."""
    contract = recipe.contract(corpus.classes, corpus.ch_names)

    def answer(train: Sequence[Session], test: Sequence[Session], seed: int) -> Floats:
        torch.manual_seed(seed)
        n_valid = math.ceil(len(train) / 5) if hold_back else 0
        kept, valid = (train[:-n_valid], train[-n_valid:]) if n_valid else (train, train)
        fitted = fit(build_network(contract), kept, valid, recipe.seeded(seed).fit, same_people=True)
        return trial_scores(score_sessions(fitted.network, test)).probs[EEG]

    return answer


def lda(n_classes: int) -> Answer:
    """Shrinkage LDA on log band power, windows of 5 s, a trial's log probabilities averaged."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    def answer(train: Sequence[Session], test: Sequence[Session], seed: int) -> Floats:
        x, y, _ = windows(train)
        priors = np.full(n_classes, 1 / n_classes)
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors).fit(x, y)
        x, _, trials = windows(test)
        return trial_probs(model.predict_log_proba(x), trials)[0]

    return answer


def windows(sessions: Sequence[Session]) -> tuple[Floats, np.ndarray, list[int]]:
    """Mean log band powers (n, 70) of a window a second, labels (n,) and which session each is of."""
    n_tokens = round(WINDOW_S * 5)
    x, y, rows = [], [], []
    for row, session in enumerate(sessions):
        for end in np.flatnonzero(session.labels != UNLABELLED)[::STEP_TOKENS]:
            x.append(np.asarray(session.parts[EEG].features[max(0, end - n_tokens + 1) : end + 1]).mean(0))
            y.append(session.labels[end])
            rows.append(row)
    return np.array(x, np.float64), np.array(y), rows


def evaluate(
    protocol: str, model: str, answer: Answer, sessions: Sequence[Session], n_classes: int, seeds: range
) -> Row:
    """Every trial tested once, for each seed; whether it is right is averaged over seeds."""
    named, labels, days = [], [], []
    for train, test in folds(protocol, sessions):
        named.append(np.array([answer(train, test, seed).argmax(1) for seed in seeds]))
        labels += [session.label for session in test]
        days += [day_of(session) for session in test]
    predicted, truth = np.concatenate(named, axis=1), np.array(labels)
    right = (predicted == truth).mean(0)
    found = float(right.mean())
    low, high = interval(people_draws(len(right), 0, N_DRAWS) @ right / len(right))
    p = permutation_p(predicted, truth, np.array(days), found)
    return Row(protocol, model, len(truth), found, low, high, p, chance_level(truth, n_classes)[1])


def permutation_p(predicted: np.ndarray, truth: np.ndarray, days: np.ndarray, found: float) -> float:
    """One-sided: how often labels shuffled within each tested day fit the answers as well."""
    rng, hits = np.random.default_rng(0), 0
    groups = [np.flatnonzero(days == day) for day in np.unique(days)]
    for _ in range(N_DRAWS):
        shuffled = truth.copy()
        for group in groups:
            shuffled[group] = truth[rng.permutation(group)]
        hits += bool((predicted == shuffled).mean() >= found - 1e-9)
    return (1 + hits) / (1 + N_DRAWS)


def table(rows: Sequence[Row], sentence: str) -> str:
    """Markdown."""
    head = ("protocol", "model", "trials", "accuracy, 95 % CI", "permutation p", "verdict")
    lines = [head, ("---",) * len(head), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{sentence}\n"


def run(folder: Path, n_epochs: int, n_seeds: int) -> tuple[list[Row], str]:
    """All rows, and the protocol in a sentence."""
    torch.set_num_threads(1)
    corpus = Days(AffectiveMusicCorpus(folder))
    fitting = FitSettings(n_epochs=n_epochs, learning_rate=5e-4, patience=0, draw=DrawSettings(min_steps=10))
    recipe = Recipe(modalities=(EEG,), window_s=WINDOW_S, fit=fitting)
    prepared = prepare_corpus(corpus, recipe.contract(corpus.classes, corpus.ch_names))
    sessions, n_classes = prepared.sessions, len(corpus.classes)
    models = {
        "LDA on band power": (lda(n_classes), range(1)),
        "encoder, all training trials": (encoder(recipe, corpus, hold_back=False), range(n_seeds)),
        "encoder, last fifth picks the epoch": (encoder(recipe, corpus, hold_back=True), range(n_seeds)),
    }
    rows = [
        evaluate(protocol, model, answer, sessions, n_classes, seeds)
        for protocol in ("cross-session", "cross-subject")
        for model, (answer, seeds) in models.items()
    ]
    return rows, sentence(corpus, rows, n_epochs, n_seeds)


def sentence(corpus: Days, rows: Sequence[Row], n_epochs: int, n_seeds: int) -> str:
    """What stands under the table."""
    n_people = len({day.split()[0] for day in corpus.people})
    return (
        f"Affective music (Ehrlich 2019), {n_people} people, {len(corpus.people)} days, EPOC 14 channels, "
        f"whole trials of 20 s, {len(corpus.classes)} classes of what the music was meant to convey, chance "
        f"{100 / len(corpus.classes):.0f} %, guessing stays under {100 * rows[0].bound:.0f} % (95 %). "
        "Cross-session: trained on one day, tested on the same person's other day, both directions; "
        "cross-subject: trained on one person, tested on the other, both directions. Classes are balanced "
        "within every day, so accuracy is balanced accuracy. Filters, alignment and normalisation are causal "
        f"and start anew each day. Encoder: band power, {n_epochs} epochs, mean of {n_seeds} seeds. "
        f"CI: bootstrap over trials; p: labels permuted within tested days, {N_DRAWS} draws, one-sided, "
        "not corrected for the number of rows."
    )


def main() -> int:
    """Read the arguments, print the table."""
    parser = argparse.ArgumentParser(description="EEG figures on the affective-music recordings")
    parser.add_argument("folder", type=Path, help="holds P01_S01_calibration.mat, …")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here too")
    asked = parser.parse_args()
    try:
        rows, said = run(asked.folder, asked.epochs, asked.seeds)
    except BciStreamError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if asked.json is not None:
        found = [{name: getattr(row, name) for name in Row.__slots__} for row in rows]
        asked.json.write_text(json.dumps({"protocol": said, "rows": found}, indent=1), encoding="utf-8")
    sys.stdout.write(table(rows, said))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
