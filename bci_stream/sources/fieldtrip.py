"""A FieldTrip buffer as a live source, through mne-realtime's client of it.

The buffer counts samples and stamps none, so a block is stamped with the local time at which it was handed
out, its samples evenly before that; the dejitter makes a line of it. Events become markers at the time of
their sample. mne-realtime's client waits for ever at a server that has died: here every answer has a limit.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError, StreamFormatError, StreamLostError, StreamNotFoundError
from bci_stream.messages import StreamInfo
from bci_stream.sources.binding import bind_eeg
from bci_stream.sources.headers import with_header
from bci_stream.sources.lsl_link import local_clock
from bci_stream.sources.metadata import MAX_CHANNELS, MAX_SFREQ_HZ
from bci_stream.sources.polled import Device, Polled, PolledSource

DEFAULT_PORT: Final = 1972
_ANSWER_S: Final = 2.0
_RESOLUTIONS: Final = 3  # header chunk: a float64 a channel
_MAX_ANSWER_BYTES: Final = 1 << 28
_MAX_BLOCK: Final = 8192
_NEVER: Final = 0xFFFFFFFF
_PLAIN_EVENTS: Final = frozenset(("trigger", "stimulus", "marker", "event", "response"))


class FieldTripSource(PolledSource):
    """The EEG of a FieldTrip buffer, for a session.

    Args:
        address: ``HOST:PORT``, or ``HOST`` for port 1972.
        channels: names of its channels in order, where the buffer has none.
        pick: electrodes wanted.
        unit: of its values; without one they count as µV, for the buffer names no unit.

    Raises ConfigError for an address that is none, or without mne-realtime. :meth:`open` raises
    StreamNotFoundError where nobody answers or nothing is measured, StreamFormatError for an absurd header.
    """

    def __init__(
        self,
        address: str,
        *,
        channels: Sequence[str] | None = None,
        pick: Sequence[str] | None = None,
        unit: str | None = None,
        lost_s: float = 3.0,
    ) -> None:
        host, port = parse_address(address)
        client_class = _import_client()
        super().__init__(
            lambda: _Buffer(client_class, host, port),
            lambda device: bind_eeg(device.info, channels=channels, pick=pick, unit=unit),  # type: ignore[attr-defined]
            f"FieldTrip buffer {host}:{port}",
            lost_s=lost_s,
        )


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; raises ConfigError."""
    host, _, port = address.rpartition(":") if ":" in address else (address, "", str(DEFAULT_PORT))
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(
            f"{address!r} is no HOST:PORT of a FieldTrip buffer, such as localhost:{DEFAULT_PORT}"
        )
    return host, int(port)


def _import_client() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says at every import that MNE-LSL succeeds it
            from mne_realtime.externals import FieldTrip  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError("this needs mne-realtime: pip install 'bci-stream[mne]'") from error

    class Client(FieldTrip.Client):  # type: ignore[misc]
        """mne-realtime's client, with limits on how long and how large an answer may be."""

        def receiveResponse(self, minBytes: int = 0) -> tuple[int, int, bytes | None]:  # noqa: N802
            del minBytes
            version, command, size = struct.unpack("=HHI", _exactly(self.sock, 8))
            if version != FieldTrip.VERSION or size > _MAX_ANSWER_BYTES:
                raise OSError("its answer is none of a FieldTrip buffer of version 1")
            return command, size, _exactly(self.sock, size) if size else None

    return Client


def _exactly(sock: socket.socket, n: int) -> bytes:
    data = bytearray()
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise ConnectionResetError("it hung up")
        data += part
    return bytes(data)


