"""Which window is due, and what of it is there.

Window ``k`` covers ``[k * hop - window, k * hop)`` of the local clock, for every stream alike; the
indices are absolute, so two runs over the same samples name the same windows. A window is due when
every stream has delivered past its end, or when the newest of them is ``lateness_s`` past it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bci_stream.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Window and hop length, and how long a window waits for a stream that lags, in seconds."""

    window_s: float = 5.0
    hop_s: float = 0.2
    lateness_s: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.hop_s <= self.window_s:
            raise ConfigError(
                f"a hop of {self.hop_s:g} s must be above 0 and fit the window of {self.window_s:g} s"
            )
        if not self.lateness_s >= 0:
            raise ConfigError(f"lateness must be 0 s or more, not {self.lateness_s:g}")


def row_at(t_s: float, sfreq: float) -> int:
    """The first grid row at or after ``t_s``; the rows of ``[a, b)`` are ``row_at(a)`` to ``row_at(b)``."""
    return int(np.ceil(round(t_s * sfreq, 6)))


def samples_per(length_s: float, sfreq: float, what: str) -> int:
    """Whole samples in ``length_s``; raises ConfigError when the grid does not divide it."""
    n = round(length_s * sfreq)
    if n < 1 or abs(n - length_s * sfreq) > 1e-6 * n:
        raise ConfigError(f"{what} of {length_s:g} s is not a whole number of samples at {sfreq:g} Hz")
    return n


class WindowSchedule:
    """Decides, from what each stream has delivered, which window comes next."""

    def __init__(self, settings: WindowSettings) -> None:
        self._settings = settings
        self.next_index: int | None = None  # the window to come; None until a stream delivers

    def start(self, t_first: float) -> None:
        """A stream's first sample is at ``t_first``: windows start with the first that holds it."""
        first = int(np.floor(t_first / self._settings.hop_s)) + 1
        if self.next_index is None or first < self.next_index:
            self.next_index = first

    def end_s(self, index: int) -> float:
        """Where window ``index`` ends, local clock."""
        return round(index * self._settings.hop_s, 9)

    def due(self, complete: Mapping[str, int], newest_s: float) -> tuple[int, bool] | None:
        """The next window if it is due: (index, whether lateness closed it); else None.

        ``complete``: per live stream, how many hops from time 0 it has delivered in full.
        ``newest_s``: the newest instant that any stream has reached, or the time now.
        """
        if self.next_index is None or not complete:
            return None
        if min(complete.values()) >= self.next_index:
            return self.next_index, False
        if newest_s >= self.end_s(self.next_index) + self._settings.lateness_s:
            return self.next_index, True
        return None

    def advance(self, index: int | None = None) -> None:
        """The window was handed out (or everything before ``index`` holds nothing): go on."""
        if self.next_index is not None:
            self.next_index = self.next_index + 1 if index is None else max(index, self.next_index)
