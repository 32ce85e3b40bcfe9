"""What a key means to a session, the same in a terminal and in a window. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calibration.session import Abort, Begin, Continue, Input, Pause, Phase, Rated, Repeat, State

SPACE: Final = " "
_WAITING: Final = (Phase.BREAK, Phase.PAUSED)
_PAUSABLE: Final = frozenset(Phase) - {Phase.READY, Phase.PAUSED, Phase.DONE, Phase.ABORTED}


@dataclass(slots=True)
class Keys:
    """Turns keys into what they ask for. ``valence``: the first half of a self-report, once it is given."""

    valence: int | None = None

    def pressed(self, key: str, state: State) -> Input | None:
        """``key``: a character, " " for space; None where it means nothing now."""
        if state.phase is not Phase.RATE:
            self.valence = None
        elif key in "123456789":
            return self._rated(int(key))
        elif key == "0":
            self.valence = None
        return _asked(key, state.phase)

    def _rated(self, value: int) -> Input | None:
        """The first number is the valence, the second the arousal."""
        if self.valence is None:
            self.valence = value
            return None
        valence, self.valence = self.valence, None
        return Rated(valence, value)


def _asked(key: str, phase: Phase) -> Input | None:
    if key == SPACE:
        return Begin() if phase is Phase.READY else Continue() if phase in _WAITING else None
    if key == "p":
        return Pause() if phase in _PAUSABLE else Continue() if phase is Phase.PAUSED else None
    if key == "r":
        return Repeat()
    return Abort() if key == "q" else None
