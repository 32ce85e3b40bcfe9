"""Classical yardsticks: few parameters, fitted in seconds, hard to beat with few people.

EEG: linear discriminant analysis of log band power; the tangent space of Riemannian geometry with logistic
regression (Barachant 2012, doi 10.1109/TBME.2011.2172210), a covariance for each band. Voice: statistics of
the log-mel spectrum with logistic regression or a support vector machine. scikit-learn and pyriemann are
imported when a model is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.model.eeg_fronts import BANDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SHRINKAGE: Final = 0.05  # of a covariance to its mean power: windows are short, the reference has rank C - 1
_FLOOR: Final = 1e-10
_NEVER: Final = -50.0  # logit of a class that was not in the training data


def band_covariances(eeg: Floats, sfreq: float) -> Floats:
    """(n, C, T) µV -> (n, 5, C, C) µV², positive definite: each band's covariance, by the periodogram."""
    n_samples = eeg.shape[-1]
    spectrum = np.fft.rfft(eeg * np.hanning(n_samples), axis=-1)
    hz = np.fft.rfftfreq(n_samples, 1 / sfreq)
    covariances = np.empty((len(eeg), len(BANDS), eeg.shape[1], eeg.shape[1]))
    for i, (low, high) in enumerate(BANDS.values()):
        part = spectrum[..., (hz >= low) & (hz < high)]
        covariances[:, i] = (part @ part.conj().swapaxes(-1, -2)).real / n_samples
    power = np.trace(covariances, axis1=-2, axis2=-1)[..., None, None] / eeg.shape[1] + _FLOOR
    return np.asarray((1 - _SHRINKAGE) * covariances + _SHRINKAGE * power * np.eye(eeg.shape[1]))


def log_band_power(eeg: Floats, sfreq: float) -> Floats:
    """(n, C, T) µV -> (n, 5 C) natural log of the power of each band at each electrode."""
    covariances = band_covariances(eeg, sfreq)
    return np.asarray(np.log(np.diagonal(covariances, axis1=-2, axis2=-1)).reshape(len(eeg), -1))


def mel_statistics(mel: Floats, valid: Floats) -> Floats:
    """(n, F, 64) log-mel frames, (n, F) 1 or 0 -> (n, 192): mean, spread and mean step of each band.

    Of valid frames only; zeros where there is none.
    """
    good = valid[..., None] > 0.5
    count = np.maximum(good.sum(1), 1)
    mean = np.where(good, mel, 0).sum(1) / count
    spread = np.sqrt(np.where(good, (mel - mean[:, None]) ** 2, 0).sum(1) / count)
    both = good[:, 1:] & good[:, :-1]
    step = np.where(both, np.abs(np.diff(mel, axis=1)), 0).sum(1) / np.maximum(both.sum(1), 1)
    return np.concatenate([mean, spread, step], axis=1)


def _lda() -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return _pipeline(LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return _pipeline(LogisticRegression(C=0.01, max_iter=2000))


def _svm() -> Any:
    from sklearn.svm import SVC

    return _pipeline(SVC(C=1.0, gamma="scale"))


def _pipeline(classifier: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), classifier)


def _tangent() -> Any:
    return _TangentBands(_logistic())


class _TangentBands:
    """Each band's covariances in the tangent space at their Riemannian mean, then a classifier."""

    def __init__(self, classifier: Any) -> None:
        self._classifier = classifier
        self._spaces: list[Any] = []

    @property
    def classes_(self) -> Ints:
        return np.asarray(self._classifier.classes_)

    def fit(self, covariances: Floats, labels: Ints) -> _TangentBands:
        from pyriemann.tangentspace import TangentSpace

        bands = covariances.swapaxes(0, 1)
        self._spaces = [TangentSpace(metric="riemann").fit(band) for band in bands]
        self._classifier.fit(self._vectors(covariances), labels)
        return self

    def decision_function(self, covariances: Floats) -> Floats:
        return np.asarray(self._classifier.decision_function(self._vectors(covariances)))

    def _vectors(self, covariances: Floats) -> Floats:
        bands = covariances.swapaxes(0, 1)
        return np.hstack([space.transform(band) for space, band in zip(self._spaces, bands, strict=True)])


_MAKERS: Final[dict[str, tuple[Callable[[], Any], str]]] = {
    "band-power-lda": (_lda, "scikit-learn"),
    "tangent-space": (_tangent, "pyriemann"),
    "mel-logistic": (_logistic, "scikit-learn"),
    "mel-svm": (_svm, "scikit-learn"),
}
EEG_MODELS: Final = ("band-power-lda", "tangent-space")
VOICE_MODELS: Final = ("mel-logistic", "mel-svm")


def eeg_features(name: str, eeg: Floats, sfreq: float) -> Floats:
    """What the EEG model called ``name`` is fitted to, of (n, C, T) µV; n first."""
    return log_band_power(eeg, sfreq) if name == "band-power-lda" else band_covariances(eeg, sfreq)


class Classical:
    """A model of this module, fitted.

    Args:
        name: one of :data:`EEG_MODELS` or :data:`VOICE_MODELS`.
        features: (n, …), of :func:`eeg_features` or :func:`mel_statistics`.
        labels: (n,) classes, from 0.
        n_classes: K; some may be absent from ``labels``.

    Raises:
        ConfigError: the name is unknown, its library is not installed, or there is one class only.
    """

    def __init__(self, name: str, features: Floats, labels: Ints, n_classes: int) -> None:
        if name not in _MAKERS:
            raise ConfigError(f"classical model {name!r} is not known; choose one of {', '.join(_MAKERS)}")
        if len(set(labels.tolist())) < 2:
            raise ConfigError(f"{name} needs training trials of two classes or more")
        make, library = _MAKERS[name]
        self._n_classes = n_classes
        try:
            self._model = make().fit(features, labels)
        except ImportError as error:
            raise ConfigError(f"{name} needs {library}: pip install 'bci-stream[train]'") from error

    def logits(self, features: Floats) -> Floats:
        """(n, …) -> (n, K)."""
        scores = np.asarray(self._model.decision_function(features), np.float64)
        if scores.ndim == 1:  # of two classes scikit-learn tells the difference only
            scores = np.stack([-scores / 2, scores / 2], axis=1)
        logits = np.full((len(scores), self._n_classes), _NEVER)
        logits[:, np.asarray(self._model.classes_)] = scores
        return logits
