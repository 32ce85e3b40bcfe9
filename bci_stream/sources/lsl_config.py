"""Keeps the LSL traffic of this process to a lab session and a scope of its own."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final, Literal, get_args

from bci_stream.errors import ConfigError

Scope = Literal["machine", "link", "site", "organization", "global"]

_OWN_SCOPE: Final = "machine"
_done: list[str] = []  # what this process has configured

#: An id that ends so moves the session to ports of its own.
_OWN_PORTS: Final = re.compile(r"\.p([1-5][0-9]{4})$")
_FIRST_PORT: Final = 17_000
_N_OWN: Final = 40
_N_RANGES: Final = 350  # below the ports that the system gives out
_N_PORTS: Final = 256  # for a session without such an id

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
    _done.append(content)


def keep_to_this_computer() -> bool:
    """Look no further than this computer, unless something else was said; whether that is so now.

    Said otherwise: by :func:`configure_lsl` in this process, or by a configuration file of liblsl's own.
    """
    if not _done and user_config() is None:
        configure_lsl()
        return True
    return bool(_done) and f"ResolveScope = {_OWN_SCOPE}" in _done[-1]


def user_config() -> Path | None:
    """The configuration file that liblsl would read, None where there is none."""
    asked = os.environ.get("LSLAPICFG")
    usual = (Path("lsl_api.cfg"), Path.home() / "lsl_api" / "lsl_api.cfg", Path("/etc/lsl_api/lsl_api.cfg"))
    places = (Path(asked), *usual) if asked else usual
    return next((path for path in places if path.is_file()), None)


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
    here = scope == "machine"
    peers = "KnownPeers = {127.0.0.1}\n" if here else ""
    lab = f"[lab]\n{peers}SessionID = {session_id}\n"
    ports = f"[ports]\n{_ports(session_id)}" if here else ""
    return f"{lab}{ports}[multicast]\nResolveScope = {scope}\n[log]\nlevel = -3\n"


def _ports(session_id: str) -> str:
    own = _OWN_PORTS.search(session_id)
    return f"BasePort = {own[1]}\nPortRange = {_N_OWN}\n" if own else f"PortRange = {_N_PORTS}\n"


def private_session(name: str) -> str:
    """A new session id, with ports of its own, for streams of this computer that nobody else is to meet."""
    base_port = _FIRST_PORT + _N_OWN * secrets.randbelow(_N_RANGES)
    return f"{name}-{secrets.token_hex(6)}.p{base_port}"
