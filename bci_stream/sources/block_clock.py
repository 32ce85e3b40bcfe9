"""Stamps for the blocks of a sound card, on the local clock. Pure; every time is an argument.

* Samples are equally spaced and stamps never go back; the fit is followed by at most ``SLEW`` of speed.
* Where the host's ADC time cannot be believed, a block counts from the moment its callback began, less its
  own length, less what the ADC time said while it was believed (clamped). A callback comes late, never early,
  so the fit goes along the earliest ones. PulseAudio is such a case: its ADC time is on the wall clock, wrong
  by 0.4 s during the first second and creeping by 2.7 ms a second afterwards, while its earliest callbacks
  keep to 0.1 ms.
* Blocks that come late, or before which the host says it lost samples, are held until the delay has lasted
  ``SETTLE_S``: what is made up for was a stall, what stays is a gap of just that length. Nothing is invented.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bci_stream.messages import FloatArray, TimeArray
from bci_stream.sources.adc_clock import AdcJudge, BlockTime, LineFit

Origin = Literal["ADC clock", "arrival"]
Piece = tuple[TimeArray, FloatArray]

START_S: Final = 0.5  # blocks are held this long at first: sound servers begin with a burst
SETTLE_S: Final = 0.6  # a sound server may be half a second behind when it is busy, and makes up for it
SETTLE_FLAGGED_S: Final = 0.2  # the same where the host itself reports a loss
LATE_S: Final = 0.03  # lateness below this is a hiccup of the scheduler and not looked into
FLAGGED_S: Final = 0.003  # a loss that the host itself reports is believed from this length on
SLEW: Final = 5e-3
_GAIN: Final = 0.2  # of the distance to the fit, per block
_BUCKET_S: Final = 0.25
_N_OFFSETS: Final = 200
_LOWER_S: Final = 1e-3  # a delay that shrinks by more than this is still being made up for


@dataclass(slots=True)
class _Held:
    """A block that waits, and how much later it came than the fit expects."""

    block: BlockTime
    data: FloatArray
    late_s: float = 0.0


class BlockClock:
    """Stamps the blocks of one opening of a device.

    ``sfreq``: the device's nominal rate in Hz. ``not_before_s``: stamps begin after this.
    """

    def __init__(self, sfreq: float, not_before_s: float = -math.inf) -> None:
        self.sfreq = sfreq
        self._judge = AdcJudge(sfreq)
        self._fit = LineFit(sfreq)
        self._host_offset: deque[float] = deque(maxlen=_N_OFFSETS)  # entry - current: the least is the truest
        self._held: list[_Held] = []
        self._lowest_s = (math.inf, 0.0)  # least lateness of the held blocks, and when it was met
        self._running = False
        self._n = 0  # samples until the next block, lost ones included
        self._next_s = not_before_s
        self._bucket: tuple[int, int, float] | None = None  # first sample, earliest sample, its lateness
        self.n_overflows = 0
        self.n_lost = 0

    @property
    def origin(self) -> Origin:
        """What the stamps stand on."""
        return "arrival" if self._judge.fault else "ADC clock"

    @property
    def words(self) -> str:
        """The same in a sentence."""
        if self._judge.fault:
            return f"stamped by arrival less the block's length: {self._judge.fault}"
        return "stamped by the host's ADC clock"

    @property
    def rate_ppm(self) -> float:
        """How much faster than nominal the device runs, parts per million."""
        return -self._fit.rate * 1e6

    @property
    def latency_s(self) -> float:
        """From the end of a block to its callback, as far as the ADC time told."""
        return self._judge.latency_s

    def step(self, block: BlockTime, data: FloatArray) -> list[Piece]:
        """Take one block and its samples (n, n_channels); return what can be stamped now, in order."""
        self.n_overflows += block.overflow
        self._consider(block)
        if not self._running:
            return self._start(block, data)
        settled = self._settle() if block.overflow and self._held else []
        return settled + self._go_on(block, data)

    def flush(self) -> list[Piece]:
        """The device is gone: stamp what was held."""
        if not self._held:
            return []
        return self._settle() if self._running else self._begin()

    def _go_on(self, block: BlockTime, data: FloatArray) -> list[Piece]:
        n_ahead = sum(held.block.n for held in self._held)
        late_s = self._local_s(block) - self._fit.at(self._n + n_ahead)
        flagged = block.overflow or any(held.block.overflow for held in self._held)
        if not flagged and late_s <= LATE_S:  # in time, or a stall that was made up for
            self._held.append(_Held(block, data))
            return self._release(0)
        if not self._held:
            self._lowest_s = (math.inf, block.entry_s)
        self._held.append(_Held(block, data, late_s))
        if late_s < self._lowest_s[0] - _LOWER_S:
            self._lowest_s = (late_s, block.entry_s)
        settle_s = SETTLE_FLAGGED_S if flagged else SETTLE_S
        return self._settle() if block.entry_s - self._lowest_s[1] >= settle_s else []

    # -- where a block's first sample lies ---------------------------------------------------------------

    def _consider(self, block: BlockTime) -> None:
        """Judge the ADC time; while it is good, keep how the host's clock lies to the local one."""
        if self._judge.step(block):
            self._host_offset.append(block.entry_s - block.current_s)

    def _local_s(self, block: BlockTime) -> float:
        """Local time of a block's first sample, by itself."""
        if self._judge.fault:
            return block.entry_s - block.n / self.sfreq - self.latency_s
        return block.adc_s + min(self._host_offset)

    # -- the first blocks ----------------------------------------------------------------------------------

    def _start(self, block: BlockTime, data: FloatArray) -> list[Piece]:
        if block.overflow:
            self._held.clear()  # what was before the loss has no place yet
        self._held.append(_Held(block, data))
        return self._begin() if block.entry_s - self._held[0].block.entry_s >= START_S else []

    def _begin(self) -> list[Piece]:
        """The earliest of the first blocks says where all of them lie."""
        n, places = 0, []
        for held in self._held:
            places.append((self._local_s(held.block) - n / self.sfreq, n))
            n += held.block.n
        start_s, at = min(places)
        self._fit.add(at, start_s + at / self.sfreq, by_arrival=bool(self._judge.fault))
        self._next_s = max(self._next_s, start_s)
        self._running = True
        return self._release(0)

    # -- late blocks ---------------------------------------------------------------------------------------

    def _settle(self) -> list[Piece]:
        """The delay has lasted, or its evidence ends here: what is left of it is a gap."""
        gap_s = min(held.late_s for held in self._held)
        flagged = self._held[0].block.overflow
        lost = gap_s > (FLAGGED_S if flagged else LATE_S)
        return self._release(round(gap_s * self.sfreq / (1.0 + self._fit.rate)) if lost else 0)

    def _release(self, n_lost: int) -> list[Piece]:
        if n_lost:
            self._n += n_lost
            self.n_lost += n_lost
            self._next_s += n_lost / self.sfreq * (1.0 + self._fit.rate)
            self._bucket = None
        held, self._held = self._held, []
        return [self._place(each) for each in held]

    # -- stamps --------------------------------------------------------------------------------------------

    def _place(self, held: _Held) -> Piece:
        n, length_s = held.block.n, held.block.n / self.sfreq
        self._learn(n, self._local_s(held.block))
        limit_s = SLEW * length_s
        correction_s = self._fit.rate * length_s + _GAIN * (self._fit.at(self._n) - self._next_s)
        step_s = (length_s + min(max(correction_s, -limit_s), limit_s)) / n
        times: TimeArray = self._next_s + np.arange(n, dtype=np.float64) * step_s
        self._n += n
        self._next_s += n * step_s
        return times, held.data

    def _learn(self, n: int, local_s: float) -> None:
        """The earliest block of every quarter second goes into the fit."""
        late_s = local_s - self._fit.at(self._n)
        first, best, best_s = self._bucket or (self._n, self._n, LATE_S)
        if late_s < best_s:  # what is later than a hiccup says nothing of the clock
            best, best_s = self._n, late_s
        self._bucket = (first, best, best_s)
        if self._n + n - first >= _BUCKET_S * self.sfreq:
            self._bucket = None
            if best_s < LATE_S:
                self._fit.add(best, self._fit.at(best) + best_s, by_arrival=bool(self._judge.fault))