class _Buffer(Device):
    """One connection to a buffer."""

    def __init__(self, client_class: Any, host: str, port: int) -> None:
        self._where = f"FieldTrip buffer {host}:{port}"
        self._client = client_class()
        try:
            self._client.sock = socket.create_connection((host, port), _ANSWER_S)
            self._client.isConnected = True
            header = self._client.getHeader()
        except (OSError, struct.error) as error:
            self.close()
            raise StreamNotFoundError(
                f"no {self._where} answers ({_words(error)}): start it, or check host and port"
            ) from error
        if header is None:
            self.close()
            raise StreamNotFoundError(f"the {self._where} has no header yet: start the acquisition")
        self.info = self._checked(header)
        self._resolutions = _resolutions(header)
        self._n_read, self._n_events = int(header.nSamples), int(header.nEvents)
        self._newest_s = local_clock()

    def begin(self) -> None:
        """Begin with the samples that are to come."""
        try:
            self._n_read, self._n_events = self._client.poll()
        except (OSError, struct.error) as error:
            raise StreamLostError(f"the {self._where} is gone ({_words(error)})") from error

    def poll(self, n_wanted: int, timeout_s: float) -> Polled:
        """The samples that are new, after waiting for as many as are wanted."""
        try:
            n_wait = self._n_read + max(0, n_wanted - 1)
            n_samples, n_events = self._client.wait(n_wait, self._n_events, int(timeout_s * 1e3))
            arrival_s = local_clock()
            if n_samples < self._n_read:
                raise StreamLostError(f"the {self._where} was started anew")
            values = self._samples(n_samples)
            stamps = arrival_s - np.arange(len(values) - 1, -1, -1) / self.info.sfreq
            self._newest_s = arrival_s if len(values) else self._newest_s
            return stamps, values, self._events(n_events)
        except (OSError, struct.error) as error:
            raise StreamLostError(f"the {self._where} is gone ({_words(error)})") from error

    def clock_pair(self) -> tuple[float, float]:
        """Stamps are local already."""
        return local_clock(), 0.0

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._client.disconnect()

    def _checked(self, header: Any) -> StreamInfo:
        n, sfreq = int(header.nChannels), float(header.fSample)
        if not (1 <= n <= MAX_CHANNELS and 0 < sfreq <= MAX_SFREQ_HZ):
            self.close()
            raise StreamFormatError(f"the {self._where} says {n} channels at {sfreq:g} Hz, which cannot be")
        names = tuple(label.strip() for label in header.labels)
        return with_header(
            StreamInfo(
                key=self._where,
                name=self._where,
                type="EEG",
                n_channels=n,
                sfreq=sfreq,
                dtype="double64",
                source_id=self._where,
                ch_names=names if len(names) == n and all(names) else (),
            )
        )

    def _samples(self, n_samples: int) -> NDArray[np.float64]:
        """The samples up to ``n_samples``; of a backlog the newest, where the buffer has the rest no more."""
        first = max(self._n_read, n_samples - _MAX_BLOCK)
        if first >= n_samples:
            return np.empty((0, self.info.n_channels))
        rows = self._client.getData([first, n_samples - 1])
        self._n_read = n_samples
        if rows is None or rows.shape[1] != self.info.n_channels:
            raise StreamLostError(f"the {self._where} does not give the samples that it announces")
        values: NDArray[np.float64] = rows.astype(np.float64)
        return values if self._resolutions is None else values * self._resolutions

    def _events(self, n_events: int) -> list[tuple[float, str]]:
        if n_events <= self._n_events:
            self._n_events = n_events
            return []
        events = self._client.getEvents([self._n_events, n_events - 1])
        self._n_events = n_events
        ago = [(self._n_read - 1 - event.sample) / self.info.sfreq for event in events]
        return [(self._newest_s - s, _label(event)) for s, event in zip(ago, events, strict=True)]


def _resolutions(header: Any) -> NDArray[np.float64] | None:
    """What a count of each channel is, where the header says so."""
    chunk = header.chunks.get(_RESOLUTIONS)
    if chunk is None or len(chunk) != 8 * header.nChannels:
        return None
    return np.frombuffer(chunk, "<f8")


def _label(event: Any) -> str:
    kind, value = _text(event.type), _text(event.value)
    return value if value and kind.casefold() in _PLAIN_EVENTS else f"{kind}:{value}".strip(":")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0")
    return ",".join(f"{number:g}" for number in np.atleast_1d(value)) if not isinstance(value, str) else value


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
