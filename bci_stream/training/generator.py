"""A generated corpus whose truth, and so the best possible accuracy, is known.

Every trial carries a latent *evidence* of four numbers for its EEG and of four for its voice::

    evidence = separation x (vertex of the class in a regular simplex of edge 1) + N(0, I)

The noise of the two correlates by ``error_correlation``, number by number: at 1 both modalities err on the
same trials, at -1 on opposite sides. :mod:`bci_stream.training.generator_signals` renders the evidence into
samples, and nothing else in them depends on the class: nobody can do better than :func:`oracle_accuracy`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError, CorpusError
from bci_stream.model.contract import DEFAULT_CLASSES
from bci_stream.sources.simulator_montage import electrode_xy
from bci_stream.sources.simulator_truth import DEMO_MONTAGE, Modality, seeded
from bci_stream.training.generator_signals import N_EVIDENCE, EegRenderer, render_voice
from bci_stream.training.trials import Trial

VERSION: Final = 1  #: of everything here and in the renderer that decides a sample
_NEARLY_ONE: Final = 1.0 - 1e-9  # a correlation of 1 in full would divide by zero


@dataclass(frozen=True)
class GeneratorSettings:
    """People who were never recorded. Equal settings give equal bits.

    ``n_trials``: of each person, the classes in seeded order, each once in every block of
    ``len(classes)``. ``eeg_separation``, ``audio_separation``: distance between two class means in units of
    the noise of a trial; they decide the oracle. ``error_correlation``: of the two modalities' noise, -1 to
    1. ``eeg_snr_db``: power of the rhythms against the background, ``audio_snr_db``: of the voice against
    the room, both at evidence 0. ``mixing``: how much a person's electrodes mix, (I + mixing x random).
    ``classes``: two to five. The defaults let an oracle reach 68 % by EEG, 73 % by voice, 86 % by both.

    Raises:
        ConfigError: a value makes no sense.
    """

    seed: int = 0
    n_people: int = 16
    n_trials: int = 40
    trial_s: float = 10.0
    eeg_sfreq: float = 250.0
    ch_names: tuple[str, ...] = DEMO_MONTAGE
    audio_sfreq: float = 16_000.0
    eeg_separation: float = 2.25
    audio_separation: float = 2.5
    error_correlation: float = 0.0
    eeg_snr_db: float = 3.0
    audio_snr_db: float = 30.0
    mixing: float = 0.3
    classes: tuple[str, ...] = DEFAULT_CLASSES

    def __post_init__(self) -> None:
        _require(self.seed >= 0, "seed must be 0 or more", self.seed)
        _require(self.n_people >= 1 and self.n_trials >= 1, "one person and one trial at least",
                 self.n_people, self.n_trials)  # fmt: skip
        _require(1.0 <= self.trial_s <= 600.0, "trial_s must be 1 to 600", self.trial_s)
        _require(100 <= self.eeg_sfreq <= 20_000, "eeg_sfreq must be 100 to 20000 Hz", self.eeg_sfreq)
        _require(14_000 <= self.audio_sfreq <= 192_000, "audio_sfreq must be 14000 to 192000 Hz",
                 self.audio_sfreq)  # fmt: skip
        _require(len(set(self.ch_names)) == len(self.ch_names) >= N_EVIDENCE,
                 f"ch_names must be {N_EVIDENCE} or more different electrodes", self.ch_names)  # fmt: skip
        _require(2 <= len(set(self.classes)) == len(self.classes) <= N_EVIDENCE + 1,
                 f"classes must be two to {N_EVIDENCE + 1} different names", self.classes)  # fmt: skip
        _require(-1.0 <= self.error_correlation <= 1.0, "error_correlation must be -1 to 1",
                 self.error_correlation)  # fmt: skip
        sizes = (self.eeg_separation, self.audio_separation, self.mixing)
        _require(
            all(0 <= size < np.inf for size in sizes), "separations and mixing must be 0 or more", *sizes
        )
        levels = (self.eeg_snr_db, self.audio_snr_db)
        _require(all(-60 <= level <= 60 for level in levels), "SNRs must be -60 to 60 dB", *levels)
        for name in self.ch_names:
            electrode_xy(name)


def _require(holds: bool, rule: str, *found: object) -> None:
    if not holds:
        raise ConfigError(f"generator: {rule}; got {', '.join(map(str, found))}")


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a person's trials really hold.

    ``labels``: (n,) class indices. ``eeg``, ``audio``: (n, 4) evidence in units of a trial's noise.
    """

    labels: NDArray[np.int64]
    eeg: NDArray[np.float64]
    audio: NDArray[np.float64]


