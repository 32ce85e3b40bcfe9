"""The LSL session that the rows of one process share: liblsl reads its configuration once."""

from __future__ import annotations

from bci_stream.sources.lsl_config import configure_lsl, private_session

_session: list[str] = []


def use(session_id: str) -> None:
    """Take one that is configured already."""
    _session[:] = [session_id]


def session() -> str:
    """Its id; a private one, configured at the first call."""
    if not _session:
        use(private_session("rows"))
        configure_lsl(_session[0])
    return _session[0]
