"""Was a trial any good? From the windows that the live pipeline made of it. Pure.

A trial is bad when much of the EEG is missing, when many electrodes are noisy, flat or at their rail for most
of it, or when speech was asked for and hardly any was heard. The limits are mild: what is excluded is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bci_stream.messages import AUDIO, EEG, Flag, StreamWindow, Window


@dataclass(frozen=True, slots=True)
class Limits:
    """``coverage``: share of good samples, at least. ``bad_electrodes``: share of them, at most; one is bad
    when it is marked for more than ``marked``. ``voice_db``: how far the loud part of the trial must be above
    its quiet part, and ``floor_db``: above full scale's -100 dB, to count as speech.
    """

    coverage: float = 0.7
    bad_electrodes: float = 0.3
    marked: float = 0.5
    voice_db: float = 9.0
    floor_db: float = -55.0


class TrialJudge:
    """Collects the newest hop of each window of one trial and says what is wrong with it.

    ``t_start``, ``t_end``: the labelled stretch, local clock (s); t_end may be set later.
    """

    def __init__(self, t_start: float, hop_s: float, *, speech: bool, limits: Limits = Limits()) -> None:
        self.t_start, self.t_end = t_start, float("inf")
        self._hop_s, self._speech, self._limits = hop_s, speech, limits
        self._good: dict[str, list[float]] = {}
        self._marked: list[np.ndarray] = []
        self._ch_names: tuple[str, ...] = ()
        self._levels_db: list[float] = []
        self._seen_s = -np.inf

    def take(self, window: Window) -> None:
        """Look at the newest hop of a window; what lies outside the trial is left aside."""
        self._seen_s = window.t_end
        if window.t_end - self._hop_s < self.t_start - 1e-6 or window.t_end > self.t_end + 1e-6:
            return
        for role, part in window.streams.items():
            n = round(self._hop_s * part.sfreq)
            self._good.setdefault(role, []).append(float((part.mask[-n:] == 0).mean()))
            if role == EEG:
                self._marked.append((part.marks[-n:] != 0).mean(axis=0))
            if role == AUDIO:
                self._levels_db.append(level_db(part, n))

    @property
    def complete(self) -> bool:
        """Whether windows past the trial's end have come."""
        return self._seen_s >= self.t_end

    def reason(self) -> str | None:
        """Why the trial is bad, in a few words; None where it is good."""
        limits = self._limits
        for role, shares in self._good.items():
            if (share := float(np.mean(shares))) < limits.coverage:
                return f"{1 - share:.0%} of the {'EEG' if role == EEG else 'voice'} missing"
        if not self._good:
            return "no signal"
        if self._marked:
            bad = np.mean(self._marked, axis=0) > limits.marked
            if bad.mean() > limits.bad_electrodes:
                return f"{int(bad.sum())} of {len(bad)} electrodes bad"
        if self._speech and not is_speech(np.array(self._levels_db), limits):
            return "hardly any speech"
        return None


def is_speech(levels_db: np.ndarray, limits: Limits = Limits()) -> bool:
    """Whether levels of hops (n,), dB of full scale, are of somebody who speaks; not, where there is none."""
    if not len(levels_db):
        return False
    loud, quiet = np.quantile(levels_db, 0.9), np.quantile(levels_db, 0.1)
    steady = loud - quiet < limits.voice_db and loud < limits.floor_db + 25
    return not (loud < limits.floor_db or steady)


def level_db(part: StreamWindow, n: int) -> float:
    """Level of the newest hop, dB of full scale; missing samples do not count."""
    samples = part.data[-n:, 0][(part.mask[-n:] & Flag.GAP) == 0]
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return float(10.0 * np.log10(power + 1e-10))
