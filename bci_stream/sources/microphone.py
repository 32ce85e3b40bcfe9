"""A microphone of this computer as a source of the core: raw blocks in, stamped chunks out.

PortAudio's thread only appends blocks; whoever calls :meth:`MicrophoneSource.read` stamps them. A keeper
thread notices that the device is gone, and takes the same one back when it returns, never another. Stamps are
on the local clock, so its clock offset is 0, and it looks to the core like any stream of the network.
"""

from __future__ import annotations

import math
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bci_stream.errors import ConfigError, StreamError, StreamFormatError, StreamLostError
from bci_stream.heartbeat import Heart
from bci_stream.messages import AUDIO, Chunk, ClockOffset, Event, FloatArray
from bci_stream.sources import portaudio, pulse
from bci_stream.sources.adc_clock import BlockTime
from bci_stream.sources.binding import Binding, bind_audio
from bci_stream.sources.block_clock import BlockClock, Piece
from bci_stream.sources.lsl_inlet import InletStatus, State
from bci_stream.sources.lsl_link import local_clock
from bci_stream.sources.mic_devices import MicDevice, choose_device, same_device, with_sources
from bci_stream.sources.mic_header import description, stream_info
from bci_stream.sources.mic_level import Level, LevelMeter

USUAL_RATE_HZ: Final = 16_000.0
_RATES_HZ: Final = (8_000.0, 192_000.0)
_BLOCKS_S: Final = (0.001, 0.1)
_HOST_BLOCK_S: Final = 0.005  # measured: PulseAudio's blocks of 10 ms come 2 to 10 ms late, those of 5 ms 1.2
_FIRST_BLOCK_S: Final = 6.0  # sound servers take up to 1.5 s
_LOST_S: Final = 0.35  # no block for so long: gone, until it proves otherwise
_REOPEN_S: Final = 3.0  # no block for so long, or since the opening: open it anew
_LOOK_S: Final = 0.1
_OPEN_S: Final = 8.0  # PortAudio's own time-outs together
_RETRY_S: Final = 0.5
_OFFSET_EVERY_S: Final = 5.0
_KEPT_S: Final = 30.0  # of blocks, when nobody reads


@dataclass(frozen=True, slots=True)
class _Block:
    opening: int
    time: BlockTime
    data: FloatArray


def find_inputs() -> list[MicDevice]:
    """Every microphone by name; any capture of this process must be closed. Raises StreamError."""
    return with_sources(portaudio.inputs(), pulse.sources())


