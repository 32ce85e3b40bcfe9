"""Small corrections of a model's answers for one person, from a few labelled trials of that person.

Both start from the model's own log probabilities ``z`` of a trial and are convex, so they depend on no seed:

* temperature and prior: ``softmax(z / T + b)``, with a Gaussian prior on log T and on b (Guo 2017, and the
  bias of a label shift);
* head: ``softmax(z + W x + c)``, x being the trial's pooled features, with an L2 penalty on W and c that is
  chosen by leaving one trial out. Infinite strength is the model as it was, and is among the choices; weaker
  ones must be better by a standard error.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from bci_stream.training.metrics import Floats, Ints

STRENGTHS: Final = (np.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03)  #: of the penalty, strongest first
_LOG_T_SD = 0.5
_PRIOR_SD = 0.5
_TINY = 1e-12


class Tempered(NamedTuple):
    """A temperature and a bias (K,) for each class."""

    temperature: float
    bias: Floats

    def log_probs(self, z: Floats) -> Floats:
        """Corrected log probabilities of (n, K)."""
        return log_softmax(z / self.temperature + self.bias)


class Head(NamedTuple):
    """``weights``: (F + 1, K) for the features as :meth:`scaled` makes them. ``strength``: of its penalty."""

    mean: Floats
    scale: float
    weights: Floats
    strength: float

    def scaled(self, x: Floats) -> Floats:
        """(n, F + 1): features about their mean in the calibration, and a constant."""
        return np.column_stack([(x - self.mean) / self.scale, np.ones(len(x))])

    def log_probs(self, z: Floats, x: Floats) -> Floats:
        """Corrected log probabilities of (n, K), with the features (n, F)."""
        return log_softmax(z + self.scaled(x) @ self.weights)


def fit_tempered(z: Floats, labels: Ints) -> Tempered:
    """From log probabilities (n, K) and labels (n,); nothing changes where there are none."""
    n_classes = z.shape[1]
    if len(labels) == 0:
        return Tempered(1.0, np.zeros(n_classes))
    onehot = np.eye(n_classes)[labels]

    def loss(theta: Floats) -> tuple[float, Floats]:
        inverse = np.exp(-theta[0])
        log_probs = log_softmax(z * inverse + theta[1:])
        error = np.exp(log_probs) - onehot
        penalty = 0.5 * (theta[0] / _LOG_T_SD) ** 2 + 0.5 * ((theta[1:] / _PRIOR_SD) ** 2).sum()
        of_t = -inverse * (error * z).sum() + theta[0] / _LOG_T_SD**2
        gradient = np.concatenate([[of_t], error.sum(axis=0) + theta[1:] / _PRIOR_SD**2])
        return float(-(onehot * log_probs).sum() + penalty), gradient

    theta = _minimized(loss, np.zeros(1 + n_classes))
    return Tempered(float(np.exp(theta[0])), theta[1:])


def fit_head(z: Floats, x: Floats, labels: Ints, strengths: tuple[float, ...] = STRENGTHS) -> Head:
    """From log probabilities (n, K), features (n, F) and labels (n,)."""
    n_classes = z.shape[1]
    unchanged = Head(np.zeros(x.shape[1]), 1.0, np.zeros((x.shape[1] + 1, n_classes)), np.inf)
    if len(labels) < 2:
        return unchanged
    mean = x.mean(axis=0)
    scale = float(np.sqrt(np.mean(((x - mean) ** 2).sum(axis=1))))
    if scale < _TINY:
        return unchanged
    head = Head(mean, scale, unchanged.weights, np.inf)
    u, s, basis = np.linalg.svd(head.scaled(x), full_matrices=False)
    rows = u * s  # the same trials in as many coordinates as there are trials: the penalty is the same
    strength = strengths[0]
    if len(strengths) > 1:
        with _one_thread():
            losses = [left_out_losses(z, rows, labels, one) for one in strengths]
        strength = _strongest_as_good(strengths, losses)
    return head._replace(weights=basis.T @ _weights(z, rows, labels, strength), strength=strength)


def _strongest_as_good(strengths: tuple[float, ...], losses: list[Floats]) -> float:
    """The strongest penalty within a standard error of the best (Breiman 1984): few trials mislead easily."""
    best = min(losses, key=lambda one: float(one.mean()))

    def as_good(mine: Floats) -> bool:
        worse = mine - best
        return float(worse.mean()) <= float(worse.std(ddof=1) / np.sqrt(len(worse)))

    pairs = zip(strengths, losses, strict=True)
    return max(strength for strength, mine in pairs if as_good(mine))


def left_out_losses(z: Floats, rows: Floats, labels: Ints, strength: float) -> Floats:
    """(n,) negative log likelihood of each trial, fitted without it, nats."""
    if not np.isfinite(strength):
        return -log_softmax(z)[np.arange(len(labels)), labels]
    start = _weights(z, rows, labels, strength)
    losses = np.empty(len(labels))
    for i, label in enumerate(labels):
        others = np.arange(len(labels)) != i
        weights = _weights(z[others], rows[others], labels[others], strength, start)
        losses[i] = -log_softmax(z[i : i + 1] + rows[i : i + 1] @ weights)[0, label]
    return losses


def _weights(z: Floats, rows: Floats, labels: Ints, strength: float, start: Floats | None = None) -> Floats:
    """(r, K) of least penalised loss for rows (n, r)."""
    shape = (rows.shape[1], z.shape[1])
    if not np.isfinite(strength):
        return np.zeros(shape)
    onehot = np.eye(shape[1])[labels]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        log_probs = log_softmax(z + rows @ weights)
        gradient = rows.T @ (np.exp(log_probs) - onehot) + strength * weights
        value = -(onehot * log_probs).sum() + 0.5 * strength * (weights**2).sum()
        return float(value), gradient.ravel()

    return _minimized(loss, np.zeros(shape).ravel() if start is None else start.ravel()).reshape(shape)


def _one_thread() -> AbstractContextManager[Any]:
    """Thousands of tiny fits: a second thread of BLAS makes them several times slower."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # it comes with scikit-learn
        return nullcontext()
    return cast(AbstractContextManager[Any], threadpool_limits(1, user_api="blas"))


def _minimized(loss: Any, start: Floats) -> Floats:
    from scipy.optimize import minimize

    found: NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found


def log_softmax(x: Floats) -> Floats:
    """Of (n, K), row by row."""
    high = x - x.max(axis=1, keepdims=True)
    result: Floats = high - np.log(np.exp(high).sum(axis=1, keepdims=True))
    return result
