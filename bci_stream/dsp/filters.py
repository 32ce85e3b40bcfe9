"""Causal band-pass and mains notch as second-order sections with carried state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import FloatArray

Sos = NDArray[np.float64]  #: (n_sections, 6): b0 b1 b2 1 a1 a2, as scipy orders them


def design_sos(
    sfreq: float,
    highpass_hz: float | None = 0.5,
    lowpass_hz: float | None = 45.0,
    notch_hz: float | Sequence[float] | None = None,
    *,
    highpass_order: int = 2,
    lowpass_order: int = 4,
    notch_q: float = 30.0,
) -> Sos:
    """Butterworth high-pass, then notches, then Butterworth low-pass, as one cascade (n_sections, 6).

    The high-pass and the low-pass are separate designs of low order: a joint band-pass of the same
    slope would delay the signal longer. ``None`` leaves a part out; ``notch_hz`` takes one or several.

    Raises:
        ConfigError: a corner is not between 0 and half of ``sfreq``, or the corners cross.
    """
    from scipy.signal import butter, iirnotch, tf2sos  # a second to import, needed once a session

    notches = _as_tuple(notch_hz)
    _check_corners(sfreq, highpass_hz, lowpass_hz, notches)
    parts: list[Sos] = []
    if highpass_hz is not None:
        parts.append(butter(highpass_order, highpass_hz, "highpass", fs=sfreq, output="sos"))
    parts += [tf2sos(*iirnotch(f_hz, notch_q, fs=sfreq)) for f_hz in notches]
    if lowpass_hz is not None:
        parts.append(butter(lowpass_order, lowpass_hz, "lowpass", fs=sfreq, output="sos"))
    if not parts:
        return np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    return np.ascontiguousarray(np.vstack(parts), dtype=np.float64)


def _as_tuple(notch_hz: float | Sequence[float] | None) -> tuple[float, ...]:
    if notch_hz is None:
        return ()
    return tuple(notch_hz) if isinstance(notch_hz, Sequence) else (float(notch_hz),)


def _check_corners(
    sfreq: float, highpass_hz: float | None, lowpass_hz: float | None, notches_hz: tuple[float, ...]
) -> None:
    if not (np.isfinite(sfreq) and sfreq > 0):
        raise ConfigError(f"filter: the sampling rate is {sfreq:g} Hz; it must be a positive number")
    corners = [("high-pass", highpass_hz), ("low-pass", lowpass_hz), *(("notch", f) for f in notches_hz)]
    for name, f_hz in corners:
        if f_hz is not None and not 0 < f_hz < sfreq / 2:
            raise ConfigError(
                f"filter: {name} at {f_hz:g} Hz, but a {sfreq:g} Hz stream holds only 0 to {sfreq / 2:g} Hz;"
                f" choose a {name} frequency inside that"
            )
    if highpass_hz is not None and lowpass_hz is not None and highpass_hz >= lowpass_hz:
        raise ConfigError(
            f"filter: high-pass at {highpass_hz:g} Hz is not below low-pass at {lowpass_hz:g} Hz; nothing"
            " would pass, swap or widen them"
        )


def group_delay_s(sos: Sos, sfreq: float, f_hz: float) -> float:
    """Delay in seconds that the cascade gives to a component at ``f_hz``.

    From the derivative of the phase: each polynomial ``p(z)`` delays by ``Re(sum(k p_k z^-k) / p(z))``
    samples. NaN or infinite where a zero of the filter sits at ``f_hz`` and nothing passes.
    """
    powers = np.arange(3)
    z = np.exp(-2j * np.pi * f_hz / sfreq * powers)
    sections = sos.reshape(-1, 2, 3)  # numerators, denominators
    with np.errstate(divide="ignore", invalid="ignore"):
        samples = np.real((sections * powers) @ z / (sections @ z))
        return float(np.sum(samples[:, 0] - samples[:, 1]) / sfreq)


def settling_s(sos: Sos, sfreq: float, remaining: float = 0.01) -> float:
    """Seconds until a disturbance has decayed to the share ``remaining``, by the slowest pole."""
    slowest = max((abs(pole) for section in sos for pole in np.roots(section[3:])), default=0.0)
    if slowest <= 0.0:
        return 0.0
    return float(np.log(remaining) / np.log(slowest) / sfreq)


class SosFilter:
    """A cascade of biquads over channels that carries its state from chunk to chunk.

    Direct form II transposed in float64: the same operations in the same order as
    :func:`scipy.signal.sosfilt`. A channel starts in the steady state for its first finite value, so a
    constant offset of any size makes no transient. A value that is not finite is replaced by the last
    one that was (0 comes out before the first), so it cannot poison the state; marking it is the work
    of :class:`~bci_stream.dsp.artifacts.ArtifactDetector`.

    Args:
        sos: (n_sections, 6) coefficients, ``a0`` = 1, as :func:`design_sos` gives them.
        n_channels: how many columns every chunk has.
    """

    def __init__(self, sos: Sos, n_channels: int) -> None:
        from scipy.signal import sosfilt_zi  # late: heavy

        from bci_stream.dsp.kernels import biquad_cascade  # late: compiles

        self._run = biquad_cascade
        self.sos: Sos = np.array(sos, dtype=np.float64, order="C")
        self.n_channels = n_channels
        self._steady = np.ascontiguousarray(sosfilt_zi(self.sos), dtype=np.float64)
        self.state = np.zeros((len(self.sos), 2, n_channels))  #: float64, scipy's ``zi`` for axis 0
        self._held = np.zeros(n_channels)
        self._waiting = np.ones(n_channels, dtype=np.bool_)

    def step(self, x: FloatArray) -> FloatArray:
        """Filter the next samples: (n, n_channels) float32 in µV in, the same shape out, all finite."""
        y = np.empty(x.shape, dtype=np.float32)
        self._run(
            np.ascontiguousarray(x, np.float32),
            self.sos,
            self._steady,
            self.state,
            self._held,
            self._waiting,
            y,
        )
        return y

    def reset(self) -> None:
        """Forget everything, as after a gap: the next sample starts each channel anew."""
        self.state[:] = 0.0
        self._held[:] = 0.0
        self._waiting[:] = True
