from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.palette import DARK, LIGHT
from apps.gui.panels import EventLogPanel, HealthPanel
from bci_stream.engine.frame import Frame, LogEntry
from bci_stream.engine.happenings import EventLog
from tests.gui.frames import session


@pytest.fixture
def panel(qtbot: Any) -> Iterator[HealthPanel]:
    made = HealthPanel(DARK)
    qtbot.addWidget(made)
    made.resize(800, 220)
    made.show()
    yield made
    made.close()


@pytest.fixture
def log_panel(qtbot: Any) -> Iterator[EventLogPanel]:
    made = EventLogPanel(DARK)
    qtbot.addWidget(made)
    made.resize(700, 200)
    made.show()
    yield made
    made.close()


def with_log(log: EventLog) -> Frame:
    return replace(session(5), log=log.entries())


@pytest.mark.parametrize("size", [(800, 220), (400, 400)], ids=["rows", "columns"])
def test_a_stream_s_light_has_words_and_figures(panel: HealthPanel, size: tuple[int, int]) -> None:
    panel.resize(*size)
    panel.show_frame(session(5))
    assert panel.text("eeg", "light") == "▲ attention"
    assert panel.text("eeg", "words") == "1 of 32 channels carry no signal"
    assert [panel.text("eeg", i) for i in range(7)] == [
        *("250.0 Hz", "0.02 %", "0.4 ms", "+12 ppm", "40 ms", "1", "µV"),
    ]
    assert panel.text("audio", "light") == "● good"
    assert "12:34" in panel.text("recording")


def test_a_lost_stream_is_red_with_words(panel: HealthPanel) -> None:
    frame = session(5)
    lost = replace(frame.streams[0], level="bad", words="the stream is gone", state="lost")
    panel.show_frame(frame)
    panel.show_frame(replace(frame, streams=(lost, frame.streams[1])))
    assert panel.text("eeg", "light") == "✕ fault"
    label = panel._labels["eeg", "light"]
    assert label.palette().color(QtGui.QPalette.ColorRole.WindowText).name() == DARK.bad


def test_streams_that_come_and_go_change_the_table(panel: HealthPanel) -> None:
    frame = session(5)
    panel.show_frame(replace(frame, streams=frame.streams[:1]))
    assert panel.text("eeg", "name") == "EEG: OpenBCI 32"
    with pytest.raises(KeyError):
        panel.text("audio", "name")
    panel.show_frame(frame)
    assert panel.text("audio", "name") == "voice: USB microphone"
    panel.show_frame(replace(frame, streams=()))
    assert "23 % of a core" in panel.text("processor")


def test_names_with_html_are_shown_as_they_are(panel: HealthPanel) -> None:
    frame = session(5)
    odd = replace(frame.streams[0], name="<b>Muse</b> 🙂", words="<img src=x> & more")
    panel.show_frame(replace(frame, streams=(odd,)))
    label = panel._labels["eeg", "name"]
    assert label.text() == "EEG: <b>Muse</b> 🙂"
    assert label.textFormat() == QtCore.Qt.TextFormat.PlainText
    assert "<img" not in panel._labels["eeg", "words"].toolTip()


def test_the_latency_bar_is_its_parts(panel: HealthPanel) -> None:
    frame = session(5)
    panel.show_frame(frame)
    parts = panel.latency.parts()
    total = sum(rect.width() for rect in parts)
    names = ("method", "arrival", "queue", "model", "output")
    for rect, name in zip(parts, names, strict=True):
        assert rect.width() / total == pytest.approx(frame.latency_ms[name] / 304.1, abs=1e-3)
    assert panel.latency.accessibleDescription().startswith("304 ms: method 252.0 ms")


def test_figures_that_stay_are_not_written_again(panel: HealthPanel) -> None:
    frame = session(5)
    panel.show_frame(frame)
    shown = panel._shown
    panel.show_frame(replace(frame, now_s=frame.now_s + 1))
    assert panel._shown is shown


def test_unknown_figures_and_no_recording(panel: HealthPanel) -> None:
    nan = dict.fromkeys(("rate_hz", "rate_ppm", "jitter_ms", "drift_ppm", "age_s", "offset_s"), float("nan"))
    frame = session(5)
    streams = tuple(replace(s, health=replace(s.health, **nan)) for s in frame.streams)
    broken = replace(frame, streams=streams, latency_ms={}, recording=None, cpu_share=float("nan"))
    panel.show_frame(broken)
    assert panel.text("eeg", 0) == "\N{EN DASH}"
    assert panel.text("recording") == "not recording"
    assert panel.latency.accessibleDescription() == "not measured"
    assert not panel.grab().isNull()


