"""What every page of the guide is."""

from __future__ import annotations

from typing import Any, Final

from pyqtgraph.Qt import QtWidgets

from apps.gui.theme import Theme
from apps.gui.viewmodels.calibration import Guide
from apps.gui.viewmodels.finder import Check

READ_PX: Final = 16  #: of words that a person reads with a headset on


class GuidePage(QtWidgets.QWidget):
    """One page; ``title`` stands above it, ``next_words`` on the button that goes on."""

    title = ""

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return ""

    def __init__(self, wizard: Any) -> None:
        super().__init__()
        self.wizard = wizard
        self.theme: Theme = wizard.theme

    @property
    def guide(self) -> Guide:
        """The session's guide."""
        found: Guide = self.wizard.guide
        return found

    def enter(self) -> None:
        """The page comes to the screen."""

    def first(self) -> Any:
        """The widget that has the keyboard at first."""
        return self

    def tick(self) -> None:
        """Draw what is now."""

    def check(self) -> Check:
        """Whether one may go on, and why not."""
        return self.guide.may_go_on()

    def go_on(self) -> None:
        """What the button does."""
        self.guide.go_on()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme = theme
