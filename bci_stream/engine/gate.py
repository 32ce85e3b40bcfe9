"""Speech as a condition of the voice's mask: where nobody speaks, there is no voice to judge."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from bci_stream.messages import FloatArray

_N_REMEMBERED: Final = 1024


class VoiceGate:
    """Says of each hop whether somebody speaks in it, the hangover of the last words included.

    ``sfreq``: Hz of the grid.
    """

    def __init__(self, sfreq: float) -> None:
        from bci_stream.dsp.voice import VoiceActivity

        self._voice = VoiceActivity(sfreq)
        self._said: deque[tuple[float, bool]] = deque(maxlen=_N_REMEMBERED)

    def newest(self, t_end: float, x: FloatArray, valid: FloatArray) -> bool:
        """Listen to the next hop, (n,) samples that end at ``t_end``; whether it holds speech."""
        speech = bool(np.any(self._voice.step(x, valid)))
        self._said.append((round(t_end, 6), speech))
        return speech

    def earlier(self, t_end: float) -> bool:
        """What was said of the hop that ends at ``t_end``; no speech where it was never heard."""
        wanted = round(t_end, 6)
        return any(speech for t, speech in reversed(self._said) if t == wanted)

    def interrupt(self) -> None:
        """What comes next is unconnected, but in the same room."""
        self._voice.interrupt()

    def reset(self) -> None:
        """Somebody else, somewhere else."""
        self._voice.reset()
        self._said.clear()
