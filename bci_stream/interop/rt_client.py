"""A live session as a client of mne-realtime: its RtEpochs cut epochs out of what a session sees.

>>> client = SessionClient(pipeline, {"trial:calm": 1, "trial:anger": 2}, tmin=-0.2, tmax=0.8)
>>> session = Session(source, pipeline, sinks, clock, on_outcome=client)
>>> epochs = mne_realtime.RtEpochs(client, client.event_id, -0.2, 0.8, stim_channel="STI 014")
>>> epochs.start()

Every hop of the session's grid becomes a buffer of equal size, in V, with a stim channel. A buffer waits
until the epochs of its markers are whole, so that a marker whose epoch has a gap is withheld.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError
from bci_stream.interop.to_mne import runs_of
from bci_stream.messages import EEG
from bci_stream.sources.mne_raw import import_mne, place_electrodes
from bci_stream.timeline.windows import row_at, samples_per

if TYPE_CHECKING:
    import mne

    from bci_stream.engine.pipeline import Outcome, Pipeline

STIM: Final = "STI 014"
_LATE_S: Final = 0.5  # a marker may come this much later than the samples of its time
_QUEUED: Final = 2048  # hops; what comes when they are full is a gap
_LONGEST_FILL_S: Final = 30.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Rows ``[first, first + n)`` of the grid: (n_channels, n) in V, and (n,) whether each is sound."""

    first: int
    volts: NDArray[np.float64]
    sound: NDArray[np.bool_]


class SessionClient:
    """What RtEpochs asks of its client. Give it to a session as ``on_outcome``.

    Args:
        pipeline: of the session.
        event_id: marker text to its code on the stim channel, above 0.
        tmin: start of an epoch (s) from its marker.
        tmax: end of an epoch (s).
        montage: positions of the electrodes, see :func:`~bci_stream.sources.mne_raw.to_raw`.

    ``n_withheld`` counts markers whose epoch had a gap.

    Raises:
        ConfigError: the session has no EEG, or codes or times that make no sense.
    """

    verbose = None  # read by RtEpochs

    def __init__(
        self,
        pipeline: Pipeline,
        event_id: Mapping[str, int],
        tmin: float,
        tmax: float,
        montage: str | None = "10-05",
    ) -> None:
        if EEG not in pipeline.plans:
            raise ConfigError("the session has no EEG stream to cut epochs from")
        if not tmax > tmin or not event_id or min(event_id.values()) < 1:
            raise ConfigError(
                f"epochs from {tmin!r} to {tmax!r} s with codes {dict(event_id)!r} make no sense"
            )
        self.event_id, self.n_withheld = dict(event_id), 0
        self._pipeline, self._tmin, self._tmax, self._montage = pipeline, tmin, tmax, montage
        self._sfreq = pipeline.plans[EEG].sfreq
        self._n_rows = samples_per(pipeline.settings.hop_s, self._sfreq, "a hop")
        self._queue: queue.Queue[_Buffer] = queue.Queue(_QUEUED)
        self._callbacks: list[Callable[[NDArray[np.float64]], None]] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._waiting: deque[_Buffer] = deque()
        self._broken: deque[tuple[int, int]] = deque()  # unsound rows
        self._next_row: int | None = None

    def __call__(self, outcome: Outcome) -> None:
        """Take a window's newest hop; called in the session's engine thread, never blocks."""
        if self._thread is None:
            return
        part = outcome.window.streams[EEG]
        stop = row_at(part.t_end, self._sfreq)
        volts = part.data[-self._n_rows :].T.astype(np.float64) * 1e-6
        buffer = _Buffer(stop - self._n_rows, volts, part.mask[-self._n_rows :] == 0)
        if not self._queue.full():
            self._queue.put_nowait(buffer)

    def get_measurement_info(self) -> mne.Info:
        """Channels in V, their places, and the stim channel."""
        mne = import_mne()
        names = list(self._pipeline.plans[EEG].spec.ch_names)
        info = mne.create_info([*names, STIM], self._sfreq, ["eeg"] * len(names) + ["stim"])
        if self._montage is not None:
            raw = mne.io.RawArray(np.zeros((len(names) + 1, 1)), info, verbose="error")
            place_electrodes(raw, self._montage)
            info = raw.info
        return info

    def register_receive_callback(self, callback: Callable[[NDArray[np.float64]], None]) -> None:
        """``callback`` gets every (n_channels + 1, n) buffer, in the receive thread."""
        if callback not in self._callbacks:
            self._callbacks.append(callback)

    def unregister_receive_callback(self, callback: Callable[[NDArray[np.float64]], None]) -> None:
        """No more buffers for this one."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def start_receive_thread(self, nchan: int) -> None:
        """Begin to hand out buffers; ``nchan`` is what :meth:`get_measurement_info` said."""
        del nchan
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._receive, name="rt-client", daemon=True)
            self._thread.start()

    def stop_receive_thread(self, stop_measurement: bool = False) -> None:
        """End the receive thread; the session goes on."""
        del stop_measurement
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            if thread is not threading.current_thread():
                thread.join()

    def _receive(self) -> None:
        while not self._stop.is_set():
            try:
                self._take(self._queue.get(timeout=_POLL_S))
            except queue.Empty:
                continue
            for buffer in self._ripe():
                for callback in tuple(self._callbacks):
                    callback(buffer)

    def _take(self, buffer: _Buffer) -> None:
        """Queue a buffer, with unsound ones before it where hops are missing."""
        if self._next_row is not None:
            missing = (buffer.first - self._next_row) // self._n_rows
            for i in range(min(missing, int(_LONGEST_FILL_S * self._sfreq) // self._n_rows), 0, -1):
                blank, never = np.zeros_like(buffer.volts), np.zeros_like(buffer.sound)
                self._append(_Buffer(buffer.first - i * self._n_rows, blank, never))
        self._append(buffer)

    def _append(self, buffer: _Buffer) -> None:
        self._waiting.append(buffer)
        self._next_row = buffer.first + self._n_rows
        for begin, end in runs_of((~buffer.sound).astype(np.uint8), 1):
            self._broken.append((buffer.first + begin, buffer.first + end))
        oldest = self._waiting[0].first + (self._tmin - 1.0) * self._sfreq
        while self._broken and self._broken[0][1] < oldest:
            self._broken.popleft()

    def _ripe(self) -> list[NDArray[Any]]:
        """The buffers whose epochs can all be judged, with their stim channel."""
        ripe = []
        newest_s = (self._next_row or 0) / self._sfreq
        while self._waiting:
            buffer = self._waiting[0]
            begin_s = buffer.first / self._sfreq
            end_s = begin_s + self._n_rows / self._sfreq
            events = [
                (marker.timestamp, self.event_id[marker.label])
                for marker in tuple(self._pipeline.markers)
                if marker.label in self.event_id and begin_s <= marker.timestamp < end_s
            ]
            last_s = max((t for t, _ in events), default=-np.inf) + self._tmax
            if newest_s < end_s + _LATE_S or newest_s <= last_s:
                break
            self._waiting.popleft()
            ripe.append(np.vstack([buffer.volts, self._stim(buffer.first, events)]))
        return ripe

    def _stim(self, first: int, events: list[tuple[float, int]]) -> NDArray[np.float64]:
        stim = np.zeros((1, self._n_rows))
        for t, code in events:
            row = min(max(round(t * self._sfreq), first), first + self._n_rows - 1)
            begin, end = row + self._tmin * self._sfreq - 1, row + self._tmax * self._sfreq + 1
            if any(a < end and b > begin for a, b in self._broken):
                self.n_withheld += 1
            else:
                stim[0, row - first] = code
        return stim
