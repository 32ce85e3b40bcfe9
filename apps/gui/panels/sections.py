"""Several pictures in one panel: side by side and below each other as they fit, else on pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui.palette import Theme
from apps.gui.panels.canvas import ElidedLabel, inked

_GAP_EM = 0.8
_TITLE_EM = 1.5


@dataclass(frozen=True, slots=True)
class Section:
    """A picture, the least room that it needs (em), and the shape that suits it (width to height).

    ``short``: its title where there is little room. ``stretch``: its share of height that is over.
    """

    title: str
    short: str
    widget: Any
    width_em: float
    height_em: float
    shape: float
    stretch: float = 1.0


Row = list[int]
Size = tuple[float, float]


def partitions(n: int) -> Iterator[list[Row]]:
    """Every way to break ``n`` pictures into rows, in order."""
    for breaks in range(2 ** max(0, n - 1)):
        rows: list[Row] = [[]]
        for i in range(n):
            rows[-1].append(i)
            if breaks >> i & 1 and i < n - 1:
                rows.append([])
        yield rows


def best_rows(sections: Sequence[Section], width: float, height: float) -> list[Row] | None:
    """The rows in which every picture has room (em) and is nearest to its shape; None: there is no room."""
    fitting = [rows for rows in partitions(len(sections)) if _fits(sections, rows, width, height)]
    if not fitting:
        return None
    return min(fitting, key=lambda rows: _unshapeliness(sections, rows, width, height))


def _fits(sections: Sequence[Section], rows: Sequence[Row], width: float, height: float) -> bool:
    wide = max(sum(sections[i].width_em for i in row) + _GAP_EM * (len(row) - 1) for row in rows)
    return wide <= width and sum(_tall(sections, row) for row in rows) <= height


def _tall(sections: Sequence[Section], row: Row) -> float:
    return max(sections[i].height_em for i in row) + _TITLE_EM


def _heights(sections: Sequence[Section], rows: Sequence[Row], height: float) -> list[float]:
    """Heights of the rows (em): what each needs, and its share of what is over."""
    least = [_tall(sections, row) for row in rows]
    share = [max(sections[i].stretch for i in row) for row in rows]
    over = max(0.0, height - sum(least)) / sum(share)
    return [tall + over * part for tall, part in zip(least, share, strict=True)]


def _widths(sections: Sequence[Section], row: Row, width: float) -> list[float]:
    """Widths of the pictures of a row (em)."""
    least = [sections[i].width_em for i in row]
    over = width - sum(least) - _GAP_EM * (len(row) - 1)
    return [wide * (1 + over / sum(least)) for wide in least]


def _unshapeliness(sections: Sequence[Section], rows: Sequence[Row], width: float, height: float) -> float:
    total = 0.0
    for row, tall in zip(rows, _heights(sections, rows, height), strict=True):
        for i, wide in zip(row, _widths(sections, row, width), strict=True):
            total += abs(math.log(wide / (tall - _TITLE_EM) / sections[i].shape))
    return total


def pages_of(sections: Sequence[Section], width: float, height: float) -> list[list[Row]]:
    """Rows of each page (em): all on one page if they fit, else as many rows as a page holds."""
    rows = best_rows(sections, width, height)
    if rows is not None:
        return [rows]
    pages: list[list[Row]] = []
    for row in _filled_rows(sections, width):
        used = sum(_tall(sections, r) for r in pages[-1]) if pages else height
        if used + _tall(sections, row) > height - _TITLE_EM:
            pages.append([])
        pages[-1].append(row)
    return pages


def _filled_rows(sections: Sequence[Section], width: float) -> list[Row]:
    """As many side by side as fit."""
    rows: list[Row] = []
    used = 0.0
    for i, section in enumerate(sections):
        if not rows or used + _GAP_EM + section.width_em > width:
            rows.append([])
            used = -_GAP_EM
        rows[-1].append(i)
        used += _GAP_EM + section.width_em
    return rows


class Sections(QtWidgets.QWidget):
    """Places its sections; ``refresh`` is called when others have become visible."""

    def __init__(self, sections: Sequence[Section], theme: Theme, refresh: Callable[[], None]) -> None:
        super().__init__()
        self.sections, self._refresh = list(sections), refresh
        self.titles = [self._title(section) for section in sections]
        for section in sections:
            section.widget.setParent(self)
        self.tabs = QtWidgets.QTabBar(self)
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setAccessibleName(", ".join(section.title for section in sections))
        self.tabs.currentChanged.connect(self._turn)
        self.pages: list[list[Row]] = []
        self._beside: dict[int, Any] = {}
        self._absent: frozenset[int] = frozenset()
        self.footnote = ElidedLabel("", self)
        self.set_theme(theme)

    def attach(self, widget: Any, control: Any) -> None:
        """Put a small control at the right end of the title of ``widget``'s section."""
        control.setParent(self)
        self._beside[[section.widget for section in self.sections].index(widget)] = control

    def _title(self, section: Section) -> Any:
        label = ElidedLabel(section.title, self)
        font = label.font()
        font.setBold(True)
        label.setFont(font)
        label.setAlignment(QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter)
        return label

    def leave_out(self, widgets: Sequence[Any], words: str) -> None:
        """Do without these pictures, and say so at the bottom; none: show all."""
        absent = frozenset(i for i, section in enumerate(self.sections) if section.widget in widgets)
        self.footnote.setText(words)
        self.footnote.setToolTip(words)
        if absent != self._absent:
            self._absent = absent
            self._arrange()

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        for label in (*self.titles, self.footnote):
            inked(label, theme.muted)

    def minimumSizeHint(self) -> Any:  # noqa: N802 - Qt's name
        """Room for the smallest single picture."""
        em = self._em
        wide = min(section.width_em for section in self.sections)
        tall = min(section.height_em for section in self.sections) + _TITLE_EM
        return QtCore.QSize(round(wide * em), round(tall * em))

    def sizeHint(self) -> Any:  # noqa: N802 - Qt's name
        """Room for all of them, two side by side."""
        em = self._em
        wide = max(section.width_em for section in self.sections) * 1.6
        return QtCore.QSize(round(wide * em), round(26 * em))

    @property
    def _em(self) -> float:
        return float(self.fontMetrics().height())

    def resizeEvent(self, _event: Any) -> None:  # noqa: N802 - Qt's name
        """Find a place for everything."""
        self._arrange()

    def _arrange(self) -> None:
        kept = [i for i in range(len(self.sections)) if i not in self._absent]
        room = self.height() - self._foot
        found = pages_of([self.sections[i] for i in kept], self.width() / self._em, room / self._em)
        pages = [[[kept[i] for i in row] for row in page] for page in found]
        if pages != self.pages:
            self._name_pages(pages)
        self._place()

    @property
    def _foot(self) -> int:
        """Height of the line at the bottom."""
        return round(1.3 * self._em) if self._absent else 0

    def _name_pages(self, pages: list[list[Row]]) -> None:
        self.pages = pages
        self.tabs.blockSignals(True)
        current = max(0, self.tabs.currentIndex())
        while self.tabs.count():
            self.tabs.removeTab(0)
        for page in pages:
            self.tabs.addTab(" + ".join(self.sections[i].short for row in page for i in row))
        self.tabs.setCurrentIndex(min(current, len(pages) - 1))
        self.tabs.blockSignals(False)

    def _turn(self, _index: int) -> None:
        self._place()

    def _place(self) -> None:
        paged = len(self.pages) > 1
        page = self.pages[max(0, self.tabs.currentIndex())]
        shown = {i for row in page for i in row}
        titled = not (paged and len(shown) == 1)
        for i, (section, title) in enumerate(zip(self.sections, self.titles, strict=True)):
            section.widget.setVisible(i in shown)
            title.setVisible(i in shown and titled)
            if i in self._beside:
                self._beside[i].setVisible(i in shown)
        self.tabs.setVisible(paged)
        top = self.tabs.sizeHint().height() if paged else 0
        beside = 0
        if not titled:  # a control has no title to stand beside
            beside = sum(c.sizeHint().width() for i, c in self._beside.items() if i in shown)
        self.tabs.setGeometry(0, 0, self.width() - beside, top)
        self._place_rows(page, top, titled=titled)
        self._refresh()

    def _place_rows(self, page: list[Row], top: int, *, titled: bool) -> None:
        em = self._em
        title = round(_TITLE_EM * em) if titled else round(0.4 * em)
        floor, y = float(self.height() - self._foot), float(top)
        self.footnote.setGeometry(0, round(floor), self.width(), self._foot)
        self.footnote.setVisible(bool(self._absent))
        for row, tall in zip(page, _heights(self.sections, page, (floor - top) / em), strict=True):
            bottom = min(y + tall * em, floor)
            self._place_row(row, round(y), round(bottom), title, titled=titled)
            y = bottom

    def _place_row(self, row: Row, top: int, bottom: int, title: int, *, titled: bool) -> None:
        em, left = self._em, 0.0
        for i, wide in zip(row, _widths(self.sections, row, self.width() / em), strict=True):
            x, right = round(left), round(left + wide * em)
            beside = self._beside[i].sizeHint().width() if i in self._beside else 0
            self.titles[i].setGeometry(x, top, right - x - beside, title)
            self.sections[i].widget.setGeometry(x, top + title, right - x, bottom - top - title)
            if i in self._beside:
                size = self._beside[i].sizeHint()
                y = top + max(0, title - size.height()) // 2 if titled else 0
                self._beside[i].setGeometry(right - size.width(), y, size.width(), size.height())
                self._beside[i].raise_()
            left += (wide + _GAP_EM) * em
