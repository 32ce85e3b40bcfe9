"""Does a live session still look like the calibration? Pure; a stage with state that is given hop after hop.

From each hop that the model is given come a few numbers: the log power of every electrode in four bands, and
of the voice, where there is any, in sixteen. What they were in the calibrating trials, in each emotion and
in all of them, is the reference; it is kept with the profile. Live, the mean over the newest minute is
compared with the nearest of these by its Mahalanobis distance. The limit is what 99 in 100 minutes of
the calibration keep, each compared with the rest of it. So is the model's confidence compared
with that on the test trials. Something is said when it lasts for half a minute, and once.

It suggests, and changes nothing. Days differ more than the minutes of one session do, so a first session with
a new cap may well be told of, and truly.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import AUDIO, EEG, Prediction
from bci_stream.model.contract import TOKEN_S
from bci_stream.model.predictor import Hop
from calibration.errors import ProfileError

MINUTE: Final = 300  #: hops of the memory, 0.2 s each
CONFIDENCE: Final = "confidence"
_FEWEST: Final = 150  # hops with a signal before anything is said
_LOOK: Final = 50  # hops between two looks
_LASTS: Final = 3  # looks in a row that make an alarm
_CALMS: Final = 6  # and that end it
_SHRUNK: Final = 0.3  # of the covariance towards its diagonal (Ledoit 2004): trials are few
_LIMIT: Final = 0.99
_N_DRAWS: Final = 400
_FEWEST_TRIALS: Final = 8
_FEWEST_TESTED: Final = 5
_MOST_BYTES: Final = 64 * 2**20  # of a reference, unpacked: 256 electrodes take 17 MB
BANDS: Final = ((1, 2), (2, 3), (3, 6), (6, 10))  #: bins of 5 Hz: 5, 10, 15 to 25, 30 to 45 Hz
_VOICE_EDGES_HZ: Final = np.geomspace(90.0, 7500.0, 17)
_SILENCE: Final = 10.0 ** (-55 / 10)  # power of full scale under which nobody speaks
_SURE_SD: Final = 4.0  # standard errors by which the confidence must lie lower

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """One modality in the calibration: ``means`` (K + 1, F) of emotions and of all, ``inverse`` (F, F) of the
    covariance of a minute's mean, and the ``limit`` of the distance.
    """

    means: Floats
    inverse: Floats
    limit: float

    @property
    def n_features(self) -> int:
        """F."""
        return int(self.means.shape[1])

    def distance(self, x: Floats) -> float:
        """Of a minute's mean (F,) from the nearest."""
        away = x - self.means
        return float(np.einsum("kf,fg,kg->k", away, self.inverse, away).min() / len(x))


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What is normal for a person. ``confidence``: by model, "base" or "calibrated", its mean and lowest."""

    parts: Mapping[str, Normal]
    confidence: Mapping[str, tuple[float, float]]
    ch_names: tuple[str, ...] = ()


class Drift(NamedTuple):
    """Something changed. ``what``: "eeg", "audio" or "confidence". ``level``: "warn", or "good" when over."""

    t_s: float
    what: str
    level: str
    words: str


def hop_features(hop: Hop) -> dict[str, Floats]:
    """(n, F) of each modality, a row for 0.2 s that is whole; empty where nothing is there."""
    found = {}
    if hop.eeg is not None:
        whole = _whole(hop.eeg_valid)
        found[EEG] = _eeg(hop.eeg) if whole else np.empty((0, len(BANDS) * hop.eeg.shape[1]))
    if hop.audio is not None:
        whole = _whole(hop.audio_valid)
        found[AUDIO] = _voice(hop.audio) if whole else np.empty((0, len(_VOICE_EDGES_HZ) - 1))
    return found


def _whole(valid: NDArray[Any] | None) -> bool:
    return valid is None or bool((valid > 0.5).all())


def _eeg(x: NDArray[np.float32]) -> Floats:
    """(n, C) µV of whole pieces of 0.2 s -> (pieces, 4 C): bands one after the other."""
    pieces = x.astype(np.float64).reshape(max(1, round(len(x) / 25)), -1, x.shape[1])
    power = np.abs(np.fft.rfft(pieces * np.hanning(pieces.shape[1])[None, :, None], axis=1)) ** 2
    bands = [power[:, first:last].mean(axis=1) for first, last in BANDS]
    return np.asarray(np.log(np.concatenate(bands, axis=1) + 1e-3))


def _voice(x: NDArray[np.float32]) -> Floats:
    pieces = x.astype(np.float64).reshape(max(1, round(len(x) / 3200)), -1)
    pieces = pieces[(pieces**2).mean(axis=1) > _SILENCE]
    n = pieces.shape[1]
    power = np.abs(np.fft.rfft(pieces * np.hanning(n), axis=1)) ** 2 / n
    edges = np.round(_VOICE_EDGES_HZ * TOKEN_S).astype(int)
    bands = [power[:, first : max(last, first + 1)].mean(axis=1) for first, last in pairwise(edges.tolist())]
    return np.asarray(np.log(np.stack(bands, axis=1) + 1e-10))


class TrialFeatures(NamedTuple):
    """The mean (F,) of a trial's hops by modality, absent where nothing was there, and its class."""

    means: Mapping[str, Floats]
    label: int


