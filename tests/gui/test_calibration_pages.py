"""The guided calibration in the window, by keyboard alone, on simulated people over real LSL."""

import json
import resource

import pytest

from apps.gui.viewmodels.calibration import Page
from bci_stream.model.bundle import load_bundle
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_faults import ChannelFault, Faults, StreamFaults
from bci_stream.sources.simulator_process import SimulatorProcess
from calibration.journal import read_journal
from calibration.profile import ProfileStore
from calibration.resume import markers_of
from calibration.session import Phase
from tests.gui.guided import ALT, KEY, SWAPPED, Typist, interrupted, options


class Sitter:
    """A simulated person who can be switched off and on; with pauses, as nobody speaks without."""

    def __init__(self, session_id):
        self._lsl, self._process, self._as = (session_id, "machine"), None, None

    def on(self, *, muted=False, seed=7):
        if self._process is not None and self._process.alive and (muted, seed) == self._as:
            return
        self.off()
        self._as = (muted, seed)
        silence = StreamFaults(channel_faults=(ChannelFault(0.0, 1e6, 0, "flat"),) if muted else ())
        self._process = SimulatorProcess(
            SimulatorSettings(seed=seed, person=9001, speech_share=0.7),
            faults=Faults(audio=silence),
            name_prefix="K",
            source_id="K",
            lsl=self._lsl,
        )
        self._process.start()
        self._process.wait_ready(120)

    def off(self):
        if self._process is not None:
            self._process.kill()


@pytest.fixture(scope="module")
def sitters(lsl_isolation):
    one = Sitter(lsl_isolation)
    yield one
    one.off()


@pytest.fixture
def sitter(sitters):
    """One person for all the tests here, on again after a test that switched them off."""
    sitters.on()
    return sitters


@pytest.fixture
def guided_on(window):
    """A window that begins with a calibration."""

    def begin(asked):
        main = window(calibrate=True, calibration=asked)
        main.deeds.calibrate()
        main.activateWindow()
        return main, Typist(main)

    return begin


@pytest.fixture
def guided(guided_on, tmp_path):
    return lambda **fields: guided_on(options(tmp_path, **fields))


def test_from_consent_to_a_profile_by_keyboard_alone(guided, sitter, tmp_path):
    main, typist = guided(practice=1, baseline_s=0.3, rating="nine-point")
    store = ProfileStore(tmp_path / "profiles")
    typist.come_to(Page.CONSENT)
    assert store.names() == ()
    typist.agree()
    typist.connect()
    typist.press(KEY.Key_Space)
    typist.live_through()
    typist.come_to(Page.REPORT)
    profile = store.load("anna")
    (model,) = profile.models
    assert profile.active == (1 if model.better else None)
    shown = main.wizard.page
    assert shown.headline.text().endswith(f"{model.words[1:]}.")
    assert f"{100 * model.accuracy:.0f} %" in [shown.table.item(2, j).text() for j in range(3)]
    bundle = load_bundle(store.bundle_path("anna", 1))
    assert bundle.sha256 == model.sha256
    typist.press(KEY.Key_Return)
    typist.come_to(Page.USE)
    typist.press(KEY.Key_Return)
    typist.wait(lambda: main.wizard is None)
    assert main.pages.currentWidget() is main.start_page
    assert read_journal(store, "anna") is None
    assert store.load("anna").active == profile.active
    (recording,) = store.recordings("anna")
    _check_markers(markers_of(recording))
    report = json.loads((store.report_path("anna", 1) / "report.json").read_text())
    assert len(report["known"]) == 6
    assert len(report["labels"]) == 2


def _check_markers(labels):
    """A practice and eight trials, rated, and when each cue was seen."""
    assert sum(label.startswith("practice:") for label in labels) == 1
    assert (
        sorted(label for label in labels if label.startswith("trial:"))
        == ["trial:anger"] * 4 + ["trial:neutral"] * 4
    )
    assert labels.count("rated:7:3") == labels.count("trial_end") == 8
    delays = [label.split(":") for label in labels if label.startswith("painted:")]
    assert [phase for _, phase, _ in delays].count("cue") == 9
    assert [phase for _, phase, _ in delays].count("respond") == 9
    assert all(0 <= float(ms) < 5000 for _, _, ms in delays)
    assert labels[-1] == "end"


