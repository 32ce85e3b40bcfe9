"""What the model says: now, over time, by modality, on the circumplex, and of the session so far."""

from __future__ import annotations

import math
from typing import Any

from pyqtgraph.Qt import QtWidgets

from apps.gui.palette import Theme
from apps.gui.panels.bands_view import BandsView
from apps.gui.panels.circumplex_view import CircumplexView
from apps.gui.panels.headline import Headline
from apps.gui.panels.heads_view import HeadsView
from apps.gui.panels.sections import Section, Sections
from apps.gui.panels.summary_view import SummaryView
from apps.gui.strings import tr
from apps.gui.viewmodels.bands import SPANS_S
from apps.gui.viewmodels.words import duration_words
from bci_stream.engine.frame import Frame


class PredictionPanel(QtWidgets.QWidget):
    """Shows the predictions of a frame; never an old class as current."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._frame: Frame | None = None
        self.headline = Headline(theme)
        self.bands, self.heads = BandsView(theme), HeadsView(theme)
        self.circumplex, self.summary = CircumplexView(theme), SummaryView(theme)
        self.span = self._span_choice()
        self.sections = Sections(
            (
                Section(tr("Probabilities over time"), tr("Over time"), self.bands, 20, 7.5, 2.4, 2.0),
                Section(tr("Each modality alone"), tr("Alone"), self.heads, 12, 4.4, 4.0, 0.2),
                Section(tr("Valence and arousal"), tr("Circumplex"), self.circumplex, 11.5, 11.0, 1.1, 1.5),
                Section(tr("Session so far"), tr("Session"), self.summary, 11.5, 9.5, 1.4, 0.5),
            ),
            theme,
            self._refresh,
        )
        self._lay_out()

    def _span_choice(self) -> Any:
        box = QtWidgets.QComboBox()
        for seconds in SPANS_S:
            box.addItem(tr("last {time}").format(time=duration_words(seconds)), seconds)
        box.setAccessibleName(tr("time span of the probabilities"))
        box.setToolTip(tr("How much time the probabilities show"))
        box.activated.connect(self._choose_span)
        return box

    def _lay_out(self) -> None:
        margin = math.ceil(self.headline.em * 0.5)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(margin, margin // 2, margin, margin // 2)
        layout.setSpacing(margin // 2)
        top = QtWidgets.QHBoxLayout()
        top.addWidget(self.headline, 1)
        layout.addLayout(top)
        layout.addWidget(self.sections, 1)
        self.span.setParent(self.sections)
        self.sections.attach(self.bands, self.span)
        self.setTabOrder(self.sections.tabs, self.span)

    def _choose_span(self, _index: int) -> None:
        self.bands.set_span(float(self.span.currentData()))
        self._refresh()

    def _refresh(self) -> None:
        if self._frame is not None:
            self.show_frame(self._frame)

    def show_frame(self, frame: Frame) -> None:
        """Draw a frame; only what is seen and what changed."""
        self._frame = frame
        for view in (self.headline, self.bands, self.heads, self.circumplex, self.summary):
            if view.isVisible():
                view.show_frame(frame)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        for view in (self.headline, self.bands, self.heads, self.circumplex, self.summary, self.sections):
            view.set_theme(theme)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Catch up with what came while nobody looked."""
        super().showEvent(event)
        self._refresh()
