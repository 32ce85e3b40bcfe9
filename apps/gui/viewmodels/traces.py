"""How the traces are shown: which channels, how large, how long; and in what words. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bci_stream.engine.frame import ChannelQuality, TraceHistory

SPANS_S = (2.0, 5.0, 10.0, 30.0)
AMPLITUDES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)  # units a lane
PAGE_SIZES = (8, 16, 32, 64, 128)
_AUTO_SD = 4.0  # a lane holds this many standard deviations
_LOOK_S = 2.0
_LOOK_ROWS = 256


@dataclass
class TraceSettings:
    """What a person chose. ``page``: which group of ``page_size`` channels is shown."""

    span_s: float = 10.0
    sweep: bool = True
    amplitude: float = 100.0
    auto: bool = True
    page_size: int = 64
    page: int = 0
    hidden: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    filter_name: str = "0.5-45"
    model_view: bool = False

    def louder(self) -> None:
        """Draw larger: fewer units a lane."""
        self._step(-1)

    def quieter(self) -> None:
        """Draw smaller."""
        self._step(1)

    def _step(self, by: int) -> None:
        at = int(np.argmin([abs(np.log(a / self.amplitude)) for a in AMPLITUDES]))
        self.amplitude = float(AMPLITUDES[min(max(at + by, 0), len(AMPLITUDES) - 1)])
        self.auto = False

    def longer(self) -> None:
        """The next longer stretch of time."""
        self.span_s = min((s for s in SPANS_S if s > self.span_s), default=SPANS_S[-1])

    def shorter(self) -> None:
        """The next shorter stretch of time."""
        self.span_s = max((s for s in SPANS_S if s < self.span_s), default=SPANS_S[0])

    def toggle_bad(self, name: str) -> None:
        """Mark a channel bad, or good again."""
        self.bad ^= {name}

    def hide(self, name: str) -> None:
        """Do not show a channel."""
        self.hidden |= {name}

    def show_all(self) -> None:
        """Hide nothing."""
        self.hidden.clear()

    def turn_page(self, by: int, n_channels: int) -> None:
        """Show the next channels, or those before."""
        self.page = min(max(self.page + by, 0), self.n_pages(n_channels) - 1)

    def n_pages(self, n_channels: int) -> int:
        """Pages of that many channels."""
        return max(1, -(-n_channels // self.page_size))

    def lanes(self, ch_names: Sequence[str]) -> list[int]:
        """Channel numbers from top to bottom."""
        there = [i for i, name in enumerate(ch_names) if name not in self.hidden]
        page = min(self.page, self.n_pages(len(there)) - 1)
        return there[page * self.page_size : (page + 1) * self.page_size]


def spread(history: TraceHistory, lanes: Sequence[int], stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust SD of some channels just before row ``stop``: (L,), (L,); NaN where unknown."""
    n = len(lanes)
    unknown = np.full(n, np.nan)
    first = max(history.first, stop - round(_LOOK_S * history.sfreq))
    if stop <= first or not n:
        return unknown, unknown
    try:
        data, mask, _ = history.rows(first, stop)
    except IndexError:
        return unknown, unknown
    step = max(1, len(mask) // _LOOK_ROWS)
    values = data[::step][mask[::step] == 0][:, list(lanes)].astype(np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2:
        return unknown, unknown
    low, middle, high = np.percentile(values, (15.9, 50.0, 84.1), axis=0)
    return middle, (high - low) / 2


def fitting_amplitude(sd: np.ndarray) -> float | None:
    """Units a lane such that the usual channel fills it well; None where nothing is known."""
    alive = sd[np.isfinite(sd) & (sd > 0)]
    if not len(alive):
        return None
    wanted = _AUTO_SD * float(np.median(alive))
    return float(min((a for a in AMPLITUDES if a >= wanted), default=AMPLITUDES[-1]))


def bar_units(px_per_unit: float, height_px: float) -> float:
    """A round number of units for a scale bar of about ``height_px``."""
    wanted = height_px / px_per_unit
    steps = [m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5)]
    return max((s for s in steps if s <= wanted), default=steps[0])


def label_words(name: str, quality: ChannelQuality | None, bad: bool) -> str:
    """What a channel's label says when it is pointed at."""
    parts = [name]
    if bad:
        parts.append("marked bad")
    if quality is not None:
        parts.append(quality.words)
    return ": ".join(parts[:2]) + ("; " + parts[2] if len(parts) > 2 else "")


def time_words(t_s: float) -> str:
    """Session time as m:ss, with tenths only where they matter."""
    sign = "-" if t_s < -1e-6 else ""
    t_s = abs(round(t_s, 3))
    hours, rest = divmod(t_s, 3600)
    minutes, seconds = divmod(rest, 60)
    text = (
        f"{int(minutes)}:{seconds:02.0f}"
        if abs(seconds - round(seconds)) < 1e-3
        else f"{int(minutes)}:{seconds:04.1f}"
    )
    return f"{sign}{int(hours)}:{text.zfill(5)}" if hours else sign + text


def ticks(head_s: float, span_s: float, most: int = 12) -> list[float]:
    """Round session times within the stretch."""
    steps = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    step = next((s for s in steps if span_s / s <= most), steps[-1])
    first = int(np.ceil((head_s - span_s) / step - 1e-9))
    return [round(i * step, 6) for i in range(first, int(np.floor(head_s / step + 1e-9)) + 1)]
