"""Causal marks of what cannot be EEG, per channel and sample, as data: nothing is repaired here.

They are made from raw microvolts at the device's own rate, before any filter smears a bad sample over its
neighbours. Every rule looks back only, so a mark never comes late and never changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bci_stream.dsp.records import CHANNEL_STATE, LIMITS
from bci_stream.errors import ConfigError
from bci_stream.messages import FloatArray, MaskArray

_REFERENCE_HZ = 250.0  # the rate that ``jump_uv`` is stated for
_STEP_MEMORY_S = 0.5
_JUMP_RATIO = 5.0  # to the RMS of recent steps: hum and muscle step widely but evenly
_FAST_MEAN_S = 0.1  # removes what is slower than about 1.6 Hz before the mains share is taken
_EXTREME_MEMORY_S = 60.0  # one glitch must not hide the rails for ever
_LINE_FLOOR_UV2 = 1.0  # hum below 1 µV RMS harms nobody, even where it is all there is


@dataclass(frozen=True, slots=True)
class ArtifactSettings:
    """Where EEG ends and artifact begins.

    Attributes:
        range_uv: RANGE beyond this distance from the running mean.
        mean_s: time constant of that mean; it starts at the first sample, so any offset is fine.
        jump_uv: JUMP for a larger step between neighbours at 250 Hz that is also 5 times the RMS of the
            steps of the last half second, so that strong hum is LINE but not JUMP. Scaled by
            sqrt(250 / sfreq): the steps of a 1/f^2 spectrum, as EEG's, grow with the root of the interval.
        flat_s: FLAT once the value has not changed for this long, until it changes.
        flat_uv: a change of at most this is none (nor one of at most 1e-6 of the value).
        rail_uv: the amplifier's (low, high) rails where they are known; a value there is RAIL at once.
            Known or not, the third and later identical values at an extreme of the last minute are RAIL
            when they lie more than half of ``range_uv`` from the mean (a blink's peak does not).
        line_hz: mains frequencies to watch; those at or above half the rate cannot be seen and are not.
        line_s: memory of the mains measure; its weight is half spent after 0.35 of this.
        line_share: LINE when one mains frequency holds more than this share of the power above 1.6 Hz.
    """

    range_uv: float = 500.0
    mean_s: float = 2.0
    jump_uv: float = 200.0
    flat_s: float = 1.0
    flat_uv: float = 0.01
    rail_uv: tuple[float, float] | None = None
    line_hz: tuple[float, ...] = (50.0, 60.0)
    line_s: float = 1.0
    line_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse limits that cannot be meant.

        Raises:
            ConfigError: a limit that is not positive, rails that cross, or a share outside (0, 1).
        """
        for name in ("range_uv", "mean_s", "jump_uv", "flat_s", "line_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"artifacts: {name} is {getattr(self, name):g}; it must be above 0")
        if not 0 < self.line_share < 1:
            raise ConfigError(f"artifacts: line_share is {self.line_share:g}; it must be between 0 and 1")
        if self.rail_uv is not None and not self.rail_uv[0] < self.rail_uv[1]:
            raise ConfigError(f"artifacts: rail_uv is {self.rail_uv}; give (low, high) with low below high")


class ArtifactDetector:
    """Marks every sample of every channel with the :class:`~bci_stream.messages.Flag` values it earns.

    Args:
        settings: the limits.
        sfreq: the device's own rate in Hz.
        n_channels: how many columns every chunk has.

    Raises:
        ConfigError: ``sfreq`` is not a positive number.
    """

    def __init__(self, settings: ArtifactSettings, sfreq: float, n_channels: int) -> None:
        from bci_stream.dsp.kernels import mark_artifacts  # late: compiles

        if not (np.isfinite(sfreq) and sfreq > 0):
            raise ConfigError(f"artifacts: the sampling rate is {sfreq:g} Hz; it must be a positive number")
        self._run = mark_artifacts
        self.settings = settings
        self.line_hz = tuple(f_hz for f_hz in settings.line_hz if 0 < f_hz < sfreq / 2)
        self._limits = _limits(settings, sfreq)
        turn = 2 * np.pi * np.array(self.line_hz) / sfreq
        self._turns = np.ascontiguousarray(np.stack([np.cos(turn), np.sin(turn)], axis=1))
        self._state = np.zeros(n_channels, dtype=CHANNEL_STATE)
        self._power = np.zeros(n_channels)
        self._resonance = np.zeros((len(self.line_hz), 2, n_channels))

    def step(self, x: FloatArray) -> MaskArray:
        """Mark the next samples: (n, n_channels) float32 in raw µV in, (n, n_channels) uint8 out.

        A value that is not finite is NAN and nothing else, and teaches the other rules nothing.
        """
        marks = np.empty(x.shape, dtype=np.uint8)
        samples = np.ascontiguousarray(x, np.float32)
        self._run(samples, self._limits, self._turns, self._state, self._power, self._resonance, marks)
        return marks

    def reset(self) -> None:
        """Forget everything, as after a gap."""
        self._state[:] = np.zeros((), dtype=CHANNEL_STATE)
        self._power[:] = 0.0
        self._resonance[:] = 0.0


def _limits(settings: ArtifactSettings, sfreq: float) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The settings in samples and gains, one record, for the kernel."""
    low, high = settings.rail_uv or (-np.inf, np.inf)
    limits = np.zeros(1, dtype=LIMITS)
    limits["range_uv"] = settings.range_uv
    limits["jump_uv2"] = settings.jump_uv**2 * _REFERENCE_HZ / sfreq
    limits["jump_ratio2"] = _JUMP_RATIO**2
    limits["flat_uv"] = settings.flat_uv
    limits["flat_relative"] = 1e-6
    limits["flat_samples"] = max(2, round(settings.flat_s * sfreq) + 1)  # n + 1 samples span n intervals
    limits["rail_low_uv"] = low
    limits["rail_high_uv"] = high
    limits["rail_distance_uv"] = settings.range_uv / 2
    limits["line_share"] = settings.line_share
    limits["line_floor_uv2"] = _LINE_FLOOR_UV2
    limits["mean_gain"] = _gain(settings.mean_s, sfreq)
    limits["fast_gain"] = _gain(_FAST_MEAN_S, sfreq)
    limits["step_gain"] = _gain(_STEP_MEMORY_S, sfreq)
    limits["extreme_gain"] = _gain(_EXTREME_MEMORY_S, sfreq)
    limits["line_gain"] = _gain(settings.line_s / 2, sfreq)  # an exponential of T/2 weighs about the last T
    return limits


def _gain(time_constant_s: float, sfreq: float) -> float:
    """Share of the distance that a leaky mean goes per sample."""
    return float(-np.expm1(-1.0 / (time_constant_s * sfreq)))
