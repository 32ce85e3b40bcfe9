"""A corpus as it would have been recorded under worse conditions: the samples change, the trials do not.

What is disturbed are the samples before the live pipeline, so alignment and running normalisation meet the
disturbance as they would in a session. A disturbed corpus says so in its digest: no cache takes one for the
other. What is drawn depends on the seed, the person and the trial's number alone, not on who came before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, FloatArray
from bci_stream.training.trials import Corpus, Trial

#: Band in Hz in which a signal-to-noise ratio is meant: what the encoders listen to.
SNR_BANDS_HZ: Final = {EEG: (1.0, 45.0), AUDIO: (100.0, 7000.0)}
_PINK_FROM_HZ = 0.5  # below it the noise is as strong as at it: 1/f has no end


class Disturbed:
    """A corpus whose trials are changed by :meth:`disturb`; everything else is the original's."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def disturb(self, trial: Trial) -> Trial:
        """The trial as it would have been recorded."""
        raise NotImplementedError

    def change(self) -> dict[str, Any]:
        """What was changed, for the digest."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The original's."""
        return self._corpus.name

    @property
    def description(self) -> str:
        """The original's, and that it was disturbed."""
        return f"{self._corpus.description}; disturbed: {json.dumps(self.change())}"

    @property
    def generated(self) -> bool:
        """The original's."""
        return self._corpus.generated

    @property
    def classes(self) -> tuple[str, ...]:
        """The original's."""
        return self._corpus.classes

    @property
    def ch_names(self) -> tuple[str, ...]:
        """The original's."""
        return self._corpus.ch_names

    @property
    def people(self) -> tuple[str, ...]:
        """The original's."""
        return self._corpus.people

    def trials(self, person: str) -> Iterator[Trial]:
        """The person's trials, disturbed."""
        return map(self.disturb, self._corpus.trials(person))

    def files(self, person: str) -> Sequence[Path]:
        """The original's."""
        return self._corpus.files(person)

    def digest(self) -> str:
        """The original's, and what was changed."""
        kind = type(self).__name__
        return json.dumps([self._corpus.digest(), {kind: self.change()}], sort_keys=True)


