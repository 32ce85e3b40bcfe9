"""Dresses the application in a theme of :mod:`apps.gui.palette`; Qt's own do not follow everywhere."""

from __future__ import annotations

import pyqtgraph as pg
from pyqtgraph.Qt import QtGui, QtWidgets

from apps.gui.palette import DARK, LIGHT, SYMBOLS, THEMES, Theme, contrast

__all__ = ["DARK", "LIGHT", "SYMBOLS", "THEMES", "Theme", "apply", "contrast", "rgb"]


def apply(app: QtWidgets.QApplication, theme: Theme) -> None:
    """Dress the whole application."""
    app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    app.setStyleSheet(_style(theme))
    pg.setConfigOptions(background=theme.panel, foreground=theme.text, antialias=False)


def rgb(colour: str) -> int:
    """A colour as 0xffRRGGBB."""
    return 0xFF000000 | int(colour[1:], 16)


def _palette(theme: Theme) -> QtGui.QPalette:
    role = QtGui.QPalette.ColorRole
    colours = {
        role.Window: theme.window,
        role.WindowText: theme.text,
        role.Base: theme.field,
        role.AlternateBase: theme.panel,
        role.Text: theme.text,
        role.Button: theme.field,
        role.ButtonText: theme.text,
        role.BrightText: theme.bad,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.window,
        role.ToolTipBase: theme.panel,
        role.ToolTipText: theme.text,
        role.PlaceholderText: theme.muted,
        role.Link: theme.accent,
        role.Mid: theme.border,
        role.Dark: theme.border,
        role.Light: theme.field,
    }
    palette = QtGui.QPalette()
    for which, colour in colours.items():
        palette.setColor(which, QtGui.QColor(colour))
    for which in (role.Text, role.ButtonText, role.WindowText):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, which, QtGui.QColor(theme.gone))
    return palette


def _style(theme: Theme) -> str:
    return f"""
QToolTip {{ color: {theme.text}; background: {theme.panel}; border: 1px solid {theme.border}; padding: 4px; }}
QMainWindow::separator {{ background: {theme.window}; width: 5px; height: 5px; }}
QMainWindow::separator:hover {{ background: {theme.accent}; }}
QDockWidget {{ color: {theme.muted}; font-weight: 600; }}
QDockWidget::title {{ background: {theme.window}; padding: 4px 8px; text-align: left; }}
QFrame[card="true"], QDockWidget > QWidget {{ background: {theme.panel}; }}
QToolBar {{ background: {theme.window}; border: none; spacing: 4px; padding: 4px; }}
QToolButton, QPushButton {{
  color: {theme.text}; background: {theme.field}; border: 1px solid {theme.border};
  border-radius: 4px; padding: 4px 10px;
}}
QToolButton:hover, QPushButton:hover {{ border-color: {theme.accent}; }}
QToolButton:checked, QPushButton:checked {{ border-color: {theme.accent}; color: {theme.accent}; }}
QToolButton:disabled, QPushButton:disabled {{ color: {theme.gone}; }}
QToolButton:focus, QPushButton:focus {{ border: 2px solid {theme.accent}; padding: 3px 9px; }}
QPushButton[primary="true"] {{
  color: {theme.window}; background: {theme.accent}; border-color: {theme.accent}; font-weight: 600;
}}
QPushButton[primary="true"]:disabled {{ color: {theme.gone}; background: {theme.field}; }}
QComboBox, QLineEdit, QSpinBox, QDoubleSpinBox {{
  color: {theme.text}; background: {theme.field}; border: 1px solid {theme.border};
  border-radius: 4px; padding: 3px 6px;
}}
QComboBox:focus, QLineEdit:focus {{ border-color: {theme.accent}; }}
QComboBox QAbstractItemView {{
  color: {theme.text}; background: {theme.field}; selection-background-color: {theme.accent};
  selection-color: {theme.window}; border: 1px solid {theme.border};
}}
QHeaderView::section {{ color: {theme.muted}; background: {theme.panel}; border: none; padding: 4px; }}
QTableView, QTreeView, QListView {{ background: {theme.field}; border: 1px solid {theme.border}; }}
QTabBar::tab {{ color: {theme.muted}; background: {theme.window}; padding: 5px 12px; border: none; }}
QTabBar::tab:selected {{ color: {theme.text}; border-bottom: 2px solid {theme.accent}; }}
QStatusBar {{ color: {theme.muted}; background: {theme.window}; }}
QMenu {{ color: {theme.text}; background: {theme.panel}; border: 1px solid {theme.border}; }}
QMenu::item:selected {{ background: {theme.accent}; color: {theme.window}; }}
QScrollBar:vertical {{ background: {theme.panel}; width: 10px; }}
QScrollBar::handle:vertical {{ background: {theme.border}; border-radius: 4px; min-height: 24px; }}
QScrollBar:horizontal {{ background: {theme.panel}; height: 10px; }}
QScrollBar::handle:horizontal {{ background: {theme.border}; border-radius: 4px; min-width: 24px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
"""
