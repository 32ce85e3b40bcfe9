"""Where predictions go, as the start page asks for it: LSL, OSC, a WebSocket, a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyqtgraph.Qt import QtWidgets

from apps.gui.parts import beside, stack, words_label
from apps.gui.strings import tr
from apps.gui.theme import LIGHT, SYMBOLS, Theme
from apps.gui.viewmodels.outputs import output_choice, output_words
from apps.outputs import OutputChoice
from bci_stream.errors import ConfigError

FIELDS = ("publish", "osc", "ws", "file")


class OutputForm(QtWidgets.QWidget):
    """A line for each way out, and one that says whether it can be.

    ``kept(name, otherwise)``: what was in a line last time. ``folder``: where files go.
    """

    def __init__(self, kept: Callable[[str, str], str], folder: Callable[[], Path]) -> None:
        super().__init__()
        self._folder, self._theme = folder, LIGHT
        self.publish = self._line(kept("publish", ""), tr("LSL: a name"), tr("publish predictions as"))
        self.osc = self._line(kept("osc", ""), tr("OSC: host:port"), tr("send predictions over OSC to"))
        self.ws = self._line(kept("ws", ""), tr("WebSocket: port"), tr("offer predictions on a WebSocket at"))
        self.file = self._line(
            kept("file", ""), tr("file: name.csv or name.jsonl"), tr("write predictions to a file")
        )
        self.check = words_label(tr("check of the outputs"))
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        lines = stack(beside(self.publish, self.osc), beside(self.ws, self.file))
        layout.addWidget(stack(lines, self.check))

    def _line(self, words: str, hint: str, name: str) -> Any:
        line = QtWidgets.QLineEdit(words)
        line.setPlaceholderText(hint)
        line.setAccessibleName(name)
        line.setToolTip(name)
        line.textChanged.connect(lambda _: self._show_check())
        return line

    def texts(self) -> dict[str, str]:
        """What is in the lines, by name."""
        return {name: getattr(self, name).text().strip() for name in FIELDS}

    def choice(self) -> OutputChoice:
        """What was asked for. Raises ConfigError for what cannot be."""
        return output_choice(self.texts(), self._folder())

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        self._show_check()

    def _show_check(self) -> None:
        try:
            self.choice()
            level, words = "good", output_words(self.texts())
        except ConfigError as error:
            level, words = "bad", str(error)
        self.check.setText(f"{SYMBOLS[level]} {words}" if words else "")
        self.check.setStyleSheet(f"color: {self._theme.quality(level)};")
        self.check.setVisible(bool(words))
