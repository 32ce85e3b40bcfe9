"""Samples that carry a generated trial's evidence.

EEG: four rhythms, each with its place on the scalp, stand out of a pink background; the level of rhythm k
is linear in number k of the evidence, in decibels. Voice: a harmonic carrier with breath, syllables and
pauses; the level of the k-th of four regions of its spectrum is linear in number k. Levels are nearly steady
within a trial, so a few seconds tell the evidence; the sizes are chosen, not measured.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import FloatArray
from bci_stream.sources.simulator_montage import electrode_xy, topography
from bci_stream.sources.simulator_truth import seeded

if TYPE_CHECKING:
    from bci_stream.training.generator import GeneratorSettings

N_EVIDENCE: Final = 4  #: numbers in each modality's evidence: a simplex of five classes has four dimensions
Vector = NDArray[np.float64]

_EEG_DB: Final = 3.0  # of a rhythm for one unit of evidence
_VOICE_DB: Final = 3.5  # of a region of the spectrum for one unit of evidence
_LIMIT_DB: Final = 16.0  # nobody's level goes further than this from the middle
#: Hz, and where it is strongest: to the right and to the front, in head radii.
_RHYTHMS: Final = ((6.0, (0.0, 0.55)), (10.3, (0.0, -0.85)), (20.0, (-0.5, 0.0)), (36.0, (0.5, 0.05)))
_RHYTHM_WIDTH: Final = 0.4  # head radii
_BACKGROUND_UV: Final = 10.0  # RMS of the background, from 0.5 Hz up
_SLOWEST_HZ: Final = 0.5
_SHARED: Final = 0.5  # share of the background that all electrodes have in common

_REGIONS_HZ: Final = (100.0, 600.0, 1500.0, 3000.0, 6500.0)
_TILT_DB: Final = (0.0, -3.0, -6.0, -9.0)
_VOICE_RMS: Final = 0.025  # of a voice at evidence 0
_BREATH: Final = 0.15  # of the harmonics' amplitude
_PHRASE_S: Final = 2.5
_PAUSE_S: Final = 0.35
_LOUDEST: Final = 0.98


class EegRenderer:
    """EEG of one person: draws what is theirs once, then renders trial after trial.

    Args:
        settings: of the corpus.
        person: which of its people, from 0.
    """

    def __init__(self, settings: GeneratorSettings, person: int) -> None:
        rng = seeded(settings.seed, "generated person", person)
        n_channels = len(settings.ch_names)
        self._n = round(settings.trial_s * settings.eeg_sfreq)
        self._sfreq = settings.eeg_sfreq
        self._hz = np.array([hz for hz, _ in _RHYTHMS]) * rng.uniform(0.96, 1.04, N_EVIDENCE)
        gain = 10 ** (rng.normal(0.0, 1.5) / 20)
        mixing = np.eye(n_channels)
        mixing += settings.mixing * rng.standard_normal((n_channels, n_channels)) / np.sqrt(n_channels)
        self._mixing = (gain * mixing).astype(np.float32)
        self._patterns = _patterns(settings)

    def render(self, evidence: Vector, rng: np.random.Generator) -> FloatArray:
        """(4,) evidence -> (n, C) float32 in µV."""
        level_db = np.clip(_EEG_DB * evidence, -_LIMIT_DB, _LIMIT_DB)
        rhythms = self._rhythms(rng) * (10 ** (level_db / 20)).astype(np.float32)
        background = _pink(rng, self._n, len(self._mixing) + 1, self._sfreq)
        shared = np.float32(np.sqrt(_SHARED)) * background[:, -1:]
        scalp = rhythms @ self._patterns + np.float32(np.sqrt(1 - _SHARED)) * background[:, :-1] + shared
        return np.ascontiguousarray(scalp @ self._mixing.T)

    def _rhythms(self, rng: np.random.Generator) -> FloatArray:
        """(n, 4) of RMS 1: the phase wanders by a random walk, the amplitude by a slow swing."""
        t = np.arange(self._n, dtype=np.float32)[:, None] / np.float32(self._sfreq)
        walk = rng.standard_normal((self._n, N_EVIDENCE), dtype=np.float32).cumsum(axis=0)
        wander = walk * np.float32(np.sqrt(2 * np.pi * 0.3 / self._sfreq))  # a line about 0.3 Hz wide
        start, swing_start = rng.uniform(0, 2 * np.pi, (2, N_EVIDENCE)).astype(np.float32)
        swing_hz = rng.uniform(0.7, 1.3, N_EVIDENCE).astype(np.float32)
        swing = 1 + np.float32(0.3) * np.sin(2 * np.pi * swing_hz * t + swing_start)
        carrier = np.sin(2 * np.pi * self._hz.astype(np.float32) * t + start + wander)
        return np.asarray(np.float32(np.sqrt(2 / 1.045)) * swing * carrier, dtype=np.float32)


def _patterns(settings: GeneratorSettings) -> FloatArray:
    """(4, C) µV at each electrode of a rhythm of RMS 1; together ``eeg_snr_db`` above the background."""
    places = np.array([electrode_xy(name) for name in settings.ch_names])
    rows = np.array([topography(places, centre, _RHYTHM_WIDTH) for _, centre in _RHYTHMS])
    rows /= np.sqrt((rows**2).mean(axis=1, keepdims=True))  # every rhythm counts the same, whatever the cap
    power = 10 ** (settings.eeg_snr_db / 10) / N_EVIDENCE
    return np.asarray(_BACKGROUND_UV * np.sqrt(power) * rows, dtype=np.float32)


def _pink(rng: np.random.Generator, n: int, n_columns: int, sfreq: float) -> FloatArray:
    """(n, n_columns) noise of power 1/f from 0.5 Hz up, RMS 10 µV."""
    import scipy.fft

    n_fft = scipy.fft.next_fast_len(n, real=True)
    hz = np.fft.rfftfreq(n_fft, 1 / sfreq)
    shape = np.where(hz < _SLOWEST_HZ, 0.0, 1 / np.sqrt(np.maximum(hz, _SLOWEST_HZ)))
    shape *= _BACKGROUND_UV * n_fft / (2 * np.sqrt((shape**2).sum()))
    draws = rng.standard_normal((2, n_columns, len(hz)), dtype=np.float32) * shape.astype(np.float32)
    noise = scipy.fft.irfft(draws[0] + np.complex64(1j) * draws[1], n_fft, axis=1)
    return np.asarray(noise[:, :n].T, dtype=np.float32)


def render_voice(settings: GeneratorSettings, person: int, evidence: Vector, number: int) -> FloatArray:
    """The voice of one trial: (4,) evidence -> (n,) float32 within [-1, 1]."""
    own = seeded(settings.seed, "generated voice", person)
    f0_hz, gain_db = own.uniform(95.0, 220.0), own.normal(0.0, 1.5)
    rng = seeded(settings.seed, "generated voice", person, number)
    n = round(settings.trial_s * settings.audio_sfreq)
    level_db = np.clip(_VOICE_DB * evidence, -_LIMIT_DB, _LIMIT_DB) + gain_db
    voice = _carrier(rng, n, settings.audio_sfreq, f0_hz, level_db) * _syllables(rng, n, settings.audio_sfreq)
    room_db = np.full(N_EVIDENCE, -settings.audio_snr_db)
    voice += _carrier(rng, n, settings.audio_sfreq, 0.0, room_db)
    return np.asarray(np.clip(voice, -_LOUDEST, _LOUDEST), dtype=np.float32)


def _carrier(
    rng: np.random.Generator, n: int, sfreq: float, f0_hz: float, level_db: Vector
) -> NDArray[np.float32]:
    """(n,) noise of four regions at their levels, drawn into harmonics of ``f0_hz`` unless that is 0."""
    import scipy.fft

    n_fft = scipy.fft.next_fast_len(n, real=True)
    hz = np.fft.rfftfreq(n_fft, 1 / sfreq).astype(np.float32)
    inside = slice(*np.searchsorted(hz, (_REGIONS_HZ[0], _REGIONS_HZ[-1])).tolist())
    shape = _comb(hz[inside], f0_hz)
    amplitude = _VOICE_RMS * n_fft / 2 * 10 ** ((level_db + _TILT_DB) / 20)
    edges = np.searchsorted(hz[inside], _REGIONS_HZ).tolist()
    for k, (begin, end) in enumerate(itertools.pairwise(edges)):
        part = shape[begin:end]
        part *= np.float32(amplitude[k] / np.sqrt(max(float(part @ part), 1e-9)))
    draws = rng.standard_normal(2 * len(shape), dtype=np.float32).view(np.complex64)
    spectrum = np.zeros(len(hz), np.complex64)
    spectrum[inside] = draws * shape
    return np.asarray(scipy.fft.irfft(spectrum, n_fft)[:n], dtype=np.float32)


def _comb(hz: NDArray[np.float32], f0_hz: float) -> NDArray[np.float32]:
    """Lines at the multiples of ``f0_hz`` that widen upwards, over breath; flat where there is no pitch."""
    if not f0_hz:
        return np.ones(len(hz), np.float32)
    off = np.abs((hz / np.float32(f0_hz) + 0.5) % 1.0 - 0.5) * np.float32(f0_hz)
    width = np.float32(3.0) + np.float32(0.01) * hz
    return np.asarray(1 / (1 + (off / width) ** 2) + _BREATH, dtype=np.float32)


def _syllables(rng: np.random.Generator, n: int, sfreq: float) -> NDArray[np.float32]:
    """(n,) loudness: about four syllables a second; pauses of 0.35 s, two in any 5 s."""
    step = 64  # samples; loudness is slow, and interpolation is quick
    t = np.arange(0, n + 2 * step, step) / sfreq
    rate_hz, start, phase_s = rng.uniform(3.6, 4.4), rng.uniform(0, 2 * np.pi), rng.uniform(0, _PHRASE_S)
    loudness = 1 + 0.5 * np.sin(2 * np.pi * rate_hz * t + start)
    into_s = (t + phase_s) % _PHRASE_S
    loudness *= np.clip((np.abs(into_s - _PHRASE_S / 2) - _PAUSE_S / 2) / 0.05, 0.0, 1.0)
    return np.interp(np.arange(n), np.arange(len(t)) * step, loudness).astype(np.float32)
