"""What is true of a simulated person: who they are, what they feel when, and how well that can be told.

Every class moves five EEG traits and five voice traits. A segment draws its traits from
``N(class mean + person offset, I)``, the signals follow the traits, and nothing else in the signals
depends on the class. So the class of a segment of an unknown person cannot be told better than
:func:`bayes_accuracy` says, however good the model is.

The directions of the effects follow the literature (frontal alpha asymmetry: Davidson 1992; temporal
beta and gamma: Zheng & Lu 2015; prosody: Banse & Scherer 1996); their sizes are chosen, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import TimeArray

Modality = Literal["eeg", "audio", "both"]
Traits = NDArray[np.float64]

CLASSES: Final = ("neutral", "sadness", "anger", "happiness", "calm")
DEMO_MONTAGE: Final = (
    *("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P7", "P8"),
    *("O1", "O2", "F7", "F8", "T7", "T8", "P3", "P4"),
)

EEG_TRAITS: Final = (
    "left_frontal_activity",
    "occipital_alpha",
    "midline_theta",
    "temporal_beta",
    "temporal_gamma",
)
VOICE_TRAITS: Final = ("f0_mean", "f0_range", "energy", "rate", "brightness")

#: Class means in within-segment standard deviations, one row a class, one column a trait.
_EEG_MEANS: Final = 1.4 * np.array(
    [
        [0.0, 0.3, -0.6, 0.0, -0.4],
        [-1.3, 0.0, 0.9, -0.6, -0.6],
        [0.3, -1.2, 0.0, 1.2, 0.7],
        [1.2, -0.3, -0.4, 0.4, 1.2],
        [0.3, 1.4, 0.8, -1.0, -0.9],
    ]
)
_VOICE_MEANS: Final = 1.3 * np.array(
    [
        [0.0, -0.4, 0.0, 0.5, 0.0],
        [-0.4, -0.9, -1.2, -1.2, -0.8],
        [0.6, 0.7, 1.5, 0.6, 1.5],
        [1.3, 1.5, 0.6, 0.7, 0.3],
        [-0.6, 0.5, -0.7, -0.9, -0.9],
    ]
)
#: How far people differ from each other; people's mean pitch differs by far more than a mood moves it.
_EEG_PERSON_SD: Final = np.full(len(EEG_TRAITS), 0.6)
_VOICE_PERSON_SD: Final = np.array([1.8, 0.6, 0.6, 0.6, 0.6])


@dataclass(frozen=True)
class SimulatorSettings:
    """A simulated person with a headset and a microphone. Equal settings give equal bits.

    ``seed`` is the session, ``person`` who it is. ``eeg_snr`` scales the power of the rhythms that
    carry the class against the background. ``speech_share`` is the share of time spent speaking.
    ``dwell_s`` bounds how long one class lasts, ``transition_s`` how long a change takes.
    Rates in Hz, ``mains_uv`` the amplitude of mains hum. Raises ConfigError where a value makes no sense.
    """

    seed: int = 0
    person: int = 0
    ch_names: tuple[str, ...] = DEMO_MONTAGE
    eeg_sfreq: float = 250.0
    audio_sfreq: float = 16_000.0
    eeg_snr: float = 1.0
    classes: tuple[str, ...] = CLASSES
    dwell_s: tuple[float, float] = (8.0, 20.0)
    transition_s: float = 1.0
    speech_share: float = 0.7
    blinks_per_min: float = 10.0
    emg_per_min: float = 2.0
    mains_uv: float = 0.0
    mains_hz: float = 50.0

    def __post_init__(self) -> None:
        shortest_s, longest_s = self.dwell_s
        _require(
            self.seed >= 0 and self.person >= 0, "seed and person must be 0 or more", self.seed, self.person
        )
        _require(len(self.ch_names) > 0, "ch_names must name at least one electrode", self.ch_names)
        _require(len(set(self.ch_names)) == len(self.ch_names), "ch_names must not repeat", self.ch_names)
        _require(100 <= self.eeg_sfreq <= 20_000, "eeg_sfreq must be 100 to 20000 Hz", self.eeg_sfreq)
        _require(
            8_000 <= self.audio_sfreq <= 192_000, "audio_sfreq must be 8000 to 192000 Hz", self.audio_sfreq
        )
        _require(0 <= self.eeg_snr < np.inf, "eeg_snr must be 0 or more", self.eeg_snr)
        _require(0 < self.speech_share <= 1, "speech_share must be above 0 and at most 1", self.speech_share)
        _require(0 < shortest_s <= longest_s < np.inf, "dwell_s must be (shortest, longest)", self.dwell_s)
        _require(
            0 <= self.transition_s <= shortest_s,
            "transition_s must be 0 to the shortest dwell",
            self.transition_s,
        )
        _require(min(self.blinks_per_min, self.emg_per_min) >= 0, "artifact rates must be 0 or more")
        known = set(self.classes) <= set(CLASSES) and len(set(self.classes)) == len(self.classes)
        _require(
            known and len(self.classes) > 0, f"classes must be some of {', '.join(CLASSES)}", self.classes
        )


def _require(holds: bool, rule: str, *found: object) -> None:
    if not holds:
        raise ConfigError(
            f"simulator: {rule}; got {', '.join(map(str, found))}" if found else f"simulator: {rule}"
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch ``[t_start, t_end)`` of one class, in seconds since the first sample, and its traits."""

    t_start: float
    t_end: float
    label: str
    eeg_traits: tuple[float, ...] = field(repr=False)
    voice_traits: tuple[float, ...] = field(repr=False)


