"""The window on a real engine with real LSL streams, driven as a person would."""

import time
from pathlib import Path

import numpy as np
import pytest
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from apps.gui.viewmodels.headline import headline
from apps.live_run import LiveRun
from bci_stream.messages import AUDIO, EEG
from bci_stream.sources.xdf import XdfRecording
from tests.gui.conftest import PATIENCE_MS

KEY = QtCore.Qt.Key
CTRL = QtCore.Qt.KeyboardModifier.ControlModifier


def settled(main, seconds):
    """Has the session run for so long?"""
    return lambda: main.frame is not None and main.frame.now_s - main.frame.t0_s > seconds


def dialogs(name):
    return [w for w in QtWidgets.QApplication.topLevelWidgets() if w.objectName() == name and w.isVisible()]


def offers(box, name):
    return box.findText(name, QtCore.Qt.MatchFlag.MatchStartsWith) >= 0


def state_of(main, role):
    return next(s.state for s in main.frame.streams if s.role == role)


def point_at(view, x, y):
    """As the pointer does, wherever the other windows are."""
    where, none = QtCore.QPointF(x, y), QtCore.Qt.MouseButton.NoButton
    kind, keys = QtCore.QEvent.Type.MouseMove, QtCore.Qt.KeyboardModifier.NoModifier
    event = QtGui.QMouseEvent(kind, where, view.mapToGlobal(where), none, none, keys)
    QtWidgets.QApplication.sendEvent(view, event)


def press(main, action):
    """As the key does: through the action."""
    main.actions_by_name[action].trigger()


def test_a_session_from_the_start_page_to_the_end(qtbot, window, person, tmp_path):
    person("W")
    main = window(size=(1366, 768))
    page = main.start_page
    assert main.pages.currentWidget() is page
    qtbot.waitUntil(
        lambda: page.eeg.findText("WEEG", QtCore.Qt.MatchFlag.MatchStartsWith) >= 0, timeout=PATIENCE_MS
    )
    qtbot.waitUntil(
        lambda: page.audio.findText("WAudio", QtCore.Qt.MatchFlag.MatchStartsWith) >= 0, timeout=PATIENCE_MS
    )
    qtbot.waitUntil(lambda: "fits" in page.bundle_check.text(), timeout=PATIENCE_MS)
    page.folder.setText(str(tmp_path / "rec"))
    qtbot.mouseClick(page.start_button, QtCore.Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: main.control.run is not None, timeout=PATIENCE_MS)
    assert main.pages.currentWidget() is main.session_page
    qtbot.waitUntil(lambda: main.frame is not None and main.frame.n_predictions > 5, timeout=PATIENCE_MS)

    press(main, "record")
    qtbot.waitUntil(lambda: main.frame.recording is not None, timeout=PATIENCE_MS)
    press(main, "mark1")
    qtbot.waitUntil(lambda: any(m.label == "F2" for m in main.frame.markers), timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: main.frame.recording.duration_s > 1.5, timeout=PATIENCE_MS)
    press(main, "wrong")
    dialog = main.findChild(QtWidgets.QInputDialog)
    dialog.setTextValue("calm")
    dialog.accept()
    qtbot.waitUntil(lambda: any(m.label == "wrong:calm" for m in main.frame.markers), timeout=PATIENCE_MS)
    assert "recording" in main.session_page.headline.text()
    assert main.actions_by_name["record"].isChecked()
    path = Path(main.frame.recording.path)

    press(main, "record")
    qtbot.waitUntil(lambda: main.frame.recording is None, timeout=PATIENCE_MS)
    with XdfRecording.open(path) as recording:
        streams = {info.name: recording.summary(info.key).n_samples for info in recording.streams}
    assert streams["WEEG"] > 250
    assert streams["bci-stream-keyboard"] == 2
    assert "WAudio" not in streams  # the voice only when asked for

    press(main, "stop")
    qtbot.waitUntil(lambda: main.pages.currentWidget() is page, timeout=PATIENCE_MS)
    assert main.control.run is None


