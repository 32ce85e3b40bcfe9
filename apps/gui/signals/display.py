"""Signals made for the screen only: a causal filter, the log-mel spectrogram, the voice's level. No Qt.

A thread of its own follows the raw histories and writes histories beside them; the filters are compiled and
hold no lock. What the model sees is not touched by any of this.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.dsp.filters import SosFilter, design_sos
from bci_stream.engine.frame import TraceHistory
from bci_stream.engine.history import History, capacity_of
from bci_stream.errors import BciStreamError
from bci_stream.messages import Flag, FloatArray

_EVERY_S = 0.03
_BLOCK_S = 2.0  # what is worked on at once, so that a new choice is heeded soon
_KEPT_S = 300.0
_MAX_BYTES = 96 << 20
MEL_HZ: Final = 100.0
_FRAME_S = 0.025
_LOW_HZ, _HIGH_HZ = 60.0, 8000.0
N_MELS: Final = 64
_FLOOR = 1e-10
_LEVEL_S = 0.1


@dataclass(frozen=True, slots=True)
class Preset:
    """A display filter: corners in Hz, None where there is none."""

    key: str
    words: str
    highpass_hz: float | None
    lowpass_hz: float | None
    notch_hz: float | None


PRESETS: Final = (
    Preset("raw", "raw", None, None, None),
    Preset("0.5-45", "0.5 to 45 Hz", 0.5, 45.0, None),
    Preset("1-40", "1 to 40 Hz", 1.0, 40.0, None),
    Preset("notch50", "0.5 Hz + notch 50", 0.5, None, 50.0),
    Preset("notch60", "0.5 Hz + notch 60", 0.5, None, 60.0),
)


def preset_of(key: str) -> Preset:
    """The preset of that key; the first where there is none."""
    return next((preset for preset in PRESETS if preset.key == key), PRESETS[0])


class FilteredTrace:
    """Follows a history with a filter; its own history is read by views."""

    def __init__(self, raw: TraceHistory, preset: Preset) -> None:
        capacity = capacity_of(len(raw.ch_names), raw.sfreq, _KEPT_S, _MAX_BYTES)
        self.raw, self.preset = raw, preset
        self.history = History(raw.role, raw.ch_names, raw.sfreq, capacity)
        self._filter = SosFilter(_design(preset, raw.sfreq), len(raw.ch_names))
        self._next: int | None = None
        self._in_gap = False

    def follow(self) -> bool:
        """Filter the next block; False when there is nothing new."""
        raw = self.raw
        first = max(raw.first, self._next if self._next is not None else raw.stop - self.history.capacity)
        stop = min(raw.stop, first + max(1, round(_BLOCK_S * raw.sfreq)))
        if stop <= first:
            return False
        try:
            data, mask, marks = raw.rows(first, stop)
        except IndexError:
            self._next = None  # it ran away: begin anew with what is there
            return True
        gap = (mask & Flag.GAP) != 0
        broken = self._in_gap or bool(gap.any())
        data = self._by_stretch(data, gap) if broken else self._filter.step(data)
        self._in_gap = bool(gap[-1])
        self.history.write(first, data, mask, marks)
        self._next = stop
        return True

    def _by_stretch(self, data: FloatArray, gap: NDArray[np.bool_]) -> FloatArray:
        out = np.zeros_like(data)
        edges = np.flatnonzero(np.diff(gap)) + 1
        was_gap = self._in_gap
        for part in np.split(np.arange(len(gap)), edges):
            if gap[part[0]]:
                was_gap = True
                continue
            if was_gap:
                self._filter.reset()
            was_gap = False
            out[part] = self._filter.step(data[part[0] : part[-1] + 1])
        return out


def _design(preset: Preset, sfreq: float) -> NDArray[np.float64]:
    """The filter as far as the stream's rate can hold it."""
    nyquist = sfreq / 2

    def held(corner: float | None) -> float | None:
        return corner if corner is not None and corner < 0.95 * nyquist else None

    return design_sos(sfreq, held(preset.highpass_hz), held(preset.lowpass_hz), held(preset.notch_hz))