@dataclass(frozen=True)
class Person:
    """What differs from person to person: trait offsets, rhythms (Hz), gains and the size of the throat."""

    eeg_offset: Traits
    voice_offset: Traits
    gain: float
    theta_hz: float
    alpha_hz: float
    beta_hz: float
    gamma_hz: float
    shift: NDArray[np.float64]  #: (2,) how the cap sits, in head radii
    tract: float  #: formants relative to the average speaker

    @classmethod
    def draw(cls, person: int) -> Person:
        """Person number ``person``, the same in every session."""
        rng = seeded(person, "person")
        return cls(
            eeg_offset=_EEG_PERSON_SD * rng.standard_normal(len(EEG_TRAITS)),
            voice_offset=_VOICE_PERSON_SD * rng.standard_normal(len(VOICE_TRAITS)),
            gain=float(1.3 * 10 ** (rng.normal(0.0, 1.0) / 20)),
            theta_hz=float(np.clip(rng.normal(6.0, 0.3), 5.2, 6.8)),
            alpha_hz=float(np.clip(rng.normal(10.0, 0.6), 8.6, 11.4)),
            beta_hz=float(np.clip(rng.normal(20.0, 1.2), 17.0, 23.0)),
            gamma_hz=float(np.clip(rng.normal(37.0, 1.5), 33.0, 41.0)),
            shift=rng.normal(0.0, 0.04, 2),
            tract=float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.15)),
        )


class Schedule:
    """Which class is when, drawn as far ahead as it is asked for; no class follows itself."""

    def __init__(self, settings: SimulatorSettings, person: Person) -> None:
        self._settings = settings
        self._person = person
        self._rng = seeded(settings.seed, "schedule", settings.person)
        self._segments: list[Segment] = []
        self._deck: list[str] = []

    def until(self, t_s: float) -> list[Segment]:
        """Every segment from 0 on, whole, up to and including the one that holds ``t_s``."""
        while not self._segments or self._segments[-1].t_end <= t_s:
            self._segments.append(self._next())
        return [segment for segment in self._segments if segment.t_start <= t_s]

    def eeg_traits(self, times: TimeArray) -> Traits:
        """(n,) seconds -> (n, 5) EEG traits, gliding from one segment's to the next one's."""
        return self._glide(times, [segment.eeg_traits for segment in self._around(times)])

    def voice_traits(self, times: TimeArray) -> Traits:
        """(n,) seconds -> (n, 5) voice traits, gliding from one segment's to the next one's."""
        return self._glide(times, [segment.voice_traits for segment in self._around(times)])

    def _around(self, times: TimeArray) -> list[Segment]:
        return self.until(float(times[-1]) + self._settings.transition_s)

    def _glide(self, times: TimeArray, traits: list[tuple[float, ...]]) -> Traits:
        half_s = self._settings.transition_s / 2
        changes = np.array([segment.t_start for segment in self._segments[1 : len(traits)]])
        first = int(np.searchsorted(changes, times[0] - half_s))
        last = int(np.searchsorted(changes, times[-1] + half_s, side="right"))
        glide = np.tile(np.asarray(traits[first]), (len(times), 1))
        for change in range(first, last):
            step = np.subtract(traits[change + 1], traits[change])
            share = np.clip((times - changes[change] + half_s) / max(2 * half_s, 1e-9), 0.0, 1.0)
            glide += share[:, None] * step
        return glide

    def _next(self) -> Segment:
        t_start = self._segments[-1].t_end if self._segments else 0.0
        label = self._deal()
        row = CLASSES.index(label)
        eeg = _EEG_MEANS[row] + self._person.eeg_offset + self._rng.standard_normal(len(EEG_TRAITS))
        voice = _VOICE_MEANS[row] + self._person.voice_offset + self._rng.standard_normal(len(VOICE_TRAITS))
        t_end = t_start + self._rng.uniform(*self._settings.dwell_s)
        return Segment(t_start, t_end, label, tuple(eeg.tolist()), tuple(voice.tolist()))

    def _deal(self) -> str:
        if not self._deck:
            self._deck = [
                self._settings.classes[i] for i in self._rng.permutation(len(self._settings.classes))
            ]
            if self._segments and len(self._deck) > 1 and self._deck[-1] == self._segments[-1].label:
                self._deck.reverse()
        return self._deck.pop()


def seeded(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """A generator of its own for every purpose, so that what one part draws never moves another part."""
    return np.random.Generator(np.random.SFC64([seed, *purpose.encode(), *keys]))


def bayes_accuracy(n: int, modality: Modality, seed: int, classes: tuple[str, ...] = CLASSES) -> float:
    """The best accuracy anyone can reach on single segments of unknown people, by Monte Carlo.

    Draws ``n`` segments of equally likely classes, each of a new person, and classifies their true
    traits by the true densities (Gaussian, one covariance). Signals tell less than the traits, so
    this bounds a model from above. The standard error is about ``0.5 / sqrt(n)``.
    """
    means, sd = _densities(modality)
    means = means[[CLASSES.index(label) for label in classes]] / sd
    rng = seeded(seed, "bayes")
    truth = rng.integers(len(classes), size=n)
    traits = means[truth] + rng.standard_normal((n, means.shape[1]))
    scores = traits @ means.T - 0.5 * (means**2).sum(axis=1)
    return float(np.mean(scores.argmax(axis=1) == truth))


def _densities(modality: Modality) -> tuple[Traits, Traits]:
    eeg_sd, voice_sd = np.hypot(1.0, _EEG_PERSON_SD), np.hypot(1.0, _VOICE_PERSON_SD)
    if modality == "eeg":
        return _EEG_MEANS, eeg_sd
    if modality == "audio":
        return _VOICE_MEANS, voice_sd
    return np.hstack([_EEG_MEANS, _VOICE_MEANS]), np.concatenate([eeg_sd, voice_sd])
