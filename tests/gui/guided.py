"""A person at the keyboard of the guided calibration: every key goes to the widget that has the keyboard."""

import time

from pyqtgraph.Qt import QtCore, QtTest, QtWidgets

from apps.gui.viewmodels.calibration import GuideOptions, Page
from bci_stream.messages import AUDIO, EEG, StreamInfo
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, own_stream
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events
from calibration.finetune import FinetuneSettings
from calibration.journal import Journal, write_journal
from calibration.ladder import AS_IT_IS, HEAD, TEMPERED, StepSettings
from calibration.profile import ProfileStore
from calibration.protocol import load_protocol, plan_session
from calibration.session import Phase
from calibration.trials import MARKERS_NAME

KEY = QtCore.Qt.Key
ALT = QtCore.Qt.KeyboardModifier.AltModifier
PATIENCE_S = 120
#: A few steps of a few rungs: seconds.
BRIEF = FinetuneSettings((AS_IT_IS, TEMPERED, HEAD), StepSettings(checkpoints=(2, 4), n_windows=32))
#: Enough steps to turn two emotions round.
SWAPPED = FinetuneSettings((AS_IT_IS, HEAD), StepSettings(checkpoints=(20, 60), n_windows=64))
PROTOCOL = """\
key: brief
title: protocol.quick
instruction: protocol.conversation.instruction
classes: [neutral, anger]
trials_per_class: {n}
practice: {practice}
timing: {{instruct_s: 0.1, cue_s: 0.2, respond_s: {respond_s}, rest_s: 0.1, jitter_s: 0}}
baseline: {{open_s: {baseline_s}, closed_s: {baseline_s}}}
rating: {rating}
repeats: 4
speech: {speech}
cues:
  neutral: [cue.neutral.1]
  anger: [cue.anger.1]
"""


def protocol_file(folder, **fields):
    """A protocol of seconds."""
    usual = {
        "n": 4,
        "practice": 0,
        "respond_s": 3,
        "baseline_s": 0,
        "rating": "none",
        "speech": "true",
    }
    path = folder / "brief.yaml"
    path.write_text(PROTOCOL.format(**{**usual, **fields}))
    return path


def options(folder, **fields):
    """What the guide is asked for."""
    seed, settings = fields.pop("seed", None), fields.pop("settings", BRIEF)
    return GuideOptions(
        protocol=str(protocol_file(folder, **fields)),
        profiles=folder / "profiles",
        settings=settings,
        seed=seed,
    )


