"""What happened when: a table that can be filtered and copied, and stays at its newest line."""

from __future__ import annotations

import math
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.palette import Theme
from apps.gui.strings import plain, tr
from apps.gui.viewmodels.log import LEVELS, LogFilter, LogTable, cells, copied, titles
from bci_stream.engine.frame import Frame, LogEntry

_ROLE = QtCore.Qt.ItemDataRole


class LogModel(QtCore.QAbstractTableModel):
    """A :class:`LogTable` for Qt; cells are plain text."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.table, self.theme = LogTable(), theme

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Lines that are shown."""
        return 0 if parent is not None and parent.isValid() else len(self.table.rows)

    def columnCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Time, level, source, words."""
        return 0 if parent is not None and parent.isValid() else 4

    def data(self, index: Any, role: int = _ROLE.DisplayRole) -> Any:
        """A cell's text, colour or hint."""
        if not index.isValid() or index.row() >= len(self.table.rows):
            return None
        entry = self.table.rows[index.row()]
        if role in (_ROLE.DisplayRole, _ROLE.AccessibleTextRole):
            return cells(entry)[index.column()]
        if role == _ROLE.ForegroundRole:
            if index.column() == 1:
                return QtGui.QColor(self.theme.quality(entry.level))
            return QtGui.QColor(self.theme.muted if index.column() in (0, 2) else self.theme.text)
        if role == _ROLE.ToolTipRole and index.column() == 3:
            return plain(entry.words)
        return None

    def headerData(self, section: int, orientation: Any, role: int = _ROLE.DisplayRole) -> Any:  # noqa: N802
        """Titles of the columns."""
        if orientation == QtCore.Qt.Orientation.Horizontal and role == _ROLE.DisplayRole:
            return titles()[section]
        return None

    def take(self, log: tuple[LogEntry, ...]) -> bool:
        """Look at a frame's log; true when rows came or went."""
        change = self.table.look(log)
        if change.anew:
            self.set_filter(None)
            return True
        if change.dropped:
            self.beginRemoveRows(QtCore.QModelIndex(), 0, change.dropped - 1)
            self.table.drop(change.dropped)
            self.endRemoveRows()
        if change.fresh:
            n = len(self.table.rows)
            self.beginInsertRows(QtCore.QModelIndex(), n, n + len(change.fresh) - 1)
            self.table.append(change.fresh)
            self.endInsertRows()
        return bool(change.dropped or change.fresh)

    def set_filter(self, chosen: LogFilter | None) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.table.renew(chosen)
        self.endResetModel()


class EventLogPanel(QtWidgets.QWidget):
    """The log with its filters."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self._frame: Frame | None = None
        self.model = LogModel(theme)
        self.level, self.source, self.text = self._filters()
        self.copy = QtWidgets.QPushButton(tr("Copy"))
        self.copy.setToolTip(tr("Copy the selected lines, or all that are shown (Ctrl+C)"))
        self.copy.clicked.connect(self.copy_lines)
        self.view = self._table()
        self._lay_out()

    def _filters(self) -> tuple[Any, Any, Any]:
        level = QtWidgets.QComboBox()
        for key, words in zip(
            LEVELS, (tr("everything"), tr("attention and faults"), tr("faults")), strict=True
        ):
            level.addItem(words, key)
        level.setAccessibleName(tr("least level"))
        level.setToolTip(tr("Show only lines that matter at least this much"))
        source = QtWidgets.QComboBox()
        source.addItem(tr("all sources"), "")
        source.setAccessibleName(tr("source"))
        source.setToolTip(tr("Show only lines of one source"))
        text = QtWidgets.QLineEdit()
        text.setPlaceholderText(tr("find words"))
        text.setClearButtonEnabled(True)
        text.setAccessibleName(tr("words to find"))
        text.setToolTip(tr("Show only lines with these words"))
        level.activated.connect(self._filter)
        source.activated.connect(self._filter)
        text.textChanged.connect(self._filter)
        return level, source, text

    def _table(self) -> Any:
        view = QtWidgets.QTableView()
        view.setModel(self.model)
        view.setAccessibleName(tr("what happened"))
        view.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        view.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)  # Tab goes on to the next control
        view.verticalHeader().setVisible(False)
        em = view.fontMetrics().height()
        view.verticalHeader().setDefaultSectionSize(math.ceil(1.35 * em))
        view.verticalHeader().setMinimumSectionSize(em)
        head = view.horizontalHeader()
        head.setStretchLastSection(True)
        head.setHighlightSections(False)
        head.setDefaultAlignment(QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter)
        for column, words in enumerate(("0:00:00", "▲ attention", "recording")):
            view.setColumnWidth(column, math.ceil(view.fontMetrics().horizontalAdvance(words) + 1.4 * em))
        copy = QtGui.QAction(tr("Copy"), view)
        copy.setShortcut(QtGui.QKeySequence(QtGui.QKeySequence.StandardKey.Copy))
        copy.setShortcutContext(QtCore.Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy_lines)
        view.addAction(copy)
        view.setContextMenuPolicy(QtCore.Qt.ContextMenuPolicy.ActionsContextMenu)
        return view

    def _lay_out(self) -> None:
        margin = math.ceil(self.fontMetrics().height() * 0.4)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(margin, margin // 2, margin, margin)
        layout.setSpacing(margin)
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(margin)
        for widget, stretch in ((self.level, 0), (self.source, 0), (self.text, 1), (self.copy, 0)):
            row.addWidget(widget, stretch)
        layout.addLayout(row)
        layout.addWidget(self.view, 1)
        for one, other in ((self.level, self.source), (self.source, self.text), (self.text, self.copy)):
            self.setTabOrder(one, other)
        self.setTabOrder(self.copy, self.view)

    # -- what it does -------------------------------------------------------------------------------------

    def show_frame(self, frame: Frame) -> None:
        """Show a frame's log; only when it is seen and has changed."""
        self._frame = frame
        if not self.isVisible():
            return
        at_end = self._at_end()
        sources = self.model.table.sources
        if self.model.take(frame.log) and at_end:
            self.view.scrollToBottom()
        if self.model.table.sources != sources:
            self._name_sources()

    def copy_lines(self) -> None:
        """Put the selected lines on the clipboard, or all that are shown."""
        chosen = sorted({index.row() for index in self.view.selectionModel().selectedRows()})
        rows = self.model.table.rows
        lines = [rows[i] for i in chosen if i < len(rows)] or rows
        QtWidgets.QApplication.clipboard().setText(copied(lines))

    def _at_end(self) -> bool:
        bar = self.view.verticalScrollBar()
        return bool(bar.value() >= bar.maximum())

    def _name_sources(self) -> None:
        chosen = self.source.currentData()
        while self.source.count() > 1:
            self.source.removeItem(1)
        for name in self.model.table.sources:
            self.source.addItem(name, name)
        self.source.setCurrentIndex(max(0, self.source.findData(chosen)))

    def _filter(self, *_: object) -> None:
        self.model.set_filter(
            LogFilter(self.level.currentData(), self.source.currentData() or "", self.text.text())
        )
        self.view.scrollToBottom()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme = self.model.theme = theme
        self.view.viewport().update()

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Catch up with what came while nobody looked."""
        super().showEvent(event)
        if self._frame is not None:
            self.show_frame(self._frame)
            self.view.scrollToBottom()
