"""A person's recordings as trials that a network can be fitted to, cut by the live pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bci_stream.errors import BciStreamError, BundleMismatchError, ConfigError, CorpusError
from bci_stream.messages import EEG
from bci_stream.model.contract import TOKEN_S, Contract
from bci_stream.sources.xdf_recording import XdfRecording
from bci_stream.training.prepare import Preparer
from bci_stream.training.sessions import Session
from bci_stream.training.trials import Trial
from bci_stream.training.xdf_cut import TrialMarks, header, roles_in, trials_of
from calibration.drift import TrialFeatures, trial_features
from calibration.errors import CalibrationError
from calibration.session import WRONG, WRONG_S

MARKERS_NAME = "bci-stream-calibration"  #: of our marker stream, on the network and in a recording
Labels = Callable[[Path], Mapping[int, str | None]]


@dataclass(frozen=True, slots=True)
class PersonTrials:
    """Sessions, one a trial, in the order of time; and what was left out, with the reason.

    ``features``: of each, for the drift watch.
    """

    sessions: tuple[Session, ...]
    left_out: tuple[str, ...]
    ch_names: tuple[str, ...]
    features: tuple[TrialFeatures, ...] = ()

    @property
    def mean_s(self) -> float:
        """How long a trial lasts, seconds."""
        return sum(session.n_tokens for session in self.sessions) * TOKEN_S / max(1, len(self.sessions))


def read_trials(
    recordings: Sequence[Path], person: str, contract: Contract, labels: Labels = lambda path: {}
) -> PersonTrials:
    """All good trials of a person's recordings, in the order given; and what was said live, ``wrong:calm``.

    ``labels``: what was said since of a recording's trials, by number; None leaves one out.

    Raises:
        CalibrationError: a recording cannot be read, has no trial, or its electrodes or emotions are not
            those of the base model.
    """
    if not recordings:
        raise CalibrationError("no recording is given to calibrate from")
    left_out: list[str] = []
    try:
        ch_names, trials = _cut(recordings, person, contract, labels, left_out)
        sessions, features = _sessions(trials, ch_names, contract, left_out)
        return PersonTrials(sessions, tuple(left_out), ch_names, features)
    except (CorpusError, ConfigError, BundleMismatchError) as error:
        raise CalibrationError(str(error)) from error


def _cut(
    recordings: Sequence[Path], person: str, contract: Contract, labels: Labels, left_out: list[str]
) -> tuple[tuple[str, ...], list[Trial]]:
    trials: list[Trial] = []
    ch_names: tuple[str, ...] | None = None
    for path in recordings:
        marks = marks_of(path, contract.modalities, labels(path))
        _, names, found = header(path, marks)
        if ch_names is not None and names != ch_names:
            raise CalibrationError(
                f"{path} has electrodes {', '.join(names)}, the recording before it {', '.join(ch_names)}: "
                "calibrate from recordings of one montage"
            )
        if unknown := sorted(set(found) - set(contract.classes)):
            raise CalibrationError(
                f"{path} has trials of {', '.join(unknown)}, and the base model knows "
                f"{', '.join(contract.classes)}: use a base with these emotions"
            )
        ch_names = names
        trials += trials_of(path, person, marks, len(trials), left_out.append)
    return ch_names or (), trials


def marks_of(path: Path, modalities: tuple[str, ...] | None, labels: Mapping[int, str | None]) -> TrialMarks:
    """How trials are marked in a recording of a calibration, or of a live session with corrections.

    ``modalities``: those that are wanted, of which one that was not recorded is left out; None: any.

    Raises:
        CalibrationError: it cannot be read.
    """
    ours = _markers_of(path)
    try:
        there = roles_in(path)
    except CorpusError as error:
        raise CalibrationError(str(error)) from error
    if modalities is not None:
        there = tuple(role for role in modalities if role in there)
        if not there or (EEG in modalities and EEG not in there):
            raise CalibrationError(f"{path} has no {'EEG' if EEG in modalities else 'voice'}")
    return TrialMarks(
        modalities=there,
        markers=ours,
        cut_off=ours is not None,
        wrong=WRONG,
        wrong_s=WRONG_S,
        labels=dict(labels),
    )


def _sessions(
    trials: Sequence[Trial], ch_names: tuple[str, ...], contract: Contract, left_out: list[str]
) -> tuple[tuple[Session, ...], tuple[TrialFeatures, ...]]:
    preparer = Preparer(contract.model_copy(update={"hop_s": TOKEN_S}), ch_names)
    sessions, features = [], []
    for trial in trials:
        if _seconds(trial) < contract.window_s * contract.min_coverage:
            left_out.append(
                f"{trial.source}, trial {trial.number + 1} ({trial.label}): shorter than a window"
            )
            continue
        hops = preparer.hops(trial)
        sessions.append(preparer.session_of(trial, hops))
        features.append(trial_features(hops, sessions[-1].label))
    return tuple(sessions), tuple(features)


def _seconds(trial: Trial) -> float:
    lengths = []
    if trial.eeg is not None:
        lengths.append(len(trial.eeg) / trial.eeg_sfreq)
    if trial.audio is not None:
        lengths.append(len(trial.audio) / trial.audio_sfreq)
    return min(lengths)


def _markers_of(path: Path) -> str | None:
    """Our own markers where the recording has them; else whatever markers there are."""
    try:
        with XdfRecording.open(path) as recording:
            ours = any(info.name == MARKERS_NAME for info in recording.streams)
    except BciStreamError as error:
        raise CalibrationError(f"{path}: {error}") from error
    return f"name={MARKERS_NAME}" if ours else None
