"""Predictions over a WebSocket, for web pages and whatever else reads one.

Every record is one text message: the JSON of :func:`~bci_stream.sinks.jsonl.prediction_record`. The socket
only speaks. Whoever connects is told the newest record at once, and then each new one.

A client that reads slowly is sent the newest, never a backlog: no more than four records are on their way to
it at any time (it confirms each, by the pong that every WebSocket client answers with), and what it was too
slow for is skipped and counted. One that answers nothing for long is dropped.

A browser lets any web site open a socket to this computer. So pages are let in only when a server on this
computer gave them out, or from an origin that was named; programs, which send no origin, always. A page
that was opened as a file has the origin ``null``. Any site can borrow that one (in a sandboxed frame), so it
has to be named too.
"""

from __future__ import annotations

import asyncio
import http
import json
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from bci_stream.errors import ConfigError, StreamError
from bci_stream.messages import Prediction, Window
from bci_stream.sinks.address import Address
from bci_stream.sinks.jsonl import prediction_record

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

MAX_CLIENTS: Final = 32
_ON_THE_WAY: Final = 4
_MAX_MESSAGES: Final = 16  # a client may greet, not talk
_MAX_MESSAGE_BYTES: Final = 4096
_PING_S: Final = 10.0
_CLOSE_S: Final = 0.5
_TRY_LATER: Final = 1013
_NOT_ALLOWED: Final = 1008
_LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")

_log = logging.getLogger("bci_stream.websocket")
_log.addHandler(logging.NullHandler())  # strangers' failed handshakes are not this terminal's business


class WebSocketSink:
    """A server that tells every client each prediction.

    Args:
        address: where to listen; port 0 takes a free one.
        origins: web origins to let in besides this computer's own: ``https://lab.example``, ``null``.

    Raises:
        ConfigError: the port is taken, or the address is not this computer's.

    Attributes:
        address: where it listens.
        n_clients: clients now.
        n_clients_in_all: clients so far.
        n_sent: records sent, over all clients.
        n_skipped: records that a client was too slow for, over all clients.
    """

    def __init__(self, address: Address, origins: Sequence[str] = ()) -> None:
        self.address = address
        self.n_clients_in_all = self.n_sent = self.n_skipped = 0
        self._origins = frozenset(origins)
        self._clients: set[_Client] = set()
        self._newest: str | None = None
        self._began = threading.Event()
        self._failures: list[Exception] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="sink-websocket", daemon=True)
        self._thread.start()
        self._began.wait()
        if self._failures:
            self._thread.join()
            raise _cannot_listen(address, self._failures[0])

    @property
    def n_clients(self) -> int:
        """Clients now."""
        return len(self._clients)

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Offer a prediction to every client and return at once."""
        if prediction is None:
            return
        self._call(self._offer, json.dumps(prediction_record(prediction), allow_nan=False))

    def close(self) -> None:
        """Give every client its last record, say goodbye and free the port."""
        if self._thread.is_alive() and self._stop is not None:
            self._call(self._stop.set)
        self._thread.join()

    def _call(self, what: Callable[..., None], *arguments: object) -> None:
        """Have the server's thread do something. Raises StreamError when it has ended."""
        if self._loop is None or self._loop.is_closed():
            raise StreamError("the WebSocket server has ended")
        self._loop.call_soon_threadsafe(what, *arguments)

    # -- the server's own thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._began.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await self._listen()
        except (OSError, UnicodeError) as error:
            self._failures.append(error)
            return
        self.address = Address(self.address.host, server.sockets[0].getsockname()[1])
        self._began.set()
        await self._stop.wait()
        await self._say_goodbye()
        server.close()
        await server.wait_closed()

    async def _say_goodbye(self) -> None:
        """Let every client take its last record, if it does so soon."""
        waiting = [asyncio.create_task(client.idle()) for client in self._clients]
        if waiting:
            await asyncio.wait(waiting, timeout=_CLOSE_S)

    async def _listen(self) -> Server:
        from websockets.asyncio.server import serve

        return await serve(
            self._welcome,
            self.address.host,
            self.address.port,
            process_request=self._admit,
            compression=None,  # small messages: not worth the time
            open_timeout=5.0,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            close_timeout=_CLOSE_S,
            max_size=_MAX_MESSAGE_BYTES,
            logger=_log,
            server_header=None,
        )

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a web page that comes from elsewhere."""
        for origin in request.headers.get_all("Origin"):
            if not (_LOCAL_ORIGIN.fullmatch(origin) or origin in self._origins):
                text = f"pages from {origin} may not listen here; if you trust them: --ws-origin {origin}\n"
                return connection.respond(http.HTTPStatus.FORBIDDEN, text)
        return None

    async def _welcome(self, connection: ServerConnection) -> None:
        """Serve one client until it goes."""
        from websockets.exceptions import ConnectionClosed

        if len(self._clients) >= MAX_CLIENTS:
            await connection.close(_TRY_LATER, f"{MAX_CLIENTS} clients are connected already")
            return
        client = _Client(connection, self)
        self._clients.add(client)
        self.n_clients_in_all += 1
        if self._newest is not None:
            client.offer(self._newest)
        feeding = asyncio.create_task(client.feed())
        try:
            await _hear_out(connection)
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)
            feeding.cancel()

    def _offer(self, text: str) -> None:
        self._newest = text
        for client in self._clients:
            client.offer(text)


class _Client:
    """One connection, and the newest record that it has not been sent."""

    def __init__(self, connection: ServerConnection, counts: WebSocketSink) -> None:
        self._connection = connection
        self._counts = counts
        self._newest: str | None = None
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._pongs: deque[Awaitable[float]] = deque()

    def offer(self, text: str) -> None:
        """This is the newest now."""
        self._counts.n_skipped += self._newest is not None
        self._newest = text
        self._idle.clear()
        self._changed.set()

    async def idle(self) -> None:
        """Return when it has been sent all that there is."""
        await self._idle.wait()

    async def feed(self) -> None:
        """Send the newest, one after the other, until the connection is closed."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                await self._changed.wait()
                if len(self._pongs) == _ON_THE_WAY:
                    await self._pongs.popleft()
                await self._send_newest()
        except ConnectionClosed:
            self._idle.set()

    async def _send_newest(self) -> None:
        text, self._newest = self._newest, None
        self._changed.clear()
        if text is not None:
            await self._connection.send(text)
            self._pongs.append(await self._connection.ping())
            self._counts.n_sent += 1
        if self._newest is None:
            self._idle.set()


async def _hear_out(connection: ServerConnection) -> None:
    """Take what a client says, which is nobody's concern, until it goes or says too much."""
    n_heard = 0
    async for _ in connection:
        n_heard += 1
        if n_heard > _MAX_MESSAGES:
            await connection.close(_NOT_ALLOWED, "this socket only speaks")


def _cannot_listen(address: Address, error: Exception) -> ConfigError:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return ConfigError(
        f"--ws {address}: cannot listen there ({reason}); choose another port, or end the program that has it"
    )
