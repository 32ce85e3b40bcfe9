"""The guided calibration in a process that is to be killed: walks to a page, says so, and stays."""

import os
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from apps.gui.app import begin, make_app
from apps.gui.viewmodels.calibration import Page
from apps.gui.window import MainWindow
from calibration.session import Phase
from tests.gui.guided import KEY, Typist

#: Everywhere that a person can be, in the order in which they come there.
PLACES = (
    *("consent", "devices", "electrodes", "microphone", "baseline", "practice", "trial", "rate", "paused"),
    *("fit", "report", "use", "end"),
)


def walk(options, place, pipe):
    """The target of the process: ``options`` of the window, where to stop, and who is told."""
    app = make_app()  # kept, or Qt goes
    window = MainWindow(options)
    begin(window, options)
    window.show()
    window.activateWindow()
    walker = Walker(Typist(window))
    walker.come_to(place)
    pipe.send(walker.told())
    if place == "end":
        window.close_now()
        return
    while True:  # until it is killed
        app.processEvents()
        time.sleep(0.005)


class Walker:
    """Does on each page what leads to the next one."""

    def __init__(self, typist):
        self.typist, self.offered, self.n_before, self.n_ended = typist, False, None, 0

    def told(self):
        return {"offered": self.offered, "n_before": self.n_before, "n_ended": self.n_ended}

    def come_to(self, place):
        while not self.at(place):
            self.step(place)
            self.typist.app.processEvents()
            time.sleep(0.005)

    def at(self, place):
        wizard = self.typist.main.wizard
        if wizard is None or place == "end":
            return wizard is None
        guide = wizard.guide
        if guide.page is not Page.SESSION or guide.state is None:
            return wizard._shown is guide.page and guide.page.value == place
        state = guide.state
        practising = state.running is not None and state.running.practice
        running = state.phase is Phase.RESPOND and not practising
        lacks = running or state.phase is Phase.RATE  # the trial is not through
        self.n_ended = len(state.done) + len(state.open) - lacks
        here = {
            "baseline": state.phase is Phase.CLOSED_EYES,
            "practice": state.phase is Phase.RESPOND and practising,
            "trial": running and self.n_ended >= 1,
            "rate": state.phase is Phase.RATE,
            "paused": state.phase is Phase.PAUSED,
        }
        return here.get(place, False)

    def step(self, place):
        typist, wizard = self.typist, self.typist.main.wizard
        guide = wizard.guide
        assert guide.page is not Page.FIT or guide.problem is None, guide.problem
        if guide.busy is not None or wizard._shown is not guide.page or typist.app.focusWidget() is None:
            return
        if guide.page is Page.SESSION:
            self.act(guide, place)
        elif guide.page is Page.CONSENT:
            typist.agree()
        elif guide.page is not Page.FIT and wizard.next_button.isEnabled():
            self.offered = self.offered or guide.page is Page.RESUME
            typist.press(KEY.Key_Return)

    def act(self, guide, place):
        state = guide.state
        if state is None:
            return
        if state.phase is Phase.READY:
            self.n_before = len(state.done)
            self.typist.press(KEY.Key_Space)
        elif state.phase is Phase.RATE:
            self.typist.press(KEY.Key_5)
        elif place == "paused" and state.phase is Phase.RESPOND and not state.running.practice:
            self.typist.press(KEY.Key_P)