class MelTrace:
    """Follows a voice with a log-mel spectrogram of 100 frames a second, in dB."""

    def __init__(self, raw: TraceHistory) -> None:
        self.raw = raw
        names = tuple(f"mel{i + 1}" for i in range(N_MELS))
        self.history = History("mel", names, MEL_HZ, capacity_of(N_MELS, MEL_HZ, _KEPT_S))
        self._n = max(16, round(_FRAME_S * raw.sfreq))
        self._n_fft = 1 << (self._n - 1).bit_length()
        self._taper = np.hanning(self._n).astype(np.float32)
        self._weights = mel_weights(raw.sfreq, self._n_fft)
        self._next: int | None = None

    def follow(self) -> bool:
        """The next frames; False when there is nothing new. Frame ``i`` is centred on ``i / 100`` s."""
        raw, half = self.raw, self._n // 2
        first = int(np.ceil((raw.first + half) / raw.sfreq * MEL_HZ))
        first = max(first, self._next if self._next is not None else first)
        stop = int(np.floor((raw.stop - half - 1) / raw.sfreq * MEL_HZ))
        stop = min(stop, first + int(_BLOCK_S * MEL_HZ))
        if stop <= first or raw.stop == raw.first:
            return False
        starts = np.round(np.arange(first, stop) / MEL_HZ * raw.sfreq).astype(np.int64) - half
        try:
            data, mask, _ = raw.rows(int(starts[0]), int(starts[-1]) + self._n)
        except IndexError:
            self._next = None
            return False
        at = (starts - starts[0])[:, None] + np.arange(self._n)
        power = np.abs(np.fft.rfft(data[at, 0] * self._taper, self._n_fft)) ** 2
        mel = 10 * np.log10(np.maximum(power @ self._weights, _FLOOR)).astype(np.float32)
        gap = ((mask & Flag.GAP) != 0)[at].any(axis=1)
        marks = np.zeros(mel.shape, np.uint8)
        self.history.write(first, mel, np.where(gap, np.uint8(Flag.GAP), np.uint8(0)), marks)
        self._next = stop
        return True


def mel_weights(sfreq: float, n_fft: int) -> NDArray[np.float32]:
    """(n_fft // 2 + 1, N_MELS) triangles, even on the mel scale (O'Shaughnessy 1987)."""
    high_hz = min(_HIGH_HZ, sfreq / 2)
    low, high = (2595 * np.log10(1 + f / 700) for f in (min(_LOW_HZ, high_hz / 4), high_hz))
    corners = 700 * (10 ** (np.linspace(low, high, N_MELS + 2) / 2595) - 1)
    f = np.fft.rfftfreq(n_fft, 1 / sfreq)[:, None]
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    width = np.maximum(sfreq / n_fft, 1e-9)  # at least one bin wide, or low bands would be empty
    up = (f - np.minimum(left, centre - width)) / np.maximum(centre - left, width)
    down = (np.maximum(right, centre + width) - f) / np.maximum(right - centre, width)
    weights = np.maximum(0.0, np.minimum(up, down))
    return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-12) / n_fft, np.float32)


@dataclass(frozen=True, slots=True)
class Level:
    """The voice now, dB below full scale: ``rms_db``, ``peak_db``; whether it clipped."""

    rms_db: float = float("-inf")
    peak_db: float = float("-inf")
    clipped: bool = False


def level_of(raw: TraceHistory) -> Level:
    """The level of the last tenth of a second."""
    stop = raw.stop
    first = max(raw.first, stop - max(1, round(_LEVEL_S * raw.sfreq)))
    if stop <= first:
        return Level()
    try:
        data, mask, _ = raw.rows(first, stop)
    except IndexError:
        return Level()
    values = data[:, 0][mask == 0]
    values = values[np.isfinite(values)]
    if not len(values):
        return Level()
    rms, peak = float(np.sqrt(np.mean(values.astype(np.float64) ** 2))), float(np.abs(values).max())
    return Level(_db(rms), _db(peak), peak >= 0.999)


def _db(value: float) -> float:
    return 20 * float(np.log10(value)) if value > 0 else float("-inf")


class DisplayWorker:
    """The thread. :meth:`watch` tells it what is on the screen; what it made lies in its attributes."""

    def __init__(self) -> None:
        self.filtered: FilteredTrace | None = None
        self.mel: MelTrace | None = None
        self.level = Level()
        self.error: str | None = None
        self._wanted: tuple[TraceHistory | None, TraceHistory | None, Preset] = (None, None, PRESETS[0])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="display", daemon=True)
        self._thread.start()

    def watch(self, eeg: TraceHistory | None, audio: TraceHistory | None, preset: Preset) -> None:
        """Follow these from now on; cheap when nothing changed."""
        self._wanted = (eeg, audio, preset)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                self._turn()
            except (BciStreamError, ValueError, FloatingPointError, MemoryError) as error:
                self.error = f"the display filter stopped: {error}"
                return

    def _turn(self) -> None:
        eeg, audio, preset = self._wanted
        made = self.filtered
        if eeg is None or preset.key == "raw":
            self.filtered = None
        elif made is None or made.raw is not eeg or made.preset != preset:
            self.filtered = FilteredTrace(eeg, preset)
        if audio is None:
            self.mel = None
        elif self.mel is None or self.mel.raw is not audio:
            self.mel = MelTrace(audio)
        if audio is not None:
            self.level = level_of(audio)
        while self._follow() and self._wanted == (eeg, audio, preset) and not self._stop.is_set():
            pass

    def _follow(self) -> bool:
        moved = self.filtered.follow() if self.filtered is not None else False
        return (self.mel.follow() if self.mel is not None else False) or moved
