"""Every text that a person reads goes through :func:`tr`, so that a translator finds it."""

from __future__ import annotations

import html

from pyqtgraph.Qt import QtCore

_CONTEXT = "bci_stream"


def tr(text: str) -> str:
    """The text in the language of the application; the text itself where there is no translation."""
    return str(QtCore.QCoreApplication.translate(_CONTEXT, text))


def plain(text: str) -> str:
    """Somebody else's words (a stream's or channel's name) where Qt would take them for HTML."""
    return html.escape(text)