def test_a_fit_that_is_better_makes_the_model_active(guided_on, tmp_path):
    """Somebody whose anger is what the base knows as neutral, and the other way round."""
    swapped = {"neutral": "anger", "anger": "neutral"}
    asked = interrupted(tmp_path, Page.FIT, 40, n=20, answered=swapped, settings=SWAPPED)
    main, typist = guided_on(asked)
    typist.come_to(Page.RESUME)
    typist.press(KEY.Key_Return)
    typist.come_to(Page.REPORT)
    store = ProfileStore(tmp_path / "profiles")
    profile = store.load("anna")
    assert profile.models[0].better, profile.models[0].words
    assert profile.active == 1
    assert "Better" in main.wizard.page.headline.text()
    assert "calibrated model 1" in main.wizard.page.active.text()
    typist.press(KEY.Key_Return)
    typist.come_to(Page.USE)
    assert main.wizard.page.calibrated.isChecked()
    typist.press(KEY.Key_Down)  # the person wants the base all the same
    assert main.wizard.page.base.isChecked()
    typist.press(KEY.Key_Return)
    typist.wait(lambda: main.wizard is None)
    assert store.load("anna").active is None


def test_a_fit_can_be_cancelled_and_done_again(guided_on, tmp_path):
    asked = interrupted(tmp_path, Page.FIT, 8)
    main, typist = guided_on(asked)
    typist.come_to(Page.RESUME)
    typist.press(KEY.Key_Return)
    typist.wait(lambda: typist.guide.page is Page.FIT and main.wizard._shown is Page.FIT)
    typist.wait(lambda: typist.app.focusWidget() is main.wizard.page.stop)
    typist.press(KEY.Key_Return)
    typist.wait(lambda: typist.guide.fit is None)
    assert "cancelled" in typist.guide.problem
    store = ProfileStore(tmp_path / "profiles")
    assert store.load("anna").models == ()
    typist.wait(lambda: main.wizard.next_button.isEnabled())
    main.wizard.next_button.setFocus()
    typist.press(KEY.Key_Return)
    typist.come_to(Page.REPORT)
    assert len(store.load("anna").models) == 1


def test_too_few_good_trials_are_said_and_recorded_by_a_key(guided_on, sitter, tmp_path):
    asked = interrupted(tmp_path, Page.FIT, 8, void=(1,))
    main, typist = guided_on(asked)
    typist.come_to(Page.RESUME)
    typist.press(KEY.Key_Return)
    typist.wait(lambda: typist.guide.page is Page.FIT and typist.guide.problem is not None)
    assert "has 3 good trials, and 4 are needed: record 1 more" in main.wizard.problem.text()
    assert "trial 2: taken back (noisy)" in main.wizard.problem.text()
    typist.wait(lambda: main.wizard.page.more.isVisible())
    assert "1 x" in main.wizard.page.more.text()
    typist.press(KEY.Key_R, ALT)
    typist.connect()
    assert len(typist.guide.state.queue) == 1
    typist.press(KEY.Key_Space)
    typist.come_to(Page.REPORT)
    report = ProfileStore(tmp_path / "profiles").report_path("anna", 1) / "report.json"
    found = json.loads(report.read_text())
    assert len(found["known"]) + len(found["test"]) == 8
    assert ["trial 2: taken back (noisy)" in line for line in found["left_out"]] == [True]
    assert [main.wizard.page.dropped.item(0).text()] == ["anna-1.xdf, trial 2: taken back (noisy)"]
    typist.press(KEY.Key_Return)
    typist.come_to(Page.USE)
    typist.press(KEY.Key_C, ALT)
    typist.press(KEY.Key_T, ALT)  # try it live
    typist.wait(lambda: main.control.run is not None and main.frame is not None)
    assert main.pages.currentWidget() is main.session_page
    assert main.frame.bundle == "0001.bci"
    assert ProfileStore(tmp_path / "profiles").load("anna").active == 1