def test_what_is_drawn_is_what_the_engine_had(qtbot, running):
    main = running
    main.settings.filter_name, main.settings.auto, main.settings.amplitude = "raw", False, 100.0
    qtbot.waitUntil(settled(main, 4.0), timeout=PATIENCE_MS)
    signals = main.session_page.signals
    press(main, "pause")
    stop = signals.paused_s
    qtbot.waitUntil(settled(main, stop + 1.0), timeout=PATIENCE_MS)
    qtbot.wait(100)
    view, frame = signals.eeg, main.frame
    history, image = frame.traces[EEG], view.image
    stretch, width = signals.stretch(frame), view.image.shape[1]
    head = stretch.column(width)
    per_column = stretch.span_s / width
    lane, channel = 3, view._lanes[3]
    n_checked = 0
    for c in range(head - int(2.0 / per_column), head - 2):
        left, right = (((c + k) * per_column + frame.t0_s) * history.sfreq for k in (0, 1))
        first, last = int(np.floor(left)), int(np.ceil(right)) + 1
        data, mask, _ = history.rows(first, last)
        if mask.any():
            continue
        rows, values = np.arange(first, last), data[:, channel]
        seen = [*values[(rows >= left) & (rows < right)], *np.interp([left, right], rows, values)]
        centre, gain = view._centres()[lane], view.px_per_unit
        top = centre - (max(seen) - view._offset[lane]) * gain
        if abs(top - centre) > view._lane_px * 0.45:
            continue  # may be hidden behind a neighbour
        column = image[:, c % width]
        assert column[int(np.floor(top + 0.5))] != image[0, 0] or column[int(top)] != image[0, 0]
        n_checked += 1
    assert n_checked > 50
    assert view.settings.lanes(history.ch_names) == view._lanes


def test_the_voice_is_drawn_with_its_spectrogram_and_level(qtbot, running):
    main = running
    qtbot.waitUntil(settled(main, 3.0), timeout=PATIENCE_MS)
    signals = main.session_page.signals
    qtbot.waitUntil(lambda: len(np.unique(signals.mel.image)) > 20, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: signals.wave.level.peak_db > -60, timeout=PATIENCE_MS)
    mel = signals.worker.mel.history
    assert mel.stop / mel.sfreq == pytest.approx(main.frame.traces[AUDIO].stop / 16_000, abs=0.5)


def test_keys_change_what_they_say(qtbot, running):
    main = running
    qtbot.waitUntil(settled(main, 1.0), timeout=PATIENCE_MS)
    settings, signals = main.settings, main.session_page.signals
    before = settings.amplitude
    qtbot.keyClick(main, KEY.Key_Plus)
    assert settings.amplitude < before
    assert not settings.auto
    qtbot.keyClick(main, KEY.Key_S)
    assert not settings.sweep
    assert main.actions_by_name["sweep"].isChecked() is False
    name = settings.filter_name
    qtbot.keyClick(main, KEY.Key_F)
    assert settings.filter_name != name
    qtbot.keyClick(main, KEY.Key_V)
    qtbot.waitUntil(lambda: signals.eeg._history is main.frame.model_traces[EEG], timeout=PATIENCE_MS)
    qtbot.keyClick(main, KEY.Key_Space)
    assert signals.paused_s is not None
    held = signals.paused_s
    qtbot.keyClick(main, KEY.Key_End)
    assert signals.paused_s is None
    assert held > 0
    theme = main.theme.name
    qtbot.keyClick(main, KEY.Key_T)
    assert main.theme.name != theme
    qtbot.keyClick(main, KEY.Key_Question)
    help_ = next(w for w in QtWidgets.QApplication.topLevelWidgets() if w.windowTitle() == "Keys")
    assert help_.isVisible()
    help_.close()