class GeneratedCorpus:
    """A :class:`~bci_stream.training.trials.Corpus` made in memory, one trial at a time."""

    name = "generated"
    generated = True

    def __init__(self, settings: GeneratorSettings = GeneratorSettings()) -> None:
        self.settings = settings

    @property
    def description(self) -> str:
        """One sentence, with the oracle."""
        s = self.settings
        best = " / ".join(f"{100 * self.oracle[m]:.0f} %" for m in ("both", "eeg", "audio"))
        return (
            f"{s.n_people} generated people, {s.n_trials} trials of {s.trial_s:g} s, nobody was recorded; "
            f"an oracle reaches {best} (both / EEG / voice), seed {s.seed}"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """As in the settings."""
        return self.settings.classes

    @property
    def ch_names(self) -> tuple[str, ...]:
        """As in the settings."""
        return self.settings.ch_names

    @property
    def people(self) -> tuple[str, ...]:
        """subject1, subject2, …"""
        return tuple(f"subject{i + 1}" for i in range(self.settings.n_people))

    @cached_property
    def oracle(self) -> dict[Modality, float]:
        """The best accuracy that can be reached on one trial, by modality."""
        return {m: oracle_accuracy(self.settings, m) for m in ("both", "eeg", "audio")}

    def truth(self, person: str) -> Truth:
        """Labels and evidence of all the person's trials.

        Raises:
            CorpusError: no such person.
        """
        return draw_truth(self.settings, self._index(person))

    def trials(self, person: str) -> Iterator[Trial]:
        """The person's trials, speaking all the time."""
        s, index = self.settings, self._index(person)
        truth, eeg = draw_truth(s, index), EegRenderer(s, index)
        for number, label in enumerate(truth.labels):
            yield Trial(
                person=person,
                number=number,
                label=s.classes[label],
                condition="speaking",
                eeg=eeg.render(truth.eeg[number], seeded(s.seed, "generated eeg", index, number)),
                eeg_sfreq=s.eeg_sfreq,
                audio=render_voice(s, index, truth.audio[number], number),
                audio_sfreq=s.audio_sfreq,
                source=f"generated {person}",
            )

    def files(self, person: str) -> Sequence[Path]:
        """None: it is all in :meth:`digest`."""
        self._index(person)
        return ()

    def digest(self) -> str:
        """The settings as JSON, and the version of the generator."""
        return json.dumps({"generator": VERSION, **asdict(self.settings)}, sort_keys=True)

    def _index(self, person: str) -> int:
        if person not in self.people:
            raise CorpusError(
                f"the generated corpus has no {person!r}; it has subject1 to subject{self.settings.n_people}"
            )
        return self.people.index(person)


def draw_truth(settings: GeneratorSettings, person: int, session: str = "evidence") -> Truth:
    """Labels and evidence of person number ``person``; trial by trial, so that more trials change none.

    Another ``session`` has the same labels and other evidence.
    """
    labels = _labels(settings, person)
    draws = [seeded(settings.seed, session, person, i) for i in range(settings.n_trials)]
    noise = np.array([rng.standard_normal((2, N_EVIDENCE)) for rng in draws])
    means = class_means(len(settings.classes))[labels]
    correlation = settings.error_correlation
    voice_noise = correlation * noise[:, 0] + np.sqrt(1 - correlation**2) * noise[:, 1]
    return Truth(
        labels=labels,
        eeg=settings.eeg_separation * means + noise[:, 0],
        audio=settings.audio_separation * means + voice_noise,
    )


def _labels(settings: GeneratorSettings, person: int) -> NDArray[np.int64]:
    """(n_trials,): blocks that hold every class once, each in an order of its own."""
    n = len(settings.classes)
    n_blocks = -(-settings.n_trials // n)
    blocks = [seeded(settings.seed, "order", person, i).permutation(n) for i in range(n_blocks)]
    return np.concatenate(blocks)[: settings.n_trials].astype(np.int64)


def class_means(n_classes: int) -> NDArray[np.float64]:
    """(n_classes, 4): vertices of a regular simplex of edge 1, its middle at 0."""
    steps = np.arange(1, N_EVIDENCE + 1)  # a Helmert basis: step k sets class k against those before it
    scale = 1 / np.sqrt(2.0 * steps * (steps + 1))
    vertex = np.arange(N_EVIDENCE + 1)[:, None]
    corners = np.where(vertex < steps, 1.0, np.where(vertex == steps, -steps, 0.0)) * scale
    chosen = corners[:n_classes]
    return np.asarray(chosen - chosen.mean(axis=0))


def oracle_accuracy(settings: GeneratorSettings, modality: Modality, n: int = 100_000) -> float:
    """Accuracy of the exact densities on the evidence itself, by Monte Carlo of ``n`` trials.

    No model can beat it on trials of generated people but by luck. The standard error is about
    ``0.4 / sqrt(n)``. With both modalities the evidence is whitened by its known correlation first.
    """
    means = _whitened_means(settings, modality)
    rng = seeded(settings.seed, "oracle")
    truth = rng.integers(len(means), size=n)
    evidence = means[truth] + rng.standard_normal((n, means.shape[1]))
    scores = evidence @ means.T - 0.5 * (means**2).sum(axis=1)
    return float(np.mean(scores.argmax(axis=1) == truth))


def _whitened_means(settings: GeneratorSettings, modality: Modality) -> NDArray[np.float64]:
    """(n_classes, 4 or 8): class means of the evidence where its noise is N(0, I)."""
    corners = class_means(len(settings.classes))
    eeg, audio = settings.eeg_separation * corners, settings.audio_separation * corners
    if modality != "both":
        return eeg if modality == "eeg" else audio
    correlation = float(np.clip(settings.error_correlation, -_NEARLY_ONE, _NEARLY_ONE))
    return np.hstack([eeg, (audio - correlation * eeg) / np.sqrt(1 - correlation**2)])