class MicrophoneSource:
    """One microphone as the stream of role ``audio``.

    Args:
        query: a name or a part of one; None: the system's default.
        sfreq: Hz; None: 16 kHz, or the device's own where it does not take that.
        block_s: seconds per block, which is what the newest sample waits for; the host is asked for 5 ms at
            most, because it keeps to the time of small blocks.
        clock: the local clock of the streams.

    Raises:
        ConfigError: a rate or a block that makes no sense.
    """

    def __init__(
        self,
        query: str | None = None,
        *,
        sfreq: float | None = None,
        block_s: float = 0.010,
        clock: Callable[[], float] = local_clock,
    ) -> None:
        if sfreq is not None and not _RATES_HZ[0] <= sfreq <= _RATES_HZ[1]:
            raise ConfigError(f"a rate of {sfreq:g} Hz makes no sense for speech: use 8000 to 192000")
        if not _BLOCKS_S[0] <= block_s <= _BLOCKS_S[1]:
            raise ConfigError(f"a block of {block_s * 1e3:g} ms makes no sense: use 1 to 100 ms")
        self._query, self._sfreq, self._clock = query, sfreq, clock
        self._block_s = min(block_s, _HOST_BLOCK_S)
        self._lock = threading.Condition()  # over what both the callback and the reader touch
        self._blocks: deque[_Block] = deque(maxlen=math.ceil(_KEPT_S / self._block_s))
        self._n_waiting = 0
        self._opening = 0  # numbers the openings of the device; blocks of an earlier one may still wait
        self._opened_s = self._last_entry_s = -math.inf
        self._gone = threading.Event()
        self._stopped = threading.Event()
        self._capture: portaudio.Capture | None = None
        self._watch: pulse.Watch | None = None
        self._heart = Heart("keeper of the microphone", "unplugged, it will not be taken back: start anew")
        self._keeper = threading.Thread(
            target=lambda: self._heart.live(self._keep), name="microphone", daemon=True
        )
        self._n_reconnects = -1  # the first opening is none
        self._stamps: tuple[int, BlockClock] | None = None
        self._newest_s = -math.inf  # the newest stamp that was handed out
        self._offset_due_s = -math.inf
        self._n_lost = self._n_overflows = 0  # of earlier openings
        self._trouble = ""
        self._first: list[Event] = []

    # -- the owner ------------------------------------------------------------------------------------

    def open(self) -> dict[str, Binding]:
        """Find the device, open it, and wait for its first stamped samples.

        Raises:
            StreamNotFoundError, AmbiguousStreamError: no device, or several, answer to the name.
            StreamFormatError: it does not take the rate.
            StreamLostError: it was opened, but sends nothing.
            StreamError: no PortAudio, or the device is busy.
        """
        self.device = choose_device(find_inputs(), self._query)
        n_channels = self._open_first()
        self.meter = LevelMeter(self.sfreq)
        self.binding = self._bound(n_channels)
        began_s = self._clock()
        while not any(isinstance(event, Chunk) for event in self._first):
            self._first += self.read({AUDIO: self._block_s}, _LOOK_S)
            if self._clock() - began_s > _FIRST_BLOCK_S:
                self.close()
                raise StreamLostError(
                    f"microphone {self.device.name!r} is open but sent nothing within {_FIRST_BLOCK_S:g} s: "
                    "is it muted or suspended in the system's sound settings?"
                )
        self.binding = self._bound(n_channels)
        self._keeper.start()
        return {AUDIO: self.binding}

    def close(self) -> None:
        """Let go of the device and end the keeper. May be called again."""
        self._stopped.set()
        self._gone.set()
        if self._keeper.ident is not None:
            self._keeper.join(_REOPEN_S)
        self._let_go()
        pulse.unpin()
        with self._lock:
            self._lock.notify_all()

    def hearts(self) -> list[Heart]:
        """The pulse of its keeper."""
        return [self._heart]

    def renew(self) -> None:
        """The computer has slept: let the device go and open it anew."""
        self._gone.set()

    # -- the reader -----------------------------------------------------------------------------------

    def read(self, missing_s: Mapping[str, float], timeout_s: float = 0.1) -> list[Event]:
        """Wait until what the next window lacks has come, or the time-out; then take all there is."""
        if self._first and self._keeper.ident is not None:
            first, self._first = self._first, []
            return first
        n_wanted = max(1, math.ceil(missing_s.get(AUDIO, 0.0) * self.sfreq - 1e-3))
        with self._lock:
            if timeout_s > 0:
                self._lock.wait_for(lambda: self._n_waiting >= n_wanted or self._stopped.is_set(), timeout_s)
            blocks, self._n_waiting = list(self._blocks), 0
            self._blocks.clear()
        if self._stopped.is_set():
            return []
        pieces = [piece for block in blocks for piece in self._stamped(block)]
        return self._events(pieces)

    def _stamped(self, block: _Block) -> list[Piece]:
        pieces: list[Piece] = []
        if self._stamps is None or self._stamps[0] != block.opening:
            if self._stamps is not None:
                pieces = self._retired(self._stamps[1])
            self._stamps = (block.opening, BlockClock(self.sfreq, self._newest_s + 1.0 / self.sfreq))
            self._offset_due_s = -math.inf
        self.meter.step(block.data)
        new = self._stamps[1].step(block.time, block.data)
        if new:
            self._newest_s = float(new[-1][0][-1])
        return pieces + new

    def _retired(self, clock: BlockClock) -> list[Piece]:
        pieces = clock.flush()
        self._n_lost += clock.n_lost
        self._n_overflows += clock.n_overflows
        if pieces:
            self._newest_s = float(pieces[-1][0][-1])
        return pieces

    def _events(self, pieces: list[Piece]) -> list[Event]:
        if not pieces:
            return []
        stamps = np.concatenate([times for times, _ in pieces])
        data = np.concatenate([samples for _, samples in pieces])
        events: list[Event] = []
        if stamps[-1] >= self._offset_due_s:
            self._offset_due_s = float(stamps[-1]) + _OFFSET_EVERY_S
            events.append(ClockOffset(AUDIO, float(stamps[0]), 0.0))
        return [*events, Chunk(AUDIO, stamps, self.binding.convert(data), self._clock())]

    # -- how it fares ------------------------------------------------------------------------------------

    def status(self) -> dict[str, InletStatus]:
        """How the microphone fares, as the streams of the network tell it. From any thread."""
        state, note = self._state()
        info = self.binding.info
        status = InletStatus(
            AUDIO, state, max(0, self._n_reconnects), note, info.name, info.uid, self._last_entry_s
        )
        return {AUDIO: status}

    def _state(self) -> tuple[State, str]:
        silent_s = self._clock() - self._last_entry_s
        if not self._gone.is_set() and silent_s <= _LOST_S:
            return "live", ""
        why = self._trouble or f"nothing from {self.device.name!r} for {silent_s:.1f} s; waiting for it"
        return "lost", f"AUDIO LOST: {why}"

    @property
    def level(self) -> Level:
        """How loud it is now."""
        return self.meter.level

    @property
    def stamps(self) -> str:
        """What the stamps stand on, in words."""
        return self._stamps[1].words if self._stamps is not None else "not stamped yet"

    @property
    def n_lost(self) -> int:
        """Samples that the host lost while the device was open."""
        return self._n_lost + (self._stamps[1].n_lost if self._stamps is not None else 0)

    @property
    def n_overflows(self) -> int:
        """How often the host said so."""
        return self._n_overflows + (self._stamps[1].n_overflows if self._stamps is not None else 0)

    # -- opening ------------------------------------------------------------------------------------------

    def _open_first(self) -> int:
        """Open at the rate asked for, or the usual one, or the device's own. Returns its channels."""
        self.sfreq = self._sfreq or USUAL_RATE_HZ
        try:
            return self._open(self.device)
        except StreamFormatError:
            if self._sfreq is not None or self.device.sfreq == self.sfreq:
                raise
        self.sfreq = self.device.sfreq
        return self._open(self.device)

    def _open(self, device: MicDevice) -> int:
        if device.source:
            pulse.pin(device.source)
        else:
            pulse.unpin()
        self._opening += 1
        opening = self._opening
        self._gone.clear()
        self._opened_s = self._clock()
        self._capture, n_channels = portaudio.open_capture(
            device,
            self.sfreq,
            self._block_s,
            self._clock,
            lambda time, data: self._take(_Block(opening, time, data)),
            lambda: self._lose(opening),
        )
        if device.source and pulse.available():
            self._watch = pulse.Watch(device.source, lambda: self._lose(opening))
        return n_channels

    def _take(self, block: _Block) -> None:
        """In PortAudio's thread."""
        if self._gone.is_set() or block.opening != self._opening:
            return  # what comes after the loss may be another microphone's
        with self._lock:
            if self._last_entry_s < self._opened_s:
                self._n_reconnects += 1
                self._trouble = ""
            self._blocks.append(block)
            self._n_waiting += block.time.n
            self._last_entry_s = block.time.entry_s
            self._lock.notify()

    def _lose(self, opening: int) -> None:
        """In PortAudio's thread, or the watch's."""
        if opening == self._opening:
            self._gone.set()

    def _let_go(self) -> None:
        self._opening += 1  # what is still on its way is nobody's
        watch, self._watch = self._watch, None
        capture, self._capture = self._capture, None
        if watch is not None:
            watch.close()
        if capture is not None:
            capture.close()

    def _bound(self, n_channels: int) -> Binding:
        latency_s = self._stamps[1].latency_s if self._stamps is not None else 0.0
        self.description = description(self.device, n_channels, portaudio.version(), self.stamps, latency_s)
        hostname = socket.gethostname()
        return bind_audio(stream_info(self.device, n_channels, self.sfreq, hostname, self.description))

    # -- the keeper ---------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._stopped.is_set():
            self._heart.rest()
            self._gone.wait(_LOOK_S)
            self._heart.work(_OPEN_S)
            if self._stopped.is_set():
                return
            if self._gone.is_set() or self._is_dead():
                self._gone.set()
                self._let_go()
                self._take_back()

    def _is_dead(self) -> bool:
        return self._clock() - max(self._last_entry_s, self._opened_s) > _REOPEN_S

    def _take_back(self) -> None:
        """Try until the same device is open again, or the owner has had enough."""
        while not self._stopped.wait(_RETRY_S):
            try:
                device = same_device(find_inputs(), self.device)
                if device is None:
                    self._trouble = f"{self.device.name!r} is unplugged; waiting for the same one"
                    continue
                self._open(device)
            except StreamError as error:
                self._trouble = f"{error} (trying again)"
                self._let_go()
            else:
                return
