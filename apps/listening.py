"""Where this process can be reached from other computers. Linux tells; elsewhere nothing is said."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

_LISTENING = "0A"  # a TCP socket's state
_TABLES = ("tcp", "tcp6", "udp", "udp6")


@dataclass(frozen=True, slots=True)
class Socket:
    """One end of this process. ``peer``: None where it is connected to nobody."""

    kind: str
    address: IPv4Address | IPv6Address
    port: int
    peer: IPv4Address | IPv6Address | None
    listens: bool

    @property
    def is_open(self) -> bool:
        """Whether another computer can reach it."""
        return self.listens and not self.address.is_loopback


def sockets_of(pid: int | str = "self") -> list[Socket]:
    """The internet sockets of a process; [] where the system does not tell."""
    try:
        mine = _inodes(Path(f"/proc/{pid}/fd"))
        tables = {kind: Path(f"/proc/{pid}/net/{kind}").read_text("ascii") for kind in _TABLES}
    except OSError:
        return []
    return [
        socket
        for kind, table in tables.items()
        for line in table.splitlines()[1:]
        if (fields := line.split())[9] in mine and (socket := _socket(kind, fields)) is not None
    ]


def _inodes(folder: Path) -> set[str]:
    found = set()
    for entry in folder.iterdir():
        try:
            target = os.readlink(entry)
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _socket(kind: str, fields: list[str]) -> Socket:
    address, port = _address(fields[1])
    peer, peer_port = _address(fields[2])
    connected = peer_port != 0
    listens = fields[3] == _LISTENING if kind.startswith("tcp") else not connected
    return Socket(kind, address, port, peer if connected else None, listens)


def _address(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    """As the kernel writes it: words of four bytes, each in the machine's order."""
    digits, _, port = text.partition(":")
    words = [bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8)]
    address = ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address, int(port, 16)


def listening_words() -> str:
    """One line on what other computers can reach, empty for nothing."""
    found = {f"{s.kind.removesuffix('6')} {s.port}" for s in sockets_of() if s.is_open}
    if not found:
        return ""
    ports = ", ".join(sorted(found))
    return (
        f"reachable from other computers: {ports} (LSL binds every address; a firewall can close them, "
        "and nothing here answers but LSL)"
    )