def trial_features(hops: Sequence[Hop], label: int) -> TrialFeatures:
    """What a calibrating trial says."""
    rows: dict[str, list[Floats]] = {}
    for hop in hops:
        for role, found in hop_features(hop).items():
            rows.setdefault(role, []).append(found)
    joined = {role: np.concatenate(parts) for role, parts in rows.items()}
    return TrialFeatures({role: x.mean(axis=0) for role, x in joined.items() if len(x)}, label)


def reference_of(
    trials: Sequence[TrialFeatures],
    mean_trial_s: float,
    confidences: Mapping[str, Floats],
    ch_names: tuple[str, ...] = (),
) -> Reference | None:
    """The reference, or None where there are too few trials to know what is normal.

    ``confidences``: mean confidence in each test trial, by model.
    """
    n_in_minute = max(2, round(MINUTE * TOKEN_S / mean_trial_s))
    parts = {}
    for role in (EEG, AUDIO):
        mine = [trial for trial in trials if role in trial.means]
        if len(mine) >= _FEWEST_TRIALS:
            x = np.stack([trial.means[role] for trial in mine])
            parts[role] = _normal(x, np.array([trial.label for trial in mine]), n_in_minute)
    sure = {}
    for name, values in confidences.items():
        if len(values) < _FEWEST_TESTED:
            continue
        error = float(np.std(values, ddof=1)) / np.sqrt(n_in_minute)
        sure[name] = float(values.mean()), float(values.mean() - _SURE_SD * error)
    return Reference(parts, sure, ch_names) if parts else None


