"""Whether somebody speaks: energy over an adaptive noise floor, and voicing. Causal, state carried.

A frame of 10 ms is voice when it is well above the floor (the least smoothed energy of the last seconds, as
in minimum statistics, Martin 2001, doi 10.1109/89.928915) and has a pitch: its normalised autocorrelation,
below 900 Hz and over the lags of 60 to 400 Hz, is high. A fan, rain or a hiss is loud without a pitch; a
steady hum has a pitch but becomes the floor. Three such frames of five are speech, which lasts for a
hangover, because consonants and the pauses of a sentence have no pitch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import FloatArray, MaskArray

_FRAME_S: Final = 0.010
_LOW_HZ, _PITCH_BAND_HZ = 100.0, 900.0
_DECIMATED_HZ: Final = 4000.0
_SPAN_S: Final = 0.040
_PITCH_HZ: Final = (60.0, 400.0)
_SUB_S: Final = 0.5
_SMOOTHING: Final = 0.3
_FIRST_FLOOR_DB: Final = -55.0  # until a floor has been heard


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """Where speech begins.

    ``snr_db``: above the noise floor. ``voicing``: autocorrelation at the pitch, 0 to 1. ``quietest_dbfs``:
    what is softer is not speech. ``hangover_s``: speech lasts this long after its last voiced frame.
    ``floor_s``: how long the noise floor remembers.
    """

    snr_db: float = 9.0
    voicing: float = 0.6
    quietest_dbfs: float = -65.0
    hangover_s: float = 1.0
    floor_s: float = 4.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be meant. Raises ConfigError."""
        if not (0 < self.voicing < 1 and self.snr_db > 0 and self.hangover_s > 0 and self.floor_s >= _SUB_S):
            raise ConfigError(
                "voice: voicing must lie between 0 and 1, snr_db and hangover_s above 0, "
                f"floor_s at {_SUB_S:g} s or more; got {self}"
            )


class VoiceActivity:
    """Marks every sample of a mono signal at which somebody speaks.

    ``sfreq``: Hz, at least 8000. Raises ConfigError for less.
    """

    def __init__(self, sfreq: float, settings: VoiceSettings | None = None) -> None:
        from scipy.signal import butter

        from bci_stream.dsp import voice_kernels as kn  # late: compiles

        if not sfreq >= 2 * _DECIMATED_HZ:
            raise ConfigError(f"voice: {sfreq:g} Hz is too low to tell speech; it must be 8000 Hz or more")
        self._kn = kn
        self.settings = settings or VoiceSettings()
        decimation = int(sfreq // _DECIMATED_HZ)
        self._sizes = _sizes(self.settings, sfreq, decimation)
        self._limits = np.array(
            [self.settings.snr_db, self.settings.voicing, self.settings.quietest_dbfs, _SMOOTHING]
        )
        self._highpass = butter(2, _LOW_HZ, "highpass", fs=sfreq, output="sos")
        self._lowpass = butter(4, _PITCH_BAND_HZ, "lowpass", fs=sfreq, output="sos")
        self._n_ring = int(self._sizes[kn.SPAN] + self._sizes[kn.LONGEST])
        self._n_minima = max(1, round(self.settings.floor_s / _SUB_S))
        self.reset()

    def step(self, x: FloatArray, valid: NDArray[np.generic] | None = None) -> MaskArray:
        """The next samples (n,) in [-1, 1]; ``valid`` (n,): 0 where there is none.

        Returns (n,), 1 where somebody speaks.
        """
        out = np.empty(len(x), np.uint8)
        good = np.ones(len(x), np.uint8) if valid is None else (valid != 0).astype(np.uint8)
        self._kn.detect(
            np.array(x, np.float32, order="C"),  # a copy: numba compiles once more for what is read-only
            good,
            self._limits,
            self._sizes,
            self._highpass,
            self._lowpass,
            self._high_memory,
            self._low_memory,
            self._f,
            self._k,
            self._ring,
            self._minima,
            out,
        )
        return out

    @property
    def floor_dbfs(self) -> float:
        """The noise floor as known now."""
        return float(self._f[self._kn.FLOOR_DB])

    def reset(self) -> None:
        """Forget everything."""
        kn = self._kn
        self._minima = np.full(self._n_minima, _FIRST_FLOOR_DB)
        self._f = np.zeros(kn.N_FLOATS)
        self._f[[kn.SMOOTH_DB, kn.SUB_MIN_DB, kn.FLOOR_DB]] = _FIRST_FLOOR_DB
        self._k = np.zeros(kn.N_INTS, np.int64)
        self.interrupt()

    def interrupt(self) -> None:
        """What comes next is unconnected, but in the same room: the noise floor stays."""
        kn = self._kn
        self._high_memory = np.zeros((len(self._highpass), 2))
        self._low_memory = np.zeros((len(self._lowpass), 2))
        self._ring = np.zeros(2 * self._n_ring)
        self._f[kn.SUM] = 0.0
        self._k[[kn.POSITION, kn.BAD, kn.PHASE, kn.RING_AT, kn.RECENT, kn.HANG]] = 0


def _sizes(settings: VoiceSettings, sfreq: float, decimation: int) -> NDArray[np.int64]:
    """The settings in samples and frames, for the kernel."""
    pitch_sfreq = sfreq / decimation
    return np.array(
        [
            round(_FRAME_S * sfreq),
            decimation,
            round(_SPAN_S * pitch_sfreq),
            round(pitch_sfreq / _PITCH_HZ[1]),
            round(pitch_sfreq / _PITCH_HZ[0]),
            round(settings.hangover_s / _FRAME_S),
            round(_SUB_S / _FRAME_S),
        ],
        np.int64,
    )
