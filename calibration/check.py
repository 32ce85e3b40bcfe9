"""Are the electrodes on, and is the voice heard? Looked at before the first trial, by the judge's own limits.

It takes the windows of the running session; what it calls bad would make a trial bad.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bci_stream.engine.electrodes import ElectrodeWatch
from bci_stream.engine.frame import ChannelQuality
from bci_stream.engine.plan import StreamPlan
from bci_stream.messages import AUDIO, EEG, Flag, StreamWindow, Window
from calibration.judge import Limits, is_speech, level_db

_KEPT_S: Final = 12.0  # of the voice's level
_SHORTEST_S: Final = 2.0  # before anything is said of it
_DEAD_DB: Final = -90.0  # a microphone that is muted or not there delivers zeros
_CLIPPED: Final = 0.99


@dataclass(frozen=True, slots=True)
class Voice:
    """How loud it is. ``now_db``: of the newest hop; ``loud_db``, ``quiet_db``: of the last seconds, dB of
    full scale. ``state``: "waiting", "silent", "no speech", "clipped" or "good".
    """

    state: str = "waiting"
    now_db: float = -100.0
    loud_db: float = -100.0
    quiet_db: float = -100.0


class SignalCheck:
    """Takes windows; says how each electrode and the voice are."""

    def __init__(self, plans: Mapping[str, StreamPlan], hop_s: float, limits: Limits = Limits()) -> None:
        self._hop_s, self._limits = hop_s, limits
        self._electrodes = ElectrodeWatch(plans[EEG], hop_s) if EEG in plans else None
        self._n_hops = 0  # of EEG, from the first whole one on
        self._levels_db: deque[float] = deque(maxlen=round(_KEPT_S / hop_s))
        self._peaks: deque[float] = deque(maxlen=round(_KEPT_S / hop_s))

    def take(self, window: Window) -> None:
        """The newest hop of a window."""
        if self._electrodes is not None and EEG in window.streams:
            self._take_eeg(window.streams[EEG], self._electrodes)
        if AUDIO in window.streams:
            part = window.streams[AUDIO]
            n = round(self._hop_s * part.sfreq)
            self._levels_db.append(level_db(part, n))
            self._peaks.append(float(np.abs(part.data[-n:]).max(initial=0.0)))

    def _take_eeg(self, part: StreamWindow, watch: ElectrodeWatch) -> None:
        newest = part.mask[-round(self._hop_s * part.sfreq) :]
        if self._n_hops == 0 and (newest & Flag.GAP).any():
            return  # the stream begins in mid-window: what is absent before is nobody's fault
        self._n_hops += 1
        watch.take(part)

    @property
    def electrodes(self) -> tuple[ChannelQuality, ...]:
        """Every electrode; empty until enough has come."""
        settled = self._n_hops * self._hop_s >= _SHORTEST_S
        return self._electrodes.channels if self._electrodes is not None and settled else ()

    @property
    def too_many_bad(self) -> bool:
        """Whether a trial would be bad for its electrodes."""
        found = self.electrodes
        n_bad = sum(one.state in ("flat", "clipped", "gone") for one in found)
        return bool(found) and n_bad / len(found) > self._limits.bad_electrodes

    @property
    def voice(self) -> Voice:
        """The voice over the last seconds."""
        levels = np.array(self._levels_db)
        if len(levels) * self._hop_s < _SHORTEST_S:
            return Voice(now_db=float(levels[-1]) if len(levels) else -100.0)
        loud, quiet = (float(np.quantile(levels, q)) for q in (0.9, 0.1))
        return Voice(self._word(levels, loud), float(levels[-1]), loud, quiet)

    def _word(self, levels_db: np.ndarray, loud_db: float) -> str:
        if loud_db < _DEAD_DB:
            return "silent"
        if max(self._peaks) >= _CLIPPED:
            return "clipped"
        return "good" if is_speech(levels_db, self._limits) else "no speech"