class NoisyCorpus(Disturbed):
    """Noise is added to one modality of every trial, of the trial's own power less ``snr_db``.

    Args:
        modality: "eeg" or "audio".
        snr_db: power of the trial over that of the noise, both within :data:`SNR_BANDS_HZ`; in the EEG
            electrode by electrode.
        pink: 1/f in power, as most noise of rooms and amplifiers; else white.

    The voice is made quieter where the sum would be louder than full scale, so that nothing is clipped.

    Raises:
        ConfigError: the modality is not known or ``snr_db`` is not finite.
    """

    def __init__(
        self, corpus: Corpus, modality: str, snr_db: float, *, seed: int = 0, pink: bool = True
    ) -> None:
        super().__init__(corpus)
        if modality not in SNR_BANDS_HZ:
            raise ConfigError(f"noise on {modality!r}: use {' or '.join(SNR_BANDS_HZ)}")
        if not np.isfinite(snr_db):
            raise ConfigError(f"noise at {snr_db} dB makes no sense: use a finite ratio, such as 10")
        self._modality, self._snr_db, self._seed, self._pink = modality, snr_db, seed, pink

    def change(self) -> dict[str, Any]:
        """See :class:`Disturbed`."""
        noise = "pink" if self._pink else "white"
        return {"modality": self._modality, "snr_db": self._snr_db, "seed": self._seed, "noise": noise}

    def disturb(self, trial: Trial) -> Trial:
        """See :class:`Disturbed`."""
        rng = _generator(self._seed, f"{self._modality} noise", trial.person, trial.number)
        if self._modality == EEG and trial.eeg is not None:
            noise = self._noise(trial.eeg, trial.eeg_sfreq, rng)
            return replace(trial, eeg=(trial.eeg + noise).astype(np.float32))
        if self._modality == AUDIO and trial.audio is not None:
            noisy = trial.audio + self._noise(trial.audio[:, None], trial.audio_sfreq, rng)[:, 0]
            noisy /= max(1.0, float(np.abs(noisy).max()))
            return replace(trial, audio=noisy.astype(np.float32))
        return trial

    def _noise(self, x: FloatArray, sfreq: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """(n, C) noise for the samples (n, C), channel by channel in proportion to their power."""
        noise = noise_samples(x.shape, sfreq, rng, pink=self._pink)
        band = SNR_BANDS_HZ[self._modality]
        signal = np.where(np.isfinite(x), x, 0.0)  # a hole in a recording is not loud
        ratio = power_in_band(signal, sfreq, band) / np.maximum(power_in_band(noise, sfreq, band), 1e-30)
        scaled: NDArray[np.float64] = noise * np.sqrt(ratio * 10 ** (-self._snr_db / 10))
        return scaled


class ChannelsLostCorpus(Disturbed):
    """Electrodes that fell off: flat at 0 µV for the whole session of each person.

    Args:
        n_lost: how many; of each person others are drawn.

    Raises:
        ConfigError: there are not so many.
    """

    def __init__(self, corpus: Corpus, n_lost: int, *, seed: int = 0) -> None:
        super().__init__(corpus)
        n = len(corpus.ch_names)
        if not 0 <= n_lost <= n:
            raise ConfigError(f"{n_lost} electrodes cannot be lost: {corpus.name} has {n}")
        self._n_lost, self._seed = n_lost, seed

    def change(self) -> dict[str, Any]:
        """See :class:`Disturbed`."""
        return {"n_lost": self._n_lost, "seed": self._seed}

    def lost(self, person: str) -> tuple[int, ...]:
        """Which electrodes of that person, ascending; those of a smaller ``n_lost`` are among them."""
        order = _generator(self._seed, "lost electrodes", person).permutation(len(self.ch_names))
        return tuple(sorted(order[: self._n_lost].tolist()))

    def disturb(self, trial: Trial) -> Trial:
        """See :class:`Disturbed`."""
        if trial.eeg is None or not self._n_lost:
            return trial
        eeg = np.array(trial.eeg, np.float32)
        eeg[:, list(self.lost(trial.person))] = 0.0
        return replace(trial, eeg=eeg)


class ShiftedCorpus(Disturbed):
    """The voice comes ``shift_s`` late against the EEG, or early where below 0.

    It goes around within its trial: what leaves at one end comes in at the other. So nothing is lost but the
    alignment, and every trial keeps its length.
    """

    def __init__(self, corpus: Corpus, shift_s: float) -> None:
        super().__init__(corpus)
        if not np.isfinite(shift_s):
            raise ConfigError(f"a shift of {shift_s} s makes no sense: use a finite one, such as 0.5")
        self._shift_s = shift_s

    def change(self) -> dict[str, Any]:
        """See :class:`Disturbed`."""
        return {"shift_s": self._shift_s}

    def disturb(self, trial: Trial) -> Trial:
        """See :class:`Disturbed`."""
        if trial.audio is None:
            return trial
        return replace(trial, audio=np.roll(trial.audio, round(self._shift_s * trial.audio_sfreq)))


def noise_samples(
    shape: tuple[int, ...], sfreq: float, rng: np.random.Generator, *, pink: bool
) -> NDArray[np.float64]:
    """(n, C) Gaussian noise, channels independent; pink: power falls with 1/f above 0.5 Hz."""
    white = rng.standard_normal(shape)
    if not pink:
        return white
    n = shape[0]
    hz = np.fft.rfftfreq(n, 1.0 / sfreq)
    shaped = np.fft.rfft(white, axis=0) / np.sqrt(np.maximum(hz, _PINK_FROM_HZ))[:, None]
    noise: NDArray[np.float64] = np.fft.irfft(shaped, n, axis=0)
    return noise


def power_in_band(
    x: NDArray[np.floating[Any]], sfreq: float, band_hz: tuple[float, float]
) -> NDArray[np.float64]:
    """(C,) mean square of (n, C) samples within the band, by the Fourier transform of the whole."""
    hz = np.fft.rfftfreq(len(x), 1.0 / sfreq)
    inside = (hz >= band_hz[0]) & (hz <= min(band_hz[1], sfreq / 2))
    spectrum = np.abs(np.fft.rfft(x.astype(np.float64), axis=0)[inside]) ** 2
    power: NDArray[np.float64] = 2.0 * spectrum.sum(axis=0) / len(x) ** 2
    return power


def _generator(seed: int, purpose: str, person: str, number: int = 0) -> np.random.Generator:
    """Its own for every purpose, person and trial."""
    words = hashlib.sha256(json.dumps([seed, purpose, person, number]).encode()).digest()
    return np.random.default_rng(np.frombuffer(words, np.uint32))
