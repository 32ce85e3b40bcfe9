"""Every text that a person reads goes through :func:`tr`, so that a translator finds it.

View models use it too, and know no Qt: where Qt is not loaded there is no translator, and a text stays as it
is. What varies goes in afterwards: ``tr("{n} windows").format(n=n)``.
"""

from __future__ import annotations

import html
import sys

_CONTEXT = "bci_stream"


def tr(text: str) -> str:
    """The text in the language of the application; the text itself where there is no translation."""
    qt = sys.modules.get("pyqtgraph.Qt")
    return text if qt is None else str(qt.QtCore.QCoreApplication.translate(_CONTEXT, text))


def plain(text: str) -> str:
    """Somebody else's words (a stream's or channel's name) where Qt would take them for HTML."""
    return html.escape(text)
