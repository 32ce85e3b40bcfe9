"""The simulated headset: a pink background, rhythms that follow the traits, blinks, muscles, mains."""

from __future__ import annotations

from typing import Final

import numpy as np

from bci_stream.messages import FloatArray
from bci_stream.sources.simulator_blocks import BLOCK_S, BlockReader, Bursts, Resonator, Samples, hump
from bci_stream.sources.simulator_montage import electrode_xy, topography
from bci_stream.sources.simulator_truth import EEG_TRAITS, Person, Schedule, SimulatorSettings, seeded

#: How far one standard deviation of a trait moves its rhythm's amplitude.
TRAIT_DB: Final = 2.5
BACKGROUND_UV: Final = 9.0
_WARM_UP_S: Final = 5.0
#: Smith's three-pole approximation of 1/f (J. O. Smith, Spectral Audio Signal Processing).
_PINK_B: Final = (0.049922035, -0.095993537, 0.050612699, -0.004408786)
_PINK_A: Final = (1.0, -2.494956002, 2.017265875, -0.522189400)

#: Rhythm, µV, where it is strongest, how wide, its width in Hz, and how each trait moves it.
_SOURCES: Final = (
    ("alpha", 5.0, (-0.40, 0.50), 0.35, 2.0, {"left_frontal_activity": -0.8}),
    ("alpha", 5.0, (0.40, 0.50), 0.35, 2.0, {"left_frontal_activity": 0.8}),
    ("alpha", 7.0, (-0.30, -0.95), 0.40, 1.5, {"occipital_alpha": 1.0}),
    ("alpha", 7.0, (0.30, -0.95), 0.40, 1.5, {"occipital_alpha": 1.0}),
    ("theta", 5.5, (0.00, 0.45), 0.40, 1.2, {"midline_theta": 1.0}),
    ("beta", 4.5, (-0.90, 0.05), 0.40, 4.0, {"temporal_beta": 1.0}),
    ("beta", 4.5, (0.90, 0.05), 0.40, 4.0, {"temporal_beta": 1.0}),
    ("gamma", 3.5, (-0.90, 0.15), 0.40, 8.0, {"temporal_gamma": 1.0}),
    ("gamma", 3.5, (0.90, 0.15), 0.40, 8.0, {"temporal_gamma": 1.0}),
)


class EegGenerator:
    """Makes the EEG of one person's session. ``read(n)`` gives (n, n_channels) float32 in µV.

    Raises ConfigError for a channel that is no electrode of the 10-05 system.
    """

    def __init__(self, settings: SimulatorSettings, person: Person, schedule: Schedule) -> None:
        self._settings = settings
        self._schedule = schedule
        self._block_n = round(BLOCK_S * settings.eeg_sfreq)
        where = np.stack([electrode_xy(name) for name in settings.ch_names]) + person.shift
        self._background = _Background(where, settings)
        self._rhythms = _Rhythms(where, person, settings)
        self._artifacts = _Artifacts(where, settings)
        self._gain = person.gain
        self.read = BlockReader(self._make_block).read

    def _make_block(self, block: int) -> FloatArray:
        times = (block * self._block_n + np.arange(self._block_n)) / self._settings.eeg_sfreq
        rng = seeded(self._settings.seed, "eeg", self._settings.person, block)
        eeg = self._background.step(rng.standard_normal((self._block_n, len(self._settings.ch_names))))
        eeg += self._rhythms.step(rng, self._schedule.eeg_traits(times))
        eeg += self._artifacts.step(rng, times)
        eeg *= self._gain
        hum = np.sqrt(2) * self._settings.mains_uv * np.sin(2 * np.pi * self._settings.mains_hz * times)
        return np.asarray(eeg + hum[:, None], dtype=np.float32)