def test_pause_repeat_back_and_leave_lose_nothing(guided, sitter):
    main, typist = guided()
    typist.agree()
    typist.connect()
    typist.press(KEY.Key_Space)
    typist.wait(typist.phase(Phase.RESPOND))
    typist.press(KEY.Key_P)
    assert typist.phase(Phase.PAUSED)()
    assert dict(typist.guide.state.voided) == {0: "paused"}
    typist.press(KEY.Key_Return)
    typist.wait(typist.phase(Phase.RESPOND))
    typist.press(KEY.Key_R)
    assert typist.guide.state.voided[1] == "repeated"
    typist.wait(lambda: len(typist.guide.state.done) == 1)
    typist.wait(typist.phase(Phase.RESPOND))
    typist.press(KEY.Key_Left, ALT)  # back, to look at the microphone
    assert typist.guide.page is Page.MICROPHONE
    assert typist.phase(Phase.PAUSED)()
    typist.come_to(Page.MICROPHONE)
    typist.enter_when_ready()
    typist.come_to(Page.SESSION)
    typist.wait(typist.phase(Phase.RESPOND))
    typist.press(KEY.Key_Escape)
    assert typist.phase(Phase.PAUSED)()
    typist.press(KEY.Key_Escape)  # no, stay
    assert main.wizard is not None
    typist.has_keyboard()
    typist.press(KEY.Key_Escape)
    typist.press(KEY.Key_Return)
    typist.wait(lambda: main.wizard is None)
    assert main.pages.currentWidget() is main.start_page
    typist.wait(lambda: "trials kept: 1" in main.start_page.status.text())
    main.deeds.calibrate()
    typist.come_to(Page.RESUME)
    assert "anna" in main.wizard.page.list.item(0).text()
    typist.press(KEY.Key_Return)
    typist.come_to(Page.DEVICES)
    assert "done: 1, to go: 7" in main.wizard.page.going_on.text()


def test_a_stream_lost_in_a_trial_costs_that_trial(guided, sitter):
    main, typist = guided()
    typist.agree()
    typist.connect()
    typist.press(KEY.Key_Space)
    typist.wait(typist.phase(Phase.RESPOND))
    sitter.off()
    typist.wait(typist.phase(Phase.WAITING))
    assert "lost" in main.wizard.page.picture.accessibleDescription()
    label = typist.guide.state.running.label
    sitter.on(seed=8)  # which its header says: it is not what was there
    typist.wait(lambda: len(typist.guide.running.refused) == 2)
    typist.wait(lambda: "Is it the same?" in main.wizard.page.picture.accessibleDescription())
    typist.press(KEY.Key_A)
    typist.wait(typist.phase(Phase.RESPOND))
    assert typist.guide.state.running.label == label
    assert "lost" in typist.guide.state.voided[0]
    typist.wait(lambda: len(typist.guide.state.done) == 1)
    typist.press(KEY.Key_Left, ALT)
    typist.press(KEY.Key_Left, ALT)
    typist.come_to(Page.ELECTRODES)


def test_a_headset_that_is_off_and_a_silent_microphone_hold_the_pages(guided, sitter):
    main, typist = guided()
    typist.agree()
    typist.come_to(Page.DEVICES)
    typist.wait(lambda: main.wizard.next_button.isEnabled())
    sitter.off()
    typist.press(KEY.Key_Return)  # it was there a moment ago
    typist.wait(lambda: typist.guide.problem is not None)
    assert typist.guide.page is Page.DEVICES
    assert "\n" not in typist.guide.problem
    typist.wait(lambda: not main.wizard.next_button.isEnabled())
    assert "choose" in main.wizard.hint.text()
    sitter.on(muted=True)
    typist.enter_when_ready()
    typist.come_to(Page.ELECTRODES)
    typist.enter_when_ready()
    typist.come_to(Page.MICROPHONE)
    typist.wait(lambda: "silence" in main.wizard.page.verdict.text())
    typist.press(KEY.Key_Return)
    assert typist.guide.page is Page.MICROPHONE
    typist.press(KEY.Key_Left, ALT)
    typist.come_to(Page.ELECTRODES)
    sitter.off()
    typist.wait(lambda: "does not come" in main.wizard.page.verdict.text())
    typist.press(KEY.Key_Return)
    assert typist.guide.page is Page.ELECTRODES


def test_a_full_disk_ends_the_recording_and_the_session_goes_on_when_there_is_room(guided, sitter, tmp_path):
    main, typist = guided()
    typist.agree()
    typist.connect()
    typist.press(KEY.Key_Space)
    typist.wait(lambda: len(typist.guide.state.done) == 1)
    typist.wait(typist.phase(Phase.RESPOND))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (typist.guide.running.recording().n_bytes + 100, before[1]))
    try:
        typist.wait(lambda: typist.guide.running is None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    typist.come_to(Page.DEVICES)
    assert "File too large" in main.wizard.problem.text()
    assert "done: 1, to go: 7" in main.wizard.page.going_on.text()
    typist.connect()
    assert list(typist.guide.state.done) == [typist.guide.before.state.done[0]]
    assert len(ProfileStore(tmp_path / "profiles").recordings("anna")) == 2
