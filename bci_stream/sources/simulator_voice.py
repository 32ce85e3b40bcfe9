"""The simulated microphone: a glottal source, formants, syllables, phrases and pauses.

A source-filter voice (Fant 1960) with cascaded formant resonators (Klatt 1980). The traits move
pitch, its range, loudness, tempo and the tilt of the source; the words mean nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from bci_stream.messages import FloatArray
from bci_stream.sources.simulator_blocks import BLOCK_S, BlockReader, Resonator, Samples, hump
from bci_stream.sources.simulator_truth import Person, Schedule, SimulatorSettings, seeded

F0_MEDIAN_HZ: Final = 150.0  #: between the usual means of men and women
F0_TRAIT_SEMITONES: Final = 2.0
ENERGY_TRAIT_DB: Final = 2.5
_SPEECH_LEVEL: Final = 0.045
_ROOM_LEVEL: Final = 3e-4
#: First three formants (Hz) of a, e, i, o, u for an average speaker, after Peterson & Barney 1952.
_VOWELS: Final = ((750, 1200, 2500), (530, 1840, 2480), (300, 2250, 2900), (500, 900, 2450), (330, 900, 2300))
_WIDTHS_HZ: Final = (80.0, 110.0, 160.0)
_LOOK_AHEAD_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Syllable:
    t_start: float
    t_end: float
    vowel: int
    log2_f0: float
    level: float
    brightness: float  #: 0 a soft voice, 1 a pressed one


class VoiceGenerator:
    """Makes the voice of one person's session. ``read(n)`` gives (n, 1) float32 in [-1, 1]."""

    def __init__(self, settings: SimulatorSettings, person: Person, schedule: Schedule) -> None:
        self._settings = settings
        self._sfreq = settings.audio_sfreq
        self._block_n = round(BLOCK_S * self._sfreq)
        self._speech = _Speech(settings, schedule)
        self._phase = 0.0
        self._soften = [Resonator(0.0, 500.0, self._sfreq, "dc")]
        self._vowels = [_vowel(formants, person.tract, self._sfreq) for formants in _VOWELS]
        self.read = BlockReader(self._make_block).read

    def _make_block(self, block: int) -> FloatArray:
        times = (block * self._block_n + np.arange(self._block_n)) / self._sfreq
        rng = seeded(self._settings.seed, "voice", self._settings.person, block)
        noise = rng.standard_normal(self._block_n)
        syllables = self._speech.around(float(times[0]), float(times[-1]))
        bright, soft = self._source(times, syllables, noise)
        mouth = np.zeros((len(self._vowels), self._block_n))
        hiss = np.zeros(self._block_n)
        for s in syllables:
            i, j = np.searchsorted(times, (s.t_start, s.t_end))
            if i < j:
                loudness = s.level * np.sqrt(hump(times[i:j], s.t_start, s.t_end))
                mouth[s.vowel, i:j] += loudness * (
                    s.brightness * bright[i:j] + (1 - s.brightness) * soft[i:j]
                )
                onset_end = s.t_start + 0.3 * (s.t_end - s.t_start)
                hiss[i:j] += 0.08 * s.level * hump(times[i:j], s.t_start, onset_end) * noise[i:j]
        voice = sum((_cascade(filters, x) for filters, x in zip(self._vowels, mouth, strict=True)), hiss)
        voice = _SPEECH_LEVEL * voice + _ROOM_LEVEL * noise
        return np.asarray(np.clip(voice, -1.0, 1.0)[:, None], dtype=np.float32)

    def _source(self, times: Samples, syllables: list[_Syllable], noise: Samples) -> tuple[Samples, Samples]:
        """The pressed and the soft glottal wave, both (n,), of unit size and in phase."""
        centres = [(s.t_start + s.t_end) / 2 for s in syllables]
        f0_hz = 2.0 ** np.interp(times, centres, [s.log2_f0 for s in syllables])
        cycles = self._phase + np.cumsum(f0_hz) / self._sfreq
        self._phase = float(cycles[-1] % 1.0)
        saw = np.sqrt(3) * (1 - 2 * (cycles % 1.0)) + 0.05 * noise
        # A saw loses about as much to the low-pass as a pitch of 150 Hz does.
        return saw, 1.3 * _cascade(self._soften, saw)


def _vowel(formants: tuple[int, int, int], tract: float, sfreq: float) -> list[Resonator]:
    return [Resonator(f * tract, width, sfreq, "dc") for f, width in zip(formants, _WIDTHS_HZ, strict=True)]


def _cascade(filters: list[Resonator], x: Samples) -> Samples:
    for resonator in filters:
        x = resonator.step(x)
    return x


class _Speech:
    """Who says which syllable when, planned phrase by phrase, a little ahead of the sound."""

    def __init__(self, settings: SimulatorSettings, schedule: Schedule) -> None:
        self._rng = seeded(settings.seed, "speech", settings.person)
        self._schedule = schedule
        self._pause_per_speech = 1 / settings.speech_share - 1
        self._syllables: deque[_Syllable] = deque()
        self._planned_s = float(self._rng.uniform(0.0, 0.5)) * (settings.speech_share < 1)

    def around(self, t_from: float, t_to: float) -> list[_Syllable]:
        """The syllables from the last that ended before ``t_from`` to the first after ``t_to``."""
        while self._planned_s < t_to + _LOOK_AHEAD_S:
            self._plan_phrase()
        while len(self._syllables) > 1 and self._syllables[1].t_end < t_from - _LOOK_AHEAD_S:
            self._syllables.popleft()
        return [s for s in self._syllables if s.t_start <= t_to + _LOOK_AHEAD_S]

    def _plan_phrase(self) -> None:
        t_phrase = self._planned_s
        n = int(self._rng.integers(4, 11))
        for place in np.linspace(0.5, -0.5, n):
            self._planned_s = self._say(self._planned_s, float(place))
        pause_s = self._pause_per_speech * (self._planned_s - t_phrase)
        self._planned_s += pause_s * float(self._rng.uniform(0.6, 1.4))

    def _say(self, t_start: float, place: float) -> float:
        f0, f0_range, energy, rate, bright = self._schedule.voice_traits(np.array([t_start]))[0].tolist()
        per_s = np.clip(4.0 * 1.12**rate, 2.2, 7.0) * self._rng.uniform(0.85, 1.15)
        accent = float(np.clip(self._rng.standard_normal(), -1.8, 1.8)) + place
        semitones = F0_TRAIT_SEMITONES * f0 + np.clip(2.0 * 1.35**f0_range, 0.4, 8.0) * accent
        level_db = ENERGY_TRAIT_DB * energy + self._rng.normal(0.0, 1.5)
        syllable = _Syllable(
            t_start,
            t_start + float(1.0 / per_s),
            int(self._rng.integers(len(_VOWELS))),
            float(np.log2(np.clip(F0_MEDIAN_HZ * 2 ** (semitones / 12), 60.0, 450.0))),
            float(10 ** (level_db / 20)),
            float(1 / (1 + np.exp(-0.7 * bright))),
        )
        self._syllables.append(syllable)
        return syllable.t_end