class _Background:
    """1/f noise that neighbouring electrodes share."""

    def __init__(self, where: Samples, settings: SimulatorSettings) -> None:
        spread = np.stack([topography(where, (x, y), 0.35) for x, y in where])
        self._mix = BACKGROUND_UV * (spread / np.linalg.norm(spread, axis=1, keepdims=True)).T
        self._state = np.zeros((3, len(where)))
        rng = seeded(settings.seed, "eeg warm-up", settings.person)
        n = round(_WARM_UP_S * settings.eeg_sfreq)
        self._scale = 1.0 / float(np.std(_pink_response(n)) * np.sqrt(n))
        self.step(rng.standard_normal((n, len(where))))

    def step(self, noise: Samples) -> Samples:
        from scipy.signal import lfilter

        pink, self._state = lfilter(_PINK_B, _PINK_A, noise, axis=0, zi=self._state)
        return np.asarray(self._scale * (pink @ self._mix))


def _pink_response(n: int) -> Samples:
    from scipy.signal import lfilter

    return np.asarray(lfilter(_PINK_B, _PINK_A, np.eye(1, n)[0]))


class _Rhythms:
    """The oscillations; all that the EEG tells about the class is in their amplitudes."""

    def __init__(self, where: Samples, person: Person, settings: SimulatorSettings) -> None:
        freqs_hz = {
            "theta": person.theta_hz,
            "alpha": person.alpha_hz,
            "beta": person.beta_hz,
            "gamma": person.gamma_hz,
        }
        level = np.sqrt(settings.eeg_snr)
        self._topography = np.stack([uv * level * topography(where, c, w) for _, uv, c, w, _, _ in _SOURCES])
        self._resonators = [
            Resonator(freqs_hz[name], width_hz, settings.eeg_sfreq, "power")
            for name, _, _, _, width_hz, _ in _SOURCES
        ]
        self._effects = np.zeros((len(EEG_TRAITS), len(_SOURCES)))
        for column, (*_, effects) in enumerate(_SOURCES):
            for trait, weight in effects.items():
                self._effects[EEG_TRAITS.index(trait), column] = weight * TRAIT_DB

    def step(self, rng: np.random.Generator, traits: Samples) -> Samples:
        noise = rng.standard_normal((len(self._resonators), len(traits)))
        waves = np.stack(
            [resonator.step(x) for resonator, x in zip(self._resonators, noise, strict=True)], axis=1
        )
        amplitudes = 10.0 ** (traits @ self._effects / 20)
        return np.asarray((waves * amplitudes) @ self._topography)


class _Artifacts:
    """Blinks at the forehead and muscle bursts at the temples, now and then; they tell nothing."""

    def __init__(self, where: Samples, settings: SimulatorSettings) -> None:
        key = (settings.seed, settings.person)
        self._blinks = Bursts(
            seeded(key[0], "blinks", key[1]), settings.blinks_per_min, (0.2, 0.4), (60.0, 120.0)
        )
        self._muscles = Bursts(seeded(key[0], "emg", key[1]), settings.emg_per_min, (0.3, 1.0), (10.0, 30.0))
        self._eyes = topography(where, (-0.3, 1.1), 0.3) + topography(where, (0.3, 1.1), 0.3)
        self._temples = topography(where, (-1.0, 0.1), 0.3) + topography(where, (1.0, 0.1), 0.3)

    def step(self, rng: np.random.Generator, times: Samples) -> Samples:
        # Noise is drawn whether or not a muscle moves, so that no burst shifts what follows it.
        noise = np.diff(rng.standard_normal(len(times) + 1)) / np.sqrt(2)
        t_from, t_to = float(times[0]), float(times[-1])
        blink, muscle = np.zeros(len(times)), np.zeros(len(times))
        for burst in self._blinks.within(t_from, t_to):
            blink += burst.size * hump(times, burst.t_start, burst.t_end)
        for burst in self._muscles.within(t_from, t_to):
            muscle += burst.size * hump(times, burst.t_start, burst.t_end)
        return np.outer(blink, self._eyes) + np.outer(muscle * noise, self._temples)
