"""The start page: what there is, whether it fits, and a button that begins."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.runs import demo_run
from apps.gui.strings import tr
from apps.gui.theme import Theme


class StartPage(QtWidgets.QWidget):
    """Shown while nothing runs."""

    def __init__(self, window: Any) -> None:
        super().__init__()
        self.window_ = window
        self.status = QtWidgets.QLabel()
        self.status.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        self.demo = QtWidgets.QPushButton(tr("Demo"))
        self.demo.clicked.connect(self.start_demo)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self.demo)
        layout.addWidget(self.status)
        layout.addStretch(1)

    def start(self) -> None:
        """Begin with what the page says."""
        self.start_demo()

    def start_demo(self) -> None:
        """A simulated person."""
        self.window_.control.begin(tr("starting the demo"), demo_run)

    def tick(self) -> None:
        """Say what is going on."""
        control = self.window_.control
        self.status.setText(control.opening or control.problem or "")

    def remembered(self) -> dict[str, Any]:
        """What should be found again."""
        return {}

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""

    def close_finder(self) -> None:
        """End what looks for streams."""
