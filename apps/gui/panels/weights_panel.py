"""What the model weighs: scales, electrodes, attention between the modalities, and the gate."""

from __future__ import annotations

import math
from typing import Any

from pyqtgraph.Qt import QtWidgets

from apps.gui.palette import Theme
from apps.gui.panels.attention_view import AttentionView
from apps.gui.panels.gate_view import GateView
from apps.gui.panels.head_view import ImportanceView, WindowView
from apps.gui.panels.scales_view import ScalesView
from apps.gui.panels.sections import Section, Sections
from apps.gui.strings import tr
from apps.gui.viewmodels.weights import absent
from bci_stream.engine.frame import Frame


class WeightsPanel(QtWidgets.QWidget):
    """Shows the weights of a frame."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._frame: Frame | None = None
        self._absent: tuple[tuple[str, str], ...] = ()
        self.scales, self.importance, self.window_ = (
            ScalesView(theme),
            ImportanceView(theme),
            WindowView(theme),
        )
        self.attention, self.gate = AttentionView(theme), GateView(theme)
        self.views = (self.window_, self.importance, self.attention, self.gate, self.scales)
        self.sections = Sections(
            (
                Section(tr("Electrodes, this answer"), tr("Now"), self.window_, 11.5, 11, 1.0, 1.5),
                Section(tr("Electrodes, learned"), tr("Learned"), self.importance, 11.5, 11, 1.0, 1.5),
                Section(tr("Attention"), tr("Attention"), self.attention, 11.5, 11, 1.0, 1.5),
                Section(tr("Weight of EEG and voice"), tr("Gate"), self.gate, 17, 5.5, 3.0, 0.6),
                Section(tr("Scales since training began"), tr("Scales"), self.scales, 17, 6.5, 2.5, 0.5),
            ),
            theme,
            self._refresh,
        )
        self.head = self._head_choice()
        self.sections.attach(self.attention, self.head)
        margin = math.ceil(self.fontMetrics().height() * 0.5)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(margin, margin // 2, margin, margin // 2)
        layout.addWidget(self.sections)
        self.setTabOrder(self.sections.tabs, self.head)

    def _head_choice(self) -> Any:
        box = QtWidgets.QComboBox()
        box.addItem(tr("mean"), None)
        box.setAccessibleName(tr("head of the attention"))
        box.setToolTip(tr("The mean of all heads of the attention, or one of them"))
        box.activated.connect(self._choose_head)
        return box

    def _choose_head(self, _index: int) -> None:
        self.attention.set_head(self.head.currentData())
        self._refresh()

    def _refresh(self) -> None:
        if self._frame is not None:
            self.show_frame(self._frame)

    def show_frame(self, frame: Frame) -> None:
        """Draw a frame; only what is seen and what changed."""
        self._frame = frame
        self._leave_out(frame)
        for view in self.views:
            if view.isVisible():
                view.show_frame(frame)
        self._offer_heads(frame)

    def _leave_out(self, frame: Frame) -> None:
        """Room only for what this model has."""
        found = absent(frame.weights)
        if found != self._absent:
            self._absent = found
            views = {"electrodes": (self.window_, self.importance), "attention": (self.attention,)}
            views["gate"] = (self.gate,)
            gone = [view for part, _ in found for view in views[part]]
            words = "; ".join(why for _, why in found)
            self.sections.leave_out(
                gone, tr("Not in this model: {parts}").format(parts=words) if words else ""
            )

    def _offer_heads(self, frame: Frame) -> None:
        n = len(frame.weights.attention) if frame.weights is not None else 0
        if self.head.count() == n + 1:
            return
        while self.head.count() > 1:
            self.head.removeItem(1)
        for i in range(n):
            self.head.addItem(tr("head {n}").format(n=i + 1), i)
        self.head.setEnabled(n > 1)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        for view in (*self.views, self.sections):
            view.set_theme(theme)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Catch up with what came while nobody looked."""
        super().showEvent(event)
        self._refresh()