def test_a_theme_changes_the_lights(panel: HealthPanel) -> None:
    panel.show_frame(session(5))
    panel.set_theme(LIGHT)
    label = panel._labels["eeg", "light"]
    assert label.palette().color(QtGui.QPalette.ColorRole.WindowText).name() == LIGHT.warn


def test_the_log_shows_what_the_frame_holds(log_panel: EventLogPanel) -> None:
    frame = session(5)
    log_panel.show_frame(frame)
    model = log_panel.view.model()
    assert model.rowCount() == len(frame.log)
    assert [model.index(4, c).data() for c in range(4)] == [
        *("0:30", "● good", "markers", "block 1 <b>begins</b> 🙂"),
    ]
    hint = model.index(4, 3).data(QtCore.Qt.ItemDataRole.ToolTipRole)
    assert "<b>" not in hint


def test_the_log_filters_by_level_source_and_words(log_panel: EventLogPanel, qtbot: Any) -> None:
    log_panel.show_frame(session(5))
    model = log_panel.view.model()
    log_panel.level.setCurrentIndex(2)
    log_panel.level.activated.emit(2)
    assert [model.index(i, 2).data() for i in range(model.rowCount())] == ["eeg"]
    log_panel.level.setCurrentIndex(0)
    log_panel.source.setCurrentIndex(log_panel.source.findData("recording"))
    log_panel.source.activated.emit(0)
    assert model.rowCount() == 1
    log_panel.source.setCurrentIndex(0)
    qtbot.keyClicks(log_panel.text, "GAP")
    assert [model.index(i, 3).data() for i in range(model.rowCount())] == ["a gap of 0.05 s (12 samples)"]


def test_the_log_follows_its_end_unless_one_reads_further_up(log_panel: EventLogPanel, qtbot: Any) -> None:
    log = EventLog()
    for i in range(100):
        log.add(i, "good", "eeg", f"line {i}")
    log_panel.show_frame(with_log(log))
    bar = log_panel.view.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    log.add(100, "bad", "eeg", "newest")
    log_panel.show_frame(with_log(log))
    qtbot.waitUntil(lambda: bar.value() == bar.maximum())
    bar.setValue(10)
    log.add(101, "bad", "eeg", "newer")
    log_panel.show_frame(with_log(log))
    assert bar.value() == 10


def test_selected_lines_stay_selected_and_are_copied(log_panel: EventLogPanel, qtbot: Any) -> None:
    log = EventLog()
    for i in range(5):
        log.add(i, "warn", "eeg", f"line {i}")
    log_panel.show_frame(with_log(log))
    log_panel.view.selectRow(1)
    log.add(9, "good", "eeg", "more")
    log_panel.show_frame(with_log(log))
    log_panel.view.setFocus()
    qtbot.keyClick(log_panel.view, QtCore.Qt.Key.Key_C, QtCore.Qt.KeyboardModifier.ControlModifier)
    assert QtWidgets.QApplication.clipboard().text() == "1.00\twarn\teeg\tline 1"
    log_panel.view.clearSelection()
    log_panel.copy.click()
    assert len(QtWidgets.QApplication.clipboard().text().splitlines()) == 6


def test_the_log_stays_bounded(log_panel: EventLogPanel) -> None:
    log = EventLog()
    for i in range(2500):
        log.add(i, "good", "eeg", f"line {i}")
        if i % 100 == 0:
            log_panel.show_frame(with_log(log))
    log_panel.show_frame(with_log(log))
    model = log_panel.view.model()
    assert model.rowCount() == 2000
    assert model.index(1999, 3).data() == "line 2499"


def test_a_hidden_log_catches_up(log_panel: EventLogPanel) -> None:
    log_panel.hide()
    log_panel.show_frame(replace(session(5), log=(LogEntry(np.nan, "bad", "engine", "failed"),)))
    assert log_panel.view.model().rowCount() == 0
    log_panel.show()
    assert log_panel.view.model().index(0, 3).data() == "failed"


def test_filters_come_in_the_order_of_the_eye(log_panel: EventLogPanel) -> None:
    order = [log_panel.level, log_panel.source, log_panel.text, log_panel.copy, log_panel.view]
    seen = [order[0]]
    while len(seen) < len(order):
        after = seen[-1].nextInFocusChain()
        while after not in order:
            after = after.nextInFocusChain()
        seen.append(after)
    assert seen == order
    assert all(widget.accessibleName() or widget.text() for widget in order)