class Typist:
    """Types into a window, and waits for what comes of it."""

    def __init__(self, main):
        self.main, self.app = main, QtWidgets.QApplication.instance()

    @property
    def guide(self):
        return self.main.wizard.guide

    def press(self, key, modifier=QtCore.Qt.KeyboardModifier.NoModifier):
        """One key, to whatever has the keyboard."""
        dialog = QtWidgets.QApplication.activeModalWidget()
        target = self.app.focusWidget() or dialog or self.main
        if dialog is not None and not dialog.isAncestorOf(target):
            target = dialog
        QtTest.QTest.keyClick(target, key, modifier)
        self.app.processEvents()

    def text(self, words):
        QtTest.QTest.keyClicks(self.app.focusWidget(), words)

    def wait(self, condition, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, self.told()
            self.app.processEvents()
            time.sleep(0.005)

    def told(self):
        wizard = self.main.wizard
        if wizard is None:
            return "the guide is closed"
        state = wizard.guide.state
        return f"{wizard.guide.page}, {wizard.guide.problem}, {wizard.hint.text()}, {state and state.phase}"

    def has_keyboard(self):
        """A window that was behind a dialog is active again."""
        self.wait(lambda: self.main.wizard.isAncestorOf(self.app.focusWidget() or self.main))

    def on(self, page):
        return lambda: self.main.wizard is not None and self.guide.page is page and self.guide.busy is None

    def come_to(self, page):
        self.wait(self.on(page))
        self.wait(lambda: self.main.wizard._shown is page)
        self.check_page()
        self.has_keyboard()

    def check_page(self):
        """It fits the window, and whatever takes the keyboard has a name for those who do not see it."""
        wizard = self.main.wizard
        assert (self.main.width(), self.main.height()) == (1366, 768), wizard.guide.page
        for widget in wizard.findChildren(QtWidgets.QWidget):
            if widget.isVisible() and widget.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus:
                named = widget.accessibleName() or (hasattr(widget, "text") and widget.text())
                assert named or isinstance(widget, QtWidgets.QScrollBar), (wizard.guide.page, widget)

    def enter_when_ready(self):
        self.wait(lambda: self.main.wizard.next_button.isEnabled())
        self.press(KEY.Key_Return)

    def agree(self, name="anna"):
        """The page of consent, by keys alone."""
        self.come_to(Page.CONSENT)
        self.text(name)
        for _ in range(10):
            if self.app.focusWidget() is self.main.wizard.page.agreed:
                break
            self.press(KEY.Key_Tab)
        self.press(KEY.Key_Space)
        self.press(KEY.Key_Return)

    def connect(self):
        """Through devices and checks to the session."""
        self.come_to(Page.DEVICES)
        self.enter_when_ready()
        self.come_to(Page.ELECTRODES)
        self.enter_when_ready()
        self.come_to(Page.MICROPHONE)
        self.enter_when_ready()
        self.come_to(Page.SESSION)

    def phase(self, *phases):
        return lambda: self.guide.state is not None and self.guide.state.phase in phases

    def live_through(self, until=Phase.DONE, rate="73"):
        """Answer what is asked until the session is over."""
        while self.guide.page is Page.SESSION and self.guide.state is not None:
            if self.guide.state.phase is Phase.RATE:
                key = rate[0] if self.guide.keys.valence is None else rate[1]
                self.press(getattr(KEY, f"Key_{key}"))
            self.app.processEvents()
            time.sleep(0.005)


WHEN = "2026-01-02T03:04:05+00:00"


def interrupted(folder, page, n_trials, *, void=(), answered=None, **fields):
    """A session of seconds, interrupted on ``page`` after so many trials; what the guide is asked for.

    ``void``: numbers of trials that were taken back. ``answered``: class that is simulated for a label.
    """
    asked = options(folder, seed=5, **fields)
    plan = plan_session(load_protocol(asked.protocol), 5)
    store = ProfileStore(asked.profiles)
    store.create("anna", WHEN)
    labels = [trial.label for trial in plan.trials if not trial.practice][:n_trials]
    recorded(store.path("anna") / "recordings" / "anna-1.xdf", labels, void, answered or {})
    write_journal(
        store,
        Journal(name="anna", agreed=WHEN, page=page.value, protocol=asked.protocol, seed=5),
    )
    return asked


def recorded(path, labels, void, answered):
    """A recording with a trial of 3 s for each label, by the simulated person who sits at the keyboard."""
    settings = SimulatorSettings(seed=11, person=9001, speech_share=1.0, dwell_s=(3.0, 3.0), transition_s=0.5)
    truth = Simulator(settings).truth(60 + 16.0 * len(labels))
    spans, used = [], set()
    for label in labels:
        wanted = answered.get(label, label)
        segment = next(s for s in truth if s.label == wanted and s.t_start > 1 and s.t_start not in used)
        used.add(segment.t_start)
        spans.append((segment.t_start, label))
    _write(path, settings, sorted(spans), void)


def _write(path, settings, spans, void):
    specs = Simulator(settings).specs
    infos = {
        EEG: StreamInfo("a", "KEEG", "EEG", len(specs[EEG].ch_names), 250.0, "float32", "K-eeg"),
        AUDIO: StreamInfo("b", "KAudio", "Audio", 1, 16_000.0, "float32", "K-audio"),
    }
    ours = own_stream(MARKERS_NAME, "Markers", ("label",), "text", {}, "string")
    recorder = XdfRecorder(path, [*(as_bound(infos[role], specs[role]) for role in infos), ours])
    length_s = max(t_s for t_s, _ in spans) + 5.0 if spans else 5.0
    for event in simulated_events(settings, duration_s=length_s, chunk_s=0.5):
        recorder.event(event)
    marks = [(T0_S, "begin:brief:5"), (T0_S + length_s - 0.1, "pause")]
    for number, (t_s, label) in enumerate(spans):
        marks += [(T0_S + t_s, f"trial:{label}"), (T0_S + t_s + 3.0, "trial_end")]
        if number in void:
            marks.append((T0_S + t_s + 3.01, f"void:{number}:noisy"))
    marks.sort()
    recorder.texts("Markers", [t_s for t_s, _ in marks], [(label,) for _, label in marks])
    recorder.close()
    assert recorder.error is None