def test_the_engine_goes_on_while_the_picture_is_held(qtbot, running):
    main = running
    qtbot.waitUntil(settled(main, 2.0), timeout=PATIENCE_MS)
    press(main, "pause")
    n, held = main.frame.n_windows, main.session_page.signals.paused_s
    qtbot.waitUntil(lambda: main.frame.n_windows > n + 5, timeout=PATIENCE_MS)
    signals = main.session_page.signals
    assert signals.stretch(main.frame).head_s == held
    press(main, "back")
    assert signals.paused_s <= held
    assert "held" in main.session_page.headline.text()


def test_a_channel_is_hidden_by_a_click_on_its_label(qtbot, running):
    main = running
    qtbot.waitUntil(settled(main, 1.0), timeout=PATIENCE_MS)
    view = main.session_page.signals.eeg
    n = len(view._lanes)
    qtbot.mouseClick(view, QtCore.Qt.MouseButton.LeftButton, pos=QtCore.QPoint(40, int(view._lane_px * 2.5)))
    qtbot.waitUntil(lambda: len(view._lanes) == n - 1, timeout=PATIENCE_MS)
    assert main.settings.hidden == {"F3"}
    press(main, "show_all")
    qtbot.waitUntil(lambda: len(view._lanes) == n, timeout=PATIENCE_MS)


def test_a_lost_stream_is_red_and_stale_and_comes_back(qtbot, live, person):
    main, process = live("L")
    qtbot.waitUntil(lambda: main.frame is not None and main.frame.n_predictions > 3, timeout=PATIENCE_MS)
    process.kill()
    killed = time.monotonic()
    qtbot.waitUntil(lambda: main.frame.decision.state == "stale", timeout=PATIENCE_MS)
    assert main.frame.decision.label is None
    qtbot.waitUntil(lambda: headline(main.frame)[0] == "bad", timeout=PATIENCE_MS)
    qtbot.waitUntil(
        lambda: any(e.source == EEG and e.level == "bad" for e in main.frame.log), timeout=PATIENCE_MS
    )
    assert time.monotonic() - killed < 30
    person("L")
    qtbot.waitUntil(lambda: any("reconnected" in e.words for e in main.frame.log), timeout=PATIENCE_MS)
    n = main.frame.n_predictions
    qtbot.waitUntil(lambda: main.frame.n_predictions > n + 3, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: main.frame.decision.state != "stale", timeout=PATIENCE_MS)


def test_a_stream_that_returns_with_other_channels_is_refused_by_name(qtbot, live, person):
    main, process = live("O")
    qtbot.waitUntil(settled(main, 1.0), timeout=PATIENCE_MS)
    process.kill()
    person("O", ch_names=("Fz", "Cz"))
    qtbot.waitUntil(
        lambda: next(s for s in main.frame.streams if s.role == EEG).state == "refused", timeout=PATIENCE_MS
    )
    assert main.control.run.session.error is None
    assert headline(main.frame)[0] == "bad"


def test_a_crash_of_the_engine_is_red_at_once_and_says_what_to_do(qtbot, live):
    main, _ = live("C")
    qtbot.waitUntil(settled(main, 1.0), timeout=PATIENCE_MS)

    def crash(pipeline):
        raise ValueError("a bug")

    main.control.run.session.ask(crash)
    qtbot.waitUntil(lambda: main.frame.state == "failed", timeout=PATIENCE_MS)
    main.tick()
    assert "a bug" in main.session_page.headline.text()
    assert "Start" in main.session_page.headline.text()
    assert main.frame.decision.state in ("stale", "none")
    failed = main.control.run
    press(main, "start")
    qtbot.waitUntil(lambda: main.control.run not in (None, failed), timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: main.frame.state == "running", timeout=PATIENCE_MS)
    assert failed.closed


