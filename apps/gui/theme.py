"""Colours of the window, dark and light: our own palettes, because Qt's does not follow on all platforms.

Hues are those of Okabe and Ito, which people with any colour vision tell apart; on white they are darkened
until text in them has a contrast of 4.5 to 1. No state is told by its colour alone: see :data:`SYMBOLS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyqtgraph as pg
from pyqtgraph.Qt import QtGui, QtWidgets

#: What stands beside the colour of a quality or a light.
SYMBOLS: Final = {
    "good": "●",
    "noisy": "▲",
    "flat": "▬",
    "clipped": "■",
    "gone": "✕",
    "warn": "▲",
    "bad": "✕",
    "off": "○",
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as "#rrggbb". ``series``: for classes and the like, in order."""

    name: str
    window: str
    panel: str
    field: str
    border: str
    text: str
    muted: str
    accent: str
    good: str
    warn: str
    bad: str
    flat: str
    gone: str
    trace: str
    gap: str
    marker: str
    edge: str
    series: tuple[str, ...]

    def quality(self, state: str) -> str:
        """The colour of a channel's quality or of a light."""
        colours = {
            "good": self.good,
            "warn": self.warn,
            "noisy": self.warn,
            "bad": self.bad,
            "clipped": self.bad,
            "flat": self.flat,
        }
        return colours.get(state, self.gone)


DARK: Final = Theme(
    name="dark",
    window="#14181d",
    panel="#1b2027",
    field="#232a33",
    border="#39424e",
    text="#e8ecf1",
    muted="#a3adba",
    accent="#56b4e9",
    good="#2fc89b",
    warn="#e69f00",
    bad="#ff7a3d",
    flat="#f0e442",
    gone="#8e98a5",
    trace="#8ecbf2",
    gap="#5a6472",
    marker="#f0e442",
    edge="#cc79a7",
    series=("#56b4e9", "#e69f00", "#2fc89b", "#e08fbd", "#f0e442", "#ff7a3d", "#9db4ff", "#c8ccd2"),
)
LIGHT: Final = Theme(
    name="light",
    window="#f3f5f7",
    panel="#ffffff",
    field="#ffffff",
    border="#c4ccd4",
    text="#161b21",
    muted="#55606c",
    accent="#0067a3",
    good="#00734f",
    warn="#8a5a00",
    bad="#b03e00",
    flat="#6b6300",
    gone="#66707c",
    trace="#005a94",
    gap="#aab4bf",
    marker="#8a5a00",
    edge="#9c3f74",
    series=("#0067a3", "#9e6000", "#00734f", "#9c3f74", "#6b6300", "#b03e00", "#4453b8", "#4a525b"),
)
THEMES: Final = {theme.name: theme for theme in (DARK, LIGHT)}


def apply(app: QtWidgets.QApplication, theme: Theme) -> None:
    """Dress the whole application."""
    app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    app.setStyleSheet(_style(theme))
    pg.setConfigOptions(background=theme.panel, foreground=theme.text, antialias=False)


def rgb(colour: str) -> int:
    """A colour as 0xffRRGGBB."""
    return 0xFF000000 | int(colour[1:], 16)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours by WCAG 2, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


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
