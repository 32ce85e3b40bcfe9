"""Qt actions of the table of deeds, and the help that lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.keys import DEEDS, TOOLBAR, Deed, table
from apps.gui.strings import plain, tr


def make_actions(window: Any, does: Mapping[str, Callable[[], None]]) -> dict[str, Any]:
    """An action for every deed, added to the window so that its key works everywhere in it."""
    actions = {}
    for deed in DEEDS:
        action = QtGui.QAction(tr(deed.text), window)
        action.setShortcut(QtGui.QKeySequence(deed.key))
        action.setShortcutContext(QtCore.Qt.ShortcutContext.WindowShortcut)
        action.setToolTip(f"{plain(tr(deed.tip))} ({plain(deed.key)})")
        action.setStatusTip(tr(deed.tip))
        action.setCheckable(deed.checkable)
        action.triggered.connect(_calling(does[deed.name]))
        window.addAction(action)
        actions[deed.name] = action
    return actions


def _calling(do: Callable[[], None]) -> Callable[..., None]:
    return lambda *_: do()


def fill_toolbar(bar: Any, actions: Mapping[str, Any]) -> None:
    """The deeds of the toolbar, in groups."""
    for i, group in enumerate(TOOLBAR):
        if i:
            bar.addSeparator()
        for name in group:
            bar.addAction(actions[name])
            button = bar.widgetForAction(actions[name])
            button.setAccessibleName(actions[name].text())
            button.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)


def show_keys(parent: Any) -> Any:
    """The help: every key, what it does."""
    dialog = QtWidgets.QDialog(parent)
    dialog.setWindowTitle(tr("Keys"))
    dialog.setAccessibleName(tr("Keys"))
    layout = QtWidgets.QHBoxLayout(dialog)
    columns = [QtWidgets.QVBoxLayout(), QtWidgets.QVBoxLayout()]
    for i, (group, deeds) in enumerate(table()):
        columns[0 if i in (0, 2) else 1].addWidget(_group(group, deeds))
    for column in columns:
        column.addStretch(1)
        layout.addLayout(column)
    dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()
    return dialog


def _group(title: str, deeds: list[Deed]) -> Any:
    box = QtWidgets.QGroupBox(tr(title))
    grid = QtWidgets.QGridLayout(box)
    grid.setVerticalSpacing(3)
    for row, deed in enumerate(deeds):
        key = QtWidgets.QLabel(QtGui.QKeySequence(deed.key).toString())
        key.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        font = key.font()
        font.setBold(True)
        key.setFont(font)
        grid.addWidget(key, row, 0)
        grid.addWidget(QtWidgets.QLabel(tr(deed.tip)), row, 1)
    grid.setColumnStretch(1, 1)
    return box