def test_a_model_that_takes_seconds_leaves_the_window_quick_and_its_word_stale(qtbot, live):
    main, _ = live("S")
    qtbot.waitUntil(lambda: main.frame is not None and main.frame.n_predictions > 3, timeout=PATIENCE_MS)
    predictor = main.control.run.pipeline.predictor
    quick = predictor.predict

    def slow():
        time.sleep(5.0)
        return quick()

    predictor.predict = slow
    main.ticker.gaps_s.clear()
    qtbot.waitUntil(lambda: main.frame.decision.state == "stale", timeout=PATIENCE_MS)
    qtbot.wait(1500)
    gaps = sorted(main.ticker.gaps_s)
    assert len(gaps) > 15
    assert gaps[len(gaps) // 2] < 0.2
    predictor.predict = quick


def test_another_bundle_runs_beside_and_takes_over(qtbot, running, tmp_path):
    import shutil

    from apps.choice import DEMO_BUNDLE

    main = running
    other = tmp_path / "other.bci"
    shutil.copy(DEMO_BUNDLE, other)
    qtbot.waitUntil(lambda: main.frame is not None and main.frame.n_predictions > 3, timeout=PATIENCE_MS)
    main.deeds.swap_to(other)
    qtbot.waitUntil(lambda: bool(dialogs("swap")), timeout=PATIENCE_MS)
    status = main.control.run.swap.status
    assert status.n_agreed == status.n >= 25  # the very same model
    dialogs("swap")[0].buttons()[0].click()
    qtbot.waitUntil(lambda: main.frame.bundle == "other.bci", timeout=PATIENCE_MS)
    n = main.frame.n_predictions
    qtbot.waitUntil(lambda: main.frame.n_predictions > n + 3, timeout=PATIENCE_MS)
    assert main.control.run.pipeline.predictor.bundle.path == other


def test_a_bundle_that_does_not_fit_is_refused_and_the_session_goes_on(qtbot, running, tmp_path):
    import torch

    from bci_stream.model.bundle import export_bundle
    from bci_stream.model.contract import Contract, EegContract
    from bci_stream.model.network import build_network

    main = running
    path = tmp_path / "few.bci"
    torch.manual_seed(0)
    contract = Contract(eeg=EegContract(channels=("Fz", "Cz")), fusion="gated")
    export_bundle(build_network(contract).eval(), contract, path)
    (tmp_path / "broken.bci").write_bytes(path.read_bytes()[:-100])
    qtbot.waitUntil(lambda: main.frame is not None and main.frame.n_predictions > 1, timeout=PATIENCE_MS)
    for bad in (path, tmp_path / "broken.bci"):
        main.deeds.swap_to(bad)
        qtbot.waitUntil(lambda: main.control.run.swap.status.state == "refused", timeout=PATIENCE_MS)
    log = main.control.run.monitor.log.entries()
    lines = [e for e in log if e.level == "bad" and e.source == "model" and ".bci" in e.words]
    assert len(lines) == 2
    n = main.frame.n_predictions
    qtbot.waitUntil(lambda: main.frame.n_predictions > n + 3, timeout=PATIENCE_MS)


def test_closing_while_recording_asks(qtbot, live, tmp_path):
    main, _ = live("Q")
    main.start_page.folder.setText(str(tmp_path / "rec"))
    qtbot.waitUntil(settled(main, 1.0), timeout=PATIENCE_MS)
    press(main, "record")
    qtbot.waitUntil(lambda: main.frame.recording is not None, timeout=PATIENCE_MS)
    buttons = QtWidgets.QMessageBox.StandardButton
    answers = [buttons.Cancel, buttons.Yes]

    def answer():
        found = dialogs("closing")
        if found:
            found[0].button(answers.pop(0)).click()

    timer = QtCore.QTimer()
    timer.timeout.connect(answer)
    timer.start(50)
    main.close()
    assert main.isVisible()
    assert main.frame.recording is not None
    path = Path(main.frame.recording.path)
    main.close()
    timer.stop()
    assert not main.isVisible()
    assert answers == []
    with XdfRecording.open(path) as recording:
        assert any(recording.summary(info.key).n_samples > 10 for info in recording.streams)


def test_signals_and_a_picture_are_saved(qtbot, running, tmp_path):
    main = running
    qtbot.waitUntil(settled(main, 3.0), timeout=PATIENCE_MS)
    press(main, "pause")
    qtbot.waitUntil(settled(main, main.session_page.signals.paused_s + 1.0), timeout=PATIENCE_MS)
    main.deeds.export(tmp_path / "out.npz")
    saved = np.load(tmp_path / "out.npz")
    history, t0 = main.frame.traces[EEG], main.frame.t0_s
    first = round((saved["eeg_time_s"][0] + t0) * history.sfreq)
    data, _, _ = history.rows(first, first + len(saved["eeg"]))
    np.testing.assert_array_equal(saved["eeg"], data)
    assert saved["eeg_channels"].tolist() == list(history.ch_names)
    main.deeds.export(tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].split(",")[1:] == list(history.ch_names)
    assert len(lines) == len(saved["eeg"]) + 1
    main.deeds.export(tmp_path / "no" / "such" / "out.npz")
    assert any("cannot write" in e.words for e in main.control.run.monitor.log.entries())
    main.deeds._save(main.grab(), tmp_path / "picture.png")
    picture = QtGui.QImage(str(tmp_path / "picture.png"))
    assert picture.width() >= 1000


def test_what_was_set_is_found_again(qtbot, window, home):
    first = window()
    first.settings.span_s = 5.0
    first.set_theme(__import__("apps.gui.theme", fromlist=["LIGHT"]).LIGHT)
    first.start_page.subject.setText("P7")
    first.close_now()
    second = window()
    assert second.settings.span_s == 5.0
    assert second.theme.name == "light"
    assert second.start_page.subject.text() == "P7"


def test_a_corrupt_layout_opens_the_default_and_says_so(qtbot, window, home):
    home.mkdir(parents=True)
    (home / "window.json").write_text(
        '{"version": 1, "state": "@@@@", "geometry": 7, "span_s": "x", "splitter": [1]'
    )
    main = window()
    assert main.settings.span_s == 10.0
    assert "cannot be read" in main.statusBar().currentMessage()
    main.close_now()
    (home / "window.json").write_text(
        '{"version": 1, "state": "@@@@", "geometry": "éé", "splitter": [1, "a", -3]}'
    )
    assert window().isVisible()


@pytest.mark.parametrize("n", [1, 256])
def test_one_channel_and_very_many_with_names_of_any_kind(qtbot, window, outlet, n):
    from apps.choice import ModelChoice, StreamChoice
    from apps.gui.runs import live_run

    names = [f"<b>{i}</b>😀" for i in range(n)]
    outlet(name=f"<i>M{n}</i>", n_channels=n, labels=names)
    main = window()
    streams = StreamChoice(eeg=f"<i>M{n}</i>", want_audio=False)
    options = main.options
    main.control.begin(
        "…", lambda: live_run(streams, ModelChoice(wanted=False), options.scope, options.session_id)
    )
    qtbot.waitUntil(settled(main, 2.0), timeout=PATIENCE_MS)
    view = main.session_page.signals.eeg
    assert len(view._lanes) == min(n, 64)
    assert list(main.frame.traces[EEG].ch_names) == names
    assert main.frame.decision.state == "none"
    point_at(view, 30, 5)
    assert "<b>" not in view.toolTip()
    assert "&lt;b&gt;" in view.toolTip()
    for _ in range(4):
        press(main, "next_channels")
    qtbot.waitUntil(lambda: view._lanes[-1] == n - 1, timeout=PATIENCE_MS)
    assert isinstance(main.control.run, LiveRun)
