"""Euclidean alignment: each person's EEG is whitened by the mean covariance of what was seen of them so far.

He and Wu 2020, IEEE TBME 67(2), 399-410, incremental and causal: the covariance takes in each hop before
that hop is aligned. It needs no labels, so it is valid for somebody new.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import FloatArray

OUTPUT_UV = 10.0  # aligned electrodes have this standard deviation, so that later stages still see µV
SETTLE_S = 10.0  # until then the estimate leans on equal power everywhere
MEMORY_S = 300.0  # what is older than this is slowly forgotten
UPDATE_HOPS = 5  # the whitening moves once a second, the covariance with every hop
_FLOOR = 1e-3  # of the mean eigenvalue: an average reference leaves one direction empty

Matrix = NDArray[np.float64]


class EuclideanAlignment:
    """``y[t] = 10 µV * R^-1/2 x[t]``, R growing hop by hop.

    Args:
        n_channels: electrodes.
        sfreq: sampling rate in Hz.
    """

    def __init__(self, n_channels: int, sfreq: float) -> None:
        self._n_channels, self._sfreq = n_channels, sfreq
        self.reset()

    def reset(self) -> None:
        """Somebody else, or the headset was put on anew."""
        self._products: Matrix = np.zeros((self._n_channels, self._n_channels))
        self._n_seen = 0.0
        self._n_hops = 0
        self._whitening: Matrix | None = None

    def step(self, x: FloatArray, valid: FloatArray) -> FloatArray:
        """Take in and align one hop: (n, C) µV, (n,) 1 where it may be used -> (n, C)."""
        usable = (valid > 0.5) & np.isfinite(x).all(axis=1)  # a single NaN would stay in the sums for ever
        self._learn(x[usable].astype(np.float64))
        return self.apply(x)

    def apply(self, x: FloatArray) -> FloatArray:
        """Align (n, C) µV by what was seen so far; unchanged before the first good sample."""
        if self._whitening is None:
            return x
        clean = np.where(np.isfinite(x), x, 0.0).astype(np.float64)
        aligned: FloatArray = (clean @ self._whitening).astype(np.float32)
        return aligned

    def _learn(self, good: Matrix) -> None:
        if len(good):
            keep = min(1.0, MEMORY_S * self._sfreq / (self._n_seen + len(good)))
            self._products = keep * (self._products + good.T @ good)
            self._n_seen = keep * (self._n_seen + len(good))
        if self._n_seen and (self._whitening is None or self._n_hops % UPDATE_HOPS == 0):
            self._whitening = self._solve()
        self._n_hops += 1

    def _solve(self) -> Matrix:
        covariance = self._products / self._n_seen
        power = max(float(np.trace(covariance)) / self._n_channels, 1e-12)
        settle_n = SETTLE_S * self._sfreq
        trust = self._n_seen / (self._n_seen + settle_n)
        mixed = trust * covariance + (1.0 - trust) * power * np.eye(self._n_channels)
        values, vectors = np.linalg.eigh(mixed)
        scale = OUTPUT_UV / np.sqrt(np.maximum(values, _FLOOR * power))
        whitening: Matrix = (vectors * scale) @ vectors.T
        return whitening
