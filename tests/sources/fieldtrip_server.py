"""A FieldTrip buffer server, version 1 of the realtime buffer protocol, one thread a connection.

Messages are ``{version: u16, command: u16, size: u32}`` and a body, little endian. PUT_HDR, PUT_DAT and
PUT_EVT fill the buffer; GET_HDR, GET_DAT, GET_EVT read it, indices inclusive; WAIT_DAT answers once there
are more samples or events than named, or after some milliseconds; FLUSH_* empty it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

import numpy as np

PUT_HDR, PUT_DAT, PUT_EVT, PUT_OK, PUT_ERR = 0x101, 0x102, 0x103, 0x104, 0x105
GET_HDR, GET_DAT, GET_EVT, GET_OK, GET_ERR = 0x201, 0x202, 0x203, 0x204, 0x205
FLUSH_HDR, FLUSH_DAT, FLUSH_EVT, FLUSH_OK = 0x301, 0x302, 0x303, 0x304
WAIT_DAT, WAIT_OK, WAIT_ERR = 0x402, 0x404, 0x405
FLOAT32, FLOAT64, INT16, CHAR = 9, 10, 6, 0
SIZES = {0: 1, 1: 1, 2: 2, 3: 4, 4: 8, 5: 1, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8}
RING_SAMPLES = 100_000


class FieldTripServer:
    """Listening on loopback; ``port`` 0 takes a free one."""

    def __init__(self, port=0):
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._changed = threading.Condition()
        self._connections = []
        self._header = None  # (n_channels, sfreq, data type, chunks)
        self._rows, self._events = b"", []
        self._n_samples = 0
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """As a killed server: every connection is cut."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or accept would hold the port
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            while (head := self._exactly(connection, 8)) is not None:
                version, command, size = struct.unpack("<HHI", head)
                body = self._exactly(connection, size) if size else b""
                if version != 1 or body is None:
                    return
                answer, content = self._answer(command, body)
                connection.sendall(struct.pack("<HHI", 1, answer, len(content)) + content)

    @staticmethod
    def _exactly(connection, n):
        data = b""
        while len(data) < n:
            part = connection.recv(n - len(data))
            if not part:
                return None
            data += part
        return data

    def _answer(self, command, body):
        with self._changed:
            if command == WAIT_DAT:
                return self._wait(*struct.unpack("<III", body[:12]))
            act = {
                PUT_HDR: self._put_header, PUT_DAT: self._put_data, PUT_EVT: self._put_events,
                GET_HDR: self._get_header, GET_DAT: self._get_data, GET_EVT: self._get_events,
                FLUSH_HDR: self._flush, FLUSH_DAT: self._flush, FLUSH_EVT: self._flush,
            }.get(command)  # fmt: skip
            answer = (GET_ERR, b"") if act is None else act(body)
            self._changed.notify_all()
            return answer

    def _put_header(self, body):
        n_channels, _, _, sfreq, kind, n_chunks = struct.unpack("<IIIfII", body[:24])
        self._header = (n_channels, sfreq, kind, body[24 : 24 + n_chunks])
        self._rows, self._n_samples, self._events = b"", 0, []
        return PUT_OK, b""

    def _put_data(self, body):
        n_channels, n, kind, size = struct.unpack("<IIII", body[:16])
        if self._header is None or (n_channels, kind) != (self._header[0], self._header[2]):
            return PUT_ERR, b""
        row = n_channels * SIZES[kind]
        self._rows = (self._rows + body[16 : 16 + size])[-RING_SAMPLES * row :]
        self._n_samples += n
        return PUT_OK, b""

    def _put_events(self, body):
        while len(body) >= 32:
            length = 32 + struct.unpack("<I", body[28:32])[0]
            self._events.append(body[:length])
            body = body[length:]
        return PUT_OK, b""

    def _get_header(self, _):
        if self._header is None:
            return GET_ERR, b""
        n_channels, sfreq, kind, chunks = self._header
        counts = (n_channels, self._n_samples, len(self._events), sfreq, kind, len(chunks))
        return GET_OK, struct.pack("<IIIfII", *counts) + chunks

    def _get_data(self, body):
        if self._header is None or not self._n_samples:
            return GET_ERR, b""
        n_channels, _, kind, _ = self._header
        row = n_channels * SIZES[kind]
        oldest = self._n_samples - len(self._rows) // row
        first, last = struct.unpack("<II", body) if body else (oldest, self._n_samples - 1)
        if not oldest <= first <= last < self._n_samples:
            return GET_ERR, b""
        data = self._rows[(first - oldest) * row : (last + 1 - oldest) * row]
        return GET_OK, struct.pack("<IIII", n_channels, last + 1 - first, kind, len(data)) + data

    def _get_events(self, body):
        first, last = struct.unpack("<II", body) if body else (0, len(self._events) - 1)
        if not 0 <= first <= last < len(self._events):
            return GET_ERR, b""
        return GET_OK, b"".join(self._events[first : last + 1])

    def _flush(self, _):
        self._rows, self._events, self._n_samples = b"", [], 0
        return FLUSH_OK, b""

    def _wait(self, n_samples, n_events, milliseconds):
        if self._header is None:
            return WAIT_ERR, b""
        deadline = time.monotonic() + milliseconds / 1e3
        while self._n_samples <= n_samples and len(self._events) <= n_events and not self._closed:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._changed.wait(left)
        return WAIT_OK, struct.pack("<II", self._n_samples, len(self._events))


class Acquisition:
    """A program that fills a buffer over its own connection."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port))

    def header(self, labels, sfreq, kind=FLOAT32, resolutions=None):
        names = "".join(f"{label}\0" for label in labels).encode()
        chunks = struct.pack("<II", 1, len(names)) + names
        if resolutions is not None:
            values = np.asarray(resolutions, "<f8").tobytes()
            chunks += struct.pack("<II", 3, len(values)) + values
        self._ask(PUT_HDR, struct.pack("<IIIfII", len(labels), 0, 0, sfreq, kind, len(chunks)) + chunks)

    def data(self, rows, kind=FLOAT32):
        """(n, n_channels), in the header's type."""
        body = np.ascontiguousarray(rows, {FLOAT32: "<f4", FLOAT64: "<f8", INT16: "<i2"}[kind]).tobytes()
        self._ask(PUT_DAT, struct.pack("<IIII", rows.shape[1], len(rows), kind, len(body)) + body)

    def event(self, kind, value, sample):
        text = (kind + value).encode()
        head = (CHAR, len(kind), CHAR, len(value), sample, 0, 0, len(text))
        self._ask(PUT_EVT, struct.pack("<IIIIIiiI", *head) + text)

    def close(self):
        self._socket.close()

    def _ask(self, command, body):
        self._socket.sendall(struct.pack("<HHI", 1, command, len(body)) + body)
        _, answer, size = struct.unpack("<HHI", self._socket.recv(8, socket.MSG_WAITALL))
        if size:
            self._socket.recv(size, socket.MSG_WAITALL)
        assert answer == PUT_OK, hex(answer)
