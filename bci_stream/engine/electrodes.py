"""How each electrode is doing, from the hops of the windows: a word, a figure, and why."""

from __future__ import annotations

import numpy as np

from bci_stream.dsp.quality import ChannelQuality as Measured
from bci_stream.dsp.quality import QualityMeter, QualityWord
from bci_stream.engine.frame import ChannelQuality
from bci_stream.engine.model_view import hop_rows
from bci_stream.engine.plan import StreamPlan
from bci_stream.messages import StreamWindow

_STATES = {
    QualityWord.GOOD: ("good", "good"),
    QualityWord.NOISY: ("noisy", "noisy: movement or a loose contact"),
    QualityWord.LINE: ("noisy", "mains hum: check its contact and the ground"),
    QualityWord.FLAT: ("flat", "flat: not connected?"),
    QualityWord.RAILED: ("clipped", "at the amplifier's limit: check its contact"),
    QualityWord.NO_SIGNAL: ("gone", "no signal"),
}
_HIGHPASS_HZ = 1.0
_EVERY_S = 0.5


class ElectrodeWatch:
    """Takes the newest hop of each window; makes a summary every half second of them."""

    def __init__(self, plan: StreamPlan, hop_s: float) -> None:
        from bci_stream.dsp.filters import SosFilter, design_sos

        names = plan.spec.ch_names
        self._meter = QualityMeter(names, plan.sfreq)
        self._hop_s = hop_s
        self._filter = None
        if plan.sos is None and plan.sfreq > 4 * _HIGHPASS_HZ:  # the windows hold raw values
            self._filter = SosFilter(design_sos(plan.sfreq, _HIGHPASS_HZ, None), len(names))
        self._every = max(1, round(_EVERY_S / hop_s))
        self._n = 0
        self.channels: tuple[ChannelQuality, ...] = ()

    def take(self, part: StreamWindow) -> None:
        """The newest hop of a window."""
        n = hop_rows(part, self._hop_s)
        data, mask, marks = part.data[-n:], part.mask[-n:], part.marks[-n:]
        values = self._filter.step(data) if self._filter is not None else data
        self._meter.step(values, marks | mask[:, None])
        self._n += 1
        if self._n % self._every == 1 or self._every == 1:
            self.channels = tuple(map(_worded, self._meter.summary()))


def _worded(measured: Measured) -> ChannelQuality:
    state, words = _STATES[measured.word]
    sd_uv = measured.rms_uv
    figure = f"{sd_uv:.0f} µV" if np.isfinite(sd_uv) and sd_uv >= 10 else f"{sd_uv:.1f} µV"
    return ChannelQuality(measured.name, state, f"{words}, {figure}" if state != "gone" else words, sd_uv)
