"""Recordings in the window: played, sought, dropped on it, and refused in one line."""

import numpy as np
import pytest
from pyqtgraph.Qt import QtCore, QtGui

from apps.gui.options import GuiOptions
from apps.gui.runs import ReplayRun
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Marker, StreamInfo, StreamSpec
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, as_markers
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from tests.gui.conftest import PATIENCE_MS

SECONDS = 20.0
T0 = 5000.0


def info(name, kind, names, sfreq, dtype="float32"):
    units = ("microvolts",) * len(names)
    return StreamInfo(name, name, kind, len(names), sfreq, dtype, uid=name, ch_names=names, ch_units=units)


def write(path, settings, seconds=SECONDS):
    """A simulated person's session, by our own recorder, with a gap from 8 to 10 s and two markers."""
    specs = Simulator(settings).specs
    eeg = info("Cap", "EEG", settings.ch_names, settings.eeg_sfreq)
    voice = info("Mic", "Audio", ("voice",), settings.audio_sfreq)
    streams = [
        as_bound(eeg, specs[EEG]),
        as_bound(voice, StreamSpec(AUDIO, ("voice",), settings.audio_sfreq)),
    ]
    marks = as_markers("markers", info("Marks", "Markers", ("m",), 0.0, "string"))
    recorder = XdfRecorder(path, [*streams, marks])
    for key in (EEG, AUDIO, "markers"):
        recorder.event(ClockOffset(key, T0, 0.0))
    person = Simulator(settings)
    for k in range(int(seconds)):
        for role, data in zip((EEG, AUDIO), person.render(float(k), float(k + 1)), strict=True):
            sfreq = specs[role].sfreq
            times = T0 + k + np.arange(len(data)) / sfreq
            if not (role == EEG and 8 <= k < 10):
                recorder.event(Chunk(role, times, data.reshape(len(data), -1)))
        if k in (3, 15):
            recorder.event(Marker("markers", T0 + k + 0.5, f"stimulus {k}"))
    recorder.close()
    assert recorder.error is None
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return write(tmp_path_factory.mktemp("xdf") / "session.xdf", SimulatorSettings(seed=7, person=9001))


def opened(qtbot, main):
    qtbot.waitUntil(
        lambda: isinstance(main.control.run, ReplayRun) and main.frame is not None, timeout=PATIENCE_MS
    )
    return main.control.run


def test_a_recording_is_opened_sought_and_played_faster(qtbot, window, recording):
    main = window(size=(1366, 768))
    main.deeds.open_path(recording)
    run = opened(qtbot, main)
    bar, signals = main.session_page.bar, main.session_page.signals
    assert bar.isVisible()
    assert not main.actions_by_name["record"].isEnabled()
    run.toggle_pause()
    bar.slider.setSliderPosition(bar.slider.maximum() * 3 // 5)
    bar.slider.sliderReleased.emit()
    qtbot.waitUntil(lambda: abs(run.transport().position_s - 12.0) < 0.1, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: (w := main.frame.window) is not None and w[1] > T0 + 11.7, timeout=PATIENCE_MS)
    assert main.frame.decision.label is not None or main.frame.decision.state == "uncertain"
    qtbot.waitUntil(lambda: [m.label for m in main.frame.markers] == ["stimulus 3"], timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: signals.eeg.image is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(
        lambda: signals.shown_eeg(main.frame, main.frame.traces[EEG]) is not None, timeout=PATIENCE_MS
    )
    main.settings.filter_name = "raw"
    qtbot.wait(150)
    image, theme = signals.eeg.image, main.theme
    gap = 0xFF000000 | int(theme.gap[1:], 16)
    x = int(9.0 / 10.0 * image.shape[1])
    assert gap in image[:, x]  # second 9 is in the gap; the page is from 2 to 12 s
    assert bar.place.text().startswith("0:12")

    main.actions_by_name["faster"].trigger()
    assert run.transport().speed == 2.0
    run.set_speed(10.0)
    main.actions_by_name["loop"].trigger()
    main.actions_by_name["play"].trigger()
    seen_end = []
    qtbot.waitUntil(
        lambda: seen_end.append(run.transport().position_s) or min(seen_end[-2:]) < 8 < max(seen_end),
        timeout=PATIENCE_MS,
    )
    main.actions_by_name["loop"].trigger()
    qtbot.waitUntil(lambda: run.transport().ended, timeout=PATIENCE_MS)
    assert main.session_page.bar.isVisible()


def test_what_is_shown_never_lies_in_the_recordings_future(qtbot, window, recording):
    main = window()
    main.deeds.open_path(recording)
    run = opened(qtbot, main)
    run.toggle_pause()
    run.seek(5.0)
    qtbot.waitUntil(lambda: (w := main.frame.window) is not None and w[1] > T0 + 4.7, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: run.frame().traces[EEG].stop / 250.0 > T0 + 5.0, timeout=PATIENCE_MS)  # not drawn
    stretch = main.session_page.signals.stretch(main.frame)
    assert stretch.head_s == pytest.approx(5.0, abs=0.01)


def test_a_dropped_file_is_opened(qtbot, window, recording):
    main = window()
    data = QtCore.QMimeData()
    data.setUrls([QtCore.QUrl.fromLocalFile(str(recording))])
    where, action = QtCore.QPointF(50, 50), QtCore.Qt.DropAction.CopyAction
    none, left = QtCore.Qt.KeyboardModifier.NoModifier, QtCore.Qt.MouseButton.LeftButton
    main.dropEvent(QtGui.QDropEvent(where, action, data, left, none))
    opened(qtbot, main)
    text = QtCore.QMimeData()
    text.setUrls([QtCore.QUrl.fromLocalFile("/etc/hosts")])
    assert main.deeds.dropped_path(QtGui.QDropEvent(where, action, text, left, none)) is None


def test_a_model_that_does_not_fit_leaves_the_signals(qtbot, window, tmp_path):
    path = write(tmp_path / "few.xdf", SimulatorSettings(ch_names=("Fz", "Cz")), seconds=4)
    main = window()
    main.deeds.open_path(path)
    opened(qtbot, main)
    qtbot.waitUntil(lambda: main.frame.n_windows > 0, timeout=PATIENCE_MS)
    assert main.frame.decision.state == "none"
    assert any(e.level == "bad" and "electrodes" in e.words for e in main.frame.log)


@pytest.mark.parametrize("kind", ["empty", "absent", "text", "no samples"])
def test_what_is_no_recording_is_said_in_one_line(qtbot, window, tmp_path, kind):
    path = tmp_path / "bad.xdf"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("hello")
    elif kind == "no samples":
        write(path, SimulatorSettings(), seconds=0)
    main = window()
    main.deeds.open_path(path)
    qtbot.waitUntil(lambda: main.control.problem is not None, timeout=PATIENCE_MS)
    assert "\n" not in main.control.problem
    qtbot.waitUntil(lambda: main.start_page.status.text() == main.control.problem, timeout=PATIENCE_MS)
    assert main.pages.currentWidget() is main.start_page


def test_options_choose_the_theme_and_size(qtbot, window):
    main = window(theme="light", size=(900, 600))
    assert main.theme.name == "light"
    assert main.width() == 900
    assert isinstance(main.options, GuiOptions)
