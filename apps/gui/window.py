"""The main window: pages, panels and keys around one control. It draws what frames say, and nothing else."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

from pyqtgraph.Qt import QtCore, QtWidgets

from apps.gui import theme as themes
from apps.gui.actions import fill_toolbar, make_actions, show_keys
from apps.gui.calibration.wizard import Wizard
from apps.gui.deeds import Deeds
from apps.gui.layout_store import LayoutStore
from apps.gui.options import GuiOptions
from apps.gui.panels_table import PanelSpec, panel_specs
from apps.gui.session_page import SessionPage
from apps.gui.start_page import StartPage
from apps.gui.strings import tr
from apps.gui.ticker import Ticker
from apps.gui.viewmodels.calibration import Guide
from apps.gui.viewmodels.control import Control
from apps.gui.viewmodels.traces import TraceSettings
from bci_stream.engine.frame import Frame

_NOTE_MS = 8000
_STACKED_PX = 1000  # in a lower window the panels at the right lie behind each other
_RIGHT_SHARE, _BOTTOM_SHARE, _HEALTH_SHARE = 0.31, 0.26, 0.6
_BOTTOM_PX = 230
_DOCK_AREAS = {
    "right": QtCore.Qt.DockWidgetArea.RightDockWidgetArea,
    "bottom": QtCore.Qt.DockWidgetArea.BottomDockWidgetArea,
}


class MainWindow(QtWidgets.QMainWindow):
    """One window for live sessions, recordings and the demo."""

    def __init__(self, options: GuiOptions, store: LayoutStore | None = None) -> None:
        super().__init__()
        self.options = options
        self.store = store or LayoutStore()
        self.control = Control()
        self.theme = themes.THEMES.get(options.theme or self.store.get("theme", "dark"), themes.DARK)
        self.settings = self._settings()
        self.frame: Frame | None = None
        self.wizard: Wizard | None = None
        self._asked = False
        self._unsized = False  # whether nothing is remembered of the panels' sizes
        self.failed: str | None = None  # why a picture could not be taken
        self.deeds = Deeds(self)
        self.setWindowTitle("bci_stream")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.actions_by_name = make_actions(self, self.deeds.table())
        self.pages = QtWidgets.QStackedWidget()
        self.start_page = StartPage(self)
        self.session_page = SessionPage(self)
        self.pages.addWidget(self.start_page)
        self.pages.addWidget(self.session_page)
        self.setCentralWidget(self.pages)
        self.panels: list[tuple[PanelSpec, Any]] = []
        self._shown_s: dict[str, float] = {}
        self._make_toolbar()
        self._make_docks()
        self._dress()
        self.resize(*options.size)
        self._default_state = self.saveState()
        self._restore()
        self.show_page()
        if self.store.problem is not None:
            self.note(self.store.problem)
        self.ticker = Ticker(self.tick)
        self.ticker.start()

    # -- frames -----------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Draw the newest frame."""
        if self.control.tick():
            self.show_page()
        run = self.control.run
        self.start_page.tick()
        if self.wizard is not None:
            self.deeds.show_state(None)
            self.wizard.tick()
            return
        if run is None:
            self.deeds.show_state(None)
            return
        self.frame = frame = run.frame()
        self.session_page.show_frame(frame)
        self.deeds.show_state(frame)
        now_s = time.perf_counter()
        for spec, panel in self.panels:
            if now_s - self._shown_s.get(spec.name, 0.0) >= spec.every_s and panel.isVisible():
                self._shown_s[spec.name] = now_s
                panel.show_frame(frame)

    def show_page(self) -> None:
        """The start page while nothing runs, else the session."""
        running = self.control.run is not None
        self.toolbar.setVisible(self.wizard is None)
        if self.wizard is not None:
            self.pages.setCurrentWidget(self.wizard)
        else:
            self.pages.setCurrentWidget(self.session_page if running else self.start_page)
        for dock in self._docks:
            dock.setVisible(running)
        if running and self._unsized:
            self._unsized = False
            QtCore.QTimer.singleShot(0, self._size_docks)
        if running:
            self.session_page.begin(self.control.run)

    # -- a calibration ------------------------------------------------------------------------------------

    @property
    def looks_for_streams(self) -> bool:
        """Whether the page that is shown offers what is on the network."""
        return self.wizard is None or self.wizard.guide.looks_for_streams

    def begin_calibration(self) -> None:
        """The pages that guide a person through one."""
        options = self.options
        guide = Guide(replace(options.calibration, scope=options.scope, session_id=options.session_id))
        self.wizard = Wizard(self, guide, self._calibrated)
        self.pages.addWidget(self.wizard)
        self.show_page()
        self.wizard.begin()

    def _calibrated(self, live: bool, words: str) -> None:
        """The pages are done with; ``live``: the model is to be tried."""
        wizard, self.wizard = self.wizard, None
        assert wizard is not None
        self.pages.removeWidget(wizard)
        wizard.deleteLater()
        self.start_page.form.use_finder()
        self.show_page()
        self.control.problem = words or None  # it stays on the start page until something is begun
        if live:
            self.start_page.try_profile(wizard.guide)

    # -- parts --------------------------------------------------------------------------------------------

    def _make_toolbar(self) -> None:
        self.toolbar = self.addToolBar(tr("Tools"))
        self.toolbar.setObjectName("tools")
        self.toolbar.setMovable(False)
        fill_toolbar(self.toolbar, self.actions_by_name)

    def _make_docks(self) -> None:
        self._docks: list[Any] = []
        for spec in panel_specs():
            panel = spec.make(self.theme)
            dock = QtWidgets.QDockWidget(tr(spec.title), self)
            dock.setObjectName(spec.name)
            dock.setWidget(panel)
            dock.setAccessibleName(tr(spec.title))
            self.addDockWidget(_DOCK_AREAS[spec.area], dock)
            self.panels.append((spec, panel))
            self._docks.append(dock)
        self._arrange_docks()

    def _arrange_docks(self) -> None:
        """Beside or behind each other, as the window has room."""
        height, orientation = self.options.size[1], QtCore.Qt.Orientation
        right, bottom = self._docks_at("right"), self._docks_at("bottom")
        for one, other in pairwise(bottom):
            self.splitDockWidget(one, other, orientation.Horizontal)
        for one, other in pairwise(right):
            if height < _STACKED_PX:
                self.tabifyDockWidget(one, other)
            else:
                self.splitDockWidget(one, other, orientation.Vertical)
        if right:
            right[0].raise_()

    def _size_docks(self) -> None:
        """Sizes that suit the window, as shares of it; heeded only once it is shown."""
        width, height, orientation = self.width(), self.height(), QtCore.Qt.Orientation
        right, bottom = self._docks_at("right"), self._docks_at("bottom")
        if right:
            self.resizeDocks(right[:1], [int(width * _RIGHT_SHARE)], orientation.Horizontal)
            if height >= _STACKED_PX:
                self.resizeDocks(right, [int(height / 2)] * len(right), orientation.Vertical)
        if bottom:
            self.resizeDocks(bottom[:1], [min(int(height * _BOTTOM_SHARE), _BOTTOM_PX)], orientation.Vertical)
            left_share = (_HEALTH_SHARE, 1 - _HEALTH_SHARE)
            sizes = [int(width * share) for share in left_share[: len(bottom)]]
            self.resizeDocks(bottom[: len(sizes)], sizes, orientation.Horizontal)

    def _docks_at(self, area: str) -> list[Any]:
        return [d for d, (spec, _) in zip(self._docks, self.panels, strict=True) if spec.area == area]

    def _settings(self) -> TraceSettings:
        get = self.store.get
        return TraceSettings(
            span_s=get("span_s", 10.0), sweep=get("sweep", True), filter_name=get("filter", "0.5-45")
        )

    def _restore(self) -> None:
        geometry, state = self.store.get("geometry", ""), self.store.get("state", "")
        self._unsized = not state or self.options.screenshot is not None
        if geometry and self.options.screenshot is None:
            self.restoreGeometry(QtCore.QByteArray.fromBase64(geometry.encode("ascii", "replace")))
        if state and self.options.screenshot is None:
            self.restoreState(QtCore.QByteArray.fromBase64(state.encode("ascii", "replace")))
        self.session_page.signals.restore_splitter(self.store.get("splitter", []))

    def reset_layout(self) -> None:
        """Every panel in its place."""
        self.restoreState(self._default_state)
        self.show_page()
        self._size_docks()

    def remember(self) -> None:
        """Save what should be found again."""
        values = {
            "theme": self.theme.name,
            "geometry": bytes(self.saveGeometry().toBase64()).decode("ascii"),
            "state": bytes(self.saveState().toBase64()).decode("ascii"),
            "splitter": self.session_page.signals.splitter_state(),
            "span_s": self.settings.span_s,
            "sweep": self.settings.sweep,
            "filter": self.settings.filter_name,
            **self.start_page.remembered(),
        }
        for name, value in values.items():
            self.store.set(name, value)
        self.store.save()

    # -- dress --------------------------------------------------------------------------------------------

    def set_theme(self, theme: themes.Theme) -> None:
        """Other colours."""
        self.theme = theme
        self._dress()

    def _dress(self) -> None:
        app = QtWidgets.QApplication.instance()
        themes.apply(app, self.theme)
        self.session_page.set_theme(self.theme)
        self.start_page.set_theme(self.theme)
        for _, panel in self.panels:
            panel.set_theme(self.theme)
        if self.wizard is not None:
            self.wizard.set_theme(self.theme)

    def show_keys(self) -> Any:
        """The help."""
        return show_keys(self)

    # -- the end ------------------------------------------------------------------------------------------

    def note(self, words: str) -> None:
        """One line at the bottom, for a while."""
        self.statusBar().showMessage(words, _NOTE_MS)

    def close_now(self) -> None:
        """Close without asking."""
        self._asked = True
        self.close()

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Ask while recording; then end everything."""
        if not self._asked and not self.deeds.may_close():
            event.ignore()
            return
        self.ticker.stop()
        self.remember()
        if self.wizard is not None:
            self.wizard.guide.leave()
            self.wizard.guide.wait()
        self.session_page.close_worker()
        self.start_page.close_finder()
        self.control.close()
        event.accept()

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """A recording may be dropped."""
        if self.deeds.dropped_path(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Open what was dropped."""
        path = self.deeds.dropped_path(event)
        if path is not None:
            self.deeds.open_path(path)
            event.acceptProposedAction()
