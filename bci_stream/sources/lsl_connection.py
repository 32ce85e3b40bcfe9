"""A link that is subscribed and whose clock is measured before its first sample is handed out.

Some programs stamp with the Unix clock (several for Muse do), though LSL measures the offset of its own
clock only. It shows in the first samples: they are decades away. Such a stream's clock *is* the Unix clock
then, and what is measured from there on is the offset between that and the local clock, on this computer.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Final

import numpy as np

from bci_stream.errors import StreamLostError
from bci_stream.messages import ClockOffset, TimeArray
from bci_stream.sources.clock_guard import ClockGuard
from bci_stream.sources.lsl_link import Link, local_clock

_EPOCHS_APART_S: Final = 1e8  # three years: no two computers have run that long since their start
_UNIX_NEAR_S: Final = 86_400.0  # a computer whose clock is further off has other problems


class Connection:
    """A subscribed link with the clock offsets that wait to be handed out ahead of its samples.

    Making one takes about 0.7 s, during which its samples are buffered. Raises StreamLostError.
    """

    def __init__(self, link: Link, role: str) -> None:
        self.link = link
        self.is_unix = False  # known with the first samples
        self.guard = ClockGuard()  # the reader's, as the samples are
        self.offset_s = math.nan  # to add to its LSL clock, as last measured
        self._judged = False
        self._role = role
        self._offsets: deque[ClockOffset] = deque()
        link.subscribe()
        self._measure()

    def measure_clock(self) -> None:
        """Note the clock's offset if there is a new measurement; a failed one is skipped."""
        try:
            self._measure()
        except StreamLostError:
            return  # a loss shows in link.lost, and one missed measurement does no harm

    def judge_clock(self, stamps: TimeArray) -> None:
        """See by the first samples whether the stream is stamped with the Unix clock."""
        if self._judged:
            return
        first_s = next((float(stamp) for stamp in stamps if np.isfinite(stamp)), math.nan)
        if math.isnan(first_s):
            return
        self._judged = True
        self.is_unix = is_unix_stamp(first_s, time.time(), local_clock())
        if self.is_unix:
            self._offsets.append(unix_offset(self._role))

    def take_offsets(self) -> list[ClockOffset]:
        """The offsets measured since the last call, oldest first."""
        taken = [self._offsets.popleft() for _ in range(len(self._offsets))]
        if self.is_unix:  # what LSL said of its own clock before that was known is of no use
            return [offset for offset in taken if abs(offset.offset_s) > _EPOCHS_APART_S]
        return taken

    def _measure(self) -> None:
        measured = self.link.measure_offset()
        self.offset_s = self.offset_s if measured is None else measured[1]
        if self.is_unix:
            self._offsets.append(unix_offset(self._role))
        elif measured is not None:
            remote_s, offset_s = measured
            self._offsets.append(ClockOffset(self._role, remote_s, offset_s))


def is_unix_stamp(stamp_s: float, unix_s: float, local_s: float) -> bool:
    """Whether a fresh stamp is of the Unix clock rather than of any computer's LSL clock. Pure."""
    return abs(stamp_s - unix_s) < _UNIX_NEAR_S and abs(unix_s - local_s) > _EPOCHS_APART_S


def unix_offset(role: str) -> ClockOffset:
    """What to add to a Unix stamp of this computer to get local time, measured now."""
    before_s = local_clock()
    unix_s = time.time()
    return ClockOffset(role, unix_s, (before_s + local_clock()) / 2 - unix_s)