def _normal(x: Floats, labels: NDArray[np.int64], n: int) -> Normal:
    rng = np.random.default_rng(0)
    distances = []
    for draw in range(_N_DRAWS):
        mood = labels == rng.choice(labels) if draw % 2 else np.ones(len(x), bool)  # a minute in one, or any
        minute = rng.permutation(np.flatnonzero(mood))[: min(n, len(x) // 3)]
        rest = np.setdiff1d(np.arange(len(x)), minute)
        others = Normal(*_moments(x[rest], labels[rest], n), np.inf)
        distances.append(others.distance(x[minute].mean(axis=0)) * len(minute) / n)
    return Normal(*_moments(x, labels, n), float(np.quantile(distances, _LIMIT)))


def _moments(x: Floats, labels: NDArray[np.int64], n: int) -> tuple[Floats, Floats]:
    means = np.stack([*(x[labels == k].mean(axis=0) for k in np.unique(labels)), x.mean(axis=0)])
    away = x - x.mean(axis=0)
    covariance = away.T @ away / max(1, len(x) - 1)
    diagonal = np.diag(np.diag(covariance) + 1e-6)
    return means, np.linalg.inv(((1 - _SHRUNK) * covariance + _SHRUNK * diagonal) / n)


@dataclass(slots=True)
class _Lasting:
    """Whether something is unusual for long enough to be said."""

    said: bool = False
    streak: int = 0

    def look(self, unusual: bool) -> bool | None:
        """True: say that it is; False: that it is over; None: nothing new."""
        if unusual == self.said:
            self.streak = 0
            return None
        self.streak += 1
        if self.streak < (_LASTS if unusual else _CALMS):
            return None
        self.said, self.streak = unusual, 0
        return unusual


@dataclass(slots=True)
class DriftWatch:
    """Compares a live session with the reference, hop by hop, every hop once and in order.

    Args:
        reference: of the person.
        model: which model answers: "base" or "calibrated".
        modalities: those that the model is given; a prediction that lacks one says nothing of confidence.
        advice: what to do about it, in words.
    """

    reference: Reference
    model: str
    modalities: tuple[str, ...]
    advice: str = "recalibrate if it stays"
    _memory: dict[str, deque[Floats]] = field(default_factory=dict)
    _sure: deque[float] = field(default_factory=lambda: deque(maxlen=MINUTE))
    _lasting: dict[str, _Lasting] = field(default_factory=dict)
    _n_hops: int = 0

    def step(self, hop: Hop, prediction: Prediction | None, t_s: float) -> tuple[Drift, ...]:
        """What is to be said after this hop, which ended at ``t_s`` (local clock, s)."""
        for role, rows in hop_features(hop).items():
            if role in self.reference.parts:
                self._memory.setdefault(role, deque(maxlen=MINUTE)).extend(rows)
        if prediction is not None and set(prediction.stood_on) == set(self.modalities):
            self._sure.append(prediction.confidence)
        self._n_hops += 1
        return tuple(self._look(t_s)) if self._n_hops % _LOOK == 0 else ()

    def _look(self, t_s: float) -> list[Drift]:
        said = []
        for role, memory in self._memory.items():
            if len(memory) < _FEWEST:
                continue
            x, normal = np.mean(memory, axis=0), self.reference.parts[role]
            said += self._told(t_s, role, normal.distance(x) > normal.limit, x)
        if self.model in self.reference.confidence and len(self._sure) >= _FEWEST:
            lowest = self.reference.confidence[self.model][1]
            said += self._told(t_s, CONFIDENCE, float(np.mean(self._sure)) < lowest, None)
        return said

    def _told(self, t_s: float, what: str, unusual: bool, x: Floats | None) -> list[Drift]:
        turned = self._lasting.setdefault(what, _Lasting()).look(unusual)
        if turned is None:
            return []
        if not turned:
            return [Drift(t_s, what, "good", f"{_NAMES[what]} is as in the calibration again")]
        return [Drift(t_s, what, "warn", f"{self._worded(what, x)}; {self.advice}")]

    def _worded(self, what: str, x: Floats | None) -> str:
        if what == CONFIDENCE or x is None:
            usual = self.reference.confidence[self.model][0]
            return f"the model is less sure than it was: {np.mean(self._sure):.0%}, and {usual:.0%} then"
        if what == AUDIO:
            return "the voice is unlike that of the calibration: check the microphone and its level"
        where = self._electrodes(x)
        return f"the EEG is unlike that of the calibration{where}: check how the headset sits"

    def _electrodes(self, x: Floats) -> str:
        names, normal = self.reference.ch_names, self.reference.parts[EEG]
        if len(names) * len(BANDS) != len(x):
            return ""
        variance = 1.0 / np.diag(normal.inverse)
        away = ((x - normal.means[-1]) ** 2 / variance).reshape(len(BANDS), -1).sum(axis=0)
        worst = np.argsort(away)[::-1][:3]
        return f" (most at {', '.join(names[i] for i in worst)})"


_NAMES: Final = {EEG: "the EEG", AUDIO: "the voice", CONFIDENCE: "the model's confidence"}


def as_bytes(reference: Reference) -> bytes:
    """For a file."""
    arrays: dict[str, NDArray[np.generic]] = {"ch_names": np.array(reference.ch_names, dtype=np.str_)}
    for role, normal in reference.parts.items():
        arrays |= {f"{role}.means": normal.means, f"{role}.inverse": normal.inverse}
        arrays[f"{role}.limit"] = np.array(normal.limit)
    for name, pair in reference.confidence.items():
        arrays[f"confidence.{name}"] = np.array(pair)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes) -> Reference:
    """The inverse of :func:`as_bytes`; runs no code of the file.

    Raises:
        ProfileError: it is damaged.
    """
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
                raise ValueError("it holds too much")
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        roles = [name.removesuffix(".means") for name in arrays if name.endswith(".means")]
        parts = {role: _checked(role, arrays) for role in roles}
        sure = {
            name.removeprefix("confidence."): (float(pair[0]), float(pair[1]))
            for name, pair in arrays.items()
            if name.startswith("confidence.")
        }
        return Reference(parts, sure, tuple(str(name) for name in arrays["ch_names"]))
    except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
        raise ProfileError(
            f"what is normal for the person cannot be read ({error}): calibrate again"
        ) from error


def _checked(role: str, arrays: Mapping[str, NDArray[np.generic]]) -> Normal:
    means, inverse = (np.asarray(arrays[f"{role}.{name}"], np.float64) for name in ("means", "inverse"))
    if means.ndim != 2 or inverse.shape != (means.shape[1],) * 2 or role not in (EEG, AUDIO):
        raise ValueError(f"{role} has means {means.shape} and inverse {inverse.shape}")
    return Normal(means, inverse, float(np.asarray(arrays[f"{role}.limit"], np.float64)))
