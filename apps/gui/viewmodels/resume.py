"""A session that was interrupted, in words. No Qt."""

from __future__ import annotations

from apps.gui.strings import tr
from calibration.journal import Journal

_PAGES = {
    "devices": "before the first trial",
    "electrodes": "before the first trial",
    "microphone": "before the first trial",
    "session": "in its trials",
    "fit": "while the model was fitted",
    "report": "at its report",
    "use": "at its report",
}


def resume_words(journal: Journal) -> str:
    """Whose, which protocol, since when, and how far it came."""
    where = tr(_PAGES.get(journal.page, journal.page))
    return tr("{name}: {protocol}, begun {when}, stopped {where}").format(
        name=journal.name, protocol=_name(journal.protocol), when=_moment(journal.agreed), where=where
    )


def _name(protocol: str) -> str:
    return protocol.replace("\\", "/").rsplit("/", 1)[-1]


def _moment(iso: str) -> str:
    return iso[:16].replace("T", " ")
