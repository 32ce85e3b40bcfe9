"""Keeps the LSL traffic of this process to a lab session and a scope of its own."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from bci_stream.errors import ConfigError

Scope = Literal["machine", "link", "site", "organization", "global"]

_N_PORTS: Final = 256

#: liblsl's file format knows no quoting, so an id may hold nothing that could end a line or a value.
_SESSION_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def configure_lsl(session_id: str = "default", scope: Scope = "machine") -> None:
    """Put this process into an LSL session; only streams of the same session see each other.

    Must come before any other LSL call of the process: liblsl reads it once and ignores it later.
    ``scope`` is how far a stream is looked for. Raises ConfigError for an id or scope that LSL cannot take.
    """
    content = lsl_config_text(session_id, scope)
    import pylsl

    pylsl.set_config_content(content)


def lsl_config_text(session_id: str, scope: Scope = "machine") -> str:
    """The same as a configuration file, for a program that reads ``LSLAPICFG``. Raises ConfigError too."""
    if _SESSION_ID.fullmatch(session_id) is None:
        raise ConfigError(
            f"an LSL session id is 1 to 64 letters, digits, '_', '.' or '-' and starts with a letter "
            f"or digit; got {session_id!r}"
        )
    if scope not in get_args(Scope):
        raise ConfigError(f"the LSL scope must be one of {', '.join(get_args(Scope))}; got {scope!r}")
    # Multicast alone does not reach every outlet of a machine; a direct question does, on the ports that are
    # asked. liblsl asks 32, and an outlet beyond them, on a machine with many streams, would never be found.
    own = scope == "machine"
    peers = "KnownPeers = {127.0.0.1}\n" if own else ""
    ports = f"[ports]\nPortRange = {_N_PORTS}\n" if own else ""
    return (
        f"[lab]\n{peers}SessionID = {session_id}\n{ports}[multicast]\nResolveScope = {scope}\n"
        "[log]\nlevel = -3\n"
    )
