"""Small widgets that every page is made of."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets


def box(name: str) -> Any:
    """A box to choose from."""
    made = QtWidgets.QComboBox()
    made.setAccessibleName(name)
    made.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
    return made


def words_label(name: str) -> Any:
    """Words that change, over several lines if need be."""
    label = QtWidgets.QLabel()
    label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setAccessibleName(name)
    return label


def paragraph(words: str = "", pixels: int | None = None) -> Any:
    """Words over several lines; ``pixels``: larger, to be read from further away."""
    label = QtWidgets.QLabel(words)
    if pixels is not None:
        sized(label, pixels)
    label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label


def sized(widget: Any, pixels: int) -> Any:
    """The widget, its words that large."""
    font = widget.font()
    font.setPixelSize(pixels)
    widget.setFont(font)
    return widget


def stack(*widgets: Any) -> Any:
    """One below the other."""
    holder = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    for widget in widgets:
        layout.addWidget(widget)
    return holder


def beside(*widgets: Any) -> Any:
    """One beside the other; labels take what they need."""
    holder = QtWidgets.QWidget()
    layout = QtWidgets.QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget, 0 if isinstance(widget, QtWidgets.QLabel) else 2)
    return holder


def heading(words: str, pixels: int = 18) -> Any:
    """A title."""
    label = QtWidgets.QLabel(words)
    label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    font = label.font()
    font.setPixelSize(pixels)
    font.setBold(True)
    label.setFont(font)
    return label


def whole(page: Any) -> Any:
    """A column that fills a page to its edges."""
    layout = QtWidgets.QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 0, 0)
    return layout


def card(title: str, *parts: Any) -> Any:
    """A framed area with a title, parts below each other."""
    frame = QtWidgets.QFrame()
    frame.setProperty("card", True)
    layout = QtWidgets.QVBoxLayout(frame)
    layout.setContentsMargins(16, 14, 16, 14)
    layout.setSpacing(10)
    if title:
        layout.addWidget(heading(title))
    for part in parts:
        (layout.addLayout if isinstance(part, QtWidgets.QLayout) else layout.addWidget)(part)
    return frame
