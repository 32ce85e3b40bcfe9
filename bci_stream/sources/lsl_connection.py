"""A link that is subscribed and whose clock is measured before its first sample is handed out."""

from __future__ import annotations

from collections import deque

from bci_stream.errors import StreamLostError
from bci_stream.messages import ClockOffset
from bci_stream.sources.lsl_link import Link


class Connection:
    """A subscribed link with the clock offsets that wait to be handed out ahead of its samples.

    Making one takes about 0.7 s, during which its samples are buffered. Raises StreamLostError.
    """

    def __init__(self, link: Link, role: str) -> None:
        self.link = link
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

    def take_offsets(self) -> list[ClockOffset]:
        """The offsets measured since the last call, oldest first."""
        return [self._offsets.popleft() for _ in range(len(self._offsets))]

    def _measure(self) -> None:
        measured = self.link.measure_offset()
        if measured is not None:
            remote_s, offset_s = measured
            self._offsets.append(ClockOffset(self._role, remote_s, offset_s))
