"""``HOST:PORT`` as a person writes it."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Final

from bci_stream.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"
_PATTERN = re.compile(r"(?:(?P<host>\[[^\]]+\]|[^:\[\]/\s]+):)?(?P<port>[0-9]{1,5})")
_MAX_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by name or number, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can be meant."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def resolved(self, option: str) -> Address:
        """With a number for the name. Raises ConfigError when nobody knows it."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(f"{option} {self}: the host cannot be found ({reason})") from error
        return Address(str(found[0][4][0]), self.port)


def parse_address(text: str, option: str, host: str | None = None, *, any_port: bool = False) -> Address:
    """``HOST:PORT``, or ``PORT`` where ``host`` says whose; IPv6 in brackets: ``[::1]:9000``.

    ``option``: for the error. ``any_port``: port 0 asks the system for a free one.

    Raises:
        ConfigError: that is no such thing.
    """
    wanted = "HOST:PORT" if host is None else "[HOST:]PORT"
    found = _PATTERN.fullmatch(text)
    given = (found["host"].strip("[]") if found and found["host"] else None) or host
    if found is None or given is None:
        raise ConfigError(f"{option} {text!r} makes no sense: write {wanted}, such as 127.0.0.1:9000")
    port = int(found["port"])
    if not (0 if any_port else 1) <= port <= _MAX_PORT:
        raise ConfigError(f"{option} {text!r}: a port is a number from 1 to {_MAX_PORT}")
    return Address(given, port)
