"""Channels mixed by a matrix: references, interpolation, or both multiplied into one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.messages import FloatArray, MaskArray

Matrix = NDArray[np.float64]


class SpatialMix:
    """``y[t] = matrix @ x[t]``, summed in float64 in a fixed order: BLAS would round by the chunk's size.

    Args:
        matrix: (n_out, n_in) weights.
        mark_weight: an output inherits the marks of an input whose weight is at least this in magnitude.
            The default keeps one bad channel of a large average reference from marking all.

    Raises:
        ConfigError: the matrix is not two-dimensional or holds a value that is not finite.
    """

    def __init__(self, matrix: Matrix, mark_weight: float = 0.1) -> None:
        from bci_stream.dsp.kernels import mix_marks, mix_rows  # late: compiles

        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            raise ConfigError(
                f"spatial mix: the matrix has shape {matrix.shape} and {np.sum(~np.isfinite(matrix))} values"
                " that are not finite; give finite weights (n_out, n_in)"
            )
        self._mix_rows = mix_rows
        self._mix_marks = mix_marks
        self._weights = np.array(matrix.T, dtype=np.float64, order="C")
        self._reaches = np.where(np.abs(self._weights) >= mark_weight, 255, 0).astype(np.uint8)

    @property
    def n_out(self) -> int:
        """Number of channels that come out."""
        return int(self._weights.shape[1])

    def step(self, x: FloatArray) -> FloatArray:
        """Mix the next samples: (n, n_in) float32 in, (n, n_out) float32 out.

        A value that is not finite reaches only those outputs that have a weight for it.
        """
        y = np.empty((len(x), self.n_out), dtype=np.float32)
        self._mix_rows(np.ascontiguousarray(x, np.float32), self._weights, y)
        return y

    def step_marks(self, marks: MaskArray) -> MaskArray:
        """What the outputs inherit: (n, n_in) uint8 of ``Flag`` in, (n, n_out) uint8 out."""
        out = np.empty((len(marks), self.n_out), dtype=np.uint8)
        self._mix_marks(np.ascontiguousarray(marks, np.uint8), self._reaches, out)
        return out
